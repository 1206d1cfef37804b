"""Many scans of one device at once: what step() would do with each of them, with the comparing done for all together.

    scans in order -> columns -> which rows must be looked at in which scan      (a few operations for all)
                      calm scans: only the last one's values stay                (nothing can come of them)
                      rows of lone alarms: where each crosses its limit          (shared.domain.crossings)
                      a scan with rows to look at: a turn as step() takes it     (the same observe and settle)

A battery room is calm most of the time, and to compare one scan costs nearly as much as to compare fifty. Bounds that
a turn has moved are compared anew for the scans that follow. Whatever else may happen ends the run, and the next scan
takes a whole step: a timer that is due, a hole in device_seq, an age that is too high, values that are waited for.

Promises: after ``take`` the state and the events are those of step() for each scan, one after another.
Refuses (takes none): scans whose values are more than columns (gas, modes, outputs, rates, medians, compensations,
bounds between two devices). Limit: ROWS_MAX rows to look at in one scan; more are the step's own to do as columns.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shared.domain import rows, rules, timers
from shared.domain.columns import Columns, as_column
from shared.domain.conditions import FALSE, KEEP, TRUE
from shared.domain.crossings import Crossings, Facts, Moves, can_cross
from shared.domain.crossings import Run as Run
from shared.domain.events import Event
from shared.domain.index import Index
from shared.domain.inputs import Entry, Tick
from shared.domain.layout import RowsLayout
from shared.domain.settle import settle
from shared.domain.state import RoomState
from shared.domain.trip import NEVER_MS
from shared.domain.turn import Turn

if TYPE_CHECKING:
    from shared.domain.layout import Flags, Ints

MEDIAN_OF = 3
"""Good values without which a group has no median (shared.domain.columns)."""
ROWS_MAX = 31


class _Part:
    """Rows of the scan that follow one another: what they compare, and which of them want a turn in which scan.

    Most rows stay inside their bounds in all scans: the highest and the lowest value of each column say so.
    """

    def __init__(self, layout: RowsLayout, base: "Ints", places: "Ints", signs: "Ints") -> None:
        self.start, _, self._hi, self._lo = layout
        self._base = base
        """A row a scan; a row of the layout compares the column at its place, negated where its sign is."""
        self._places = places
        self._signs = signs
        self._wanting: _Wanting | None = None
        """None when no row ever wants a turn."""

    def compare(self, at: int, is_lone: Callable[[int], bool]) -> list[int]:
        """Compare the scans from ``at`` on with all bounds as they are now.

        Gives the rows, counted from ``start``, that leave their bounds and are crossed by themselves: they want none.
        """
        base, signs = self._base[at:], self._signs
        one, other = base.max(axis=0).take(self._places) * signs, base.min(axis=0).take(self._places) * signs
        moving = (one >= self._hi) | (other >= self._hi) | (one <= self._lo) | (other <= self._lo)
        rows: list[int] = moving.nonzero()[0].tolist()
        lone = [r for r in rows if is_lone(self.start + r)]
        others = sorted({*rows} - {*lone})
        self._wanting = None
        if others:
            x = self.columns(others, at)
            self._wanting = _Wanting(at, others, x, self._act(others, x))
        return lone

    def _act(self, rows: list[int], x: "Ints") -> "Flags":
        """Which of these rows leave their bounds as they are now, in which scan."""
        return (x >= self._hi.take(rows)) | (x <= self._lo.take(rows))

    def columns(self, rows: list[int], at: int) -> "Ints":
        """What these rows compare in the scans from ``at`` on."""
        return self._base[at:].take(self._places.take(rows), axis=1) * self._signs.take(rows)

    def next_turn(self, at: int, stop: int) -> int:
        """The first scan from ``at`` on with rows that want a turn, at most ``stop``."""
        if self._wanting is None:
            return stop
        begin, _, _, act = self._wanting
        wanted = act[at - begin : stop - begin].any(axis=1)
        return at + int(wanted.argmax()) if wanted.any() else stop

    def looked(self, at: int) -> list[tuple[int, int]]:
        """The rows that want a turn in this scan, by their own numbers, each with what it compares."""
        if self._wanting is None:
            return []
        begin, rows, x, act = self._wanting
        return [(self.start + rows[k], x.item(at - begin, k)) for k in act[at - begin].nonzero()[0].tolist()]

    def follow(self) -> None:
        """Compare anew, as bounds of these rows have moved."""
        if self._wanting is not None:
            _, rows, x, _ = self._wanting
            self._wanting = self._wanting._replace(act=self._act(rows, x))


class _Wanting(NamedTuple):
    """Rows that want a turn in some scan: a column each, and a row each scan from ``begin`` on."""

    begin: int
    rows: list[int]
    x: "Ints"
    act: "Flags"
    """Where."""


class Lines(Protocol):
    """Makes the bytes of events: what a run tells. Those of several can be put together."""

    def of_facts(self, facts: Facts, state: RoomState) -> bytes:
        """Of the facts of inputs that follow one another; their events are the next ones of the room."""

    def of_events(self, events: Sequence[Event]) -> bytes: ...


class Told(NamedTuple):
    """What came of some scans."""

    scans: int
    """So many were taken."""
    events: int
    lines: bytes
    """The events' bytes, one after another as :class:`Lines` make them."""


class Runner:
    """Goes through one run with one room's state."""

    def __init__(self, state: RoomState, run: Run, lines: Lines) -> None:
        self._state = state
        self._run = run
        self._lines = lines
        self._s = state.index.scan_by_device[run.device]
        self._parts = _parts(state.columns, self._s, run.values)
        self._taken = -1
        self._crossings: Crossings | None = None

    def take(self, begin: int) -> Told:
        """Take scans from number ``begin`` on."""
        state, run = self._state, self._run
        events, lines = 0, list[bytes]()
        at, end = begin, len(run.ticks)
        if at != self._taken:
            self._compare(at)
        crossed: set[int] = set()
        while at < end and self._is_next(at) and run.ticks[at] >= state.tick_ms:
            stop = self._first_late(at, bisect_left(run.ticks, timers.next_due_ms(state), at))
            turn = self._next_turn(at, stop)
            events += self._cross(turn, crossed, lines)
            if turn > at:
                self._stay(turn - 1)
            at = turn
            made = self._turn(at) if at < stop else None
            if made is None:
                break
            events += len(made)
            lines.append(self._lines.of_events(made))
            at += 1
        for row in crossed:
            state.columns.bound(row)
        self._taken = at
        return Told(at - begin, events, b"".join(lines))

    def _compare(self, at: int) -> None:
        """Find out which rows want a turn from scan ``at`` on, and where the others cross their limits."""
        state = self._state
        lone = [(part, part.compare(at, lambda row: can_cross(state, row))) for part in self._parts]
        moves = [_moves(state, part, rows, at) for part, rows in lone if rows]
        self._crossings = Crossings(state, _merged(state, moves)) if moves else None

    def _next_turn(self, at: int, stop: int) -> int:
        """The first scan from ``at`` on with rows that want a turn, at most ``stop``."""
        return min([stop, *(part.next_turn(at, stop) for part in self._parts)])

    def _is_next(self, at: int) -> bool:
        known = self._state.scans[self._s]
        return (
            self._run.boot == known.boot
            and self._run.device_seq + at == known.device_seq + 1
            and known.late_ms == NEVER_MS
            and _is_at_rest(self._state, self._s)
        )

    def _first_late(self, at: int, end: int) -> int:
        """The first scan from ``at`` on that comes too late, at most ``end``."""
        ages, late_ms = self._run.ages, self._state.index.scan_late_ms[self._s]
        return next((n for n in range(at, end) if not 0 <= ages[n] <= late_ms), end)

    def _stay(self, at: int) -> None:
        """Everything up to this scan is calm, or was crossed."""
        state, run = self._state, self._run
        now = run.ticks[at]
        state.columns.stay(self._s, run.values[at], now, run.sampled_at[at])
        known = state.scans[self._s]
        known.device_seq = run.device_seq + at
        known.answered_ms = known.heard_ms = now
        known.is_cut = False
        state.tick_ms, state.site_seq, state.log_id = now, run.site_seq + at, run.log_id

    def _cross(self, end: int, crossed: set[int], lines: list[bytes]) -> int:
        """Tell of the lone alarms of the scans before ``end``; so many events."""
        found = None if self._crossings is None else self._crossings.cross(self._run, end)
        if found is None:
            return 0
        facts, rows = found
        crossed.update(rows)
        lines.append(self._lines.of_facts(facts, self._state))
        self._state.room_no += len(facts.codes)
        return len(facts.codes)

    def _turn(self, at: int) -> list[Event] | None:
        """One scan with rows to look at, as step() takes it; None when it must do so itself."""
        state, run = self._state, self._run
        on_at, off_at = state.columns.on_at.item, state.columns.off_at.item
        looked = [pair for part in self._parts for pair in part.looked(at)]
        if len(looked) > ROWS_MAX:
            return None
        found = [
            (row, TRUE if value >= on_at(row) else FALSE if value <= off_at(row) else KEEP) for row, value in looked
        ]
        if self._crossings is not None:
            found += self._crossings.of_scan(run, at)
        turn = Turn(state, Entry(run.log_id, run.site_seq + at, run.ticks[at], run.stamps[at], Tick("")))
        self._stay(at)
        for row, raw in found:
            rows.observe(turn, row, raw)
        settle(turn)
        for part in self._parts:
            part.follow()
        return turn.events


def _moves(state: RoomState, part: _Part, lone: list[int], at: int) -> Moves:
    """Where these rows of a part go over their limits and come back, from scan ``at`` on.

    A row's place is +1 over its limit, -1 back inside, 0 in the deadband. It moves only where its place changes.
    """
    columns = state.columns
    rows = _in_order(state, [part.start + r for r in lone])
    x = part.columns([row - part.start for row in rows], at)
    over, inside = x >= columns.on_at.take(rows), x <= columns.off_at.take(rows)
    place = (over.view("i1") - inside.view("i1")).T.copy()
    may = place != 0
    may[:, 1:] &= place[:, 1:] != place[:, :-1]
    which, scans = may.nonzero()
    is_over = place[which, scans] > 0
    was_over = (columns.cond_view.take(rows) == TRUE).take(which)
    follows = (which[1:] == which[:-1]).nonzero()[0] + 1
    was_over[follows] = is_over.take(follows - 1)
    moves = (is_over != was_over).nonzero()[0]
    which, scans, is_over = which.take(moves), scans.take(moves), is_over.take(moves)
    signs = as_column([1 if columns.high[row] else -1 for row in rows])
    return Moves(rows, which, scans + at, is_over, x[scans, which] * signs.take(which))


def _merged(state: RoomState, parts: list[Moves]) -> Moves:
    """Those of all parts together."""
    if len(parts) == 1:
        return parts[0]
    rows = _in_order(state, list(chain.from_iterable(part.rows for part in parts)))
    place_of = {row: place for place, row in enumerate(rows)}
    found: list[tuple[int, int, int, int]] = []
    for part in parts:
        places = as_column([place_of[row] for row in part.rows]).take(part.which)
        found += zip(*(each.tolist() for each in (places, part.scans, part.over, part.values)), strict=True)
    which, scans, over, values = map(as_column, zip(*sorted(found), strict=True)) if found else [as_column(())] * 4
    return Moves(rows, which, scans, over == TRUE, values)


def _in_order(state: RoomState, rows: list[int]) -> list[int]:
    """As their alarms are told."""
    index = state.index
    return sorted(rows, key=lambda row: (index.rank[index.rows[row].alarm], index.rows[row].alarm, row))


def can_take(state: RoomState, device: str) -> bool:
    """Whether it is worth to make a run of this device's scans."""
    s = state.index.scan_by_device.get(device)
    return s is not None and _is_at_rest(state, s) and _is_plain(state.index, state.columns, s)


def _is_plain(index: Index, columns: Columns, s: int) -> bool:
    """Whether a scan's points are nothing but columns of their own."""
    c = columns.layouts[s]
    if index.scan_rows[s] or index.scan_batteries[s] or index.scan_detectors[s] or index.scan_outputs[s]:
        return False
    if c.differences.size or c.warmths.size or any(index.point_scan[point] == s for point, _ in index.medians):
        return False
    return all(c.first <= point < c.end for g in c.groups for point in index.plan.groups[g])


def _is_at_rest(state: RoomState, s: int) -> bool:
    """No value is waited for: a good one more changes nothing by being there."""
    if not state.begun or state.doubted or state.unrest or state.measuring or state.columns.bad[s]:
        return False
    return all(rules.is_at_rest(state, row) for row in state.index.scan_losts[s])


def _parts(columns: Columns, s: int, values: "Ints") -> list[_Part]:
    """What the rows of a scan compare, for each of these scans: its limit rows, then those of its groups."""
    c = columns.layouts[s]
    parts = [_Part(c.rows, values, c.places, c.signs)]
    for g in c.groups:
        group = columns.group_layouts[g]
        members = values.take(group.members - c.first, axis=1)
        count = members.shape[1]
        if count >= MEDIAN_OF:
            members.sort(axis=1)
            middle = count // 2
            median = members[:, middle] if count % 2 else (members[:, middle - 1] + members[:, middle] + 1) // 2
            away = abs(values.take(group.places - c.first, axis=1) - median[:, None])
            parts.append(_Part(group.rows, away, *group.own))
    return parts
