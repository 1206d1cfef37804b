"""Inputs as bytes: the same both ways, in a fixed form, and a verdict for everything that is no input."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.devices.frame import Block, Frame, FrameRun
from shared.devices.profile import Table
from shared.domain.errors import WireError
from shared.domain.inputs import Command, Report, Resync, Start, Tick, Undecodable, What
from shared.domain.plan import Severity
from shared.domain.units import NoData
from shared.wire.frame_runs import decode_run
from shared.wire.inputs import RuleSet, WireBody, decode_input, encode_input, frame_fault
from shared.wire.rows import InputRow
from shared.wire.uncut import Inputs

FRAME = Frame(
    device="gas1",
    boot="b1",
    device_seq=7,
    sampled_at_ms=1_767_225_600_000,
    age_ms=12,
    synced=True,
    outcome=NoData.PRESENT,
    detail="",
    blocks=(Block(Table.HOLDING, 0, 2, b"\x00\x0a\xff\xff"), Block(Table.DISCRETE, 8, 9, b"\x01\x01")),
)
BODIES: tuple[WireBody, ...] = (
    FRAME,
    FRAME._replace(outcome=NoData.TIMEOUT, detail="no answer in 300 ms", blocks=()),
    Command(
        "c1", What.ACK, "s/r1/gas1-h2/h2_alarm", "o1", Severity.CRITICAL, 'Größe "x"\n', "cli:anna", 60_000, "b", "m"
    ),
    Command("c2", What.RESET, "s", "", None, "", "", 0),
    RuleSet("v1", "ampward"),
    Start("l2", "l1", 41, True, "b"),  # noqa: FBT003
    Tick("r1"),
    Report("local_trip", "s/r1/io1-do0", True, False, "h2"),  # noqa: FBT003
    Resync("undurable", 4, 9, '{"a":[1,2]}', "r1"),
    Undecodable("ab" * 32, 12, "gas9", "a device that the site does not have"),
)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_an_input_comes_back_as_it_was(body: WireBody) -> None:
    """Decoded it is equal, encoded again it has the same bytes."""
    data = encode_input("l" * 32, 42, 1_000, 1_767_225_600_000, body)
    found = decode_input(data)
    assert found == ("l" * 32, 42, 1_000, 1_767_225_600_000, body)
    assert encode_input(*found) == data


def test_the_form_is_fixed() -> None:
    """One line of JSON in this order, then the words."""
    assert encode_input("l", 1, 2, 3, FRAME) == (
        b'{"kind":"frame","v":1,"log_id":"l","site_seq":1,"tick_ms":2,"at_ms":3,"device":"gas1","boot":"b1",'
        b'"device_seq":7,"sampled_at_ms":1767225600000,"age_ms":12,"synced":true,"outcome":0,"detail":"",'
        b'"blocks":[["holding",0,2],["discrete",8,9]]}\n\x00\x0a\xff\xff\x01\x01'
    )


def _record(number: int, frame: Frame = FRAME, log_id: str = "l", more: int = 0) -> bytes:
    """The frame as the next but so many of one device, each 80 ms after the one before."""
    seq = frame.device_seq + number + more
    return encode_input(log_id, 1 + number, 80 * number, 90 * number, frame._replace(device_seq=seq, age_ms=number))


def _run(records: list[bytes]) -> FrameRun | None:
    return decode_run(Inputs.of([InputRow(number, "frame", record) for number, record in enumerate(records)]))


@pytest.mark.parametrize("ages", [[5], [0, 5, 9, 10, 12, 100], list(range(7, 2_000, 13))])
def test_each_frame_of_a_long_run_is_what_it_is_by_itself(ages: list[int]) -> None:
    """Numbers that become longer within a run, ages of any length, another boot: what each record says."""
    draw = random.Random(len(ages))
    frames = [
        FRAME._replace(
            device_seq=90 + n,
            sampled_at_ms=9_000 + n,
            age_ms=draw.choice(ages),
            boot="b1" if n < 1_200 else "b2",
            blocks=(Block(Table.HOLDING, 0, 2, n.to_bytes(4, "big")),),
        )
        for n in range(1_500)
    ]
    records = [encode_input("l", 95 + n, 900 + 80 * n, 99_000 + 77 * n, frame) for n, frame in enumerate(frames)]
    read = 0
    while read < len(records):
        run = _run(records[read:])
        assert run is not None
        for n, number in enumerate(range(read, read + run.frames)):
            told = decode_input(records[number])
            frame = frames[number]
            assert (run.site_seq + n, run.ticks[n], run.stamps[n]) == (told.site_seq, told.tick_ms, told.at_ms)
            assert (run.boot, run.device_seq + n, run.sampled_at[n], run.ages[n]) == frame[1:5]
            assert run.words[4 * n : 4 * n + 4] == frame.blocks[0].words
        read += run.frames


def test_frames_of_one_device_are_read_as_columns() -> None:
    """Times and ages a frame each, the words of all one behind the other."""
    run = _run([_record(number) for number in range(3)])
    assert run is not None
    assert run[:5] == ("gas1", "b1", "l", 1, 7)
    assert (run.ticks, run.stamps, run.ages) == ([0, 80, 160], [0, 90, 180], [0, 1, 2])
    assert run.layout == tuple(block[:3] for block in FRAME.blocks)
    assert run.words == 3 * b"".join(block.words for block in FRAME.blocks)
    assert _run([encode_input("l", 1, 2, 3, Tick("r1"))]) is None
    assert _run([]) is None


@pytest.mark.parametrize(
    "other",
    [
        _record(2, FRAME._replace(boot="b2")),
        _record(2, FRAME._replace(device="gas2")),
        _record(2, FRAME._replace(outcome=NoData.TIMEOUT, blocks=())),
        _record(2, FRAME._replace(blocks=FRAME.blocks[:1])),
        _record(2, FRAME._replace(blocks=(Block(Table.HOLDING, 1, 2, b"\x00\x0a\xff\xff"), FRAME.blocks[1]))),
        _record(2, log_id="m"),
        _record(2, more=1),
        _record(3, more=-1),
        _record(2).replace(b'"tick_ms":160', b'"tick_ms":79'),
        _record(2).replace(b'"v":1', b'"v":2'),
        _record(2) + b"\x00",
        encode_input("l", 3, 160, 180, Tick("r1")),
        b"",
    ],
)
def test_a_run_ends_before_what_does_not_go_on_with_it(other: bytes) -> None:
    """Another boot, device, log, layout or form, no values, a hole, a time that falls: taken by themselves."""
    run = _run([_record(0), _record(1), other, _record(3)])
    assert run is not None
    assert run.frames == 2


def test_fields_that_a_newer_program_added_are_skipped() -> None:
    """An older program reads what it knows."""
    data = encode_input("l", 1, 2, 3, Tick("r1")).replace(b'"room":"r1"', b'"room":"r1","more":{"x":[1]}')
    assert decode_input(data).body == Tick("r1")


_TICK = encode_input("l", 1, 2, 3, Tick("r1"))
_GAS = encode_input("l", 1, 2, 3, FRAME)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no newline"),
        (b"{}", "no newline"),
        (b"{}\n", "kind"),
        (b"\xff\xfe\n", "header"),
        (b"[" * 5000 + b"\n", "header"),
        (_TICK.replace(b'"v":1', b'"v":2'), "form 2, this program reads 1"),
        (_TICK.replace(b"tick", b"tock", 1), "header"),
        (_TICK.replace(b'"room":"r1"', b'"room":null'), "room"),
        (_TICK.replace(b'"site_seq":1', b'"site_seq":-1'), "site_seq"),
        (_TICK.replace(b'"site_seq":1', b'"site_seq":1.5'), "site_seq"),
        (_TICK.replace(b'"site_seq":1', b'"site_seq":99999999999999999999'), "site_seq"),
        (_TICK + b"x", "1 bytes after the header of a tick"),
        (_GAS[:-1], "the blocks take 6 bytes, 5 follow"),
        (_GAS + b"\x00", "the blocks take 6 bytes, 7 follow"),
        (_GAS.replace(b'["holding",0,2]', b'["holding",0,70000]'), "blocks"),
        (_GAS.replace(b'["holding",0,2]', b'["attic",0,2]'), "blocks"),
        (_GAS.replace(b'"outcome":0', b'"outcome":99'), "outcome"),
        (b"x" * ((16 << 20) + 1), "at most"),
    ],
)
def test_what_is_no_input_is_refused_with_its_reason(data: bytes, says: str) -> None:
    """The table of bad inputs of this parser."""
    with pytest.raises(WireError, match=says):
        decode_input(data)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"device_seq": -1}, "below 0"),
        ({"device_seq": 1 << 70}, "out of range"),
        ({"age_ms": "soon"}, "soon is out of range"),
        ({"age_ms": 1.5}, "1.5 is out of range"),
        ({"outcome": 99}, "outcome 99"),
        ({"synced": 1}, "synced 1"),
        ({"detail": "\ud800"}, "are text"),
        ({"blocks": None}, "TypeError"),
        ({"blocks": (Block(Table.HOLDING, 0, 65_536, bytes(131_072)),) * 100}, "bytes of words"),
        ({"device": 7}, "are text"),
        ({"blocks": (Block(Table.HOLDING, 0, 2, b"\x00"),)}, "1 bytes are not 2"),
        ({"blocks": (Block(Table.HOLDING, 70_000, 1, b"\x00\x00"),)}, "do not exist"),
        ({"blocks": (Block(Table.HOLDING, 0, 1, b"\x00\x00"),) * 1025}, "1025 blocks"),
    ],
)
def test_a_frame_that_no_record_can_hold_is_known_before_it_is_one(wrong: dict[str, object], says: str) -> None:
    """The quick look at the door says what decoding would."""
    assert says in frame_fault(FRAME._replace(**wrong))  # type: ignore[arg-type]
    assert frame_fault(FRAME) == ""


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing else ever comes out, whatever follows the newline."""
    for candidate in (data, data + b"\n", _GAS[:60] + data, _TICK + data):
        try:
            assert encode_input(*decode_input(candidate))
        except WireError as fault:
            assert str(fault)
