"""A block: consecutive links of a site's chain with their inputs and events, signed by the site. Record of inputs.v1.

    header      one line of JSON: whose block it is, its place in the chain, the hash of each link, how many records
    signature   64 bytes, Ed25519 over the header line
    inputs      of all links, each behind its length (u32, big-endian), then whole room states, when the block carries
                them: valid before its first input
    events      of all links, each behind its length: a section that the fleet's log takes as it stands


The signature covers every byte: the records of a link are the bytes that its hash is made of (shared.wire.linking),
and that hash stands in the signed header. So each record is hashed once, for the chain and the signature together.

Promises: a block that ``decode_block`` gives was signed by the key, its links follow one another and ``prev_hash``, and
each record is the one that the site wrote. Equal blocks and keys give equal bytes. That nothing is missing between two
blocks is for the reader to see: ``prev_hash`` of the next is ``head_hash`` of the one before. Numbers may have holes:
one that the site declared is in its chain. Of an interval that the site has folded, one link with what was kept may
go up (``folded``): its records are bound by their own hash, as the links within are gone.
Refuses (WireError): anything else, at decoding and, so that nothing wrong is ever signed, at encoding; (BadSignature).
Limits: MAX_BLOCK_BYTES unpacked; how large the uplink makes them is services.uplink.cutting's, but never within a link,
and a link is a group commit: at most one record of 16 MiB beside 256 KiB.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import accumulate, groupby, pairwise
from typing import Annotated, Final, NamedTuple

import msgspec

from shared.domain.errors import WireError
from shared.wire.inputs import KINDS, NUMBER_MAX, Count
from shared.wire.linking import behind_lengths, kept_hash, link_hash, states_hash, states_parts
from shared.wire.rows import EventBytes, InputRow
from shared.wire.sections import LENGTH_BYTES, SECTION_BYTES_MAX, Section, Told, check_count, find, pack_up, unpack
from shared.wire.signing import ID_DIGITS, SIGNATURE_BYTES, PublicKey, SigningKey
from shared.wire.uncut import Inputs
from shared.wire.versions import Form

MAX_BLOCK_BYTES: Final = SECTION_BYTES_MAX
HEADER_BYTES_MAX: Final = 4 << 20
"""Each run of events takes some 15 bytes: room for one behind every input of the largest block of Ticks."""

Sections = Sequence[bytes | memoryview]
"""Of each link the bytes that its two roots are the hashes of."""
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
LogId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,64}$")]
"""Sites make 32 hexadecimal digits: what goes into names of records, headers and databases has a bound."""


class BlockLink(NamedTuple):
    last_seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """See the module. Inputs and events in order; a Start is the first input of its block or in none."""

    site: str
    epoch: int
    """Of the uplink: rises when the site sends anew from a place that the centre asked for."""
    log_id: str
    first_seq: int
    last_seq: int
    prev_hash: bytes
    links: tuple[BlockLink, ...]
    core_version: int
    """By which the site derived the events."""
    inputs: Sequence[InputRow]
    events: Sequence[EventBytes]
    folded: bool = False
    states: dict[str, bytes] = field(default_factory=dict)
    """By room; with it a reader that lacks what came before begins here."""

    @property
    def head_hash(self) -> bytes:
        """Where the chain stands after this block."""
        return self.links[-1].hash


class BlockHead(NamedTuple):
    """What the header says, by itself not to be trusted: nobody has looked at the signature."""

    site: str
    epoch: int
    log_id: str
    first_seq: int
    last_seq: int
    prev_hash: bytes
    head_hash: bytes
    core_version: int
    inputs: int
    events: int
    key_id: str
    has_states: bool
    folded: bool
    states_hash: bytes
    """Of the states that the block carries (shared.wire.linking), empty when it has none."""


class Header(msgspec.Struct):
    """The header line, as the contract shows it."""

    v: int
    site: str
    epoch: Count
    log_id: LogId
    first_seq: Count
    last_seq: Count
    prev: Hash
    core_version: Count
    key: Annotated[str, msgspec.Meta(min_length=ID_DIGITS, max_length=ID_DIGITS)]
    links: Annotated[list[tuple[Count, Count, Count, Count, Hash]], msgspec.Meta(min_length=1)]
    """(last site_seq, count of inputs, count of events, bytes of the events with their lengths, hash) of each link."""
    inputs: list[tuple[Count, Count]]
    """Runs of (first site_seq, count)."""
    events: list[tuple[Count, Count, Count]]
    """Runs of (site_seq, first ordinal, count)."""
    size: Count
    """Bytes of inputs and states, not compressed."""
    part: Count
    """Bytes that inputs and states take in the block; behind them are the events."""
    packed: bool = False
    """Either part is compressed (Zstandard)."""
    kept: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Of a folded interval: the hash over what was kept."""
    states: list[str] = []
    """Rooms, in the order of their names."""
    states_hash: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")] = ""


FORM: Final = Form("block", Header)
_encode = msgspec.json.Encoder().encode
_KINDS = {f'{{"kind":"{kind[:3]}'.encode(): kind for kind in KINDS.values()}
_HEAD_BYTES = len(next(iter(_KINDS)))


def encode_block(block: Block, key: SigningKey, *, pack: bool = False) -> bytes:
    """The signed bytes; raises WireError for a block that ``decode_block`` would refuse. ``pack`` compresses."""
    counts, sections = _sections(block)
    states = block.states
    body = b"".join([*sections[::2], behind_lengths(states_parts(states))])
    told = b"".join(sections[1::2])
    parts = (pack_up(body), pack_up(told)) if pack else (body, told)
    head = Header(
        FORM.version,
        block.site,
        block.epoch,
        block.log_id,
        block.first_seq,
        block.last_seq,
        block.prev_hash.hex(),
        block.core_version,
        key.id,
        [(link.last_seq, *count, link.hash.hex()) for link, count in zip(block.links, counts, strict=True)],
        _input_runs(block.inputs),
        _event_runs(block.events),
        len(body),
        len(parts[0]),
        packed=pack,
        kept=_kept(sections).hex() if block.folded else "",
        states=sorted(states),
        states_hash=states_hash(states).hex() if states else "",
    )
    header = _encode(head) + b"\n"
    data = b"".join([header, key.sign(header), *parts])
    size = len(body) + len(told)
    if len(header) > HEADER_BYTES_MAX or len(data) > MAX_BLOCK_BYTES or size > MAX_BLOCK_BYTES:
        raise WireError(f"block {_place(block)} has {max(len(data), size)} bytes, at most {MAX_BLOCK_BYTES} are sent")
    _check(head, Inputs.of(block.inputs), sections, block.states)
    return data


def peek_block(data: bytes) -> BlockHead:
    """What the header says, for choosing the key and the place; raises WireError. Nothing is checked but its form."""
    return _head_of(_header(data, _header_end(data)))


def check_head(data: bytes, public_key: PublicKey) -> BlockHead:
    """What the header says, signed by this key; raises WireError, BadSignature. The records are not looked at."""
    end = _header_end(data)
    public_key.check(data[:end], data[end : end + SIGNATURE_BYTES])
    return _head_of(_header(data, end))


def _head_of(head: Header) -> BlockHead:
    return BlockHead(
        head.site,
        head.epoch,
        head.log_id,
        head.first_seq,
        head.last_seq,
        bytes.fromhex(head.prev),
        bytes.fromhex(head.links[-1][-1]),
        head.core_version,
        sum(link[1] for link in head.links),
        sum(link[2] for link in head.links),
        head.key,
        bool(head.states),
        bool(head.kept),
        bytes.fromhex(head.states_hash),
    )


def decode_block(data: bytes, public_key: PublicKey) -> Block:
    """The block, signed by this key and whole; raises WireError, BadSignature."""
    block = open_block(data, public_key)
    return replace(block, inputs=tuple(block.inputs), events=tuple(block.events))


def open_block(data: bytes, public_key: PublicKey) -> Block:
    """The same, but nothing is cut: its inputs (shared.wire.uncut) are one piece, and so are its events
    (shared.wire.sections.Told), which raises when it is no records.

    Every byte of theirs is what the chain says.
    """
    end = _header_end(data)
    records = end + SIGNATURE_BYTES
    public_key.check(data[:end], data[end:records])
    return _opened(_header(data, end), data, records)


def _opened(head: Header, data: bytes, start: int) -> Block:
    end = start + head.part
    if end > len(data):
        raise WireError("block: the inputs end behind the last byte")
    body = data[start:end]
    body = unpack(body, head.size) if head.packed else body
    if len(body) != head.size:
        raise WireError(f"block: {len(body)} bytes of records, the header says {head.size}")
    count = sum(events for _, _, events, _, _ in head.links)
    told = Told(Section(count, sum(size for _, _, _, size, _ in head.links), head.packed, data[end:]), head.events)
    begins, ends, sections = list[int](), list[int](), list[bytes | memoryview]()
    at, told_at, events_of = 0, 0, memoryview(told.body)
    for _, inputs, _, size, _ in head.links:
        begin, at = at, find(body, at, inputs, begins, ends)
        sections += (body[begin:at], events_of[told_at : told_at + size])
        told_at += size
    named_begins, named_ends = list[int](), list[int]()
    if find(body, at, 2 * len(head.states), named_begins, named_ends) != len(body):
        raise WireError("block: bytes behind the last record")
    states = _states(head.states, [body[a:b] for a, b in zip(named_begins, named_ends, strict=True)])
    rows = Inputs(body, begins, ends, _kinds(body, begins), _input_seqs(head, len(begins)))
    _check(head, rows, sections, states)
    return Block(
        head.site,
        head.epoch,
        head.log_id,
        head.first_seq,
        head.last_seq,
        bytes.fromhex(head.prev),
        tuple(BlockLink(last, bytes.fromhex(digest)) for last, _, _, _, digest in head.links),
        head.core_version,
        rows,
        told,
        bool(head.kept),
        states,
    )


def _header_end(data: bytes) -> int:
    if len(data) > MAX_BLOCK_BYTES:
        raise WireError(f"block: {len(data)} bytes, at most {MAX_BLOCK_BYTES} are read")
    end = data.find(b"\n", 0, HEADER_BYTES_MAX) + 1
    if not end or len(data) < end + SIGNATURE_BYTES:
        raise WireError("block: no header line and signature")
    return end


def _header(data: bytes, end: int) -> Header:
    head = FORM.read(data[: end - 1])
    inputs, events, size = (sum(numbers) for numbers in list(zip(*head.links, strict=True))[1:4])
    if size + head.size > MAX_BLOCK_BYTES:
        raise WireError(f"block: {inputs + events} records in {size + head.size} bytes")
    check_count(inputs, head.size - 2 * len(head.states) * LENGTH_BYTES)
    check_count(events, size)
    return head


def _kinds(body: bytes, begins: Sequence[int]) -> list[str]:
    """Of records that begin at these places."""
    heads = [body[at : at + _HEAD_BYTES] for at in begins]
    for head in {*heads}:
        if head not in _KINDS:
            raise WireError(f"block: a record begins with {head!r}, no input does")
    return [_KINDS[head] for head in heads]


def _input_seqs(head: Header, count: int) -> list[int]:
    if sum(size for _, size in head.inputs) != count:
        raise WireError("block: the runs of inputs are not as many as the links say")
    return [seq for first, size in head.inputs for seq in range(first, first + size)]


def _first_told(head: Header) -> list[int]:
    """Of each link the site_seq of its first event, NUMBER_MAX when it has none. Numbers rise."""
    ends = list(accumulate(size for _, _, size in head.events))
    told = list(accumulate((events for _, _, events, _, _ in head.links), initial=0))
    if told[-1] != (ends[-1] if ends else 0) or any(size < 1 for _, _, size in head.events):
        raise WireError("block: the runs of events are not as many as the links say")
    return [head.events[bisect_right(ends, begin)][0] if end > begin else NUMBER_MAX for begin, end in pairwise(told)]


def _input_runs(rows: Sequence[InputRow]) -> list[tuple[int, int]]:
    runs = [list(run) for _, run in groupby(enumerate(rows), key=lambda pair: pair[1].site_seq - pair[0])]
    return [(run[0][1].site_seq, len(run)) for run in runs]


def _event_runs(rows: Sequence[EventBytes]) -> list[tuple[int, int, int]]:
    runs: list[tuple[int, int, int]] = []
    for seq, ordinal, _ in rows:
        if runs and runs[-1][0] == seq and sum(runs[-1][1:]) == ordinal:
            runs[-1] = (seq, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((seq, ordinal, 1))
    return runs


def _states(rooms: list[str], parts: list[bytes]) -> dict[str, bytes]:
    if parts[::2] != [room.encode() for room in rooms] or rooms != sorted(set(rooms)):
        raise WireError("block: the states are not those of the rooms that the header names")
    return dict(zip(rooms, parts[1::2], strict=True))


def _sections(block: Block) -> tuple[list[tuple[int, int, int]], list[bytes]]:
    """(count of inputs, count and bytes of events) of each link, and what its two roots are hashed from."""
    counts, sections = list[tuple[int, int, int]](), list[bytes]()
    inputs, events = iter(block.inputs), iter(block.events)
    row, made = next(inputs, None), next(events, None)
    for last, _ in block.links:
        taken, told = list[bytes](), list[bytes]()
        while row is not None and row.site_seq <= last:
            taken.append(row.data)
            row = next(inputs, None)
        while made is not None and made.site_seq <= last:
            told.append(made.data)
            made = next(events, None)
        sections += (behind_lengths(taken), behind_lengths(told))
        counts.append((len(taken), len(told), len(sections[-1])))
    if row is not None or made is not None:
        raise WireError(f"block {_place(block)}: records behind the last link")
    return counts, sections


def _check(head: Header, rows: Inputs, sections: Sections, states: dict[str, bytes]) -> None:
    """That numbers rise, and that every hash is that of its bytes; raises WireError."""
    if any(a + size > b for (a, size), (b, _) in pairwise(head.inputs)) or any(
        (seq, first + size) > after[:2] for (seq, first, size), after in pairwise(head.events)
    ):
        raise WireError("block: the numbers do not rise")
    if "start" in rows.kinds[1:]:
        raise WireError("block: a Start that is not its first input")
    if head.last_seq != head.links[-1][0] or (states and states_hash(states).hex() != head.states_hash):
        raise WireError("block: its end or its states are not those that the header names")
    first_told = _first_told(head)
    if head.kept:
        if len(head.links) != 1 or _kept(sections).hex() != head.kept:
            raise WireError("block: what was kept of a folded interval is not what the header names")
        return
    digest, at = bytes.fromhex(head.prev), 0
    for number, (last, inputs, _, _, expected) in enumerate(head.links):
        end = at + inputs
        if not inputs or rows.seqs[end - 1] != last:
            raise WireError(f"block: link {number} does not end with its last input {last}")
        first = min(rows.seqs[at], first_told[number])
        if number == 0 and first != head.first_seq:
            raise WireError(f"block: begins with {first}, the header says {head.first_seq}")
        roots = (sha256(part).digest() for part in sections[2 * number : 2 * number + 2])
        digest = link_hash(digest, first, last, *roots, count=inputs)
        if digest.hex() != expected:
            raise WireError(f"block: the chain breaks at the link that ends with {last}")
        at = end


def _kept(sections: Sections) -> bytes:
    return kept_hash(*(sha256(part).digest() for part in sections[:2]))


def _place(block: Block) -> str:
    return f"{block.site} {block.first_seq} to {block.last_seq}"
