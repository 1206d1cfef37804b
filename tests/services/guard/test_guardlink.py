"""The link's bytes: good ones come back as they were, bad ones are refused with what is wrong."""

import struct

import pytest

from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.errors import WireError
from shared.domain.units import NoData
from shared.wire.guardlink import (
    FROM_GUARD_BYTES_MAX,
    TO_GUARD_BYTES_MAX,
    Ack,
    Explain,
    Explained,
    FrameSent,
    FromGuard,
    FromGuardReader,
    Hello,
    Join,
    LeaseSent,
    Outputs,
    OutputSeen,
    PlanCommitted,
    PlanDropped,
    PlanSent,
    Ready,
    Refused,
    ReportSent,
    Stop,
    Test,
    ToGuard,
    ToGuardReader,
    encode,
    encode_frame,
    frame_of,
)

SEEN = OutputSeen(
    "demo/r1/io1-do0", wanted=True, by=("lease",), coil="on", proof="none", armed=False,
    armed_reason="never commissioned", supervision="watchdog",
)  # fmt: skip
FROM_GUARD: list[FromGuard] = [
    Hello("b", 7, "h", 3, asks=("demo/r1/io1-do0",)),
    Ready(5),
    ReportSent(2, "write", "demo/r1/io1-do0", on=True, pulse=True, detail="", age_ms=4),
    Outputs((SEEN,), ready=False, not_ready=("io1: timeout",), loop_age_ms=9, kept=1, dropped=0, plan="h"),
    Refused("lease", "not-above", 3),
]
TO_GUARD: list[ToGuard] = [
    Join("site", 12),
    Ack(9),
    LeaseSent(4, 5_000, {"demo/r1/io1-do0": True}, 77),
    Explain(-1, (Explained("demo/r1/io1-do0", demanded=False, gas_at_limit=True),)),
    PlanSent("h"),
    PlanCommitted("h"),
    PlanDropped("h"),
    Test("demo/r1/io1-do0", 1_000),
    Stop(),
]


def framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


@pytest.mark.parametrize("message", FROM_GUARD)
def test_what_guard_says_comes_back_as_it_was(message: FromGuard) -> None:
    """Encode, cut into single bytes, decode."""
    reader = FromGuardReader()
    got = [item for byte in encode(message) for item in reader.feed(bytes((byte,)))]
    assert got == [(message, b"")]


@pytest.mark.parametrize("message", TO_GUARD)
def test_what_guard_is_told_comes_back_as_it_was(message: ToGuard) -> None:
    """Two in one piece are two."""
    assert list(ToGuardReader().feed(encode(message) * 2)) == [(message, b"")] * 2


def test_a_frame_keeps_its_words() -> None:
    """Registers and bits, several blocks, the age of the moment of sending."""
    blocks = (Block(Table.HOLDING, 0, 2, b"\x00\x01\xff\xfe"), Block(Table.COIL, 3, 9, b"\x81\x01"))
    frame = Frame("io1", "b", 5, 1_700, 3, synced=True, outcome=NoData.PRESENT, detail="", blocks=blocks)
    ((message, tail),) = FromGuardReader().feed(encode_frame(8, frame, 250))
    assert isinstance(message, FrameSent)
    assert message.n == 8
    assert frame_of(message, tail) == frame._replace(age_ms=250)


BAD = {
    "no newline": (framed(b'{"m":"stop"}'), "no newline"),
    "no JSON": (framed(b"stop\n"), "message:"),
    "not UTF-8": (framed(b'{"m":"\xff\xfe"}\n'), "message:"),
    "an unknown message": (framed(b'{"m":"reboot"}\n'), "message: Invalid value"),
    "no name": (framed(b'{"n":1}\n'), "message:"),
    "a missing field": (framed(b'{"m":"ack"}\n'), "missing required field `n`"),
    "a number below zero": (framed(b'{"m":"ack","n":-1}\n'), "Expected `int` >= 0"),
    "a text for a number": (framed(b'{"m":"ack","n":"1"}\n'), "Expected `int`"),
    "a float for a number": (framed(b'{"m":"ack","n":1.5}\n'), "Expected `int`"),
    "not a number": (framed(b'{"m":"ack","n":NaN}\n'), "message:"),
    "an unknown role": (framed(b'{"m":"join","role":"root"}\n'), "regex"),
    "a demand that is neither on nor off": (
        framed(b'{"m":"lease","number":1,"ttl_ms":5,"demands":{"a":1}}\n'), "Expected `bool`",
    ),
    "a name without end": (framed(b'{"m":"plan_committed","hash":"%s"}\n' % (b"x" * 201)), "length <= 200"),
    "a tail where none belongs": (framed(b'{"m":"stop"}\nabc'), "3 bytes after a message"),
    "deep nesting": (framed(b'{"m":"ack","x":' + b"[" * 5_000 + b"\n"), "message:"),
    "a size beyond the limit": (struct.pack(">I", TO_GUARD_BYTES_MAX + 1), "at most"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_words_to_guard_are_refused(name: str) -> None:
    """Each with what is wrong with it, none with anything but WireError."""
    data, says = BAD[name]
    with pytest.raises(WireError, match=says):
        list(ToGuardReader().feed(data))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (struct.pack(">I", FROM_GUARD_BYTES_MAX + 1), "at most"),
        (framed(b'{"m":"stop"}\n'), "Invalid value 'stop'"),
        (framed(b'{"m":"ready","at_ms":null}\n'), "Expected `int`"),
    ],
)
def test_bad_words_from_guard_are_refused(data: bytes, says: str) -> None:
    """The site's end is as strict."""
    with pytest.raises(WireError, match=says):
        list(FromGuardReader().feed(data))


@pytest.mark.parametrize("size", [0, 3, 5, 8])
def test_a_frame_whose_words_do_not_add_up_is_refused(size: int) -> None:
    """Two registers are four bytes."""
    message = FrameSent(1, "d", "b", 1, 0, 0, True, NoData.PRESENT, "", ((Table.HOLDING, 0, 2),))  # noqa: FBT003
    with pytest.raises(WireError, match="blocks take 4 bytes"):
        frame_of(message, bytes(size))


def test_a_newer_programs_fields_are_skipped() -> None:
    """What is not known does not hurt."""
    assert list(ToGuardReader().feed(framed(b'{"m":"ack","n":3,"colour":"red"}\n'))) == [(Ack(3), b"")]
