"""A whole scan at once: words to an int64 column and a column of reasons, equal to the plain decoder value by value.

A :class:`ScanDecoder` is made once per device. It knows where each channel stands in the frame's words when the blocks
are the planned ones (the usual case: one gather, one multiply, one divide for all 16-bit channels). A frame with other
blocks, or with bytes missing, goes through the plain decoder. Integers only, but for float registers whose scale has no
divisor: there the float sum is exact, and larger numbers go the plain way.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.devices.decoder import (
    LOOP_FAULT_HIGH_UA,
    LOOP_FAULT_LOW_UA,
    LOOP_HIGH_UA,
    LOOP_LOW_UA,
    decode_channel,
    decode_raw,
)
from shared.devices.frame import Frame, FrameRun
from shared.devices.profile import BlockPlan, Channel, DevicePlan, ValueType
from shared.domain.inputs import Scan
from shared.domain.units import CEILING, NoData

Ints = NDArray[np.int64]
Reasons = NDArray[np.int8]
Words = NDArray[np.uint16]
Bits = NDArray[np.uint8]
Column = tuple[Ints, Reasons]
Part = Callable[[Words, Bits], Column]
"""Register words and unpacked bits of a frame to the columns of some channels."""

_WORD = np.dtype(">u2")
_SIGNED_WORD = np.dtype(">i2")
_FLOAT_EXACT = float(1 << 51)
_EXPONENT = 0x7F800000
"""Of a single: all of these bits set is a NaN or an infinity."""
_NOWHERE = 1 << 62
"""No raw word is ever this: fills the table of no-data words."""


class ScanDecoder:
    """Decodes the frames of one device. The columns it gives are the caller's own."""

    def __init__(self, device: DevicePlan) -> None:
        self.device = device
        self._count = len(device.channels)
        self._layout = [(block.table, block.address, block.count) for block in device.blocks]
        self._sizes = [(b.count + 7) // 8 if b.table.is_bits else 2 * b.count for b in device.blocks]
        self._registers = [i for i, block in enumerate(device.blocks) if not block.table.is_bits]
        self._bits = [i for i, block in enumerate(device.blocks) if block.table.is_bits]
        self._parts: list[tuple[NDArray[np.intp], Part]] = []
        spots = [_spot(channel, device.blocks) for channel in device.channels]
        self._planned = bool(device.channels) and min(spots) >= 0
        groups: dict[str, list[int]] = {}
        for index, channel in enumerate(device.channels):
            groups.setdefault(_kind(channel), []).append(index)
        if self._planned:
            for kind, places in groups.items():
                part = _PARTS[kind]([device.channels[i] for i in places], [spots[i] for i in places])
                self._parts.append((np.array(places, np.intp), part))
        self._key = tuple(self._layout)
        self._runs = self._planned and not self._bits and set(groups) <= _RUNS

    def decode(self, frame: Frame) -> Scan:
        """The frame's values in channel order; a failed poll has its reason in every place."""
        if frame.outcome is not NoData.PRESENT:
            values = np.zeros(self._count, np.int64)
            reasons = np.full(self._count, int(frame.outcome), np.int8)
        elif self._planned and self._fits(frame):
            values, reasons = self._decode_planned(frame)
        else:
            values, reasons = self._decode_plain(frame)
        return Scan(
            frame.device,
            frame.boot,
            frame.device_seq,
            frame.sampled_at_ms,
            frame.age_ms,
            frame.outcome,
            values,
            reasons,
        )

    def decode_run(self, run: FrameRun) -> Ints | None:
        """Values of each frame, a row each, up to the first that lacks one; None unless the blocks are as planned."""
        if not self._runs or run.layout != self._key or len(run.words) != run.frames * sum(self._sizes):
            return None
        words: Words = np.frombuffer(run.words, _WORD).reshape(run.frames, -1)
        values = np.empty((run.frames, self._count), np.int64)
        bad = np.zeros(run.frames, np.bool_)
        for places, part in self._parts:
            found, reasons = part(words, _NO_BITS)
            if len(self._parts) == 1:
                values = found
            else:
                values[:, places] = found
            if np.count_nonzero(reasons):
                bad |= reasons.any(axis=1)
        return values[: bad.argmax()] if bad.any() else values

    def _fits(self, frame: Frame) -> bool:
        blocks = frame.blocks
        return [block[:3] for block in blocks] == self._layout and [len(block[3]) for block in blocks] == self._sizes

    def _decode_planned(self, frame: Frame) -> Column:
        blocks = frame.blocks
        data = b"".join([blocks[i][3] for i in self._registers])
        words: Words = np.frombuffer(data, _WORD)
        bits: Bits = _NO_BITS
        if self._bits:
            octets = b"".join([blocks[i][3] for i in self._bits])
            bits = np.unpackbits(np.frombuffer(octets, np.uint8), bitorder="little")
        if len(self._parts) == 1:
            return self._parts[0][1](words, bits)
        values = np.empty(self._count, np.int64)
        reasons = np.empty(self._count, np.int8)
        for places, part in self._parts:
            values[places], reasons[places] = part(words, bits)
        return values, reasons

    def _decode_plain(self, frame: Frame) -> Column:
        return _gathered([decode_channel(channel, frame) for channel in self.device.channels])


_NO_BITS: Bits = np.zeros(0, np.uint8)
_RUNS = {"integer16", "integer32", "loop", "register_bit"}
"""Kinds of channels whose parts take the words of many frames, a row each, as they take those of one."""


def _gathered(found: Sequence[int | NoData]) -> Column:
    reasons = np.array([int(value) if isinstance(value, NoData) else 0 for value in found], np.int8)
    return np.array([0 if isinstance(value, NoData) else value for value in found], np.int64), reasons


def _spot(channel: Channel, blocks: Sequence[BlockPlan]) -> int:
    """Index of the channel's first word among all registers (of its bit among all bits) of a frame; -1 when absent."""
    start = 0
    for block in blocks:
        if block.table.is_bits is not channel.table.is_bits:
            continue
        offset = channel.address - block.address
        if block.table is channel.table and 0 <= offset <= block.count - channel.words:
            return start + offset
        start += (block.count + 7) // 8 * 8 if block.table.is_bits else block.count
    return -1


def _kind(channel: Channel) -> str:
    if channel.table.is_bits:
        return "bit"
    if channel.type is ValueType.F32:
        return "float" if channel.divide == 1 and not channel.mask else "plain"
    if channel.type is ValueType.LOOP or (channel.type is ValueType.BIT and channel.bit < 0):
        return "loop" if channel.type is ValueType.LOOP else "plain"
    if channel.type is ValueType.BIT:
        return "register_bit"
    return "integer32" if channel.words == 2 else "integer16"


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, np.int64)


def _bit_part(channels: Sequence[Channel], spots: Sequence[int]) -> Part:
    index, flip = np.array(spots, np.intp), _ints([int(channel.invert) for channel in channels])

    def decode(_words: Words, bits: Bits) -> Column:
        return bits[index] ^ flip, np.zeros(len(index), np.int8)

    return decode


def _register_bit_part(channels: Sequence[Channel], spots: Sequence[int]) -> Part:
    index, flip = np.array(spots, np.intp), _ints([int(channel.invert) for channel in channels])
    shift = _ints([channel.bit for channel in channels])

    def decode(words: Words, _bits: Bits) -> Column:
        raw = words[..., index].astype(np.int64)
        return (raw >> shift & 1) ^ flip, np.zeros(raw.shape, np.int8)

    return decode


def _plain_part(channels: Sequence[Channel], spots: Sequence[int]) -> Part:
    def decode(words: Words, _bits: Bits) -> Column:
        raws = []
        for channel, spot in zip(channels, spots, strict=True):
            raw = int(words[spot])
            if channel.words == 2:
                pair = (raw, int(words[spot + 1]))
                first, second = pair if channel.word_order == "big" else pair[::-1]
                raw = first << 16 | second
            raws.append(decode_raw(channel, raw))
        return _gathered(raws)

    return decode


def _integer_part(channels: Sequence[Channel], spots: Sequence[int]) -> Part:
    """16 or 32 bits, signed or not, with no-data words, mask, scale and range."""
    wide = channels[0].words == 2
    read = _reader(channels, spots, wide=wide)
    is_signed = [channel.type in _SIGNED for channel in channels]
    sign = _ints([(1 << 31 if wide else 1 << 15) if one else 0 for one in is_signed])
    keep = _ints([-1 if one else 0xFFFF for one in is_signed])
    signed = any(is_signed)
    absent = _absent(channels)
    masks = _ints([channel.mask or -1 for channel in channels])
    shifts = _ints([(c.mask & -c.mask).bit_length() - 1 if c.mask else 0 for c in channels])
    masked = any(channel.mask for channel in channels)
    finish = _finisher(channels)

    def decode(words: Words, _bits: Bits) -> Column:
        if not signed:
            raw = read(words)
        elif wide:
            raw = (read(words) ^ sign) - sign
        else:
            raw = read(words.view(_SIGNED_WORD)) & keep
        reasons = absent(raw)
        if masked:
            raw = (raw & masks) >> shifts
        return finish(raw, reasons)

    return decode


def _loop_part(channels: Sequence[Channel], spots: Sequence[int]) -> Part:
    read = _reader(channels, spots, wide=False)
    absent = _absent(channels)
    multiply, divide = _ints([c.multiply for c in channels]), _ints([c.divide for c in channels])
    low, span = _ints([c.loop_low for c in channels]), _ints([c.loop_high - c.loop_low for c in channels])
    least, most = _ints([c.low for c in channels]), _ints([c.high for c in channels])

    def decode(words: Words, _bits: Bits) -> Column:
        raw = read(words)
        reasons = absent(raw)
        current = (2 * raw * multiply + divide) // (2 * divide)
        used = np.minimum(current, LOOP_HIGH_UA)
        values = low + (2 * (used - 4_000) * span + 16_000) // 32_000
        reasons[(reasons == 0) & ((current <= LOOP_FAULT_LOW_UA) | (current >= LOOP_FAULT_HIGH_UA))] = NoData.LOOP_FAULT
        outside = (current < LOOP_LOW_UA) | (values < least) | (values > most)
        reasons[(reasons == 0) & outside] = NoData.OUT_OF_RANGE
        values[reasons != 0] = 0
        return values, reasons

    return decode


def _float_part(channels: Sequence[Channel], spots: Sequence[int]) -> Part:
    """Singles times an integer under 2**29 are exact in 53 bits, and so is adding a half under 2**51."""
    read = _reader(channels, spots, wide=True)
    absent = _absent(channels)
    multiply, add = np.array([c.multiply for c in channels], np.float64), _ints([c.add for c in channels])
    least, most = _ints([c.low for c in channels]), _ints([c.high for c in channels])

    def decode(words: Words, _bits: Bits) -> Column:
        raw = read(words)
        reasons = absent(raw)
        finite = (raw & _EXPONENT) != _EXPONENT
        number = np.where(finite, raw, 0).astype(np.uint32).view(np.float32).astype(np.float64) * multiply
        usable = finite & (np.abs(number) < _FLOAT_EXACT)
        values = np.floor(np.where(usable, number, 0.0) + 0.5).astype(np.int64) + add
        outside = ~usable | (values < least) | (values > most)
        if np.count_nonzero(outside):
            for i in np.flatnonzero((reasons == 0) & outside).tolist():
                value = decode_raw(channels[i], int(raw[i]))
                values[i], reasons[i] = (0, int(value)) if isinstance(value, NoData) else (value, 0)
        values[reasons != 0] = 0
        return values, reasons

    return decode


_SIGNED = (ValueType.S16, ValueType.S32)


def _reader(channels: Sequence[Channel], spots: Sequence[int], *, wide: bool) -> Callable[[Words], Ints]:
    """Gathers the raw unsigned words; a run without holes is a slice."""
    index = np.array(spots, np.intp)
    if wide:
        little = np.array([channel.word_order == "little" for channel in channels])
        high, low = np.where(little, index + 1, index), np.where(little, index, index + 1)
        return lambda words: words[..., high].astype(np.int64) << 16 | words[..., low]
    if list(spots) == list(range(spots[0], spots[0] + len(spots))):
        first, end = spots[0], spots[0] + len(spots)
        return lambda words: words[..., first:end].astype(np.int64)
    return lambda words: words[..., index].astype(np.int64)


def _absent(channels: Sequence[Channel]) -> Callable[[Ints], Reasons]:
    """Reasons by no-data and not-present words; OFF wins, as in the plain form."""
    rows: list[list[int]] = []
    marks: list[NoData] = []
    for reason in (NoData.NOT_PRESENT, NoData.OFF):
        lists = [c.no_data if reason is NoData.OFF else c.not_present for c in channels]
        for k in range(max(len(one) for one in lists)):
            rows.append([one[k] if k < len(one) else _NOWHERE for one in lists])
            marks.append(reason)
    table = np.array(rows, np.int64)

    def decode(raw: Ints) -> Reasons:
        reasons = np.zeros(raw.shape, np.int8)
        hits = raw[..., None, :] == table
        if np.count_nonzero(hits):
            for k, reason in enumerate(marks):
                reasons[hits[..., k, :]] = reason
        return reasons

    return decode if rows else lambda raw: np.zeros(raw.shape, np.int8)


def _finisher(channels: Sequence[Channel]) -> Callable[[Ints, Reasons], Column]:
    """Scale, offset, range; absent values are 0."""
    multiply, divide = _ints([c.multiply for c in channels]), _ints([c.divide for c in channels])
    add = _ints([c.add for c in channels])
    least = _ints([c.low for c in channels])
    span = np.array([max(0, c.high - c.low) for c in channels], np.uint64)
    divided, scaled, added = bool((divide != 1).any()), bool((multiply != 1).any()), bool(add.any())
    bounded = any(c.words == 2 or c.low > -CEILING or c.high < CEILING for c in channels)
    twice, double = 2 * multiply, 2 * divide

    def finish(raw: Ints, reasons: Reasons) -> Column:
        values = raw
        if divided:
            values = (raw * twice + divide) // double
        elif scaled:
            values = np.multiply(raw, multiply, out=raw)
        if added:
            values += add
        if bounded:
            outside = (values - least).view(np.uint64) > span
            if np.count_nonzero(outside):
                reasons[outside & (reasons == 0)] = NoData.OUT_OF_RANGE
        if np.count_nonzero(reasons):
            values[reasons != 0] = 0
        return values, reasons

    return finish


_PARTS: dict[str, Callable[[Sequence[Channel], Sequence[int]], Part]] = {
    "bit": _bit_part,
    "register_bit": _register_bit_part,
    "plain": _plain_part,
    "integer16": _integer_part,
    "integer32": _integer_part,
    "float": _float_part,
    "loop": _loop_part,
}
