"""A value as people write it to the raw words of a channel: the decoder's way back.

``encode`` takes the value in the unit of the point (``1.2`` %vol), a label (``yellow``), a state (``on``, ``closed``),
``no_data``, ``not_present`` or ``raw:1234``. Raises ValueError with what is allowed.
"""

import struct
from fractions import Fraction

from shared.devices.decoder import decode_raw
from shared.devices.profile import Channel, ValueType
from shared.domain.units import DECIMALS, NoData, round_div

Value = str | int | float | bool
_STATES = {"on": 1, "closed": 1, "true": 1, "off": 0, "open": 0, "false": 0}


def encode(channel: Channel, value: Value) -> int:
    """The raw word (16 or 32 bits, or one bit) that decodes to ``value``, as near as the channel's scale allows."""
    text = str(value).strip().lower()
    if text.startswith("raw:"):
        return _raw(channel, text.removeprefix("raw:"))
    if text in ("no_data", "not_present"):
        words = channel.no_data if text == "no_data" else channel.not_present
        if not words:
            raise ValueError(f"{channel.name} has no word for {text}")
        return words[0] & _mask(channel)
    number = _number(channel, text)
    if channel.type is ValueType.BIT:
        if number not in (0, 1):
            raise ValueError(f"{channel.name} is a bit: on or off, closed or open, 1 or 0")
        return int(number) ^ channel.invert
    if channel.type is ValueType.F32:
        scaled = (number * 10 ** DECIMALS[channel.unit] - channel.add) * channel.divide / channel.multiply
        return int.from_bytes(struct.pack(">f", float(scaled)), "big")
    return _scaled(channel, number)


def decoded(channel: Channel, raw: int) -> int | NoData:
    """What a reader makes of the raw word."""
    signed = channel.type in (ValueType.S16, ValueType.S32)
    top = (_mask(channel) + 1) >> 1
    return decode_raw(channel, raw - 2 * top if signed and raw >= top else raw)


def _scaled(channel: Channel, number: Fraction) -> int:
    scaled = number * 10 ** DECIMALS[channel.unit]
    if channel.type is ValueType.LOOP:
        span = channel.loop_high - channel.loop_low
        scaled = 4_000 + (scaled - channel.loop_low) * 16_000 / span
    raw = (scaled - (0 if channel.type is ValueType.LOOP else channel.add)) * channel.divide / channel.multiply
    word = round_div(raw.numerator, raw.denominator)
    if channel.mask:
        word <<= (channel.mask & -channel.mask).bit_length() - 1
    low = -((_mask(channel) + 1) >> 1) if channel.type in (ValueType.S16, ValueType.S32) else 0
    if not low <= word <= (_mask(channel) >> 1 if low else channel.mask or _mask(channel)):
        raise ValueError(f"{float(number)} does not fit into {channel.name}")
    return word & _mask(channel)


def _number(channel: Channel, text: str) -> Fraction:
    for number, label in channel.labels:
        if label == text:
            return Fraction(number)
    if text in _STATES:
        return Fraction(_STATES[text])
    try:
        return Fraction(text) if len(text) <= 40 else Fraction("")
    except (ValueError, ZeroDivisionError):
        labels = ", ".join(label for _, label in channel.labels)
        raise ValueError(f"{text[:40]!r} is not a value of {channel.name}{': ' + labels if labels else ''}") from None


def _raw(channel: Channel, text: str) -> int:
    try:
        return int(text, 0) & _mask(channel)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a raw word") from None


def _mask(channel: Channel) -> int:
    if channel.table.is_bits:
        return 1
    return 0xFFFF_FFFF if channel.words == 2 else 0xFFFF
