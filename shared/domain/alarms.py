"""Alarms of a room: conditions of rows become transitions of the alarm machine, and their events.

Each RAISED has exactly one close: CLEARED, SUPERSEDED or RETIRED. An event's ``reason`` says what keeps it from being
announced ("shelved", "out_of_service", "suppressed by ..."), empty when nothing does. Nothing hides a new alarm that is
critical: a shelving ends with it, and its events are never marked.

An alarm suppresses others only while a value that makes it TRUE can be seen. When none can, what it hid is announced at
once; it suppresses again when it could be seen for TRUST_MS without a break, so a quality that comes and goes announces
once and not with each poll. A start of the log alone, which makes all values stale, announces nothing of what can be
seen again in time (shared.domain.grace).
"""

from shared.domain import grace
from shared.domain.alarm_machine import (
    ACTIVE,
    TABLE,
    Override,
    OverrideTrigger,
    State,
    Trigger,
    override_after,
)
from shared.domain.conditions import NOTHING_MEASURED, TRUE, UNKNOWN, Measured
from shared.domain.events import EventType
from shared.domain.index import covers
from shared.domain.measures import measure
from shared.domain.plan import NONE, Mode, Severity
from shared.domain.rows import is_unknown
from shared.domain.state import AlarmRecord, RoomState
from shared.domain.trip import FAR_MS, NEVER_MS
from shared.domain.turn import Turn, Wake

TRUST_MS = 60_000
"""Chattering is three announcements in a minute: with this no suppression ends more than once in one."""
_LABELS = ("", *(severity.label for severity in sorted(Severity)))
_LETTERS = {state: str(state) for state in State}
"""As plain text, made once."""
_RAISED = EventType.ALARM_RAISED.value
_RETURNED = EventType.ALARM_RETURNED.value
_SUPERSEDED = EventType.ALARM_SUPERSEDED.value
_ALARM, _CRITICAL = Severity.ALARM, Severity.CRITICAL
_TRUE, _FALSE, _LATCHED = Trigger.TRUE, Trigger.FALSE, Trigger.LATCHED
"""Members that a step needs often: looking one up in its class costs more than the comparison."""


def process(turn: Turn, a: int) -> None:
    """Bring one alarm up to the conditions of its rows."""
    state = turn.state
    cond, rows = state.columns.cond, state.index.rows
    record = state.records.get(a)
    active = record is not None and record.state in ACTIVE
    top = NONE
    for row in state.index.alarm_rows[a]:
        if cond[row] == TRUE and (top == NONE or rows[row].severity > rows[top].severity):
            top = row
    if top == NONE:
        if active:
            _return(turn, a)
    elif not active:
        _raise(turn, a, top)
    elif record is not None:
        if rows[top].severity > record.severity:
            record.severity = rows[top].severity
            _break_through(turn, a, record)
            move(turn, a, Trigger.ROSE)
            _announce(turn, a, EventType.ALARM_ESCALATED, measured=measure(state, top))
        elif rows[top].severity < record.severity and not state.plan.alarms[a].latch:
            record.severity = rows[top].severity
            turn.outputs_dirty = True
        if a in state.index.suppresses:
            _weigh(turn, a, record)


def move(turn: Turn, a: int, trigger: Trigger) -> bool:
    """Follow an arrow of the process region; False when there is none."""
    state = turn.state
    record = state.records[a]
    then = TABLE.get((record.state, trigger))
    if then is None:
        return False
    record.state = then
    record.since_ms, record.since_at_ms = turn.now, turn.entry.at_ms
    record.realarm_ms = FAR_MS
    if then == "C" and state.plan.alarms[a].realarm_ms > 0:
        record.realarm_ms = turn.now + state.plan.alarms[a].realarm_ms
        wake(turn, a)
    if a in state.index.output_alarms:
        turn.outputs_dirty = True
    return True


def tell(turn: Turn, a: int, kind: str, *, measured: Measured = NOTHING_MEASURED, reason: str = "",
         actor: str = "", until_ms: int = 0) -> None:  # fmt: skip
    """One event about an alarm as it is now."""
    state = turn.state
    plan, record = state.plan.alarms[a], state.records[a]
    turn.emit(
        kind,
        plan.id,
        record.occurrence,
        plan.rule,
        _LABELS[record.severity],
        _LETTERS[record.state],
        measured,
        reason,
        actor,
        until_ms,
    )


def close_if_normal(turn: Turn, a: int, *, actor: str = "") -> None:
    """Close the occurrence when the alarm has come back to A."""
    record = turn.state.records[a]
    if record.state == "A" and record.occurrence:
        tell(turn, a, EventType.ALARM_CLEARED, actor=actor)
        record.occurrence = ""
        if record.override is Override.SUPPRESSED:
            record.override = Override.NONE
    drop_if_plain(turn, a)


def drop_if_plain(turn: Turn, a: int) -> None:
    """Forget the record of an alarm that is normal and under no override."""
    record = turn.state.records[a]
    if record.state == "A" and record.override == "none":
        del turn.state.records[a]


def wake(turn: Turn, a: int) -> None:
    turn.wake(Wake.ALARM, a, due_ms(turn.state, a))


def due_ms(state: RoomState, a: int) -> int:
    """When the alarm's override ends or it is announced again."""
    record = state.records.get(a)
    if record is None:
        return FAR_MS
    timed = [ms for ms in (record.trusted_ms, record.grace_ms) if ms != NEVER_MS]
    return min(record.realarm_ms, record.until_ms or FAR_MS, *timed)


def fire(turn: Turn, a: int) -> None:
    """A timer of the alarm has ended."""
    record = turn.state.records[a]
    if record.realarm_ms <= turn.now:
        move(turn, a, Trigger.REALARM)
        _announce(turn, a, EventType.ALARM_REANNOUNCED)
    if record.until_ms and record.until_ms <= turn.now:
        end_override(turn, a, OverrideTrigger.EXPIRE, reason="time is over", actor="")
    if NEVER_MS < record.trusted_ms <= turn.now:
        record.trusted_ms = NEVER_MS
        turn.suppress_dirty.update(turn.state.index.suppresses.get(a, ()))
    if grace.is_over(record, turn.now):
        record.grace_ms = NEVER_MS
        turn.dirty.add(a)


def happen_again(turn: Turn, a: int) -> None:
    """What an active alarm tells of has happened once more: an ack of the time before does not stand for it."""
    record = turn.state.records.get(a)
    if record is not None and record.state is State.C:
        move(turn, a, Trigger.REALARM)
        _announce(turn, a, EventType.ALARM_REANNOUNCED)


def begin_override(turn: Turn, a: int, trigger: OverrideTrigger, *, why: str, actor: str, for_ms: int) -> None:
    """A person shelves an alarm or takes it out of service."""
    record = turn.state.records.setdefault(a, AlarmRecord(severity=turn.state.plan.alarms[a].severity))
    then = override_after(record.override, trigger)
    assert then is not None, "the command was checked"
    record.override = then
    record.why = why
    record.until_ms = turn.now + for_ms if for_ms else 0
    kind = EventType.ALARM_SHELVED if then is Override.SHELVED else EventType.ALARM_OUT_OF_SERVICE
    tell(turn, a, kind, reason=why, actor=actor, until_ms=record.until_ms)
    wake(turn, a)


def end_override(turn: Turn, a: int, trigger: OverrideTrigger, *, reason: str, actor: str) -> None:
    """A shelving or an out-of-service ends; an alarm that is active then is announced again."""
    record = turn.state.records[a]
    was = record.override
    then = override_after(was, trigger)
    assert then is not None, "only what began can end"
    record.override, record.until_ms, record.why = then, 0, ""
    kind = EventType.ALARM_UNSHELVED if was is Override.SHELVED else EventType.ALARM_IN_SERVICE
    tell(turn, a, kind, reason=reason, actor=actor)
    suppress(turn, a)
    if record.state in ACTIVE or record.state is State.E:
        _announce(turn, a, EventType.ALARM_REANNOUNCED)
    drop_if_plain(turn, a)


def suppress(turn: Turn, a: int) -> None:
    """Begin or end the suppression by design of an open alarm."""
    record = turn.state.records.get(a)
    if record is None or record.override in (Override.SHELVED, Override.OUT_OF_SERVICE):
        return
    why = suppressor(turn, a) if record.state is not State.A else ""
    if why and why != record.why:
        record.override, record.why = Override.SUPPRESSED, why
        tell(turn, a, EventType.ALARM_SUPPRESSED, reason=why)
    elif not why and record.override is Override.SUPPRESSED:
        record.override, record.why = Override.NONE, ""
        tell(turn, a, EventType.ALARM_UNSUPPRESSED, reason=_unseen(turn.state, a))
        if record.state in ACTIVE:
            _announce(turn, a, EventType.ALARM_REANNOUNCED)
        drop_if_plain(turn, a)


def suppress_open(turn: Turn) -> None:
    """After a mode or a maintenance changed: look at every open alarm, once all conditions are known."""
    turn.suppress_dirty.update(turn.state.records)


def suppressor(turn: Turn, a: int) -> str:
    """What suppresses an alarm by design now; empty when nothing does, or when that is itself unknown."""
    state = turn.state
    plan = state.plan.alarms[a]
    for s in plan.suppressed_by:
        by = state.records.get(s)
        if by is not None and by.state in ACTIVE and by.trusted_ms == NEVER_MS:
            why = f"suppressed by {state.plan.alarms[s].id}"
            if by.grace_ms == NEVER_MS or state.records[a].why == why:
                return why
    if plan.suppressed_in and plan.battery != NONE:
        mode = state.batteries[plan.battery].mode
        if mode is not Mode.UNKNOWN and mode in plan.suppressed_in:
            return f"suppressed in mode {mode}"
    if plan.severity is not Severity.CRITICAL:
        for subject in sorted(state.maintenance):
            if covers(state.plan, subject)(plan.id):
                return f"suppressed by maintenance of {subject}"
    return ""


def doubt(turn: Turn) -> None:
    """Values went bad: look at every suppressor that is open, once all conditions are known."""
    turn.dirty.update(turn.state.records.keys() & turn.state.index.suppresses.keys())


def _weigh(turn: Turn, a: int, record: AlarmRecord) -> None:
    """Whether an active suppressor rests on a value that is seen now, and from when on it may suppress again."""
    state = turn.state
    cond = state.columns.cond
    is_seen = any(cond[row] == TRUE and not is_unknown(turn, row) for row in state.index.alarm_rows[a])
    if is_seen and record.grace_ms != NEVER_MS:
        _trust(state, a, record)
        # What came meanwhile was not hidden by it.
        turn.suppress_dirty.update(state.index.suppresses[a])
    elif is_seen and record.trusted_ms == FAR_MS:
        record.trusted_ms = turn.now + TRUST_MS
        state.doubted.discard(a)
        wake(turn, a)
    elif not is_seen and record.trusted_ms != FAR_MS and not grace.runs(state, a, turn.now):
        record.trusted_ms, record.grace_ms = FAR_MS, NEVER_MS
        state.doubted.add(a)
        turn.suppress_dirty.update(state.index.suppresses[a])


def _unseen(state: RoomState, a: int) -> str:
    """Why a suppression ends although what suppressed is not known to be over; empty when it is over."""
    plan = state.plan.alarms[a]
    for s in plan.suppressed_by:
        by = state.records.get(s)
        if by is not None and by.state in ACTIVE:
            return f"{state.plan.alarms[s].id} is unknown"
    if plan.suppressed_in and plan.battery != NONE and state.batteries[plan.battery].mode is Mode.UNKNOWN:
        return "the mode is unknown"
    return ""


def has_unknown_raw(turn: Turn, a: int) -> bool:
    """Some value that the alarm rests on cannot be seen now, or was never seen."""
    cond, rows = turn.state.columns.cond, turn.state.index.alarm_rows[a]
    return any(cond[row] == UNKNOWN or is_unknown(turn, row) for row in rows)


def _raise(turn: Turn, a: int, row: int) -> None:
    state = turn.state
    plan = state.plan.alarms[a]
    record = state.records.get(a)
    if record is None:
        record = state.records[a] = AlarmRecord()
    if record.occurrence:
        tell(turn, a, _SUPERSEDED)
    record.occurrence = turn.new_occurrence(plan.id)
    record.severity = state.index.rows[row].severity
    _trust(state, a, record)
    move(turn, a, _TRUE)
    if record.override != "none" or plan.suppressed_by or plan.suppressed_in or state.maintenance:
        suppress(turn, a)
        _break_through(turn, a, record)
    _announce(turn, a, _RAISED, measured=measure(state, row))
    _mark_dependent(turn, a)


def _return(turn: Turn, a: int) -> None:
    state = turn.state
    _trust(state, a, state.records[a])
    move(turn, a, _LATCHED if state.plan.alarms[a].latch else _FALSE)
    rows = state.index.alarm_rows[a]
    tell(turn, a, _RETURNED, measured=measure(state, rows[0]), reason=hidden_by(state.records[a]))
    close_if_normal(turn, a)
    _mark_dependent(turn, a)


def _trust(state: RoomState, a: int, record: AlarmRecord) -> None:
    """The condition of an alarm has changed by a value that was seen."""
    if record.trusted_ms != NEVER_MS or record.grace_ms != NEVER_MS:
        record.trusted_ms = record.grace_ms = NEVER_MS
        state.doubted.discard(a)


def _mark_dependent(turn: Turn, a: int) -> None:
    """What an alarm suppresses and what counts it must be looked at."""
    index = turn.state.index
    if a in index.suppresses:
        turn.suppress_dirty.update(index.suppresses[a])
    if a in index.counts_of:
        turn.rows_dirty.update(index.counts_of[a])


def hidden_by(record: AlarmRecord) -> str:
    """What keeps an alarm's events from being announced, empty when nothing does."""
    if record.override == "none" or record.severity is _CRITICAL:
        return ""
    return record.why if record.override is Override.SUPPRESSED else record.override.value


def _break_through(turn: Turn, a: int, record: AlarmRecord) -> None:
    """A new critical alarm is never hidden by a shelving."""
    if record.override is Override.SHELVED and record.severity is _CRITICAL:
        record.override, record.until_ms, record.why = Override.NONE, 0, ""
        tell(turn, a, EventType.ALARM_UNSHELVED, reason="a new critical alarm ends the shelving")


def _announce(turn: Turn, a: int, kind: str, *, measured: Measured = NOTHING_MEASURED) -> None:
    """An event that asks for attention: a silenced buzzer, which hears from severity alarm on, sounds again."""
    state = turn.state
    record = state.records[a]
    hidden = hidden_by(record)
    if not hidden and record.severity >= _ALARM:
        for o in state.index.alarm_outputs.get(a, ()):
            turn.outputs_dirty |= state.outputs[o].silenced
            state.outputs[o].silenced = False
    tell(turn, a, kind, measured=measured, reason=hidden)
