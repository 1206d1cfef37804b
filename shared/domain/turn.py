"""One turn of step(): the input being taken, the events made so far, and the timers.

A timer is a wake in a heap: (due, kind, index). It is only a reminder: when it comes up the kind's handler asks the
state whether that is really due, and sets the next wake if it is not. So a state restored from a snapshot, whose heap
is made anew, goes through the same timers in the same order. Wakes of one turn come in the order of their due time,
then kind.
"""

from enum import IntEnum
from heapq import heappush

from shared.domain.conditions import NOTHING_MEASURED, Measured
from shared.domain.events import Event
from shared.domain.ids import event_id_begun, occurrence_id
from shared.domain.inputs import Entry
from shared.domain.state import RoomState
from shared.domain.trip import FAR_MS


class Wake(IntEnum):
    """What a timer is for; ties go by this order, so a value goes stale before a delay on it ends."""

    POINTS = 0
    STALES = 1
    LOST = 2
    ROW = 3
    DETECTOR = 4
    BATTERY = 5
    OUTPUT = 6
    ALARM = 7
    MAINTENANCE = 8
    LATE = 9
    DUE = 10


class Turn:
    """What one call of step() works with."""

    __slots__ = (
        "_begun", "dirty", "entry", "events", "now", "outputs_dirty", "rows_dirty", "state", "suppress_dirty",
    )  # fmt: skip

    def __init__(self, state: RoomState, entry: Entry) -> None:
        self.state = state
        self.entry = entry
        self.now = max(state.tick_ms, entry.tick_ms)
        self.events: list[Event] = []
        self.dirty: set[int] = set()
        """Alarms whose condition may have changed."""
        self.rows_dirty: set[int] = set()
        """Rows that are no columns and must be looked at."""
        self.suppress_dirty: set[int] = set()
        """Alarms whose suppression by design must be looked at once all conditions of the moment are known."""
        self.outputs_dirty = False
        self._begun = ""
        """What the ids of the events begin with, once there is one."""
        state.tick_ms = self.now
        state.site_seq = entry.site_seq
        state.log_id = entry.log_id

    def replace(self, state: RoomState) -> None:
        """Go on with another state of the room."""
        self.state = state
        self._begun = ""

    def wake(self, kind: Wake, index: int, due_ms: int) -> None:
        """Ask to be woken; a wake that comes earlier already stands."""
        set_wake(self.state, kind, index, due_ms)

    def new_occurrence(self, alarm: str) -> str:
        return occurrence_id(alarm, self.entry.log_id, self.entry.site_seq)

    def emit(
        self,
        kind: str,
        subject: str,
        occurrence: str = "",
        rule: str = "",
        severity: str = "",
        state: str = "",
        measured: Measured = NOTHING_MEASURED,
        reason: str = "",
        actor: str = "",
        until_ms: int = 0,
    ) -> None:
        """Make one event of this input, with the next numbers. ``kind`` is an EventType."""
        room, entry, events = self.state, self.entry, self.events
        plan = room.plan
        room.room_no = room_no = room.room_no + 1
        ordinal = len(events)
        value, unit, limit, quality = measured
        if not self._begun:
            self._begun = event_id_begun(entry.log_id, entry.site_seq, plan.id)
        # As Event(...) does it, but without handing over so many arguments twice.
        event = tuple.__new__(
            Event,
            (
                str(kind),
                f"{self._begun}{ordinal:04x}",
                plan.site,
                plan.id,
                room_no,
                entry.log_id,
                entry.site_seq,
                ordinal,
                self.now,
                entry.at_ms,
                room.version,
                subject,
                occurrence,
                rule,
                severity,
                state,
                value,
                unit,
                limit,
                quality,
                reason,
                actor,
                until_ms,
            ),
        )
        events.append(event)


def set_wake(state: RoomState, kind: Wake, index: int, due_ms: int) -> None:
    """Put a wake into the state's heap unless one that is not later stands there."""
    key = (int(kind), index)
    if due_ms < state.wakes.get(key, FAR_MS):
        state.wakes[key] = due_ms
        heappush(state.heap, (due_ms, key[0], index))
