"""Device profiles: the YAML files that say what a model's registers mean, read and checked.

Promises: ``load_profile`` reports every fault of a file at once with file, line, column and key; what it gives back
decodes without further checks: scales are exact ratios, ranges are integers in the unit of the point.
Refuses: unknown keys and units, a value that would cross the end of a table, a scale that no ratio of integers under
2**29 carries, two names for one thing.
Addresses are 0-based as on the wire: 40001 in a manual is ``table: holding, address: 0``.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.devices.profile import (
    ASSUMED,
    Channel,
    Group,
    Heartbeat,
    Identity,
    Profile,
    ProfileOutput,
    ProfileStatus,
    Table,
    ValueType,
    Watchdog,
)
from shared.domain.ids import ID_ALLOWED, is_id
from shared.domain.units import CEILING, DECIMALS, Unit
from shared.runtime.documents import Document, Fault, Place, Refused, load_document, validation_faults
from shared.runtime.durations import parse_duration

SHIPPED = Path(__file__).parent.parent / "devices" / "profiles"
RATIO_MAX = 1 << 29
"""So that twice a 32-bit word times the ratio stays inside 63 bits."""
GROUP_MAX = 1000
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_NO_ENV: Mapping[str, str] = MappingProxyType({})

UNITS: dict[str, tuple[Unit, Fraction]] = {
    **{unit.value: (unit, Fraction(1)) for unit in Unit},
    "%LFL": (Unit.H2_VOL, Fraction(4, 100)),
    "ppm": (Unit.H2_VOL, Fraction(1, 10_000)),
    "mV": (Unit.VOLT, Fraction(1, 1000)),
    "uOhm": (Unit.MILLIOHM, Fraction(1, 1000)),
}
"""What a profile may write as a unit, and how many of the point's unit it is (100 %LFL is 4 %vol of hydrogen)."""


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


def profile_schema() -> dict[str, Any]:
    """JSON Schema of a profile file."""
    return ProfilePart.model_json_schema()


def shipped_profiles() -> tuple[str, ...]:
    """Names that a site file may use without a file of its own."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml")))


def profile_path(ref: str, base: Path) -> Path | None:
    """The file that ``ref`` (a shipped name, or a path from folder ``base``) means; None for an unknown name."""
    if "/" in ref or ref.endswith((".yaml", ".yml")):
        return base / ref
    return SHIPPED / f"{ref}.yaml" if ref in shipped_profiles() else None


def load_profile(ref: str, base: Path, env: Mapping[str, str] = _NO_ENV) -> tuple[Profile | None, tuple[Fault, ...]]:
    """The profile ``ref`` names, or every fault of its file.

    A fault with line 0 is about ``ref`` itself: the caller knows where that stands.
    """
    path = profile_path(ref, base)
    if path is None:
        allowed = f"a path like ./my-device.yaml, or one of {', '.join(shipped_profiles())}"
        return None, (Fault(ref, 0, 0, "profile", f"{ref[:60]!r} is not a shipped profile", allowed),)
    document, faults = load_document(path, env)
    if document is None:
        return None, tuple(faults)
    try:
        part = ProfilePart.model_validate(document.data)
    except ValidationError as error:
        return None, (*faults, *validation_faults(document, error, ProfilePart))
    builder = _Builder(document, faults)
    profile = builder.profile(part, path.stem)
    bad = any(fault.severity == "error" for fault in builder.faults)
    return (None if bad else profile), tuple(builder.faults)


class _Builder:
    """The checks that need several keys, and the arithmetic; faults are gathered, never raised."""

    def __init__(self, document: Document, faults: list[Fault]) -> None:
        self.document = document
        self.faults = list(faults)

    def fault(self, place: Place, what: str, allowed: str) -> None:
        self.faults.append(self.document.fault(place, what, allowed))

    def profile(self, part: ProfilePart, stem: str) -> Profile:
        channels = tuple(self.channel(name, spec, ("points", name), part) for name, spec in part.points.items())
        groups = tuple(self.group(name, spec, part) for name, spec in part.groups.items())
        if not channels and not groups:
            self.fault((), "has no points", "at least one point or group")
        profile = Profile(
            name=part.name or stem.lower(),
            title=part.title or stem,
            source=part.source,
            channels=channels,
            groups=groups,
            outputs=self.outputs(part),
            status=self.status(part),
            identity=self.identity(part.identity),
            heartbeat=self.heartbeat(part),
            watchdog=self.watchdog(part.watchdog),
            gap=part.gap,
        )
        for name in part.points:
            if Profile("", "", "", (), groups).channel(name) is not None:
                self.fault(("points", name), "is also a name of a group's channel", "another name")
        return profile

    def group(self, name: str, part: GroupPart, whole: ProfilePart) -> Group:
        channels = tuple(
            self.channel(point, spec, ("groups", name, "points", point), whole) for point, spec in part.points.items()
        )
        if name[-1].isdecimal():
            self.fault(("groups", name), "ends with a digit", "a name that an element's number can follow")
        last = part.address + (part.count - 1) * part.stride + max(one.address + one.words for one in channels)
        if last > 65_536:
            self.fault(("groups", name), f"ends at address {last - 1}", "at most 65535")
        if any(one.writable or spec.safe is not None for one, spec in zip(channels, part.points.values(), strict=True)):
            self.fault(("groups", name, "points"), "holds an output", "outputs as plain points")
        return Group(name, part.count, part.address, part.stride, channels)

    def channel(self, name: str, spec: PointPart, place: Place, whole: ProfilePart) -> Channel:
        kind = self.value_type(spec, place)
        unit, factor = UNITS.get(spec.unit, (Unit.STATE, Fraction(1)))
        if spec.unit not in UNITS:
            self.fault((*place, "unit"), f"{spec.unit[:20]!r} is not a unit", f"one of {', '.join(UNITS)}")
        step = factor * 10 ** DECIMALS[unit]
        multiply, divide = self.ratio(spec, kind, step, place)
        labels = self.labels(spec, place)
        low, high = self.limits(spec, step, labels, place)
        loop_low, loop_high = self.loop(spec, kind, step, place)
        if spec.address + (2 if kind in (ValueType.U32, ValueType.S32, ValueType.F32) else 1) > 65_536:
            self.fault((*place, "address"), "ends outside the table", "at most 65535 with all its registers")
        return Channel(
            name=name,
            table=spec.table,
            address=spec.address,
            type=kind,
            unit=unit,
            multiply=multiply,
            divide=divide,
            add=self.integer(spec.offset * step, (*place, "offset")),
            word_order=spec.word_order,
            no_data=self.raws(spec.no_data, kind, (*place, "no_data")),
            not_present=self.raws(spec.not_present, kind, (*place, "not_present")),
            bit=-1 if spec.bit is None else spec.bit,
            mask=spec.mask or 0,
            # An output's point says 1 for on, also where 0 is what switches it on: it is the output's read-back.
            invert=spec.on == 0 if spec.closed is None else spec.closed == 0,
            low=low,
            high=high,
            loop_low=loop_low,
            loop_high=loop_high,
            labels=labels,
            writable=spec.safe is not None or spec.on is not None,
            on=1 if spec.on is None else spec.on,
            assumed=ASSUMED in (spec.source, whole.source),
        )

    def value_type(self, spec: PointPart, place: Place) -> ValueType:
        is_bit = spec.table.is_bits or spec.bit is not None
        kind = spec.type or (ValueType.BIT if is_bit else ValueType.U16)
        if spec.table.is_bits and (kind is not ValueType.BIT or spec.bit is not None or spec.mask is not None):
            self.fault(place, f"a {spec.table} is one bit", "no type, bit or mask")
            return ValueType.BIT
        if not spec.table.is_bits and (kind is ValueType.BIT) != (spec.bit is not None):
            self.fault(place, "type bit and a bit number go together", "bit: 0 to 15 of a register")
        if spec.mask is not None and kind not in (ValueType.U16, ValueType.U32):
            self.fault((*place, "mask"), f"cannot mask a {kind}", "type u16 or u32")
        if spec.mask is not None and kind is ValueType.U16 and spec.mask > 0xFFFF:
            self.fault((*place, "mask"), "has more than 16 bits", "1 to 0xFFFF")
        if kind is ValueType.BIT:
            for key in ("scale", "offset", "min", "max", "no_data", "not_present"):
                if key in spec.model_fields_set:
                    self.fault((*place, key), "means nothing for a bit", "closed: 0 or 1")
            if spec.unit != Unit.STATE.value:
                self.fault((*place, "unit"), "a bit has no unit", "unit: state, or none")
        elif spec.closed is not None:
            self.fault((*place, "closed"), "only a bit opens and closes", "a bit")
        if (spec.safe is not None or spec.on is not None) and spec.table is not Table.COIL:
            self.fault(place, f"a {spec.table} is not an output", "table: coil for what is switched")
        return kind

    def ratio(self, spec: PointPart, kind: ValueType, step: Fraction, place: Place) -> tuple[int, int]:
        if kind is ValueType.BIT:
            return 1, 1
        ratio = spec.scale * (1000 if kind is ValueType.LOOP else step)
        if ratio == 0 or max(abs(ratio.numerator), ratio.denominator) >= RATIO_MAX:
            self.fault((*place, "scale"), "is zero, too large or too fine for its unit", 'a factor like "0.1"')
            return 1, 1
        return ratio.numerator, ratio.denominator

    def labels(self, spec: PointPart, place: Place) -> tuple[tuple[int, str], ...]:
        pairs = []
        for key, text in spec.labels.items():
            try:
                pairs.append((int(key, 0), text))
            except ValueError:
                self.fault((*place, "labels", key), "is not a number", "numbers and their names")
        return tuple(sorted(pairs))

    def limits(
        self, spec: PointPart, step: Fraction, labels: tuple[tuple[int, str], ...], place: Place
    ) -> tuple[int, int]:
        low = -CEILING if spec.min is None else max(-CEILING, math.ceil(spec.min * step))
        high = CEILING if spec.max is None else min(CEILING, math.floor(spec.max * step))
        if low > high:
            self.fault((*place, "max"), "is below min", "max at or over min")
        if labels and spec.min is None and spec.max is None:
            return labels[0][0], labels[-1][0]
        return low, high

    def loop(self, spec: PointPart, kind: ValueType, step: Fraction, place: Place) -> tuple[int, int]:
        if kind is not ValueType.LOOP:
            if spec.range is not None:
                self.fault((*place, "range"), f"means nothing for a {kind}", "type: ma_4_20")
            return 0, 0
        if spec.range is None:
            self.fault(place, "a 4-20 mA input has no range", "range: [value at 4 mA, value at 20 mA]")
            return 0, 1
        if "offset" in spec.model_fields_set:
            self.fault((*place, "offset"), "means nothing for a 4-20 mA input", "range: [at 4 mA, at 20 mA]")
        low, high = (self.integer(end * step, (*place, "range")) for end in spec.range)
        if low >= high or high - low >= CEILING:
            self.fault((*place, "range"), "does not rise", "[value at 4 mA, value at 20 mA]")
        return low, high

    def integer(self, value: Fraction, place: Place) -> int:
        if value.denominator != 1 or abs(value) > 1 << 40:
            self.fault(place, "is too large, or has more decimals than its unit carries", "fewer digits")
            return 0
        return math.floor(value)

    def raws(self, values: tuple[int, ...], kind: ValueType, place: Place) -> tuple[int, ...]:
        """Raw words as the type reads them: 65535 of a signed register is -1."""
        bits = 32 if kind in (ValueType.U32, ValueType.S32, ValueType.F32) else 16
        signed = kind in (ValueType.S16, ValueType.S32)
        out = []
        for value in values:
            if not (-(1 << (bits - 1)) if signed else 0) <= value < 1 << bits:
                self.fault(place, f"{value} is not a raw {kind}", f"a word of {bits} bits")
            out.append(value - (1 << bits) if signed and value >= 1 << (bits - 1) else value)
        return tuple(out)

    def outputs(self, part: ProfilePart) -> tuple[ProfileOutput, ...]:
        found = []
        for name, spec in part.points.items():
            if spec.read_back is not None and spec.safe is None:
                self.fault(("points", name, "read_back"), "means nothing without safe", "safe: on or off")
            if spec.on is not None and spec.safe is None:
                self.fault(("points", name), "an output without safe value", "safe: on or off")
            if spec.safe is None:
                continue
            if spec.read_back is not None and spec.read_back not in part.points:
                self.fault(("points", name, "read_back"), f"there is no point {spec.read_back}", "a point of this file")
            found.append(ProfileOutput(name, spec.safe, spec.read_back or name))
        return tuple(found)

    def status(self, part: ProfilePart) -> ProfileStatus | None:
        if part.status is None:
            return None
        self.known(part.status.point, part, ("status", "point"))
        return ProfileStatus(part.status.point, part.status.good, part.status.warm_up)

    def heartbeat(self, part: ProfilePart) -> Heartbeat | None:
        if part.heartbeat is None:
            return None
        self.known(part.heartbeat.point, part, ("heartbeat", "point"))
        return Heartbeat(part.heartbeat.point, part.heartbeat.period)

    def known(self, name: str, part: ProfilePart, place: Place) -> None:
        if name not in part.points:
            self.fault(place, f"there is no point {name}", f"one of {', '.join(part.points)}")

    def identity(self, part: IdentityPart | None) -> Identity | None:
        if part is None:
            return None
        if part.table.is_bits and any(value > 1 for value in part.values):
            self.fault(("identity", "values"), "bits are 0 or 1", "0 or 1")
        if part.address + len(part.values) > 65_536:
            self.fault(("identity", "address"), "ends outside the table", "at most 65535 with all its registers")
        return Identity(part.table, part.address, part.values)

    def watchdog(self, part: WatchdogPart | Literal["none"] | None) -> Watchdog | None:
        if part is None or part == "none":
            return None
        if part.table is not Table.HOLDING:
            self.fault(("watchdog", "table"), "cannot be read and written", "table: holding")
        enable, safe = (-1 if address is None else address for address in (part.enable, part.safe))
        return Watchdog(part.table, part.address, part.unit, part.value, enable, safe)
