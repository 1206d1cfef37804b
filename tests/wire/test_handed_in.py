"""Frames that devices of a hosted site hand in: what is taken, and what is refused with which words."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.errors import WireError
from shared.domain.units import NoData
from shared.wire.handed_in import PAYLOAD_BYTES_MAX, decode_handed_in
from shared.wire.inputs import frame_fault

NOW_MS = 1_790_000_000_000
WORDS = base64.b64encode(b"\x00\x0c\x06\x00").decode()


def payload(**more: Any) -> bytes:
    """A good message, with these fields instead."""
    block = {"table": "holding", "address": 0, "words": WORDS}
    return json.dumps({"device": "gas1", "boot": "b1", "seq": 7, "blocks": [block], **more}).encode()


def block(**more: Any) -> bytes:
    return payload(blocks=[{"table": "holding", "address": 0, "words": WORDS, **more}])


def test_the_least_that_a_device_must_say_is_a_frame() -> None:
    """Its stamp is when it was received, and its clock is not believed."""
    block = Block(Table.HOLDING, 0, 2, b"\x00\x0c\x06\x00")
    made = Frame("gas1", "b1", 7, NOW_MS, 0, False, NoData.PRESENT, "", (block,))  # noqa: FBT003 - a tuple
    assert decode_handed_in("far", "gas1", payload(), NOW_MS) == made


def test_everything_that_it_may_say_is_in_the_frame() -> None:
    """As a site publishes its own frames, and how long the device has held it."""
    said = payload(
        site="far", room="r1", sampled_at="2026-11-23T02:15:00.250Z", age_ms=90, synced=True, outcome="ok",
        blocks=[{"table": "discrete", "address": 3, "size": 5, "words": base64.b64encode(b"\x1f").decode()}],
        of_a_later_program=1,
    )  # fmt: skip
    frame = decode_handed_in("far", "gas1", said, NOW_MS)
    assert (frame.sampled_at_ms, frame.age_ms, frame.synced) == (1_795_400_100_250, 90, True)
    assert frame.blocks == (Block(Table.DISCRETE, 3, 5, b"\x1f"),)


def test_what_it_may_have_waited_at_the_broker_comes_on_top() -> None:
    """Both are upper bounds, and so is their sum; one that no record could hold is no frame."""
    assert decode_handed_in("far", "gas1", payload(age_ms=90), NOW_MS, 500).age_ms == 590
    with pytest.raises(WireError, match="is out of range"):
        decode_handed_in("far", "gas1", payload(age_ms=(1 << 53) - 1), NOW_MS, 1)


def test_bits_without_a_size_are_whole_bytes() -> None:
    """Only a number of bits that is no multiple of eight has to be said."""
    said = payload(blocks=[{"table": "coil", "address": 0, "words": base64.b64encode(b"\x01\x02").decode()}])
    assert decode_handed_in("far", "gas1", said, NOW_MS).blocks[0].size == 16


def test_a_failed_poll_has_its_reason_and_no_words() -> None:
    """What a gateway device could not read is said by the names of no_data."""
    frame = decode_handed_in("far", "gas1", payload(outcome="timeout"), NOW_MS)
    assert (frame.outcome, frame.blocks) == (NoData.TIMEOUT, ())


BAD = [
    (b"", "no frame in JSON: Input data was truncated"),
    (b"\xff\xfe", "no frame in JSON"),
    (b"[" * 100_000, "no frame in JSON"),
    (b"[]", "Expected `object`, got `array`"),
    (b'{"device": "gas1"}', "Object missing required field `boot`"),
    (payload(device="gas2"), "it names /gas2, the topic far/gas1"),
    (payload(site="near"), "it names near/gas1, the topic far/gas1"),
    (payload(boot=""), "Expected `str` of length >= 1 - at `$.boot`"),
    (payload(boot="b" * 65), "Expected `str` of length <= 64 - at `$.boot`"),
    (payload(seq=-1), "Expected `int` >= 0 - at `$.seq`"),
    (payload(seq=1 << 60), "Expected `int` <= 9007199254740991 - at `$.seq`"),
    (payload(seq=7.5), "Expected `int`, got `float` - at `$.seq`"),
    (payload(seq="7"), "Expected `int`, got `str` - at `$.seq`"),
    (payload(age_ms=-5), "Expected `int` >= 0 - at `$.age_ms`"),
    (payload(outcome="fine"), "outcome 'fine', allowed: ok, never, timeout"),
    (payload(sampled_at="yesterday"), "sampled_at 'yesterday'"),
    (payload(sampled_at="2026-11-23T02:15:00"), "without an offset"),
    (payload(blocks=[{}] * 1025), "at `$.blocks"),
    (block(table="relay"), "Invalid enum value 'relay' - at `$.blocks[0].table`"),
    (block(address=65_536), "Expected `int` <= 65535 - at `$.blocks[0].address`"),
    (block(address=65_535), "2 of holding from 65535 on do not exist"),
    (block(words="!"), "words of holding from 0 on"),
    (block(words=WORDS, size=3), "4 bytes are not 3 of holding"),
    (block(words=base64.b64encode(b"odd").decode()), "3 bytes are not 1 of holding"),
    (payload(detail="\ud800"), "no frame in JSON"),
    (payload(detail="x" * PAYLOAD_BYTES_MAX), "bytes, at most 524288 are read"),
]


@pytest.mark.parametrize(("data", "words"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_what_is_no_frame_is_refused_and_named(data: bytes, words: str) -> None:
    """The reason names the field and what is allowed: it is all that the device's owner will see."""
    with pytest.raises(WireError) as refused:
        decode_handed_in("far", "gas1", data, NOW_MS)
    assert words in str(refused.value)


@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode)
)
def test_whatever_comes_is_a_frame_or_refused(data: bytes) -> None:
    """Nothing else is raised, and what is given can be logged."""
    try:
        frame = decode_handed_in("far", "gas1", data, NOW_MS)
    except WireError:
        return
    assert frame_fault(frame) == ""
