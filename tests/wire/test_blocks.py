"""Blocks as bytes: the same both ways, signed, and a verdict for everything that is no block."""

import json
from dataclasses import replace
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import BadSignature, WireError
from shared.log.chain import GENESIS, kept_root, states_hash
from shared.log.port import EventRow
from shared.wire.blocks import (
    MAX_BLOCK_BYTES,
    Block,
    BlockLink,
    check_head,
    decode_block,
    encode_block,
    open_block,
    peek_block,
)
from shared.wire.linking import behind_lengths
from shared.wire.sections import Told, pack_up
from tests.contract.rows import frames, start, tick
from tests.wire.chained import BLOCK, GROUPS, KEY, OTHER_KEY, block_of

DATA = encode_block(BLOCK, KEY)
WITH_STATES = replace(BLOCK, states={"r1": b'{"a":1}', "_site": b"{}"})
FOLDED = replace(
    BLOCK,
    links=(BlockLink(10, b"\x07" * 32),),
    folded=True,
    inputs=(BLOCK.inputs[0], BLOCK.inputs[4]),
)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("block", [BLOCK, block_of([tick(7)], b"\x01" * 32), WITH_STATES, FOLDED])
def test_a_block_comes_back_as_it_was(block: Block, pack: bool) -> None:
    """Decoded it is equal, encoded again it has the same bytes."""
    data = encode_block(block, KEY, pack=pack)
    assert decode_block(data, KEY.public) == block
    assert encode_block(decode_block(data, KEY.public), KEY, pack=pack) == data


def test_the_form_is_fixed() -> None:
    """A header line, 64 bytes of signature, the records behind their lengths."""
    block = block_of([tick(7)], b"\x01" * 32)
    header, _, rest = encode_block(block, KEY).partition(b"\n")
    size = str(len(block.inputs[0].data) + 4).encode()
    assert header == (
        b'{"v":1,"site":"s","epoch":1,"log_id":"' + b"a" * 32 + b'","first_seq":7,"last_seq":7,"prev":"' + b"01" * 32
        + b'","core_version":1,"key":"' + KEY.id.encode() + b'","links":[[7,1,0,0,"' + block.head_hash.hex().encode()
        + b'"]],"inputs":[[7,1]],"events":[],"size":' + size + b',"part":' + size
        + b',"packed":false,"kept":"","states":[],"states_hash":""}'
    )  # fmt: skip
    KEY.public.check(header + b"\n", rest[:64])
    assert rest[64:] == behind_lengths([block.inputs[0].data])


def test_the_head_is_read_without_the_rest() -> None:
    """Whose block it is, by which key, and where it stands in the chain."""
    head = peek_block(DATA)
    assert (head.site, head.epoch, head.key_id) == ("s", 1, KEY.id)
    assert (head.first_seq, head.last_seq, head.inputs, head.events) == (1, 10, 7, 5)
    assert (head.prev_hash, head.head_hash) == (GENESIS, BLOCK.head_hash)
    assert (head.has_states, head.folded) == (False, False)
    assert peek_block(encode_block(WITH_STATES, KEY)).has_states
    assert peek_block(encode_block(FOLDED, KEY)).folded
    assert peek_block(encode_block(WITH_STATES, KEY)).states_hash == states_hash(WITH_STATES.states)


def test_a_head_is_checked_without_the_records() -> None:
    """Who only keeps an index need not read what the block holds, and takes no forged one."""
    assert check_head(DATA[:-1] + b"X", KEY.public) == peek_block(DATA)
    with pytest.raises(BadSignature):
        check_head(DATA, OTHER_KEY.public)
    with pytest.raises(BadSignature):
        check_head(DATA.replace(b'"epoch":1', b'"epoch":2'), KEY.public)


def test_blocks_follow_one_another_by_the_chain() -> None:
    """However the links are cut into blocks, the head of one is what the next one follows."""
    digest = GENESIS
    for group in GROUPS:
        block = decode_block(encode_block(block_of([group], digest), KEY), KEY.public)
        assert block.prev_hash == digest
        digest = block.head_hash
    assert digest == BLOCK.head_hash


@pytest.mark.parametrize("pack", [False, True])
def test_events_are_compared_and_handed_on_as_one_piece(pack: bool) -> None:
    """They are what they are made of, byte for byte, and nothing else; taken apart when somebody wants one."""
    told = open_block(encode_block(BLOCK, KEY, pack=pack), KEY.public).events
    made = [event.data for event in BLOCK.events]
    assert isinstance(told, Told)
    count, lines = len(made), behind_lengths(made)
    assert told.are(count, lines)
    assert not told.are(count - 1, behind_lengths(made[:-1]))
    assert not told.are(count, behind_lengths([*made[:-1], made[-1] + b" "]))
    assert not told.are(count - 1, lines)
    assert not told.are(count, b"".join(made))
    assert told.section.records() == made
    assert told == BLOCK.events


def test_a_block_whose_events_are_no_records_is_refused() -> None:
    """The chain may bind what nobody can read: it is refused when it is taken apart."""
    told = open_block(DATA, KEY.public).events
    assert isinstance(told, Told)
    for wrong in (told.section._replace(number=4), told.section._replace(number=6)):
        with pytest.raises(WireError, match="behind the last"):
            wrong.records()
    with pytest.raises(WireError, match="runs of events"):
        Told(told.section, [(2, 0, 4)]).all()


def test_what_was_kept_of_a_folded_interval_is_bound_by_its_hash() -> None:
    """It is the hash that a Report in the log names; a changed record is refused."""
    data = encode_block(FOLDED, KEY)
    events = [EventRow(event[0], event[1], "", 0, "", event.data) for event in FOLDED.events]
    assert json.loads(data.split(b"\n")[0])["kept"] == kept_root(FOLDED.inputs, events).hex()
    with pytest.raises(WireError, match="folded interval"):
        decode_block(data[:-1] + b"X", KEY.public)


def test_every_byte_is_covered() -> None:
    """One changed byte anywhere is refused, be it header, signature, length, input or event."""
    for at in (*range(len(DATA) - len(_BODY)), *range(len(DATA) - len(_BODY), len(DATA), 3)):
        changed = bytearray(DATA)
        changed[at] ^= 1
        with pytest.raises(WireError):
            decode_block(bytes(changed), KEY.public)


def test_another_sites_key_is_refused() -> None:
    """Who may write into the topic cannot sign as somebody else."""
    with pytest.raises(BadSignature, match=OTHER_KEY.id):
        decode_block(DATA, OTHER_KEY.public)


_HEAD: dict[str, Any] = json.loads(DATA.partition(b"\n")[0])
_BODY = DATA.partition(b"\n")[2][64:]
_LINKS: list[list[Any]] = _HEAD["links"]
_EVENTS: list[list[int]] = _HEAD["events"]
_MORE = [*_LINKS[3][:3], _LINKS[3][3] + 1, _LINKS[3][4]]
_PART = _HEAD["part"]


def signed(body: bytes = _BODY, **changes: object) -> bytes:
    """The block with another header, signed by the right key: what a broken program of the site would send."""
    header = json.dumps(_HEAD | changes).encode() + b"\n"
    return header + KEY.sign(header) + body


def test_fields_that_a_newer_program_added_are_skipped() -> None:
    """A program of form 1 reads blocks of form 2."""
    assert decode_block(signed(v=2, more={"x": [1]}), KEY.public) == BLOCK


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no header line"),
        (b"{}\n", "no header line and signature"),
        (b"x" * (MAX_BLOCK_BYTES + 1), "at most"),
        (b"\xff\n" + bytes(64), "not signed"),
        (signed(v=3), "form 3, this program reads 1 to 2"),
        (signed(v=0), "form 0"),
        (signed(epoch=None), "epoch"),
        (signed(site=7), "site"),
        (signed(prev="00"), "prev"),
        (signed(links=[]), "links"),
        (signed(first_seq=2), "begins with 1, the header says 2"),
        (signed(last_seq=11), "its end"),
        (signed(prev="01" * 32), "chain breaks at the link that ends with 1"),
        (signed(links=[*_LINKS[:3], [*_LINKS[3][:4], "00" * 32]]), "chain breaks at the link that ends with 10"),
        (signed(links=[[1, 0, 0, 0, _LINKS[0][4]], [4, 4, *_LINKS[1][2:]], *_LINKS[2:]]), "link 0 does not end"),
        (signed(_BODY.replace(b'{"kind":"tick"', b'{"sort":"tick"')), "begins with b'{\"sort"),
        (signed(links=[[1, 1 << 40, 0, 0, _LINKS[0][4]]]), "records in"),
        (signed(links=[[1, 1, 1 << 40, 0, _LINKS[0][4]]]), "records in"),
        (signed(links=[*_LINKS[:3], [*_LINKS[3][:3], _LINKS[3][3] - 1, _LINKS[3][4]]]), "the header says"),
        (signed(links=[_LINKS[0], [*_LINKS[1][:3], _LINKS[1][3] - 1, _LINKS[1][4]], _LINKS[2], _MORE]), "chain breaks"),
        (signed(inputs=[[1, 5], [9, 1]]), "runs of inputs"),
        (signed(inputs=[[1, 1 << 52]]), "runs of inputs"),
        (signed(inputs=[[9, 2], [1, 5]]), "do not rise"),
        (signed(inputs=[[1, 5], [8, 2]]), "does not end with its last input 10"),
        (signed(events=[[2, 0, 1 << 52]]), "runs of events"),
        (signed(events=[[2, 1, 1], [2, 0, 1], *_EVENTS[1:]]), "do not rise"),
        (signed(size=1 << 40), "records in"),
        (signed(links=[[1, 1, 100, 3000, _LINKS[0][4]]]), "100 records in 3000 bytes"),
        (signed(size=3000), "the header says 3000"),
        (signed(packed=True), "do not unpack"),
        (signed(zstandard.compress(bytes(64 << 20)), packed=True), "the packed records have"),
        (signed(pack_up(_BODY[:_PART])[:-1], packed=True, part=len(pack_up(_BODY[:_PART])) - 1), "do not unpack"),
        (signed(part=_HEAD["part"] + (1 << 20)), "end behind the last byte"),
        (signed(states=["r1"]), "behind the last byte"),
        (signed(kept="00" * 32), "folded interval"),
        (DATA + b"\x00", "bytes of records, the header says"),
        (DATA[:-1], "bytes of records, the header says"),
        (signed(b"\xff" * len(_BODY)), "behind the last byte"),
    ],
)
def test_what_is_no_block_is_refused_with_its_reason(data: bytes, says: str) -> None:
    """The table of bad inputs of this parser; most are well signed, so that the signature does not hide the rest."""
    with pytest.raises(WireError, match=says):
        decode_block(data, KEY.public)


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (replace(BLOCK, links=BLOCK.links[:3], last_seq=5), "records behind the last link"),
        (replace(BLOCK, last_seq=11), "its end"),
        (replace(BLOCK, prev_hash=b"\x01" * 32), "chain breaks"),
        (replace(BLOCK, inputs=BLOCK.inputs[::-1]), "do not rise"),
        (replace(BLOCK, inputs=(BLOCK.inputs[0]._replace(data=b"{}"), *BLOCK.inputs[1:])), "chain breaks"),
        (block_of([tick(1), start(2)]), "a Start that is not its first input"),
    ],
)
def test_nothing_wrong_is_ever_signed(block: Block, says: str) -> None:
    """A record that was damaged at the site, or a mistake of the cutting, is noticed before it goes up."""
    with pytest.raises(WireError, match=says):
        encode_block(block, KEY)


def test_a_block_beyond_the_limit_is_not_sent() -> None:
    """The centre would refuse it for ever: the sender learns it first."""
    big = frames(1, 1)
    row = big.inputs[0]
    huge = replace(big, inputs=(row._replace(data=row.data + bytes(MAX_BLOCK_BYTES)),))
    with pytest.raises(WireError, match="at most"):
        encode_block(block_of([huge]), KEY)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    """No noise is a block, whatever it follows."""
    for candidate in (data, data + b"\n" + bytes(64), DATA[:300] + data):
        with pytest.raises(WireError):
            decode_block(candidate, KEY.public)
