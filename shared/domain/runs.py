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
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shared.domain import rows, rules, timers
from shared.domain.columns import Columns
from shared.domain.conditions import FALSE, KEEP, TRUE
from shared.domain.crossings import Crossing, Moment, can_cross, cross
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


class _Part:
    """Rows of the scan that follow one another: what they compare, and which of them want a turn in which scan."""

    def __init__(self, layout: RowsLayout, x: "Ints") -> None:
        self.start, _, self._hi, self._lo = layout
        self.x = x
        self.act: Flags = x >= self._hi
        self.counts: Ints = self.act.sum(axis=1)
        """Of each scan how many rows want a turn."""

    def compare(self, at: int, is_lone: Callable[[int], bool]) -> list[int]:
        """Compare the scans from ``at`` on with all bounds as they are now.

        Gives the rows, counted from ``start``, that leave their bounds and are crossed by themselves: they want none.
        """
        act = self.x[at:] >= self._hi
        act |= self.x[at:] <= self._lo
        start, moving = self.start, act.max(axis=0)
        lone = [r for r in moving.nonzero()[0].tolist() if is_lone(start + r)]
        if lone:
            act[:, lone] = False
        self.act[at:] = act
        self.counts[at:] = act.sum(axis=1)
        return lone

    def follow(self, at: int, moved: "Ints") -> None:
        """Compare the scans from ``at`` on anew with the bounds of these rows."""
        x = self.x[at:].take(moved, axis=1)
        act = x >= self._hi.take(moved)
        act |= x <= self._lo.take(moved)
        was = self.act[at:].take(moved, axis=1)
        self.act[at:, moved] = act
        self.counts[at:] += act.sum(axis=1) - was.sum(axis=1)


class Lines(Protocol):
    """Makes the bytes of events: what a run tells."""

    def of_facts(self, moment: Moment, state: RoomState) -> list[bytes]:
        """Of the facts of an input, whose events are the next ones of the room."""

    def of_events(self, events: Sequence[Event]) -> list[bytes]: ...


class Runner:
    """Goes through one run with one room's state."""

    def __init__(self, state: RoomState, run: Run, lines: Lines) -> None:
        self._state = state
        self._run = run
        self._lines = lines
        self._s = state.index.scan_by_device[run.device]
        self._parts = _parts(state.columns, self._s, run.values)
        self._taken = -1
        self._crossings: list[Crossing] = []
        """Those that are to come, the last one first."""

    def take(self, begin: int) -> tuple[int, list[bytes]]:
        """Take scans from number ``begin`` on; how many were taken, and their events."""
        state, run = self._state, self._run
        told: list[bytes] = []
        at, end = begin, len(run.ticks)
        if at != self._taken:
            self._compare(at)
        crossed: set[int] = set()
        while at < end and self._is_next(at) and run.ticks[at] >= state.tick_ms:
            stop = self._first_late(at, bisect_left(run.ticks, timers.next_due_ms(state), at))
            turn = self._next_turn(at, stop)
            told += self._cross(turn, crossed)
            if turn > at:
                self._stay(turn - 1)
            at = turn
            made = self._turn(at) if at < stop else None
            if made is None:
                break
            told += self._lines.of_events(made)
            at += 1
        for row in crossed:
            state.columns.bound(row)
        self._taken = at
        return at - begin, told

    def _compare(self, at: int) -> None:
        """Find out which rows want a turn from scan ``at`` on, and where the others cross their limits."""
        state = self._state
        found: list[Crossing] = []
        for part in self._parts:
            lone = part.compare(at, lambda row: can_cross(state, row))
            if lone:
                found += _crossings(state, part, lone, at)
        found.sort(reverse=True)
        self._crossings = found

    def _next_turn(self, at: int, stop: int) -> int:
        """The first scan from ``at`` on with rows that want a turn, at most ``stop``."""
        counts = self._parts[0].counts[at:stop]
        for part in self._parts[1:]:
            counts = counts + part.counts[at:stop]
        wanted = counts.nonzero()[0]
        return at + wanted.item(0) if wanted.size else stop

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

    def _cross(self, end: int, crossed: set[int]) -> list[bytes]:
        """The lone alarms of the scans before ``end``."""
        state, run, crossings = self._state, self._run, self._crossings
        told: list[bytes] = []
        while crossings and crossings[-1][0] < end:
            at = crossings[-1][0]
            together = [crossings.pop()]
            while crossings and crossings[-1][0] == at:
                together.append(crossings.pop())
            moment = Moment(run.log_id, run.site_seq + at, run.ticks[at], run.stamps[at])
            cross(state, moment, together)
            crossed.update([crossing[3] for crossing in together])
            told += self._lines.of_facts(moment, state)
            state.room_no += len(moment.facts)
        return told

    def _turn(self, at: int) -> list[Event] | None:
        """One scan with rows to look at, as step() takes it; None when it must do so itself."""
        state, run = self._state, self._run
        on_at, off_at = state.columns.on_at.item, state.columns.off_at.item
        looked = [part.act[at].nonzero()[0] for part in self._parts]
        found = []
        for part, places in zip(self._parts, looked, strict=True):
            for r in places.tolist():
                row, value = part.start + r, part.x.item(at, r)
                found.append((row, TRUE if value >= on_at(row) else FALSE if value <= off_at(row) else KEEP))
        if len(found) > ROWS_MAX:
            return None
        while self._crossings and self._crossings[-1][0] == at:
            found.append(self._crossings.pop()[3:5])
        turn = Turn(state, Entry(run.log_id, run.site_seq + at, run.ticks[at], run.stamps[at], Tick("")))
        self._stay(at)
        for row, raw in found:
            rows.observe(turn, row, raw)
        settle(turn)
        for part, places in zip(self._parts, looked, strict=True):
            if places.size:
                part.follow(at + 1, places)
        return turn.events


def _crossings(state: RoomState, part: _Part, lone: list[int], at: int) -> list[Crossing]:
    """Where these rows of a part go over their limits and come back, from scan ``at`` on.

    A row's place is +1 over its limit, -1 back inside, 0 in the deadband. It crosses only where its place changes.
    """
    columns, index = state.columns, state.index
    numbers = [part.start + r for r in lone]
    on_at = columns.on_at.take(numbers)
    x = part.x[at:].take(lone, axis=1)
    place = (x >= on_at).view("i1") - (x <= columns.off_at.take(numbers)).view("i1")
    cond = columns.cond_view.take(numbers)
    begin = (place[0] != 2 * cond.view("i1") - 1).nonzero()[0]
    scans, which = (place[1:] != place[:-1]).nonzero()
    scans += 1
    is_over = cond.tolist()
    found: list[Crossing] = []
    moves = zip(scans.tolist(), which.tolist(), place[scans, which].tolist(), x[scans, which].tolist(), strict=True)
    for n, k, where, value in (*((0, k, place.item(0, k), x.item(0, k)) for k in begin.tolist()), *moves):
        if where and (where > 0) != is_over[k]:
            is_over[k] = raw = TRUE if where > 0 else FALSE
            row = numbers[k]
            a, high = index.rows[row].alarm, columns.high[row]
            found.append((at + n, index.rank[a], a, row, raw, columns.limit(row), value if high else -value))
    return found


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
    x = values.take(c.places, axis=1)
    x *= c.signs
    parts = [_Part(c.rows, x)]
    for g in c.groups:
        group = columns.group_layouts[g]
        members = values.take(group.members - c.first, axis=1)
        count = members.shape[1]
        if count >= MEDIAN_OF:
            members.sort(axis=1)
            middle = count // 2
            median = members[:, middle] if count % 2 else (members[:, middle - 1] + members[:, middle] + 1) // 2
            parts.append(_Part(group.rows, abs(values.take(group.places - c.first, axis=1) - median[:, None])))
    return parts
