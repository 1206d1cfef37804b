"""What people see of a room's upkeep: its parts with serials and baselines, and what is due when.

Times to come are of the log's clock, as milliseconds from now; times past are wall clock stamps, 0 for never.
"""

from typing import NamedTuple

from shared.domain import baselines, upkeep
from shared.domain.state import PartState, RoomState
from shared.domain.units import Unit, format_value

KNOWN = PartState()


class PartView(NamedTuple):
    id: str
    kind: str
    type: str
    serial: str
    planned_serial: str
    """The site file's, when it is another one than the known."""
    made: str
    installed: str
    """As the site file says it; of a part that was replaced it tells of the one before."""
    position: str
    replaced_at_ms: int
    replaced_by: str
    reason: str
    times: int
    """So often it was replaced."""
    baseline: str
    """mOhm, empty for none."""
    baseline_at_ms: int
    measuring: int
    """So many good values are still wanted for a baseline; 0 when none is measured."""


class DueView(NamedTuple):
    kind: str
    """calibration or proof_test"""
    subject: str
    alarm: str
    left_ms: int
    """Until it is due; negative when it is overdue."""
    done_at_ms: int
    by: str
    every_ms: int


def parts(state: RoomState) -> tuple[PartView, ...]:
    """All parts of the room in the order of the plan."""
    by_jar = {plan.jar: b for b, plan in enumerate(state.plan.baselines)}
    views = []
    for at, plan in enumerate(state.plan.parts):
        known, b = state.parts.get(at, KNOWN), by_jar.get(plan.id)
        serial = upkeep.serial_of(state, at)
        value = 0 if b is None else baselines.value_of(state, b)
        recorded = None if b is None else state.baselines.get(b)
        views.append(
            PartView(
                id=plan.id,
                kind=plan.kind.value,
                type=plan.type,
                serial=serial,
                planned_serial=plan.serial if plan.serial not in ("", serial) else "",
                made=plan.made,
                installed=plan.installed,
                position=plan.position,
                replaced_at_ms=known.replaced_at_ms,
                replaced_by=known.replaced_by,
                reason=known.reason,
                times=known.times,
                baseline=format_value(value, Unit.MILLIOHM) if value else "",
                baseline_at_ms=0 if recorded is None else recorded.at_ms,
                measuring=0 if recorded is None else recorded.left,
            )
        )
    return tuple(views)


def dues(state: RoomState) -> tuple[DueView, ...]:
    """All that is due again, the next first."""
    views = [
        DueView(
            kind=plan.kind.value,
            subject=plan.subject,
            alarm=state.plan.alarms[plan.alarm].id,
            left_ms=due.since_ms + plan.every_ms - state.tick_ms,
            done_at_ms=due.done_at_ms,
            by=due.by,
            every_ms=plan.every_ms,
        )
        for plan, due in zip(state.plan.dues, state.dues, strict=True)
    ]
    return tuple(sorted(views, key=lambda view: (view.left_ms, view.subject)))
