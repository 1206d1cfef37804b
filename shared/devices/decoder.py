"""Raw words to one value: the plain form, without numpy. guard uses it, and it is the oracle of the column form.

``decode_channel`` gives the integer in the scaled unit of the channel (shared.domain.units), or a typed reason why
there is none. Order of the checks: the poll's own outcome, the words are there, no-data words, not-present words, bit
or mask, scale with rounding half up, range. Frames are input from outside: nothing in one raises.

4-20 mA by NAMUR NE 43: at or under 3.6 mA and at or over 21 mA LOOP_FAULT; between 3.6 and 3.8 mA OUT_OF_RANGE; between
20.5 and 21 mA the value at 20.5 mA, because gas over the top of the range must not look like no gas.
"""

import struct
from fractions import Fraction

from shared.devices.frame import Block, Frame
from shared.devices.profile import Channel, ValueType
from shared.domain.units import NoData, round_div

LOOP_FAULT_LOW_UA = 3_600
LOOP_LOW_UA = 3_800
LOOP_HIGH_UA = 20_500
LOOP_FAULT_HIGH_UA = 21_000


def decode_channel(channel: Channel, frame: Frame) -> int | NoData:
    """The channel's value in this frame. A frame whose outcome is a failure has that failure for every channel."""
    if frame.outcome is not NoData.PRESENT:
        return frame.outcome
    for block in frame.blocks:
        if block.table is channel.table and 0 <= channel.address - block.address <= block.size - channel.words:
            return _decode_at(channel, block)
    return NoData.MALFORMED


def decode_device(channels: tuple[Channel, ...], frame: Frame) -> list[int | NoData]:
    """All values of a scan in channel order."""
    return [decode_channel(channel, frame) for channel in channels]


def _decode_at(channel: Channel, block: Block) -> int | NoData:
    offset = channel.address - block.address
    if channel.table.is_bits:
        if len(block.words) != (block.size + 7) // 8:
            return NoData.MALFORMED
        raw = block.words[offset >> 3] >> (offset & 7) & 1
    else:
        if len(block.words) != 2 * block.size:
            return NoData.MALFORMED
        raw = _register(channel, block.words, 2 * offset)
    return decode_raw(channel, raw)


def _register(channel: Channel, words: bytes, at: int) -> int:
    first = words[at] << 8 | words[at + 1]
    if channel.words == 1:
        signed = channel.type is ValueType.S16 and first >= 1 << 15
        return first - (1 << 16) if signed else first
    second = words[at + 2] << 8 | words[at + 3]
    raw = second << 16 | first if channel.word_order == "little" else first << 16 | second
    return raw - (1 << 32) if channel.type is ValueType.S32 and raw >= 1 << 31 else raw


def decode_raw(channel: Channel, raw: int) -> int | NoData:
    """Raw words as the type reads them (a float as its 32 bits) to the scaled value."""
    if channel.type is ValueType.BIT:
        bit = raw >> channel.bit & 1 if channel.bit >= 0 else raw & 1
        return 1 - bit if channel.invert else bit
    if raw in channel.no_data:
        return NoData.OFF
    if raw in channel.not_present:
        return NoData.NOT_PRESENT
    if channel.mask:
        raw = (raw & channel.mask) >> ((channel.mask & -channel.mask).bit_length() - 1)
    if channel.type is ValueType.F32:
        value = scale_float(channel, raw)
    elif channel.type is ValueType.LOOP:
        value = _loop(channel, round_div(raw * channel.multiply, channel.divide))
    else:
        value = round_div(raw * channel.multiply, channel.divide) + channel.add
    if isinstance(value, NoData) or channel.low <= value <= channel.high:
        return value
    return NoData.OUT_OF_RANGE


def scale_float(channel: Channel, bits: int) -> int | NoData:
    """An IEEE 754 single, given as its bits, scaled exactly and rounded half up."""
    number: float = struct.unpack(">f", bits.to_bytes(4, "big"))[0]
    if number != number or number in (float("inf"), float("-inf")):
        return NoData.OUT_OF_RANGE
    exact = Fraction(number) * channel.multiply
    return round_div(exact.numerator, exact.denominator * channel.divide) + channel.add


def _loop(channel: Channel, current_ua: int) -> int | NoData:
    if not LOOP_FAULT_LOW_UA < current_ua < LOOP_FAULT_HIGH_UA:
        return NoData.LOOP_FAULT
    if current_ua < LOOP_LOW_UA:
        return NoData.OUT_OF_RANGE
    used_ua = min(current_ua, LOOP_HIGH_UA)
    return channel.loop_low + round_div((used_ua - 4_000) * (channel.loop_high - channel.loop_low), 16_000)
