"""Alarms that hang on one limit alone: what values that cross it make of them, without a turn of step().

Most alarms of a battery room are of this kind: one column row, no delay, nothing that counts them, no output that looks
at them, and nothing suppresses them now. Then a row goes over its limit and comes back, and two arrows of the alarm's
machine and at most two events follow:

    over    A, D, E, F --true--> B        SUPERSEDED of the occurrence before when there is one, RAISED of a new one
    back    B --false--> D                RETURNED
            B --latched--> E              RETURNED
            C --false--> A                RETURNED, CLEARED
            C --latched--> F              RETURNED

This is what shared.domain.alarms does with them, written as columns over all crossings of a run: of each row they take
turns, over and back, so what one finds is what the one before has left, and only the first asks the room's state. Who
is not of this kind goes through a turn (:func:`can_cross`). Facts say what there is to tell; their bytes are made by
who wants them (shared.wire.event_lines).

Promises: state and events are those of a turn (tests/domain/test_runs.py holds both against step()).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.domain.alarm_machine import ACTIVE, TABLE, State, Trigger
from shared.domain.columns import as_column
from shared.domain.conditions import TRUE, UNKNOWN
from shared.domain.events import EventType
from shared.domain.id_columns import occurrence_ids
from shared.domain.plan import NONE, Mode
from shared.domain.state import AlarmRecord, RoomState
from shared.domain.trip import FAR_MS, NEVER_MS

if TYPE_CHECKING:
    from shared.domain.layout import Flags, Ints

SUPERSEDED, RAISED, RETURNED, CLEARED = range(4)
"""What a fact tells."""
TYPES: Final = (
    EventType.ALARM_SUPERSEDED.value,
    EventType.ALARM_RAISED.value,
    EventType.ALARM_RETURNED.value,
    EventType.ALARM_CLEARED.value,
)
STATES: Final = tuple(State)
"""A letter is told by its place here."""
_A, _B, _C, _D, _E, _F = range(len(STATES))
_BACK: Final = [[STATES.index(TABLE[STATES[was], how]) for how in (Trigger.FALSE, Trigger.LATCHED)] for was in (_B, _C)]
"""What becomes of B and of C, by whether the alarm latches."""


def can_cross(state: RoomState, row: int) -> bool:
    """Whether the row's alarm is of this kind and at rest, so that :class:`Crossings` say all that comes of it."""
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


class Facts(NamedTuple):
    """What there is to tell of some inputs of a log, in its order: a place of each column for each fact."""

    log_id: str
    site_seqs: "Ints"
    ticks: "Ints"
    stamps: "Ints"
    ordinals: "Ints"
    """Of those of one input, from 0 on."""
    codes: "Ints"
    """:func:`code` of each."""
    names: Sequence[str]
    """Of occurrences."""
    which: "Ints"
    """Of each fact the place of its occurrence's name."""
    values: "Ints"
    """0 with SUPERSEDED and CLEARED."""
    limits: Mapping[int, int]
    """By row its limit now."""


def code(what: int, row: int, letter: int) -> int:
    """What is told of which row, and the place of the alarm's letter after it, as one number."""
    return (row * len(TYPES) + what) * len(STATES) + letter


def decode(number: int) -> tuple[int, int, int]:
    """(what, row, letter) of :func:`code`."""
    rest, letter = divmod(number, len(STATES))
    row, what = divmod(rest, len(TYPES))
    return what, row, letter


def codes_of(row: int) -> range:
    """All numbers of a row."""
    return range(code(0, row, 0), code(0, row + 1, 0))


class Moves(NamedTuple):
    """Where rows go over their limits and come back: row by row, and of each in order."""

    rows: Sequence[int]
    """The rows, in the order of their alarms (rank, number)."""
    which: "Ints"
    """Of each move the place of its row."""
    scans: "Ints"
    over: "Flags"
    values: "Ints"


class Crossings:
    """The moves of a run's scans, taken in their order: scan by scan, in each by rank and number of the alarm."""

    def __init__(self, state: RoomState, moves: Moves) -> None:
        self._state = state
        self._rows, self._which, self._scans, self._over, values = moves
        which, over, count = self._which, self._over, len(moves.rows)
        self._alarms = alarms = [state.plan.alarms[state.index.rows[row].alarm] for row in moves.rows]
        records = [state.records.get(state.index.rows[row].alarm) for row in moves.rows]
        self._names = ["" if record is None else record.occurrence for record in records]
        """Of occurrences: those that rows had before, then of each move over the limit the new one."""
        self._names += [""] * int(over.sum())
        latches = as_column([int(alarm.latch) for alarm in alarms]).take(which)
        left = as_column([_A if record is None else STATES.index(record.state) for record in records]).take(which)
        is_first = which == which
        is_first[1:] = which[1:] != which[:-1]
        follows = (~is_first).nonzero()[0]
        self._letters = letters = as_column(_BACK[0]).take(latches)
        was_acked = (is_first & (left == _C)).nonzero()[0]
        letters[was_acked] = as_column(_BACK[1]).take(latches.take(was_acked))
        letters[over] = _B
        left[follows] = letters.take(follows - 1)
        self._name_of = name_of = over.cumsum() + (count - 1)
        first_back = (is_first & ~over).nonzero()[0]
        name_of[first_back] = which.take(first_back)
        name_before = which.copy()
        name_before[follows] = name_of.take(follows - 1)
        # In the order of the log: each move has a fact, and one more before it or behind.
        self._order = order = (self._scans * count + which).argsort(kind="stable")
        supersedes, clears = over & (left != _A), ~over & (letters == _A)
        at = order.repeat(1 + (supersedes | clears).take(order))
        is_second = at != at
        is_second[1:] = at[1:] == at[:-1]
        before, behind = ~is_second & supersedes.take(at), is_second & clears.take(at)
        what = RETURNED - over.take(at)
        what[before], what[behind] = SUPERSEDED, CLEARED
        letters, names, told = letters.take(at), name_of.take(at), values.take(at)
        letters[before], names[before] = left.take(at)[before], name_before.take(at)[before]
        told[before | behind] = 0
        rows = as_column(moves.rows).take(which.take(at))
        self._codes: Ints = (rows * len(TYPES) + what) * len(STATES) + letters
        self._fact_names, self._fact_values, self._fact_scans = names, told, self._scans.take(at)
        self._move_scans = self._scans.take(order)
        self._limits = {row: state.columns.limit(row) for row in moves.rows}
        self._moves = self._facts = 0
        """So many were taken."""

    def cross(self, run: Run, end: int) -> tuple[Facts, list[int]] | None:
        """Take those of the scans before ``end``; facts and the rows, whose bounds are left to who calls."""
        first, after = self._moves, int(self._move_scans.searchsorted(end))
        if after == first:
            return None
        self._moves = after
        order = self._order[first:after]
        self._name(run, order)
        rows = self._leave(run, order)
        begin, self._facts = self._facts, int(self._fact_scans.searchsorted(end))
        part = slice(begin, self._facts)
        scans = self._fact_scans[part]
        is_first = scans == scans
        is_first[1:] = scans[1:] != scans[:-1]
        places, begins = (scans == scans).cumsum() - 1, is_first.nonzero()[0]
        ordinals = places - begins.take(is_first.cumsum() - 1)
        return (
            Facts(
                run.log_id,
                scans + run.site_seq,
                as_column(run.ticks).take(scans),
                as_column(run.stamps).take(scans),
                ordinals,
                self._codes[part],
                self._names,
                self._fact_names[part],
                self._fact_values[part],
                self._limits,
            ),
            rows,
        )

    def of_scan(self, run: Run, scan: int) -> list[tuple[int, int]]:
        """Rows that cross in this scan, which is the next one, each with its raw: a turn takes them."""
        first, self._moves = self._moves, int(self._move_scans.searchsorted(scan + 1))
        self._facts = int(self._fact_scans.searchsorted(scan + 1))
        order = self._order[first : self._moves]
        self._name(run, order)
        rows = [self._rows[k] for k in self._which.take(order).tolist()]
        return list(zip(rows, self._over.take(order).astype(int).tolist(), strict=True))

    def _name(self, run: Run, order: "Ints") -> None:
        """Give the occurrences names that these moves begin."""
        over = order[self._over.take(order)]
        ids = [alarm.id for alarm in self._alarms]
        made = occurrence_ids(ids, self._which.take(over), run.log_id, self._scans.take(over) + run.site_seq)
        for place, name in zip(self._name_of.take(over).tolist(), made, strict=True):
            self._names[place] = name

    def _leave(self, run: Run, order: "Ints") -> list[int]:
        """Leave the state as the last of these moves of each row does; which rows they were."""
        state, records, left = self._state, self._state.records, list[int]()
        for k in self._which.take(order[self._letters.take(order) == _A]).tolist():
            del records[state.index.rows[self._rows[k]].alarm]
        last = as_column([-1]).repeat(len(self._rows))
        last[self._which.take(order)] = order
        for k in (last >= 0).nonzero()[0].tolist():
            move = last.item(k)
            row, scan, letter = self._rows[k], self._scans.item(move), self._letters.item(move)
            left.append(row)
            state.columns.cond[row] = int(self._over.item(move))
            if letter == _A:
                continue
            known = state.index.rows[row]
            record = records.get(known.alarm)
            if record is None:
                record = records[known.alarm] = AlarmRecord()
            record.state, record.severity = STATES[letter], known.severity
            record.occurrence = self._names[self._name_of.item(move)]
            record.since_ms, record.since_at_ms, record.realarm_ms = run.ticks[scan], run.stamps[scan], FAR_MS
        return left
