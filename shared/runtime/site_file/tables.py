"""The tables of one RoomPlan while they are being filled: points, scans, alarms and rows that refer to one another.

Promises: positions are given in order of creation, so that the same file makes the same bytes; an alarm about a value
is suppressed by the loss of each device it hangs on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from shared.devices.profile import DevicePlan
from shared.domain.ids import AlarmId, DeviceId, PointId, RoomId, RuleId
from shared.domain.plan import (
    NONE,
    AlarmPlan,
    BatteryPlan,
    CompensationRow,
    CountRow,
    DetectorPlan,
    DeviationRow,
    DifferenceRow,
    LimitRow,
    LostRow,
    MedianFactorRow,
    Mode,
    OutputPlan,
    PointPlan,
    RateRow,
    ReportRow,
    RoomPlan,
    RunawayRow,
    ScanPlan,
    StaleRow,
)
from shared.domain.upkeep_plan import BaselinePlan, DueKind, DueRow, FactorRow, PartKind, PartPlan
from shared.runtime.site_file.figures import Figures
from shared.runtime.site_file.names import Found

STALE_PERIODS = 3
STALE_MIN_MS = 4_000
"""Three missed polls, but not before the 4 s that a gas fault may last [G3: 6 s in all]."""


class Subject(NamedTuple):
    """What an alarm is about: its path, and the path it had before a rename."""

    path: str
    was: str

    def __truediv__(self, part: str) -> "Subject":
        return Subject(f"{self.path}/{part}", f"{self.was}/{part}")


def stale_ms(every_ms: int) -> int:
    """Time without a good sample after which a point is stale and a device is lost."""
    return max(STALE_MIN_MS, STALE_PERIODS * every_ms)


@dataclass
class Tables:
    """One room's plan in the making."""

    room: Subject
    points: list[PointPlan] = field(default_factory=list)
    scans: list[ScanPlan] = field(default_factory=list)
    alarms: list[AlarmPlan] = field(default_factory=list)
    limits: list[LimitRow] = field(default_factory=list)
    groups: list[tuple[int, ...]] = field(default_factory=list)
    deviations: list[DeviationRow] = field(default_factory=list)
    differences: list[DifferenceRow] = field(default_factory=list)
    rates: list[RateRow] = field(default_factory=list)
    median_factors: list[MedianFactorRow] = field(default_factory=list)
    counts: list[CountRow] = field(default_factory=list)
    runaways: list[RunawayRow] = field(default_factory=list)
    losts: list[LostRow] = field(default_factory=list)
    reports: list[ReportRow] = field(default_factory=list)
    detectors: list[DetectorPlan] = field(default_factory=list)
    outputs: list[OutputPlan] = field(default_factory=list)
    batteries: list[BatteryPlan] = field(default_factory=list)
    stales: list[StaleRow] = field(default_factory=list)
    compensations: list[CompensationRow] = field(default_factory=list)
    parts: dict[str, PartPlan] = field(default_factory=dict)
    baselines: list[BaselinePlan] = field(default_factory=list)
    factors: list[FactorRow] = field(default_factory=list)
    dues: list[DueRow] = field(default_factory=list)
    by_channel: dict[tuple[str, str], int] = field(default_factory=dict)
    by_id: dict[str, int] = field(default_factory=dict)
    parents: dict[int, dict[int, None]] = field(default_factory=dict)
    device_alarms: dict[str, int] = field(default_factory=dict)
    """device_lost, by device."""
    origins: list[str] = field(default_factory=list)
    """The device of each point."""

    def add_scan(self, device: DevicePlan, names: dict[tuple[str, str], str]) -> int:
        """The points of one device; ``names`` has those that are not called device-channel."""
        self.scans.append(
            ScanPlan(DeviceId(device.id), device.bus, len(self.points), len(device.channels), device.every_ms)
        )
        for channel in device.channels:
            name = names.get((device.id, channel.name), f"{device.id}-{channel.name}")
            self.by_channel[(device.id, channel.name)] = len(self.points)
            self.points.append(PointPlan(PointId(f"{self.room.path}/{name}"), channel.unit, stale_ms(device.every_ms)))
            self.origins.append(device.id)
        return len(self.scans) - 1

    def point(self, found: Found | None) -> int:
        """Position of the point, NONE for none."""
        return NONE if found is None else self.by_channel[(found.device, found.channel.name)]

    def alarm(
        self,
        subject: Subject,
        figures: Figures,
        *,
        points: Iterable[int] = (),
        battery: int = NONE,
        suppressed_in: Sequence[Mode] = (),
    ) -> int:
        """A new alarm of the rule ``figures`` about ``subject``; it is suppressed while a device of its ``points`` is
        lost."""
        index = len(self.alarms)
        name = f"{subject.path}/{figures.rule}"
        was = f"{subject.was}/{figures.rule}"
        self.alarms.append(
            AlarmPlan(
                id=AlarmId(name),
                rule=RuleId(figures.rule),
                subject=subject.path,
                severity=figures.severity,
                on_delay_ms=figures.on_delay_ms,
                off_delay_ms=figures.off_delay_ms,
                latch=figures.latch,
                rises=figures.rises,
                window_ms=figures.window_ms,
                realarm_ms=figures.realarm_ms,
                suppressed_in=tuple(suppressed_in),
                battery=battery,
                was="" if was == name else was,
            )
        )
        self.by_id[name] = index
        for point in points:
            if point != NONE and self.origins[point] in self.device_alarms:
                self.suppress(index, self.device_alarms[self.origins[point]])
        return index

    def part(self, subject: Subject, kind: PartKind, **known: str) -> None:
        """A replaceable part; what two places name is one part. ``known``: fields of PartPlan."""
        was = "" if subject.was == subject.path else subject.was
        self.parts.setdefault(subject.path, PartPlan(subject.path, kind, was=was, **known))

    def due(self, subject: Subject, kind: DueKind, figures: Figures) -> None:
        """Something about ``subject`` that has to be done again and again, unless its rule is switched off."""
        if figures.enabled:
            self.dues.append(DueRow(self.alarm(subject, figures), kind, subject.path, figures.every_ms))

    def suppress(self, child: int, parent: int) -> None:
        """``child`` is not announced while ``parent`` is active."""
        if NONE not in (child, parent) and child != parent:
            self.parents.setdefault(child, {})[parent] = None

    def of_rule(self, rule: str) -> list[int]:
        """All alarms of a rule, in order."""
        return [index for index, alarm in enumerate(self.alarms) if alarm.rule == rule]

    def plan(self, room: str, site: str, name: str, was: str = "") -> RoomPlan:
        """The finished plan."""
        alarms = tuple(
            replace(alarm, suppressed_by=tuple(self.parents[index])) if index in self.parents else alarm
            for index, alarm in enumerate(self.alarms)
        )
        return RoomPlan(
            id=RoomId(room),
            site=site,
            name=name,
            points=tuple(self.points),
            scans=tuple(self.scans),
            alarms=alarms,
            limits=tuple(self.limits),
            groups=tuple(self.groups),
            deviations=tuple(self.deviations),
            differences=tuple(self.differences),
            rates=tuple(self.rates),
            median_factors=tuple(self.median_factors),
            counts=tuple(self.counts),
            runaways=tuple(self.runaways),
            losts=tuple(self.losts),
            reports=tuple(self.reports),
            detectors=tuple(self.detectors),
            outputs=tuple(self.outputs),
            batteries=tuple(self.batteries),
            stales=tuple(self.stales),
            compensations=tuple(self.compensations),
            parts=tuple(self.parts.values()),
            baselines=tuple(self.baselines),
            factors=tuple(self.factors),
            dues=tuple(self.dues),
            was=was,
        )
