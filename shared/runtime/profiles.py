"""Device profiles: the YAML files that say what a model's registers mean, read and checked.

Promises: ``load_profile`` reports every fault of a file at once with file, line, column and key; what it gives back
decodes without further checks: scales are exact ratios, ranges are integers in the unit of the point.
Refuses: unknown keys and units, a value that would cross the end of a table, a scale that no ratio of integers under
2**29 carries, two names for one thing.
Addresses are 0-based as on the wire: 40001 in a manual is ``table: holding, address: 0``.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

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
from shared.domain.units import CEILING, DECIMALS, Unit
from shared.runtime.documents import Document, Fault, Place, load_document
from shared.runtime.profile_file import GroupPart, IdentityPart, PointPart, ProfilePart, WatchdogPart
from shared.runtime.sound import Gaps, sound_part

SHIPPED = Path(__file__).parent.parent / "devices" / "profiles"
RATIO_MAX = 1 << 29
"""So that twice a 32-bit word times the ratio stays inside 63 bits."""
DECIDING = ("table", "type", "unit", "bit", "mask", "scale", "min", "max", "range", "closed", "on", "safe")
"""Keys of a point that others are judged by."""
_NO_ENV: Mapping[str, str] = MappingProxyType({})

UNITS: dict[str, tuple[Unit, Fraction]] = {
    **{unit.value: (unit, Fraction(1)) for unit in Unit},
    "%LFL": (Unit.H2_VOL, Fraction(4, 100)),
    "ppm": (Unit.H2_VOL, Fraction(1, 10_000)),
    "mV": (Unit.VOLT, Fraction(1, 1000)),
    "uOhm": (Unit.MILLIOHM, Fraction(1, 1000)),
}
"""What a profile may write as a unit, and how many of the point's unit it is (100 %LFL is 4 %vol of hydrogen)."""


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
    profile, faults, _ = read_profile(ref, base, env)
    bad = any(fault.severity == "error" for fault in faults)
    return (None if bad else profile), faults


class Reading(NamedTuple):
    """A profile file that was read: what is sound of it, every fault, and what was left out."""

    profile: Profile | None
    faults: tuple[Fault, ...]
    gaps: Gaps


def read_profile(ref: str, base: Path, env: Mapping[str, str] = _NO_ENV) -> Reading:
    """The sound part of the profile ``ref`` names, so that what refers to it can be checked in spite of its faults."""
    path = profile_path(ref, base)
    if path is None:
        allowed = f"a path like ./my-device.yaml, or one of {', '.join(shipped_profiles())}"
        return Reading(None, (Fault(ref, 0, 0, "profile", f"{ref[:60]!r} is not a shipped profile", allowed),), Gaps())
    document, faults = load_document(path, env)
    if document is None:
        return Reading(None, tuple(faults), Gaps())
    part, gaps, told = sound_part(document, ProfilePart)
    faults += told
    if part is None:
        return Reading(None, tuple(faults), gaps)
    builder = _Builder(document, faults, gaps)
    profile = builder.profile(part, path.stem)
    return Reading(profile, tuple(builder.faults), builder.unfit())


class _Builder:
    """The checks that need several keys, and the arithmetic; faults are gathered, never raised."""

    def __init__(self, document: Document, faults: list[Fault], gaps: Gaps) -> None:
        self.document = document
        self.faults = list(faults)
        self.gaps = gaps
        self.told: set[Place] = set()

    def fault(self, place: Place, what: str, allowed: str) -> None:
        """Something is wrong at ``place``; nothing is said that hangs on what was left out."""
        depth = {"points": 2, "groups": 4}.get(str(place[0]), 0) if place else 0
        if depth and len(place) >= depth:
            decides = ((*place[:depth], key) for key in DECIDING)
            doubtful = self.gaps.is_gone(place) or any(self.gaps.is_broken(one) for one in decides)
        else:
            doubtful = self.gaps.is_broken(place) if place else False
        if not doubtful:
            self.told.add(place)
            self.faults.append(self.document.fault(place, what, allowed))

    def unfit(self) -> Gaps:
        """What was left out, and what is told to be wrong: neither can be judged further."""
        return Gaps(self.gaps.broken | self.told, self.gaps.items)

    def profile(self, part: ProfilePart, stem: str) -> Profile:
        channels = tuple(self.channel(name, spec, ("points", name), part) for name, spec in part.points.items())
        groups = tuple(self.group(name, spec, part) for name, spec in part.groups.items())
        if not channels and not groups and not (self.gaps.is_broken(("points",)) or self.gaps.is_broken(("groups",))):
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
        if self.gaps.is_broken(("groups", name)):
            return Group(name, part.count, part.address, part.stride, channels)
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
            if spec.read_back is not None and not self.stands(spec.read_back, part):
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

    def stands(self, name: str, part: ProfilePart) -> bool:
        return name in part.points or self.gaps.is_gone(("points", name))

    def known(self, name: str, part: ProfilePart, place: Place) -> None:
        if not self.stands(name, part):
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
