"""Registers as they come from devices, good and bad, and the value or reason that each must give."""

import struct

import pytest

from shared.devices.blocks import plan_blocks
from shared.devices.decoder import decode_channel, decode_device
from shared.devices.frame import Block, Frame
from shared.devices.profile import BlockPlan, Channel, Table, ValueType
from shared.domain.units import NoData, Unit


def channel(kind: ValueType, **more: object) -> Channel:
    """A channel at holding register 10."""
    return Channel(**({"name": "x", "table": Table.HOLDING, "address": 10, "type": kind, "unit": Unit.VOLT} | more))  # type: ignore[arg-type]


def frame(*blocks: Block, outcome: NoData = NoData.PRESENT) -> Frame:
    """A scan with these blocks."""
    return Frame("d", "boot", 1, 0, 0, bool(outcome is NoData.PRESENT), outcome, "", blocks)


def words(*values: int, address: int = 10) -> Block:
    """Holding registers from ``address`` on."""
    return Block(Table.HOLDING, address, len(values), struct.pack(f">{len(values)}H", *values))


U16, S16, U32, S32, F32, LOOP, BIT = (
    ValueType.U16,
    ValueType.S16,
    ValueType.U32,
    ValueType.S32,
    ValueType.F32,
    ValueType.LOOP,
    ValueType.BIT,
)

REGISTERS: list[tuple[str, Channel, tuple[int, ...], int | NoData]] = [
    ("a plain register", channel(U16), (65_535,), 65_535),
    ("the highest signed value", channel(S16), (0x7FFF,), 32_767),
    ("the lowest signed value", channel(S16), (0x8000,), -32_768),
    ("a no-data word", channel(U16, no_data=(65_535,)), (65_535,), NoData.OFF),
    ("a no-data word of a signed register", channel(S16, no_data=(-1,)), (65_535,), NoData.OFF),
    ("a word that says nobody is there", channel(U16, not_present=(0xFFFE,)), (0xFFFE,), NoData.NOT_PRESENT),
    ("a word that is both", channel(U16, no_data=(7,), not_present=(7,)), (7,), NoData.OFF),
    ("tenths rounded half up", channel(U16, multiply=1, divide=2), (3,), 2),
    ("negative halves rounded up", channel(S16, multiply=1, divide=2), (0xFFFD,), -1),
    ("an offset after the scale", channel(U16, multiply=100, add=-40_000), (0,), -40_000),
    ("a reversed sensor", channel(S16, multiply=-1), (5,), -5),
    ("a value at its lower bound", channel(U16, low=5, high=9), (5,), 5),
    ("a value over its upper bound", channel(U16, low=5, high=9), (10,), NoData.OUT_OF_RANGE),
    ("32 bits, high word first", channel(U32), (1, 2), 65_538),
    ("32 bits, low word first", channel(U32, word_order="little"), (2, 1), 65_538),
    ("a negative 32-bit value", channel(S32), (0xFFFF, 0xFFFE), -2),
    ("the largest 32 bits with the largest scale", channel(U32, multiply=(1 << 29) - 1), (0xFFFF, 0xFFFF),
     NoData.OUT_OF_RANGE),
    ("a float", channel(F32, multiply=10_000), (0x3F80, 0), 10_000),
    ("a float with swapped registers is not silently believed", channel(F32, multiply=10_000, high=1_000_000),
     (0, 0x3F80), 0),
    ("a float that is not a number", channel(F32), (0x7FC0, 0), NoData.OUT_OF_RANGE),
    ("a signalling NaN", channel(F32), (0x7F80, 1), NoData.OUT_OF_RANGE),
    ("infinity", channel(F32), (0x7F80, 0), NoData.OUT_OF_RANGE),
    ("minus infinity", channel(F32), (0xFF80, 0), NoData.OUT_OF_RANGE),
    ("minus zero", channel(F32), (0x8000, 0), 0),
    ("the smallest denormal", channel(F32, multiply=10_000), (0, 1), 0),
    ("a float larger than any reading", channel(F32), (0x7F7F, 0xFFFF), NoData.OUT_OF_RANGE),
    ("half a unit of a float goes up", channel(F32), (0x3F00, 0), 1),
    ("minus half a unit of a float goes up", channel(F32), (0xBF00, 0), 0),
    ("a bit that is set", channel(BIT, bit=11), (0x0800,), 1),
    ("a bit that is not", channel(BIT, bit=11), (0xF7FF,), 0),
    ("a contact that closes to 0", channel(BIT, bit=0, invert=True), (0,), 1),
    ("a nibble", channel(U16, mask=0x00F0), (0x0A3F,), 3),
    ("a nibble's no-data word is the whole word", channel(U16, mask=0x00F0, no_data=(0x0A3F,)), (0x0A3F,), NoData.OFF),
]  # fmt: skip


@pytest.mark.parametrize(("about", "one", "raw", "expected"), REGISTERS, ids=[case[0] for case in REGISTERS])
def test_registers_become_values_or_reasons(
    about: str, one: Channel, raw: tuple[int, ...], expected: int | NoData
) -> None:
    """Each row of the table decodes to the value, or to the reason why there is none."""
    assert decode_channel(one, frame(words(*raw))) == expected, about


LOOP_BANDS = [
    (0, NoData.LOOP_FAULT),
    (3_600, NoData.LOOP_FAULT),
    (3_601, NoData.OUT_OF_RANGE),
    (3_799, NoData.OUT_OF_RANGE),
    (3_800, -500),
    (4_000, 0),
    (8_000, 10_000),
    (20_000, 40_000),
    (20_500, 41_250),
    (20_900, 41_250),
    (20_999, 41_250),
    (21_000, NoData.LOOP_FAULT),
    (22_500, NoData.LOOP_FAULT),
    (65_535, NoData.LOOP_FAULT),
]


@pytest.mark.parametrize(("microamperes", "expected"), LOOP_BANDS)
def test_a_current_loop_keeps_the_bands_of_ne_43(microamperes: int, expected: int | NoData) -> None:
    """3.8 to 20.5 mA measure, 3.6 and 21 mA are faults, and gas over the top still reads as the top."""
    loop = channel(LOOP, unit=Unit.H2_VOL, loop_low=0, loop_high=40_000)
    assert decode_channel(loop, frame(words(microamperes))) == expected


BAD_FRAMES: list[tuple[str, Frame, NoData]] = [
    ("no blocks", frame(), NoData.MALFORMED),
    ("another table", frame(Block(Table.INPUT, 10, 1, b"\0\1")), NoData.MALFORMED),
    ("another address", frame(words(1, address=11)), NoData.MALFORMED),
    ("a byte too few", frame(Block(Table.HOLDING, 10, 1, b"\0")), NoData.MALFORMED),
    ("a byte too many", frame(Block(Table.HOLDING, 10, 1, b"\0\1\2")), NoData.MALFORMED),
    ("half of a 32-bit value", frame(words(1)), NoData.MALFORMED),
    ("a timeout", frame(outcome=NoData.TIMEOUT), NoData.TIMEOUT),
    ("a quarantined poll", frame(outcome=NoData.QUARANTINED), NoData.QUARANTINED),
    ("another device", frame(outcome=NoData.IDENTITY), NoData.IDENTITY),
]


@pytest.mark.parametrize(("about", "bad", "reason"), BAD_FRAMES, ids=[case[0] for case in BAD_FRAMES])
def test_a_bad_frame_gives_a_reason_and_never_a_value(about: str, bad: Frame, reason: NoData) -> None:
    """Missing words are MALFORMED and a failed poll is its own reason; nothing raises."""
    found = decode_channel(channel(U32), bad)
    assert isinstance(found, NoData) and found is reason, about


def test_bits_are_packed_with_the_lowest_address_first() -> None:
    """Bit 0 of the first byte is the block's first address, and the tenth is bit 1 of the second."""
    coils = tuple(Channel(f"c{i}", Table.COIL, 100 + i, BIT, Unit.STATE) for i in range(10))
    scan = frame(Block(Table.COIL, 100, 10, b"\x05\x02"))
    assert decode_device(coils, scan) == [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    assert decode_channel(coils[0], frame(Block(Table.COIL, 100, 10, b"\x05"))) is NoData.MALFORMED


def _registers(*addresses: int, kind: ValueType = U16) -> list[Channel]:
    return [Channel(f"r{at}", Table.HOLDING, at, kind, Unit.STATE) for at in addresses]


def test_reads_bridge_small_gaps_only() -> None:
    """Two registers four apart are one read, five apart two, and with a gap of 0 only neighbours are."""
    assert plan_blocks(_registers(0, 5), 4) == (BlockPlan(Table.HOLDING, 0, 6),)
    assert plan_blocks(_registers(0, 6), 4) == (BlockPlan(Table.HOLDING, 0, 1), BlockPlan(Table.HOLDING, 6, 1))
    assert plan_blocks(_registers(0, 1, 3), 0) == (BlockPlan(Table.HOLDING, 0, 2), BlockPlan(Table.HOLDING, 3, 1))


def test_reads_keep_the_limits_of_modbus_and_cut_no_value_in_two() -> None:
    """More than 125 registers become several reads, and a 32-bit value stays whole at the border."""
    blocks = plan_blocks([*_registers(*range(124)), *_registers(124, 126, kind=F32)], 4)
    assert blocks == (BlockPlan(Table.HOLDING, 0, 124), BlockPlan(Table.HOLDING, 124, 4))
    bits = [Channel(f"b{at}", Table.DISCRETE, at, BIT, Unit.STATE) for at in range(2001)]
    assert [block.count for block in plan_blocks(bits)] == [2000, 1]


def test_values_that_share_a_word_are_read_once() -> None:
    """A status nibble and two bits of the same register are one read of one register."""
    shared = [channel(U16, mask=15), channel(BIT, bit=6), channel(BIT, bit=11)]
    assert plan_blocks(shared) == (BlockPlan(Table.HOLDING, 10, 1),)
