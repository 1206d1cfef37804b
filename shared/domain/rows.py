"""A condition row and its delays: from raw to condition.

    FALSE --(raw TRUE for on-delay, or k rises inside the window)--> TRUE
    TRUE --(raw FALSE for off-delay)--> FALSE
    UNKNOWN --(raw FALSE)--> FALSE, at once
    UNKNOWN --(raw TRUE for on-delay)--> TRUE

A raw UNKNOWN changes no condition: an on-delay that runs keeps its start but does not fire (it fires at the next TRUE
sample once it has elapsed), an off-delay that runs is cancelled. In the deadband raw is what the condition is. Delays
are timers: they fire on the first input at or after their end, once, after a pause of any length.
"""

from shared.domain.columns import PENDING_NONE, PENDING_OFF, PENDING_ON, PENDING_ON_OVERDUE
from shared.domain.conditions import FALSE, KEEP, TRUE, UNKNOWN, RowKind
from shared.domain.plan import AlarmPlan
from shared.domain.state import Pending, RoomState
from shared.domain.trip import FAR_MS
from shared.domain.turn import Turn, Wake


def observe(turn: Turn, row: int, raw: int) -> None:
    """Take one raw of a row."""
    state = turn.state
    columns = state.columns
    cond = columns.cond[row]
    if raw == KEEP:
        raw = TRUE if cond == TRUE else FALSE
    is_column = row < state.index.column_rows
    if not is_column and (raw == UNKNOWN) != (row in state.unknown):
        state.unknown ^= {row}
        if state.index.rows[row].alarm in state.index.suppresses:
            turn.dirty.add(state.index.rows[row].alarm)
    pending = state.pending.get(row)
    if raw == UNKNOWN:
        if pending is not None and not pending.on:
            _forget(turn, row)
    elif raw == TRUE:
        if cond == TRUE:
            if pending is not None:
                _forget(turn, row)
        elif pending is None:
            _rise(turn, row)
        elif pending.due_ms == FAR_MS:
            _set(turn, row, TRUE)
    elif cond == TRUE:
        if pending is None:
            _fall(turn, row)
    else:
        if pending is not None:
            _forget(turn, row)
        if cond == UNKNOWN:
            columns.cond[row] = FALSE
            turn.rows_dirty.update(state.index.counts_of.get(state.index.rows[row].alarm, ()))
    if is_column:
        columns.bound(row)


def strike(turn: Turn, row: int) -> None:
    """Something happened at one moment: TRUE without an on-delay, which a moment cannot last for."""
    if turn.state.columns.cond[row] != TRUE:
        _set(turn, row, TRUE)
    else:
        _forget(turn, row)


def renew(turn: Turn, row: int) -> None:
    """What is measured is another thing now: delays and rises are forgotten, what was FALSE is UNKNOWN.

    A row that is no column forgets its rises alone (of a rate row, also its samples): it is looked at anew anyhow.
    """
    state = turn.state
    state.rises.pop(row, None)
    if row >= state.index.column_rows:
        if state.index.rows[row].kind is RowKind.RATE:
            state.rates.pop(state.index.rows[row].at, None)
        return
    _forget(turn, row)
    if state.columns.cond[row] == FALSE:
        state.columns.cond[row] = UNKNOWN
        turn.rows_dirty.update(state.index.counts_of.get(state.index.rows[row].alarm, ()))
    state.columns.bound(row)


def due_ms(state: RoomState, row: int) -> int:
    """When the row's delay ends, FAR_MS when none runs."""
    pending = state.pending.get(row)
    return FAR_MS if pending is None else pending.due_ms


def fire(turn: Turn, row: int) -> None:
    """The row's delay has ended."""
    state = turn.state
    pending = state.pending[row]
    if not pending.on:
        _set(turn, row, FALSE)
    elif is_unknown(turn, row):
        pending.due_ms = FAR_MS
        state.columns.pend[row] = PENDING_ON_OVERDUE
    else:
        _set(turn, row, TRUE)
    if row < state.index.column_rows:
        state.columns.bound(row)


def is_unknown(turn: Turn, row: int) -> bool:
    """Whether the row's present raw is UNKNOWN."""
    if row < turn.state.index.column_rows:
        return turn.state.columns.is_unknown(row)
    return row in turn.state.unknown


def cancel_unknown(turn: Turn) -> None:
    """After values went bad: the off-delays of columns that are unknown now end without effect."""
    state = turn.state
    for row in [r for r, p in state.pending.items() if not p.on and r < state.index.column_rows]:
        if state.columns.is_unknown(row):
            _forget(turn, row)
            state.columns.bound(row)


def _rise(turn: Turn, row: int) -> None:
    state = turn.state
    alarm = state.plan.alarms[state.index.rows[row].alarm]
    if alarm.on_delay_ms == 0 or _rose_often(turn, row, alarm):
        _set(turn, row, TRUE)
    else:
        _pend(turn, row, on=True, delay_ms=alarm.on_delay_ms)


def _fall(turn: Turn, row: int) -> None:
    state = turn.state
    delay_ms = state.plan.alarms[state.index.rows[row].alarm].off_delay_ms
    if delay_ms == 0:
        _set(turn, row, FALSE)
    else:
        _pend(turn, row, on=False, delay_ms=delay_ms)


def _rose_often(turn: Turn, row: int, alarm: AlarmPlan) -> bool:
    """Count this rise; whether there were enough inside the window."""
    if alarm.rises == 0:
        return False
    recent = tuple(t for t in turn.state.rises.get(row, ()) if t > turn.now - alarm.window_ms)
    rises = (*recent, turn.now)[-alarm.rises :]
    turn.state.rises[row] = rises
    return len(rises) >= alarm.rises


def _pend(turn: Turn, row: int, *, on: bool, delay_ms: int) -> None:
    state = turn.state
    state.pending[row] = Pending(on, turn.now, turn.now + delay_ms)
    state.columns.pend[row] = PENDING_ON if on else PENDING_OFF
    turn.wake(Wake.ROW, row, turn.now + delay_ms)


def _forget(turn: Turn, row: int) -> None:
    turn.state.pending.pop(row, None)
    turn.state.columns.pend[row] = PENDING_NONE


def _set(turn: Turn, row: int, cond: int) -> None:
    state = turn.state
    if row in state.pending:
        _forget(turn, row)
    state.columns.cond[row] = cond
    turn.dirty.add(state.index.rows[row].alarm)
