"""Alarms that hang on one limit alone: what a value that crosses it makes of them, without a turn of step().

Most alarms of a battery room are of this kind: one column row, no delay, nothing that counts them, no output that looks
at them, and nothing suppresses them now. Then a row goes over its limit and comes back, and two arrows of the alarm's
machine and at most two events follow:

    over    A, D, E, F --true--> B        SUPERSEDED of the occurrence before when there is one, RAISED of a new one
    back    B --false--> D                RETURNED
            B --latched--> E              RETURNED
            C --false--> A                RETURNED, CLEARED
            C --latched--> F              RETURNED

This is what shared.domain.alarms does with them, written straight: who is not of this kind goes there
(:func:`can_cross`). A fact says what there is to tell; its bytes are made by who wants them (shared.wire.event_lines).

Promises: state and events are those of a turn (tests/domain/test_runs.py holds both against step()).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.domain.alarm_machine import ACTIVE, TABLE, State, Trigger
from shared.domain.conditions import TRUE, UNKNOWN
from shared.domain.events import EventType
from shared.domain.ids import occurrence_id
from shared.domain.plan import NONE, Mode
from shared.domain.state import AlarmRecord, RoomState
from shared.domain.trip import FAR_MS, NEVER_MS

if TYPE_CHECKING:
    from shared.domain.layout import Ints

SUPERSEDED, RAISED, RETURNED, CLEARED = range(4)
"""What a fact tells."""
TYPES: Final = (
    EventType.ALARM_SUPERSEDED.value,
    EventType.ALARM_RAISED.value,
    EventType.ALARM_RETURNED.value,
    EventType.ALARM_CLEARED.value,
)
Fact = tuple[int, int, int, str, str, int]
"""(what, row, its limit now, the alarm's letter after it, occurrence, value); no value with SUPERSEDED and CLEARED."""

Crossing = tuple[int, int, int, int, int, int, int]
"""(scan, rank and number of the alarm, row, raw, limit, value): in this order they are told.

``raw`` is TRUE when the row's value is over its limit, FALSE when it is back from it.
"""
_B: Final = State.B
_BACK: Final = {state: TABLE[state, Trigger.FALSE] for state in (State.B, State.C)}
_LATCHED: Final = {state: TABLE[state, Trigger.LATCHED] for state in (State.B, State.C)}
_LETTERS: Final = {state: str(state) for state in State}


def can_cross(state: RoomState, row: int) -> bool:
    """Whether the row's alarm is of this kind and at rest, so that :func:`cross` says all that comes of it."""
    index, cond = state.index, state.columns.cond[row]
    if row not in index.lone or cond == UNKNOWN or row in state.pending or state.maintenance:
        return False
    a = index.rows[row].alarm
    record = state.records.get(a)
    if record is None:
        if cond == TRUE:
            return False
    elif (
        (record.state in ACTIVE) != (cond == TRUE)
        or record.override != "none"
        or record.severity != index.rows[row].severity
        or (record.state == "A") != (record.occurrence == "")
        or not NEVER_MS == record.trusted_ms == record.grace_ms
    ):
        return False
    plan = state.plan.alarms[a]
    if plan.suppressed_by and not state.records.keys().isdisjoint(plan.suppressed_by):
        return False
    if plan.suppressed_in and plan.battery != NONE:
        mode = state.batteries[plan.battery].mode
        return mode is Mode.UNKNOWN or mode not in plan.suppressed_in
    return True


class Run(NamedTuple):
    """Scans of one device in one boot, each with all values good. site_seq and device_seq rise by one."""

    device: str
    boot: str
    log_id: str
    site_seq: int
    """Of the first."""
    device_seq: int
    """Of the first."""
    ticks: Sequence[int]
    """Never falling."""
    stamps: Sequence[int]
    """Wall clock's, of each input."""
    sampled_at: Sequence[int]
    ages: Sequence[int]
    values: "Ints"
    """A row each."""


class Moment:
    """One input: when, and what its facts are."""

    __slots__ = ("at_ms", "facts", "log_id", "now", "site_seq")

    def __init__(self, log_id: str, site_seq: int, now: int, at_ms: int) -> None:
        self.log_id = log_id
        self.site_seq = site_seq
        self.now = now
        self.at_ms = at_ms
        self.facts: list[Fact] = []


def cross(state: RoomState, run: Run, crossings: Sequence[Crossing]) -> list[Moment]:
    """Take crossings in their order, with what each scan has to tell; bounds are left to who calls."""
    records, cond, alarms, rows = state.records, state.columns.cond, state.plan.alarms, state.index.rows
    log_id, scan, now, at_ms, site_seq = run.log_id, -1, 0, 0, 0
    moments: list[Moment] = []
    for at, _, a, row, raw, limit, value in crossings:
        if at != scan:
            scan, now, at_ms, site_seq = at, run.ticks[at], run.stamps[at], run.site_seq + at
            moment = Moment(log_id, site_seq, now, at_ms)
            moments.append(moment)
            tell = moment.facts.append
        cond[row] = raw
        record = records.get(a)
        if raw == TRUE:
            if record is None:
                record = records[a] = AlarmRecord()
            elif record.occurrence:
                tell((SUPERSEDED, row, limit, _LETTERS[record.state], record.occurrence, 0))
            record.occurrence = occurrence = occurrence_id(alarms[a].id, log_id, site_seq)
            record.severity = rows[row].severity
            record.state = _B
            tell((RAISED, row, limit, "B", occurrence, value))
        else:
            assert record is not None, "what is TRUE has a record"
            record.state = then = (_LATCHED if alarms[a].latch else _BACK)[record.state]
            letter = _LETTERS[then]
            tell((RETURNED, row, limit, letter, record.occurrence, value))
            if letter == "A":
                tell((CLEARED, row, limit, letter, record.occurrence, 0))
                del records[a]
        record.since_ms, record.since_at_ms, record.realarm_ms = now, at_ms, FAR_MS
    return moments
