"""The kinds of values a site file has: ids, durations, exact decimals, references to a device's channel.

Each refuses with what is wrong and what is allowed (shared.runtime.documents.Refused), so that `check` can say both.
Numbers are kept as Decimal: "1.0" %vol becomes 10000 exactly, and a decimal too many is a fault, never rounded away.
"""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from shared.domain.ids import ID_ALLOWED, is_id
from shared.domain.notify_plan import DAY_MINUTES, Hours
from shared.domain.units import CEILING, DECIMALS, Unit
from shared.runtime import durations
from shared.runtime.documents import Refused

DURATION_MIN_MS = 100
RESERVED = ("_site", "_fleet", "site")
"""``_site`` and ``_fleet`` are pseudo-rooms and pseudo-sites; ``room: site`` means every room."""


class ChannelRef(NamedTuple):
    """``gas1.h2``: channel h2 of the device gas1."""

    device: str
    channel: str

    def __str__(self) -> str:
        return f"{self.device}.{self.channel}"


def _id(text: object) -> str:
    given = str(text)
    if not isinstance(text, str) or not is_id(text):
        raise Refused(f"{given[:60]!r} is no id", ID_ALLOWED)
    if text in RESERVED:
        raise Refused(f"{text!r} is reserved", f"another id than {', '.join(RESERVED)}")
    return text


def _room(text: object) -> str:
    return "site" if text == "site" else _id(text)


def _duration(least_ms: int) -> Callable[[object], int]:
    def parse(given: object) -> int:
        if given == 0 and least_ms == 0 and not isinstance(given, bool):
            return 0
        ms = durations.parse_duration(given) if isinstance(given, str) else None
        if ms is None:
            raise Refused(f"{str(given)[:40]!r} is no duration", durations.ALLOWED)
        if ms < DURATION_MIN_MS and not (ms == 0 and least_ms == 0):
            raise Refused(
                f"{given} is too short", f"at least {DURATION_MIN_MS}ms" + (", or 0s" if not least_ms else "")
            )
        return ms

    return parse


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"(?:(?P<days>[a-z,-]+) +)?(?P<begin>[0-9:]+) ?- ?(?P<end>[0-9:]+)")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})")
HOURS_ALLOWED = '"22:00-06:00", "mon-fri 07:30-16:00" or "sat,sun 00:00-24:00"'


def _minute(text: str) -> int:
    """Minutes after midnight of 07:30; -1 for what is no time of the day."""
    found = _CLOCK.fullmatch(text)
    minute = int(found[1]) * 60 + int(found[2]) if found is not None and int(found[2]) < 60 else -1
    return minute if minute <= DAY_MINUTES else -1


def _days(text: str) -> tuple[int, ...]:
    """The days that are named, in order; empty when one is no day."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            return ()
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        found |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    return tuple(sorted(found))


def _hours(given: object) -> Hours:
    """Hours of the day, on some days or on all."""
    if isinstance(given, Hours):
        return given
    found = _HOURS.fullmatch(given.strip().lower()) if isinstance(given, str) else None
    days = _days(found["days"] or "mon-sun") if found is not None else ()
    begin, end = (_minute(found["begin"]), _minute(found["end"])) if found is not None else (-1, -1)
    if not days or begin < 0 or end < 0 or begin == DAY_MINUTES:
        raise Refused(f"{str(given)[:60]!r} is no time of the day", HOURS_ALLOWED)
    if begin == end:
        raise Refused(f"{str(given)[:60]!r} begins and ends at once", "00:00-24:00 for the whole day")
    return Hours(days, begin, end)


def _time_of_day(given: object) -> int:
    minute = _minute(given.strip()) if isinstance(given, str) else -1
    if not 0 <= minute < DAY_MINUTES:
        raise Refused(f"{str(given)[:40]!r} is no time of the day", '"07:30"')
    return minute


def _decimal(given: object) -> Decimal:
    if isinstance(given, Decimal):
        return given
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise Refused(f"{str(given)[:40]!r} is no number", "a number")
    try:
        exact = Decimal(repr(given) if isinstance(given, float) else str(given).strip())
    except InvalidOperation:
        raise Refused(f"{str(given)[:40]!r} is no number", "a number") from None
    if not exact.is_finite() or abs(exact) >= CEILING or exact.as_tuple().exponent < -20:  # type: ignore[operator]
        raise Refused(f"{str(given)[:40]!r} is out of every range", "a number of usual size")
    return exact


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise Refused(f"{value} is not positive", "a number above 0")
    return value


def _channel(given: object) -> ChannelRef:
    device, dot, channel = given.partition(".") if isinstance(given, str) else ("", "", "")
    if not dot or not is_id(device) or not is_id(channel):
        raise Refused(f"{str(given)[:80]!r} names no channel", "device.channel, as in gas1.h2")
    return ChannelRef(device, channel)


def _one_or_many(given: object) -> object:
    return [given] if isinstance(given, dict) else given


def _words(given: object) -> object:
    return [given] if isinstance(given, str) else given


def _flag(given: object) -> object:
    """``on`` and ``off`` as words: YAML 1.2 leaves them text."""
    words = {"true": True, "false": False, "on": True, "off": False, "yes": True, "no": False}
    if isinstance(given, str) and given.lower() in words:
        return words[given.lower()]
    if not isinstance(given, bool):
        raise Refused(f"{str(given)[:40]!r} is neither true nor false", "true or false")
    return given


def _whole(given: object) -> object:
    if isinstance(given, bool) or (isinstance(given, float) and given != int(given if abs(given) < CEILING else 0)):
        raise Refused(f"{given!r} is no whole number", "a whole number")
    return given


_DURATION_SCHEMA = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|min|h|d)$", "examples": ["500ms", "60min"]}

Id = Annotated[str, BeforeValidator(_id), WithJsonSchema({"type": "string", "pattern": "^[a-z0-9_-]{1,40}$"})]
RoomRef = Annotated[str, BeforeValidator(_room), WithJsonSchema({"type": "string", "pattern": "^[a-z0-9_-]{1,40}$"})]
Duration = Annotated[int, BeforeValidator(_duration(DURATION_MIN_MS)), WithJsonSchema(_DURATION_SCHEMA)]
Delay = Annotated[int, BeforeValidator(_duration(0)), WithJsonSchema({"anyOf": [_DURATION_SCHEMA, {"const": 0}]})]
HoursText = Annotated[
    Hours, BeforeValidator(_hours), WithJsonSchema({"type": "string", "examples": ["mon-fri 22:00-06:00"]})
]
TimeOfDay = Annotated[
    int, BeforeValidator(_time_of_day), WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$"})
]
Number = Annotated[Decimal, BeforeValidator(_decimal), WithJsonSchema({"type": ["number", "string"]})]
Positive = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    AfterValidator(_positive),
    WithJsonSchema({"type": ["number", "string"], "exclusiveMinimum": 0}),
]
Channel = Annotated[
    ChannelRef,
    BeforeValidator(_channel),
    WithJsonSchema({"type": "string", "pattern": r"^[a-z0-9_-]{1,40}\.[a-z0-9_-]{1,40}$", "examples": ["gas1.h2"]}),
]
Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"enum": [True, False, "on", "off", "yes", "no"]})]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=10_000)]
Whole = Annotated[int, BeforeValidator(_whole)]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Names for people: any text of one line."""

OneOrMany = BeforeValidator(_one_or_many)
Words = BeforeValidator(_words)


def scaled(value: Decimal, unit: Unit) -> int | None:
    """The integer that carries ``value`` in ``unit``, or None when it has more decimals than the unit."""
    exact = value.scaleb(DECIMALS[unit])
    return int(exact) if exact == exact.to_integral_value() and abs(exact) < CEILING else None


def split_address(text: str) -> tuple[str, int] | None:
    """(host, port) of host:port, or None."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or any(mark in host for mark in " /@") or not (port.isascii() and port.isdecimal()):
        return None
    return (host, int(port)) if int(port[:6]) <= 65_535 else None
