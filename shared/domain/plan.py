"""What a checked site file becomes for the core: flat tables of integers, one RoomPlan a room.

A plan is pure data, written and read as JSON by shared.wire. Its hash, with the device profiles' and the core's
version, is the decision version. Tables refer to one another by position: ``point`` is an index into RoomPlan.points,
``alarm`` into RoomPlan.alarms, ``detector`` into RoomPlan.detectors, ``output`` into RoomPlan.outputs, ``battery`` into
RoomPlan.batteries, ``scan`` into RoomPlan.scans. -1 means "none" in such an index and nowhere else.
All values are integers scaled as shared.domain.units says; all times are milliseconds.

Several condition rows may feed one alarm: its condition is TRUE when any row is (one of n), its severity the highest of
the rows that are TRUE. So an alarm with H and HH that escalates is one alarm with two limit rows.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from shared.domain.ids import AlarmId, DeviceId, OutputId, PointId, RoomId, RuleId
from shared.domain.units import Unit
from shared.domain.upkeep_plan import BaselinePlan, DueRow, FactorRow, PartPlan

NONE = -1


class Severity(IntEnum):
    """How grave an alarm is; comparisons go by the number."""

    WARNING = 1
    ALARM = 2
    CRITICAL = 3

    @property
    def label(self) -> str:
        return self.name.lower()


class Mode(StrEnum):
    """What a battery is doing. Unknown means the stricter limits and boost ventilation."""

    UNKNOWN = "unknown"
    FLOAT = "float"
    BOOST = "boost"
    DISCHARGE = "discharge"
    RECOVERY = "recovery"


class CauseKind(StrEnum):
    """What may demand an output."""

    DETECTOR_1 = "detector_1"
    """Gas at or over the first limit (or contact 1), without any delay."""
    DETECTOR_2 = "detector_2"
    DETECTOR_FAULT = "detector_fault"
    """Detector fault, stale, lost, warm-up or start-up: ends with three good samples."""
    ALARM = "alarm"
    """The alarm's condition is TRUE or its latch holds."""
    BOOST = "boost"
    """The battery is in boost mode or its mode is unknown."""


class OutputKind(StrEnum):
    FAN = "fan"
    CHARGER_INHIBIT = "charger_inhibit"
    BUZZER = "buzzer"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class PointPlan:
    """One measured point. A scan of its device fills points[first : first + count] of the room in order."""

    id: PointId
    unit: Unit
    stale_ms: int
    """Without a good sample for so long the point's quality is STALE."""


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """One device as this room sees it: its scan fills ``count`` points from ``first`` on."""

    device: DeviceId
    bus: str
    first: int
    count: int
    every_ms: int


@dataclass(frozen=True, slots=True)
class AlarmPlan:
    """The part of an alarm that does not depend on the kind of its condition."""

    id: AlarmId
    rule: RuleId
    subject: str
    """Path of the point, jar, string, device or output it is about: the alarm's id without the rule."""
    severity: Severity
    on_delay_ms: int = 0
    off_delay_ms: int = 0
    latch: bool = False
    rises: int = 0
    """Count-in-window: so many rises within window_ms make the condition TRUE at once; 0 turns this off."""
    window_ms: int = 0
    realarm_ms: int = 0
    """An acked alarm that stays TRUE so long is announced again; 0 turns this off."""
    suppressed_by: tuple[int, ...] = ()
    """Alarms that, while active, suppress this one by design."""
    suppressed_in: tuple[Mode, ...] = ()
    battery: int = NONE
    was: str = ""
    """The id it had before it was renamed; its history goes on under the new one."""


@dataclass(frozen=True, slots=True)
class ModeLimit:
    mode: Mode
    limit: int


@dataclass(frozen=True, slots=True)
class LimitRow:
    """TRUE at or over ``limit`` (``high``) or at or under it, until ``deadband`` inside. A contact is >= 1."""

    alarm: int
    point: int
    high: bool
    limit: int
    deadband: int
    severity: Severity
    battery: int = NONE
    by_mode: tuple[ModeLimit, ...] = ()
    """Other limits while the battery is in these modes; ``limit`` in all others."""


@dataclass(frozen=True, slots=True)
class CompensationRow:
    """A limit follows a temperature: by uv_per_k (of the whole limit) for each kelvin that ``point`` is over ``usual``.

    Only in ``modes``: what another mode brings is a limit as it stands. The last good value of the point counts, and
    ``usual`` until there is one.
    """

    limit: int
    """Position in RoomPlan.limits; no limit has two rows."""
    point: int
    usual: int
    """m°C at which the limit is as it stands in its row."""
    uv_per_k: int
    modes: tuple[Mode, ...]


@dataclass(frozen=True, slots=True)
class DeviationRow:
    """|value - median of the group's good values| >= limit, until deadband inside; needs three good values."""

    alarm: int
    point: int
    group: int
    limit: int
    deadband: int
    severity: Severity


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """value(a) - value(b) >= limit (or |a - b| when ``absolute``), until deadband inside; both must be good."""

    alarm: int
    a: int
    b: int
    absolute: bool
    limit: int
    deadband: int
    severity: Severity


@dataclass(frozen=True, slots=True)
class RateRow:
    """Rise over the last window_ms >= limit, sampled in sixteen buckets; TRUE until deadband inside."""

    alarm: int
    point: int
    window_ms: int
    limit: int
    deadband: int
    severity: Severity


@dataclass(frozen=True, slots=True)
class MedianFactorRow:
    """|value| >= factor_percent of its own seven-day median (float mode only), once that is known."""

    alarm: int
    point: int
    battery: int
    factor_percent: int
    floor: int
    """The median is taken as at least this, so that noise about zero raises nothing."""
    severity: Severity


@dataclass(frozen=True, slots=True)
class CountRow:
    """At least ``at_least`` of the alarms ``of`` have a TRUE condition."""

    alarm: int
    of: tuple[int, ...]
    at_least: int
    severity: Severity


@dataclass(frozen=True, slots=True)
class RunawayRow:
    """Thermal runaway: (any temperature - ambient >= rise and |current| >= factor % of its median) or
    (any temperature >= hot while the battery is in float, boost, recovery or unknown). Without an ambient point or a
    current only the second can be. While no median is known its floor stands for it."""

    alarm: int
    temperatures: tuple[int, ...]
    ambient: int
    current: int
    battery: int
    rise: int
    hot: int
    factor_percent: int
    floor: int
    severity: Severity


class LostBy(StrEnum):
    """What a lost row goes by."""

    VALUES = "values"
    """No scan with values: a device that answers with exceptions alone is lost."""
    ANSWERS = "answers"
    """No answer of any kind from any of the devices: an exception or a foreign identity shows that the line lives."""
    LINK = "link"
    """No answer either, and the link itself is gone: refused, closed or unplugged. A mere timeout proves nothing."""


@dataclass(frozen=True, slots=True)
class LostRow:
    """These scans have been silent for its time: one scan without values is device_lost, a silent line bus_lost."""

    alarm: int
    scans: tuple[int, ...]
    after_ms: int
    severity: Severity
    by: LostBy = LostBy.VALUES


@dataclass(frozen=True, slots=True)
class StaleRow:
    """TRUE when the point has had no good value for after_ms (from the start of the state when there never was one)."""

    alarm: int
    point: int
    after_ms: int
    severity: Severity


@dataclass(frozen=True, slots=True)
class ReportRow:
    """TRUE from a Report with this kind and subject and state on, until one with state off (a pulse: for one step)."""

    alarm: int
    kind: str
    subject: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class DetectorPlan:
    """One hydrogen detector: a concentration, or two contacts, with what tells of its own health.

    Detection is one of n: a failed detector votes on.
    """

    id: PointId
    h2: int
    contact_1: int
    contact_2: int
    status: int
    """Point whose value is one of status_good, status_warm_up, or else a fault; -1 when the device has none."""
    heartbeat: int
    limit_1: int
    limit_2: int
    deadband: int
    status_good: tuple[int, ...] = ()
    status_warm_up: tuple[int, ...] = ()
    heartbeat_ms: int = 0
    """The heartbeat point must change at least this often."""
    warm_up_ms: int = 0
    """After start the detector is in warm-up so long, even if its samples look good."""
    persist_ms: int = 4000
    """Without a good sample for so long: a fault, and the fan on."""
    good_samples: int = 3
    alarm_1: int = NONE
    alarm_2: int = NONE
    alarm_fault: int = NONE
    alarm_impossible: int = NONE


@dataclass(frozen=True, slots=True)
class CausePlan:
    kind: CauseKind
    index: int
    """Detector, alarm or battery, by kind."""


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """One output of the room and everything that may demand it: a line of the cause-and-effect matrix."""

    id: OutputId
    kind: OutputKind
    device: DeviceId
    channel: str
    safe_on: bool
    """Its state when nobody demands anything: written at the end of a lease."""
    causes: tuple[CausePlan, ...]
    run_on_ms: int = 0
    """Gas and boost demands hold so long after their end."""
    run_up_ms: int = 5000
    airflow: int = NONE
    standby: bool = False
    """The n-th standby fan takes over when n fans before it in the table have failed."""
    read_back: int = NONE
    """Point that shows the coil's state in the device's own scan."""
    alarm_fail: int = NONE
    alarm_airflow: int = NONE
    alarm_not_falling: int = NONE
    not_falling_ms: int = 1_800_000
    wiring_safe: bool = False
    """The contactor is wired fan_on_when_deenergised: without watchdog the output is 'not supervised'."""
    override: int = NONE
    """Point of a wired override contact (1 is closed): while closed, a foreign OFF is not written over."""


@dataclass(frozen=True, slots=True)
class BatteryPlan:
    """Where a battery's mode comes from: BACS general flags, else a contact (1 = boost), else current and volts."""

    id: str
    flags: int
    contact: int
    current: int
    voltage: int
    cells: int
    boost_mv_per_cell: int
    """At or over this, charging, it is boost."""
    idle_ma: int
    """Below minus this it discharges."""
    hold_ms: int = 10_000
    recovery_ms: int = 43_200_000


@dataclass(frozen=True, slots=True)
class RoomPlan:
    id: RoomId
    site: str
    name: str
    points: tuple[PointPlan, ...] = ()
    scans: tuple[ScanPlan, ...] = ()
    alarms: tuple[AlarmPlan, ...] = ()
    limits: tuple[LimitRow, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    deviations: tuple[DeviationRow, ...] = ()
    differences: tuple[DifferenceRow, ...] = ()
    rates: tuple[RateRow, ...] = ()
    median_factors: tuple[MedianFactorRow, ...] = ()
    counts: tuple[CountRow, ...] = ()
    runaways: tuple[RunawayRow, ...] = ()
    losts: tuple[LostRow, ...] = ()
    reports: tuple[ReportRow, ...] = ()
    detectors: tuple[DetectorPlan, ...] = ()
    outputs: tuple[OutputPlan, ...] = ()
    batteries: tuple[BatteryPlan, ...] = ()
    stales: tuple[StaleRow, ...] = ()
    compensations: tuple[CompensationRow, ...] = ()
    parts: tuple[PartPlan, ...] = ()
    baselines: tuple[BaselinePlan, ...] = ()
    factors: tuple[FactorRow, ...] = ()
    dues: tuple[DueRow, ...] = ()
    was: str = ""
    """The id the room had before it was renamed: its state goes on under the new one."""
