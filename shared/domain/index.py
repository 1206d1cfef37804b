"""A room's plan with its cross references: what step() looks up instead of searching.

Built once per plan and never changed. Rows are numbered: first those that are evaluated as columns (limits in the order
of their scans, deviations by group, differences), then the others. The numbers depend on the plan alone, so a snapshot
may use them. Refuses nothing: the plan was checked when the site file was. Limit: a few thousand rows, built in
milliseconds.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from shared.domain.conditions import Row, RowKind
from shared.domain.plan import NONE, AlarmPlan, CauseKind, OutputKind, RoomPlan, Severity
from shared.domain.units import DECIMALS, Unit

_BY_KIND = {
    "alarm_1": RowKind.GAS_1,
    "alarm_2": RowKind.GAS_2,
    "alarm_fault": RowKind.DETECTOR_FAULT,
    "alarm_impossible": RowKind.IMPOSSIBLE,
}
_OF_OUTPUT = {
    "alarm_fail": RowKind.FAN_FAIL,
    "alarm_airflow": RowKind.AIRFLOW_LOW,
    "alarm_not_falling": RowKind.NOT_FALLING,
}

Lists = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Index:
    """Cross references of one RoomPlan; all numbers are positions in its tables or row numbers."""

    plan: RoomPlan
    rows: tuple[Row, ...]
    column_rows: int
    """Rows below this number are evaluated as columns."""
    alarm_rows: Lists
    alarm_by_id: dict[str, int]
    rank: tuple[int, ...]
    """Depth of an alarm under those that suppress it: suppressors are decided first."""
    suppresses: dict[int, tuple[int, ...]]
    counts_of: dict[int, tuple[int, ...]]
    """Count rows that look at an alarm."""
    alarm_outputs: dict[int, tuple[int, ...]]
    """Outputs that an alarm causes."""
    output_alarms: frozenset[int]
    """Alarms that some output looks at: its causes, and the alarm that says that it failed."""
    scan_by_device: dict[str, int]
    scan_late_ms: tuple[int, ...]
    point_scan: tuple[int, ...]
    point_units: tuple[tuple[str, int], ...]
    """Unit as people read it, empty for a state, and its decimals."""
    scan_rows: Lists
    """Rate, median and runaway rows that a scan touches."""
    scan_detectors: Lists
    scan_batteries: Lists
    scan_outputs: tuple[bool, ...]
    """Whether a scan holds a read-back or an airflow."""
    scan_losts: Lists
    point_stale: dict[int, tuple[int, ...]]
    """Stale rows of a point."""
    report_rows: dict[tuple[str, str], tuple[int, ...]]
    special: dict[tuple[RowKind, int], int]
    """Row of a detector's, an output's or a due's own condition."""
    battery_rows: Lists
    """Limit rows whose limit depends on the battery's mode."""
    compensations: dict[int, tuple[int, ...]]
    """Compensations of a limit row: one at most."""
    medians: tuple[tuple[int, int], ...]
    """(current point, battery) pairs whose seven-day median is kept."""
    buzzers: tuple[int, ...]
    part_by_id: dict[str, int]
    baseline_rows: tuple[tuple[tuple[int, int], ...], ...]
    """For each baseline its limit rows, each with the place of its factor."""
    lone: frozenset[int]
    """Rows whose alarm hangs on nothing else and on which nothing else hangs (shared.domain.crossings)."""


def build(plan: RoomPlan) -> Index:
    """Make the index of a plan."""
    point_scan = [NONE] * len(plan.points)
    for s, scan in enumerate(plan.scans):
        for p in range(scan.first, scan.first + scan.count):
            point_scan[p] = s
    rows, column_rows = _number_rows(plan, point_scan)
    row_of = {row.at: r for r, row in enumerate(rows) if row.kind is RowKind.LIMIT}
    compensations = _grouped((row_of[x.limit], at) for at, x in enumerate(plan.compensations))
    alarm_rows: dict[int, list[int]] = defaultdict(list)
    for r, row in enumerate(rows):
        alarm_rows[row.alarm].append(r)

    def scans_of(points: Iterable[int]) -> set[int]:
        return {point_scan[p] for p in points if p != NONE and point_scan[p] != NONE}

    suppresses, counts_of, alarm_outputs = _links(plan, rows)
    output_alarms = frozenset(alarm_outputs) | {output.alarm_fail for output in plan.outputs}
    scan_rows = _per_scan(
        plan, ((r, scans_of(points_of(plan, row))) for r, row in enumerate(rows) if row.kind in _SCAN_KINDS)
    )
    detector_scans = [scans_of((d.h2, d.contact_1, d.contact_2, d.status, d.heartbeat)) for d in plan.detectors]
    output_scans = scans_of(p for o in plan.outputs for p in (o.airflow, o.read_back))
    return Index(
        plan=plan,
        rows=rows,
        column_rows=column_rows,
        alarm_rows=tuple(tuple(alarm_rows[a]) for a in range(len(plan.alarms))),
        alarm_by_id={alarm.id: a for a, alarm in enumerate(plan.alarms)},
        rank=_ranks(plan.alarms),
        suppresses=suppresses,
        counts_of=counts_of,
        alarm_outputs=alarm_outputs,
        output_alarms=output_alarms,
        scan_by_device={scan.device: s for s, scan in enumerate(plan.scans)},
        scan_late_ms=tuple(
            min((p.stale_ms for p in plan.points[s.first : s.first + s.count]), default=3 * s.every_ms)
            for s in plan.scans
        ),
        point_scan=tuple(point_scan),
        point_units=tuple(("" if p.unit is Unit.STATE else p.unit.value, DECIMALS[p.unit]) for p in plan.points),
        scan_rows=scan_rows,
        scan_detectors=_per_scan(plan, enumerate(detector_scans)),
        scan_batteries=_per_scan(
            plan, ((b, scans_of((x.flags, x.contact, x.current, x.voltage))) for b, x in enumerate(plan.batteries))
        ),
        scan_outputs=tuple(s in output_scans for s in range(len(plan.scans))),
        scan_losts=_per_scan(
            plan, ((r, plan.losts[row.at].scans) for r, row in enumerate(rows) if row.kind is RowKind.LOST)
        ),
        point_stale=_grouped((row.point, r) for r, row in enumerate(rows) if row.kind is RowKind.STALE),
        report_rows=_grouped(
            ((plan.reports[row.at].kind, plan.reports[row.at].subject), r)
            for r, row in enumerate(rows)
            if row.kind is RowKind.REPORT
        ),
        special={(row.kind, row.at): r for r, row in enumerate(rows) if row.kind >= RowKind.GAS_1},
        battery_rows=_rows_by_mode(plan, rows, compensations),
        compensations=compensations,
        medians=tuple(
            sorted(
                {(m.point, m.battery) for m in plan.median_factors}
                | {(m.current, m.battery) for m in plan.runaways if m.current != NONE}
            )
        ),
        buzzers=tuple(o for o, output in enumerate(plan.outputs) if output.kind is OutputKind.BUZZER),
        part_by_id={part.id: i for i, part in enumerate(plan.parts)},
        baseline_rows=_baseline_rows(plan, row_of),
        lone=_lone_rows(plan, rows, alarm_rows, {*suppresses, *counts_of, *output_alarms}),
    )


_SILENT_KINDS = (RowKind.LOST, RowKind.STALE, RowKind.REPORT, RowKind.DUE)


def _lone_rows(
    plan: RoomPlan, rows: tuple[Row, ...], alarm_rows: dict[int, list[int]], needed: set[int]
) -> frozenset[int]:
    """Column rows that are their alarm's only one, without delays or counted rises, and that nobody else looks at.

    What may suppress such an alarm goes by silence, Reports or dates: no value of a scan changes it.
    """
    silent = {a for a, its in alarm_rows.items() if all(rows[r].kind in _SILENT_KINDS for r in its)}

    def is_plain(alarm: AlarmPlan) -> bool:
        return alarm.on_delay_ms == alarm.off_delay_ms == alarm.rises == 0

    return frozenset(
        r
        for r, row in enumerate(rows)
        if row.kind in (RowKind.LIMIT, RowKind.DEVIATION)
        and alarm_rows[row.alarm] == [r]
        and row.alarm not in needed
        and is_plain(plan.alarms[row.alarm])
        and silent.issuperset(plan.alarms[row.alarm].suppressed_by)
    )


def _baseline_rows(plan: RoomPlan, row_of: dict[int, int]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """For each baseline its rows, each with its place among the factors."""
    found: list[list[tuple[int, int]]] = [[] for _ in plan.baselines]
    for at, factor in enumerate(plan.factors):
        found[factor.baseline].append((row_of[factor.limit], at))
    return tuple(map(tuple, found))


def _rows_by_mode(plan: RoomPlan, rows: tuple[Row, ...], compensations: dict[int, tuple[int, ...]]) -> Lists:
    """For each battery the limit rows whose limit, or what moves it, depends on its mode."""
    found: list[list[int]] = [[] for _ in plan.batteries]
    for r, row in enumerate(rows):
        if row.kind is RowKind.LIMIT:
            limit = plan.limits[row.at]
            if limit.battery != NONE and (limit.by_mode or r in compensations):
                found[limit.battery].append(r)
    return tuple(map(tuple, found))


_SCAN_KINDS = (RowKind.RATE, RowKind.MEDIAN, RowKind.RUNAWAY)


def points_of(plan: RoomPlan, row: Row) -> tuple[int, ...]:
    """Points whose values make a row what it is; none of a row that goes by silence, Reports or other alarms."""
    at = row.at
    match row.kind:
        case RowKind.RUNAWAY:
            runaway = plan.runaways[at]
            points: tuple[int, ...] = (*runaway.temperatures, runaway.ambient, runaway.current)
        case RowKind.DIFFERENCE:
            points = (plan.differences[at].a, plan.differences[at].b)
        case RowKind.GAS_1:
            points = (plan.detectors[at].h2, plan.detectors[at].contact_1)
        case RowKind.GAS_2:
            points = (plan.detectors[at].h2, plan.detectors[at].contact_2)
        case RowKind.IMPOSSIBLE:
            points = (plan.detectors[at].contact_1, plan.detectors[at].contact_2)
        case RowKind.LIMIT | RowKind.DEVIATION | RowKind.RATE | RowKind.MEDIAN:
            points = (row.point,)
        case _:
            points = ()
    return tuple(p for p in points if p != NONE)


def _number_rows(plan: RoomPlan, point_scan: list[int]) -> tuple[tuple[Row, ...], int]:
    """All condition rows in their order, and how many of them are columns."""
    rows: list[Row] = []
    limits = sorted(range(len(plan.limits)), key=lambda i: (point_scan[plan.limits[i].point], i))
    rows += [Row(RowKind.LIMIT, i, x.alarm, x.severity, x.point) for i in limits for x in (plan.limits[i],)]
    deviations = sorted(range(len(plan.deviations)), key=lambda i: (plan.deviations[i].group, i))
    rows += [Row(RowKind.DEVIATION, i, x.alarm, x.severity, x.point) for i in deviations for x in (plan.deviations[i],)]
    rows += [Row(RowKind.DIFFERENCE, i, x.alarm, x.severity, x.a) for i, x in enumerate(plan.differences)]
    column_rows = len(rows)
    rows += [Row(RowKind.RATE, i, x.alarm, x.severity, x.point) for i, x in enumerate(plan.rates)]
    rows += [Row(RowKind.MEDIAN, i, x.alarm, x.severity, x.point) for i, x in enumerate(plan.median_factors)]
    rows += [Row(RowKind.COUNT, i, x.alarm, x.severity) for i, x in enumerate(plan.counts)]
    rows += [Row(RowKind.RUNAWAY, i, x.alarm, x.severity, x.current) for i, x in enumerate(plan.runaways)]
    rows += [Row(RowKind.LOST, i, x.alarm, x.severity) for i, x in enumerate(plan.losts)]
    rows += [Row(RowKind.STALE, i, x.alarm, x.severity, x.point) for i, x in enumerate(plan.stales)]
    rows += [Row(RowKind.REPORT, i, x.alarm, x.severity) for i, x in enumerate(plan.reports)]
    for at, detector in enumerate(plan.detectors):
        for field, kind in _BY_KIND.items():
            rows += _own_row(plan, kind, at, getattr(detector, field), detector.h2)
    for at, output in enumerate(plan.outputs):
        for field, kind in _OF_OUTPUT.items():
            rows += _own_row(plan, kind, at, getattr(output, field), NONE)
    rows += [Row(RowKind.DUE, i, x.alarm, plan.alarms[x.alarm].severity) for i, x in enumerate(plan.dues)]
    return tuple(rows), column_rows


def _own_row(plan: RoomPlan, kind: RowKind, at: int, alarm: int, point: int) -> list[Row]:
    return [] if alarm == NONE else [Row(kind, at, alarm, plan.alarms[alarm].severity, point)]


def _ranks(alarms: tuple[AlarmPlan, ...]) -> tuple[int, ...]:
    """Depth under suppressors; a ring of suppressions is cut where it is met again."""
    ranks: dict[int, int] = {}

    def rank(a: int, above: frozenset[int]) -> int:
        if a not in ranks:
            deeper = [rank(s, above | {a}) + 1 for s in alarms[a].suppressed_by if s not in above and s != a]
            if above:
                return max(deeper, default=0)
            ranks[a] = max(deeper, default=0)
        return ranks[a]

    return tuple(rank(a, frozenset()) for a in range(len(alarms)))


def _links(
    plan: RoomPlan, rows: tuple[Row, ...]
) -> tuple[dict[int, tuple[int, ...]], dict[int, tuple[int, ...]], dict[int, tuple[int, ...]]]:
    """Which alarms an alarm suppresses, which count rows and which outputs look at it."""
    suppresses = _grouped((s, a) for a, alarm in enumerate(plan.alarms) for s in alarm.suppressed_by)
    counts = _grouped((a, r) for r, row in enumerate(rows) if row.kind is RowKind.COUNT for a in plan.counts[row.at].of)
    outputs = _grouped(
        (cause.index, o)
        for o, output in enumerate(plan.outputs)
        for cause in output.causes
        if cause.kind is CauseKind.ALARM
    )
    return suppresses, counts, outputs


K = TypeVar("K")


def _grouped(pairs: Iterable[tuple[K, int]]) -> dict[K, tuple[int, ...]]:
    lists: dict[K, list[int]] = defaultdict(list)
    for key, value in pairs:
        lists[key].append(value)
    return {key: tuple(values) for key, values in lists.items()}


def _per_scan(plan: RoomPlan, uses: Iterable[tuple[int, Iterable[int]]]) -> Lists:
    """For each scan the users whose scans it is among."""
    lists: list[list[int]] = [[] for _ in plan.scans]
    for user, scans in uses:
        for s in sorted(set(scans)):
            lists[s].append(user)
    return tuple(tuple(users) for users in lists)


def covers(plan: RoomPlan, subject: str) -> Callable[[str], bool]:
    """Which alarm ids stand under a path: the site, the room, a device, battery, string, jar, point or the alarm."""
    if subject in (plan.site, f"{plan.site}/{plan.id}"):
        return lambda alarm: bool(alarm)
    room = f"{plan.site}/{plan.id}/"
    device = subject.removeprefix(room)
    if all(scan.device != device for scan in plan.scans):
        return lambda alarm: alarm == subject or alarm.startswith(subject + "/")
    # The points of a device are called device-channel; another device may be called so too.
    others = tuple(room + s.device + end for s in plan.scans if s.device.startswith(device + "-") for end in "/-")
    return lambda alarm: alarm.startswith((subject + "/", subject + "-")) and not (others and alarm.startswith(others))


def highest_severity(index: Index, alarm: int) -> Severity:
    """The gravest that an alarm can become."""
    return max((index.rows[r].severity for r in index.alarm_rows[alarm]), default=index.plan.alarms[alarm].severity)
