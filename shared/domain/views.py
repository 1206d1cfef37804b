"""What people and other programs see of a room's state. Views are made when asked for and change nothing."""

from typing import NamedTuple

from shared.domain.alarm_machine import ACTIVE
from shared.domain.conditions import CONDITION_LABELS, FALSE, TRUE, UNKNOWN
from shared.domain.measures import measure
from shared.domain.outputs import proof_of
from shared.domain.plan import NONE
from shared.domain.state import AlarmRecord, RoomState
from shared.domain.units import NoData, Quality, Unit, format_value


class OutputView(NamedTuple):
    id: str
    kind: str
    on: bool
    by: tuple[str, ...]
    read_back: str
    """on, off, or unknown."""
    proof: str
    """none, pending, proven, failed."""


class AlarmView(NamedTuple):
    id: str
    rule: str
    subject: str
    severity: str
    state: str
    condition: str
    override: str
    occurrence: str
    since_ms: int
    since_at_ms: int
    value: str
    unit: str
    until_ms: int


class PointView(NamedTuple):
    id: str
    value: str | None
    unit: str
    quality: str
    no_data: str
    at_ms: int


def outputs(state: RoomState) -> tuple[OutputView, ...]:
    """All outputs of the room."""
    return tuple(
        OutputView(plan.id, plan.kind.value, output.on, output.by, _read_back(state, o), proof_of(plan, output))
        for o, (plan, output) in enumerate(zip(state.plan.outputs, state.outputs, strict=True))
    )


def alarms(state: RoomState) -> tuple[AlarmView, ...]:
    """All alarms but those that are normal, known and under no override."""
    cond = state.columns.cond
    views = []
    for a, rows in enumerate(state.index.alarm_rows):
        record = state.records.get(a)
        if record is None and all(cond[row] != UNKNOWN for row in rows):
            continue
        views.append(_alarm(state, a, record or AlarmRecord(severity=state.plan.alarms[a].severity)))
    return tuple(views)


def points(state: RoomState) -> tuple[PointView, ...]:
    """All points of the room."""
    uncertain = _warming(state)
    return tuple(_point(state, p, p in uncertain) for p in range(len(state.plan.points)))


def _alarm(state: RoomState, a: int, record: AlarmRecord) -> AlarmView:
    plan, rows = state.plan.alarms[a], state.index.alarm_rows[a]
    cond = state.columns.cond
    is_unknown = any(cond[row] == UNKNOWN for row in rows)
    condition = TRUE if record.state in ACTIVE else UNKNOWN if is_unknown else FALSE
    top = next((row for row in rows if cond[row] == TRUE), rows[0] if rows else NONE)
    measured = measure(state, top) if top != NONE else None
    return AlarmView(
        id=plan.id,
        rule=plan.rule,
        subject=plan.subject,
        severity=record.severity.label,
        state=record.state.value,
        condition=CONDITION_LABELS[condition],
        override=record.override.value,
        occurrence=record.occurrence,
        since_ms=record.since_ms,
        since_at_ms=record.since_at_ms,
        value=measured.value if measured is not None else "",
        unit=measured.unit if measured is not None else "",
        until_ms=record.until_ms,
    )


def _point(state: RoomState, p: int, is_uncertain: bool) -> PointView:
    plan, value = state.plan.points[p], state.columns.value(p)
    unit = "" if plan.unit is Unit.STATE else plan.unit.value
    at_ms = int(state.columns.at_ms[p])
    if isinstance(value, NoData):
        return PointView(plan.id, None, unit, Quality.BAD.value, value.label, at_ms)
    quality = Quality.UNCERTAIN if is_uncertain else Quality.GOOD
    return PointView(plan.id, format_value(value, plan.unit), unit, quality.value, "", at_ms)


def _warming(state: RoomState) -> set[int]:
    """Points of detectors that are starting up or faulty: their values are shown, not believed."""
    return {
        point
        for plan, detector in zip(state.plan.detectors, state.detectors, strict=True)
        if detector.starting or not detector.healthy
        for point in (plan.h2, plan.contact_1, plan.contact_2)
        if point != NONE
    }


def _read_back(state: RoomState, o: int) -> str:
    plan, output = state.plan.outputs[o], state.outputs[o]
    value = state.columns.value(plan.read_back) if plan.read_back != NONE else output.read_back
    if isinstance(value, NoData) or value < 0:
        return "unknown"
    return "on" if value else "off"
