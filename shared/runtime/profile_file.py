"""What may stand in a profile file: its sections as pydantic models, and the kinds of values they hold.

Unknown keys are refused. What needs more than one key to judge is checked where the profile is built
(shared.runtime.profiles).
"""

import re
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.devices.profile import Table, ValueType
from shared.domain.ids import ID_ALLOWED, is_id
from shared.domain.units import CEILING, Unit
from shared.runtime.documents import Refused
from shared.runtime.durations import parse_duration

GROUP_MAX = 1000
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", re.ASCII)


def _decimal(value: Any) -> Fraction:
    """A decimal number as text or number, exactly; ``1/3`` too."""
    text = str(value).strip()
    whole, slash, part = text.partition("/")
    number = None
    if not isinstance(value, bool) and isinstance(value, str | int | float) and len(text) <= 40:
        if slash and part.strip().isdecimal() and int(part) and whole.strip().lstrip("+-").isdecimal():
            number = Fraction(int(whole), int(part))
        elif not slash and _DECIMAL.fullmatch(text):
            number = Fraction(text)
    if number is None:
        raise Refused(f"{text[:40]!r} is not a number", 'a decimal number like "0.1"')
    if abs(number) >= CEILING or number.denominator > 10**12:
        raise Refused(f"{text[:40]!r} is too large or too fine", "under 2**53, at most 12 decimals")
    return number


def _duration(value: Any) -> int:
    parsed = parse_duration(value) if isinstance(value, str) else None
    if parsed is None or parsed <= 0:
        raise Refused(f"{str(value)[:40]!r} is not a duration", "a number with ms, s, min, h or d, above 0")
    return parsed


def _on_off(value: Any) -> bool:
    words = {"on": True, "off": False, True: True, False: False}
    if not isinstance(value, str | bool) or value not in words:
        raise Refused(f"{str(value)[:40]!r} is not a state", "on or off")
    return words[value]


def _id(value: Any) -> str:
    if not isinstance(value, str) or not is_id(value):
        raise Refused(f"{str(value)[:60]!r} is not a name", ID_ALLOWED)
    return value


Number = Annotated[Fraction, BeforeValidator(_decimal, json_schema_input_type=str | float)]
Duration = Annotated[int, BeforeValidator(_duration, json_schema_input_type=str)]


def _duration_or_zero(value: Any) -> int:
    return 0 if str(value) in ("0", "0s", "0ms") else _duration(value)


DurationOrZero = Annotated[int, BeforeValidator(_duration_or_zero, json_schema_input_type=str)]
OnOff = Annotated[bool, BeforeValidator(_on_off, json_schema_input_type=Literal["on", "off"])]
Name = Annotated[str, BeforeValidator(_id)]
Address = Annotated[int, Field(ge=0, le=65_535)]
Raw = Annotated[int, Field(ge=-(1 << 31), le=(1 << 32) - 1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class PointPart(_Part):
    """One point of a profile file."""

    table: Table
    address: Address
    type: ValueType | None = None
    unit: str = Unit.STATE.value
    scale: Number = Fraction(1)
    offset: Number = Fraction(0)
    word_order: Literal["big", "little"] = "big"
    no_data: tuple[Raw, ...] = ()
    not_present: tuple[Raw, ...] = ()
    bit: Annotated[int, Field(ge=0, le=15)] | None = None
    mask: Annotated[int, Field(ge=1, le=0xFFFFFFFF)] | None = None
    closed: Annotated[int, Field(ge=0, le=1)] | None = None
    min: Number | None = None
    max: Number | None = None
    range: tuple[Number, Number] | None = None
    labels: dict[str, str] = {}
    on: Annotated[int, Field(ge=0, le=1)] | None = None
    safe: OnOff | None = None
    read_back: Name | None = None
    source: str | None = None


class GroupPart(_Part):
    count: Annotated[int, Field(ge=1, le=GROUP_MAX)]
    address: Address
    stride: Annotated[int, Field(ge=1, le=1000)]
    points: dict[Name, PointPart] = Field(min_length=1)


class IdentityPart(_Part):
    table: Table
    address: Address
    values: tuple[Annotated[int, Field(ge=0, le=65_535)], ...] = Field(min_length=1, max_length=16)


class HeartbeatPart(_Part):
    point: Name
    period: Duration


class StatusPart(_Part):
    point: Name
    good: tuple[int, ...] = Field(min_length=1)
    warm_up: tuple[int, ...] = ()


class WatchdogPart(_Part):
    table: Table
    address: Address
    unit: Duration
    value: Annotated[int, Field(ge=1, le=65_535)]
    enable: Address | None = None
    safe: Address | None = None


class ProfilePart(_Part):
    """A profile file."""

    name: Name | None = None
    title: str = ""
    source: str = ""
    gap: Annotated[int, Field(ge=0, le=64)] = 4
    points: dict[Name, PointPart] = {}
    groups: dict[Name, GroupPart] = {}
    status: StatusPart | None = None
    identity: IdentityPart | None = None
    heartbeat: HeartbeatPart | None = None
    watchdog: WatchdogPart | Literal["none"] | None = None
