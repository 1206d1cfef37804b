"""What a start of the log leaves in force: a suppression by design, until its cause could be seen again.

A start makes every value stale at once, also of devices that were polled without a gap. A suppressor that could be seen
until then goes on hiding what it hid, and nothing else, as long as its value would have stood without the start: until
one of its points says something, good or bad, or its stale time is over. Then shared.domain.alarms decides as always.

Promises: a second start before anything was seen adds no time; what was not in force before the start gets none. It
never hides a new alarm, and an alarm that is critical is never hidden at all. Demands do not look at it.
"""

from shared.domain.alarm_machine import ACTIVE
from shared.domain.conditions import TRUE
from shared.domain.index import points_of
from shared.domain.state import AlarmRecord, RoomState
from shared.domain.trip import NEVER_MS
from shared.domain.units import NoData


def grant(state: RoomState, now_ms: int) -> None:
    """The log was started, and all values are stale now: each suppressor in force gets its time."""
    for a in state.index.suppresses:
        record = state.records.get(a)
        if record is not None and record.state in ACTIVE and NEVER_MS == record.trusted_ms == record.grace_ms:
            waits = [_stale_ms(state, row) for row in _forgotten(state, a)]
            record.grace_ms = now_ms + max(waits) if waits else NEVER_MS


def runs(state: RoomState, a: int, now_ms: int) -> bool:
    """Whether an active suppressor of which no value is seen still has its time."""
    return now_ms < state.records[a].grace_ms and bool(_forgotten(state, a))


def is_over(record: AlarmRecord, now_ms: int) -> bool:
    """Whether a time that was granted has ended."""
    return NEVER_MS < record.grace_ms <= now_ms


def _forgotten(state: RoomState, a: int) -> list[int]:
    """Rows that make an alarm TRUE by values of which nothing was heard since they went stale."""
    cond, reasons = state.columns.cond, state.columns.reasons
    return [
        row
        for row in state.index.alarm_rows[a]
        if cond[row] == TRUE
        and any(reasons.item(p) == NoData.STALE for p in points_of(state.plan, state.index.rows[row]))
    ]


def _stale_ms(state: RoomState, row: int) -> int:
    """How long a row's values stand without a good sample: as long as that of them which goes stale first."""
    return min(state.plan.points[p].stale_ms for p in points_of(state.plan, state.index.rows[row]))
