"""The column decoder equals the plain one, value by value, for every type and for any bytes."""

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.devices.blocks import plan_blocks
from shared.devices.columns import ScanDecoder
from shared.devices.decoder import decode_channel
from shared.devices.frame import Block, Frame
from shared.devices.profile import BlockPlan, Channel, DevicePlan, Table, ValueType
from shared.domain.units import CEILING, NoData, Unit

WORDS = st.sampled_from([0, 1, 2, 10, 0x7F80, 0x7FC0, 0xFF80, 0x7FFF, 0x8000, 0xFFFF, 0x3F80, 3600, 3800, 20500, 21000])
WORD = st.one_of(WORDS, st.integers(0, 0xFFFF))


def _frame(outcome: NoData, blocks: tuple[Block, ...]) -> Frame:
    synced = True
    return Frame("d", "boot", 7, 5, 3, synced, outcome, "", blocks)


@st.composite
def any_channel(draw: st.DrawFn, name: str) -> Channel:
    """Any channel that a checked profile can hold."""
    table = draw(st.sampled_from(Table))
    kind = ValueType.BIT if table.is_bits else draw(st.sampled_from(ValueType))
    wide = kind in (ValueType.U32, ValueType.S32, ValueType.F32)
    signed = kind in (ValueType.S16, ValueType.S32)
    top = (1 << 31 if wide else 1 << 15) - 1 if signed else (1 << 32 if wide else 1 << 16) - 1
    raw = st.one_of(st.integers(-top - 1 if signed else 0, top), WORDS.filter(lambda word: word <= top))
    bounded = draw(st.booleans())
    low = draw(st.integers(-(10**6), 10**6)) if bounded else -CEILING
    return Channel(
        name=name,
        table=table,
        address=draw(st.integers(0, 30)),
        type=kind,
        unit=Unit.VOLT,
        multiply=draw(st.one_of(st.just(1), st.integers(-(1 << 29) + 1, (1 << 29) - 1).filter(bool))),
        divide=draw(st.one_of(st.just(1), st.integers(1, (1 << 29) - 1))),
        add=draw(st.one_of(st.just(0), st.integers(-(1 << 40), 1 << 40))),
        word_order=draw(st.sampled_from(["big", "little"])),
        no_data=tuple(draw(st.lists(raw, max_size=2))),
        not_present=tuple(draw(st.lists(raw, max_size=2))),
        bit=draw(st.integers(0, 15)) if kind is ValueType.BIT and not table.is_bits else -1,
        mask=draw(st.one_of(st.just(0), st.integers(1, 0xFFFF))) if kind is ValueType.U16 else 0,
        invert=draw(st.booleans()) if kind is ValueType.BIT else False,
        low=low,
        high=low + draw(st.integers(0, 10**7)) if bounded else CEILING,
        loop_low=draw(st.integers(-(10**5), 10**5)),
        loop_high=10**5 + 1,
    )


@st.composite
def scans(draw: st.DrawFn) -> tuple[DevicePlan, Frame]:
    """A device with some channels and a frame of any words for its blocks, planned or not quite."""
    parts = tuple(draw(any_channel(f"c{i}")) for i in range(draw(st.integers(1, 6))))
    blocks = plan_blocks(parts, draw(st.integers(0, 8)))
    device = DevicePlan("d", "b", 1, "p", 1000, ("r",), parts, blocks)
    filled = []
    for block in blocks:
        if block.table.is_bits:
            size = (block.count + 7) // 8
            words = draw(st.binary(min_size=size, max_size=size))
        else:
            words = b"".join(struct.pack(">H", draw(WORD)) for _ in range(block.count))
        filled.append(Block(block.table, block.address, block.count, words))
    spoil = draw(st.sampled_from(["", "", "", "short", "lost", "order"]))
    if spoil == "short":
        filled[0] = filled[0]._replace(words=filled[0].words[:-1])
    elif spoil == "lost":
        filled.pop()
    elif spoil == "order":
        filled.reverse()
    return device, _frame(NoData.PRESENT, tuple(filled))


@settings(max_examples=400, deadline=None)
@given(scans())
def test_columns_equal_the_plain_decoder(scan: tuple[DevicePlan, Frame]) -> None:
    """Every value and every reason of a whole scan is what the plain decoder gives for that channel."""
    device, frame = scan
    decoded = ScanDecoder(device).decode(frame)
    plain = [decode_channel(channel, frame) for channel in device.channels]
    assert decoded.reasons.tolist() == [int(value) if isinstance(value, NoData) else 0 for value in plain]
    assert decoded.values.tolist() == [0 if isinstance(value, NoData) else value for value in plain]


def test_a_failed_poll_has_its_reason_in_every_place() -> None:
    """A frame without blocks decodes to its outcome for all channels, and the columns belong to the caller."""
    channel = Channel("a", Table.HOLDING, 0, ValueType.U16, Unit.STATE)
    device = DevicePlan("d", "b", 1, "p", 1000, ("r",), (channel, channel), (BlockPlan(Table.HOLDING, 0, 1),))
    decoder = ScanDecoder(device)
    frame = _frame(NoData.TIMEOUT, ())
    scan = decoder.decode(frame)
    assert (scan.device, scan.boot, scan.device_seq, scan.age_ms) == ("d", "boot", 7, 3)
    assert scan.reasons.tolist() == [NoData.TIMEOUT, NoData.TIMEOUT]
    scan.values[0] = 99
    assert np.array_equal(decoder.decode(frame).values, [0, 0])
