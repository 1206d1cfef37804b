"""The room's values and limits as columns: a whole scan is evaluated at once. The only numpy module of the core.

For each row two numbers are kept, ``hi`` and ``lo``: as long as its value stays between them, nothing can happen to the
row. A calm scan so costs a gather and two comparisons for all its rows; only rows outside are looked at one by one
(shared.domain.rows). Values of lower limits are negated, so that every limit is an upper one. What a row means is
tested against the plain version, shared.domain.oracle.

The limits of a compensation row follow a temperature: by so many uV a kelvin from the temperature that they were laid
for, between COLD and WARM, by the last good value of its point; a value that goes bad changes no limit. A row whose
limit has moved is looked at with the next scan of its own point.

Promises: integers only (int64; values are below 2**53, so nothing overflows), equal on every machine. Limits: one scan
of 1,320 values with 3,300 limit rows takes some 50 microseconds.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from shared.domain.conditions import FALSE, KEEP, TRUE, UNKNOWN, RowKind, over
from shared.domain.index import Index
from shared.domain.inputs import Scan
from shared.domain.layout import GroupLayout, RowsLayout, ScanLayout, Taken
from shared.domain.plan import NONE, Mode
from shared.domain.units import NoData, round_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

LOW = -(1 << 60)
HIGH = 1 << 60
"""No value is outside LOW..HIGH."""

PENDING_NONE = 0
PENDING_ON = 1
PENDING_ON_OVERDUE = 2
PENDING_OFF = 3

COLD, WARM = 0, 50_000
"""m°C between which limits follow a temperature [ours]: a broken sensor must not talk a limit away."""
_PRESENT = int(NoData.PRESENT)
_LIMIT = RowKind.LIMIT
_BULK = 32
"""From so many rows on, those that only become known are done as columns."""


class Columns:
    """All points and all column rows of a room, changed in place."""

    __slots__ = (
        "_a", "_absolute", "_b", "_diff_start", "_medians", "_shift", "_sides", "_slope", "_usual",
        "_warm_points", "_warm_rows", "at_ms", "bad", "cond", "cond_view", "good_ms", "group_layouts", "hi", "high",
        "index", "layouts", "lo", "lost", "off_at", "on_at", "pend", "pend_view", "reasons", "stale_ms", "values",
        "warm", "x",
    )  # fmt: skip

    def __init__(self, index: Index, now_ms: int) -> None:
        plan = index.plan
        points, rows = len(plan.points), index.column_rows
        self.index = index
        self.values: Ints = np.zeros(points, np.int64)
        self.reasons: NDArray[np.int8] = np.full(points, NoData.NEVER, np.int8)
        self.good_ms: Ints = np.full(points, now_ms, np.int64)
        self.at_ms: Ints = np.zeros(points, np.int64)
        self.lost: Flags = np.zeros(points, np.bool_)
        self.stale_ms: Ints = np.array([p.stale_ms for p in plan.points], np.int64)
        self.bad = bytearray(b"\x01" * len(plan.scans))
        """Of each scan: whether any of its points is bad."""
        self.cond = bytearray([UNKNOWN]) * len(index.rows)
        self.cond_view: NDArray[np.uint8] = np.frombuffer(self.cond, np.uint8)
        self.pend = bytearray(len(index.rows))
        self.pend_view: NDArray[np.uint8] = np.frombuffer(self.pend, np.uint8)
        self.on_at: Ints = np.zeros(rows, np.int64)
        self.off_at: Ints = np.zeros(rows, np.int64)
        self.hi: Ints = np.full(rows, LOW, np.int64)
        self.lo: Ints = np.full(rows, LOW, np.int64)
        self.x: Ints = np.zeros(rows, np.int64)
        self._medians: dict[int, tuple[int, int]] = {}
        self._build()

    def _build(self) -> None:
        """Lay out rows by scan, group and difference."""
        index, plan = self.index, self.index.plan
        kinds = [row.kind for row in index.rows[: index.column_rows]]
        self.high = [True] * index.column_rows
        self._lay_compensations()
        starts = {kind: kinds.index(kind) if kind in kinds else index.column_rows for kind in set(kinds)}
        self._diff_start = starts.get(RowKind.DIFFERENCE, index.column_rows)
        for r, row in enumerate(index.rows[: index.column_rows]):
            if row.kind is RowKind.LIMIT:
                self.high[r] = plan.limits[row.at].high
                self.set_limit(r, plan.limits[row.at].limit, plan.limits[row.at].deadband)
            elif row.kind is RowKind.DEVIATION:
                self.set_limit(r, plan.deviations[row.at].limit, plan.deviations[row.at].deadband)
            else:
                self.set_limit(r, plan.differences[row.at].limit, plan.differences[row.at].deadband)
        self._a = np.array([d.a for d in plan.differences], np.int64)
        self._b = np.array([d.b for d in plan.differences], np.int64)
        self._absolute = np.array([d.absolute for d in plan.differences], np.bool_)
        self.group_layouts = tuple(self._group(g) for g in range(len(plan.groups)))
        self.layouts = tuple(self._scan(s) for s in range(len(plan.scans)))

    def _lay_compensations(self) -> None:
        """Every limit as it stands, at its usual temperature, in an unknown mode."""
        rows, limits = self.index.plan.compensations, self.index.plan.limits
        row_of = {at: r for r, ats in self.index.compensations.items() for at in ats}
        self._warm_rows = np.array([row_of[at] for at in range(len(rows))], np.int64)
        self._warm_points = np.array([x.point for x in rows], np.int64)
        self._usual = np.array([x.usual for x in rows], np.int64)
        self._slope: Ints = np.zeros(len(rows), np.int64)
        for at, x in enumerate(rows):
            self._slope[at] = x.uv_per_k if Mode.UNKNOWN in x.modes else 0
        self._sides = np.array([1 if limits[x.limit].high else -1 for x in rows], np.int64)
        self._shift: Ints = np.zeros(len(rows), np.int64)
        self.warm: Ints = self._usual.copy()
        """Of each compensation: the last good temperature, m°C."""

    def _group(self, g: int) -> GroupLayout:
        rows = [
            r
            for r, row in enumerate(self.index.rows)
            if row.kind is RowKind.DEVIATION and self.index.plan.deviations[row.at].group == g
        ]
        places = np.array([self.index.rows[r].point for r in rows], np.int64)
        own = np.arange(len(rows)), np.ones(len(rows), np.int64)
        return GroupLayout(np.array(self.index.plan.groups[g], np.int64), self._rows(rows), places, own)

    def _rows(self, rows: list[int]) -> RowsLayout:
        start = rows[0] if rows else 0
        part = slice(start, start + len(rows))
        return RowsLayout(start, self.x[part], self.hi[part], self.lo[part])

    def _scan(self, s: int) -> ScanLayout:
        plan, index = self.index.plan, self.index
        scan = plan.scans[s]
        end = scan.first + scan.count
        rows = [
            r
            for r, row in enumerate(index.rows[: index.column_rows])
            if row.kind is RowKind.LIMIT and index.point_scan[row.point] == s
        ]
        places = np.array([index.rows[r].point - scan.first for r in rows], np.int64)
        shift = np.array([0 if self.high[r] else scan.count for r in rows], np.int64)
        part, both = slice(scan.first, end), np.zeros(2 * scan.count, np.int64)
        return ScanLayout(
            first=scan.first,
            end=end,
            values=self.values[part],
            reasons=self.reasons[part],
            good_ms=self.good_ms[part],
            at_ms=self.at_ms[part],
            rows=self._rows(rows),
            sources=places + shift,
            places=places,
            signs=np.array([1 if self.high[r] else -1 for r in rows], np.int64),
            both=both,
            negative=both[scan.count :],
            groups=tuple(g for g, group in enumerate(plan.groups) if any(scan.first <= p < end for p in group)),
            differences=np.array(
                [i for i, d in enumerate(plan.differences) if scan.first <= d.a < end or scan.first <= d.b < end],
                np.int64,
            ),
            warmths=np.array(
                [i for i, x in enumerate(plan.compensations) if scan.first <= x.point < end],
                np.int64,
            ),
        )

    # Limits and bounds

    def set_limit(self, row: int, limit: int, deadband: int) -> None:
        """Give a row its limit, in units of its value; lower limits are negated."""
        on_at = limit if self.high[row] else -limit
        on_at += sum(self._shift.item(at) for at in self.index.compensations.get(row, ()))
        self.on_at[row] = on_at
        self.off_at[row] = on_at - max(deadband, 1)

    def compensate(self, at: int, mode: Mode) -> None:
        """Let a compensation hold as it does in this mode."""
        row = self.index.plan.compensations[at]
        self._slope[at] = row.uv_per_k if mode in row.modes else 0
        self._follow(np.array([at], np.int64))

    def warm_up(self, at: int, temperature: int) -> None:
        """Give a compensation the temperature that it goes on with."""
        self.warm[at] = temperature
        self._follow(np.array([at], np.int64))

    def _follow(self, at: "Ints") -> None:
        """Move the limits and bounds of these compensations' rows to where their temperatures have them."""
        kelvin = np.clip(self.warm.take(at), COLD, WARM) - self._usual.take(at)
        shift = self._sides.take(at) * ((2 * self._slope.take(at) * kelvin + 1_000_000) // 2_000_000)
        delta = shift - self._shift.take(at)
        moved = delta.nonzero()[0]
        if moved.size:
            at, delta = at[moved], delta[moved]
            rows = self._warm_rows.take(at)
            self._shift[at] += delta
            self.on_at[rows] += delta
            self.off_at[rows] += delta
            for bounds in (self.hi, self.lo):
                now = bounds.take(rows)
                bounds[rows] = np.where(np.abs(now) < HIGH, now + delta, now)

    def _warm(self, c: ScanLayout, good: "Flags | None") -> None:
        """Take the temperatures that a scan brings to compensations."""
        at = c.warmths
        points = self._warm_points.take(at)
        brought = self.values.take(points)
        changed = brought != self.warm.take(at)
        if good is not None:
            changed &= good.take(points - c.first)
        moved = changed.nonzero()[0]
        if moved.size:
            self.warm[at[moved]] = brought[moved]
            self._follow(at[moved])

    def bound(self, row: int) -> None:
        """Set hi and lo of a column row after its condition, its delay or its limit changed."""
        cond, pend = self.cond[row], self.pend[row]
        hi, lo = LOW, LOW
        if pend == PENDING_ON:
            hi, lo = HIGH, self.on_at.item(row) - 1
        elif pend == PENDING_OFF:
            hi = self.off_at.item(row) + 1
        elif pend == PENDING_ON_OVERDUE:
            pass
        elif cond == FALSE:
            hi = self.on_at.item(row)
        elif cond == TRUE:
            hi, lo = HIGH, self.off_at.item(row)
        self.hi[row] = hi
        self.lo[row] = lo

    # One scan

    def take(self, s: int, scan: Scan, now_ms: int) -> Taken:
        """Store a scan's values and say which rows must be looked at."""
        c = self.layouts[s]
        restored: list[int] = []
        worsened = False
        good: Flags | None = None
        self._medians.clear()
        if scan.outcome == _PRESENT and not np.count_nonzero(scan.reasons):
            c.values[:] = scan.values
            if self.bad[s]:
                restored = self._restore(c, np.ones(c.end - c.first, np.bool_))
                c.reasons.fill(_PRESENT)
                self.bad[s] = 0
            c.good_ms.fill(now_ms)
            c.at_ms.fill(scan.sampled_at_ms)
        else:
            reasons = scan.reasons
            if scan.outcome != NoData.PRESENT:
                reasons = np.where(reasons == NoData.PRESENT, np.int8(scan.outcome), reasons)
            good = reasons == NoData.PRESENT
            worsened = bool((~good & (c.reasons == NoData.PRESENT)).any())
            c.values[good] = scan.values[good]
            restored = self._restore(c, good)
            c.reasons[:] = reasons
            self.bad[s] = 1
            c.good_ms[good] = now_ms
            c.at_ms[good] = scan.sampled_at_ms
        if c.warmths.size:
            self._warm(c, good)
        rows: list[tuple[int, int]] = []
        known = self._limits(c, good, rows)
        for g in c.groups:
            known |= self._deviations(g, rows)
        if c.differences.size:
            known |= self._differences(c.differences, rows)
        return Taken(rows, restored, known, worsened)

    def _restore(self, c: ScanLayout, good: "Flags") -> list[int]:
        lost = self.lost[c.first : c.end]
        back = np.flatnonzero(lost & good)
        lost[back] = False
        return [int(p) + c.first for p in back]

    def _limits(self, c: ScanLayout, good: "Flags | None", rows: list[tuple[int, int]]) -> bool:
        start, x, hi, lo = c.rows
        c.both[: c.end - c.first] = c.values
        np.negative(c.values, out=c.negative)
        c.both.take(c.sources, out=x, mode="clip")
        act = x >= hi
        act |= x <= lo
        if good is not None:
            act &= good.take(c.places)
        return self._collect(act.nonzero()[0] + start, rows)

    def _deviations(self, g: int, rows: list[tuple[int, int]]) -> bool:
        group = self.group_layouts[g]
        median, count = self.median(g)
        if count < 3:
            return False
        start, x, hi, lo = group.rows
        self.values.take(group.places, out=x, mode="clip")
        x -= median
        np.abs(x, out=x)
        act = x >= hi
        act |= x <= lo
        if 1 in self.bad:
            act &= self.reasons.take(group.places) == _PRESENT
        return self._collect(act.nonzero()[0] + start, rows)

    def _differences(self, touched: "Ints", rows: list[tuple[int, int]]) -> bool:
        a, b = self._a.take(touched), self._b.take(touched)
        x = self.values.take(a) - self.values.take(b)
        np.abs(x, out=x, where=self._absolute.take(touched))
        at = touched + self._diff_start
        self.x[at] = x
        act = (x >= self.hi.take(at)) | (x <= self.lo.take(at))
        act &= (self.reasons.take(a) == NoData.PRESENT) & (self.reasons.take(b) == NoData.PRESENT)
        return self._collect(at[act], rows)

    def _collect(self, at: "Ints", rows: list[tuple[int, int]]) -> bool:
        """Add the rows at these places with their raws; those that only become known are done here."""
        left = self._learn(at) if at.size >= _BULK else at
        x, on_at, off_at = self.x.item, self.on_at.item, self.off_at.item
        for row in left.tolist():
            value = x(row)
            rows.append((row, TRUE if value >= on_at(row) else FALSE if value <= off_at(row) else KEEP))
        return left.size < at.size

    def _learn(self, at: "Ints") -> "Ints":
        """Do the rows that only become known as columns, and give those that are left."""
        x, on_at = self.x.take(at), self.on_at.take(at)
        calm = (self.cond_view.take(at) == UNKNOWN) & (self.pend_view.take(at) == PENDING_NONE) & (x < on_at)
        learnt: Ints = at[calm]
        left: Ints = at[~calm]
        self.cond_view[learnt] = FALSE
        self.hi[learnt] = self.on_at[learnt]
        self.lo[learnt] = LOW
        return left

    def stay(self, s: int, values: "Ints", now_ms: int, sampled_at_ms: int) -> None:
        """Store a scan that leaves every row where it is (shared.domain.runs)."""
        c = self.layouts[s]
        self._medians.clear()
        c.values[:] = values
        c.good_ms.fill(now_ms)
        c.at_ms.fill(sampled_at_ms)

    # Silence

    def expire(self, at_ms: int) -> list[int]:
        """Mark the points that had no good value up to ``at_ms`` for their stale time, and name them."""
        gone = np.flatnonzero(~self.lost & (self.good_ms + self.stale_ms <= at_ms))
        if not gone.size:
            return []
        self._medians.clear()
        self.lost[gone] = True
        present = gone[self.reasons[gone] == NoData.PRESENT]
        self.reasons[present] = NoData.STALE
        names: list[int] = gone.tolist()
        for p in names:
            if self.index.point_scan[p] != NONE:
                self.bad[self.index.point_scan[p]] = 1
        return names

    def expire_ms(self) -> int:
        """When the next point goes stale, HIGH when none can."""
        if bool(self.lost.all()):
            return HIGH
        return int((self.good_ms + self.stale_ms)[~self.lost].min())

    def forget(self, now_ms: int) -> None:
        """After a start: what was known is stale, and silence counts from now."""
        self._medians.clear()
        self.reasons[self.reasons == NoData.PRESENT] = NoData.STALE
        self.good_ms[:] = now_ms
        self.bad[:] = b"\x01" * len(self.bad)

    # One value at a time

    def value(self, point: int) -> int | NoData:
        """The present value of a point, or why there is none."""
        reason = self.reasons.item(point)
        return NoData(reason) if reason else self.values.item(point)

    def median(self, g: int) -> tuple[int, int]:
        """Integer median of a group's good values (half up between two), and how many there are."""
        known = self._medians.get(g)
        if known is None:
            members = self.group_layouts[g].members
            values = self.values.take(members)
            if 1 in self.bad:
                values = values[self.reasons.take(members) == _PRESENT]
            values.sort()
            count, middle = int(values.size), int(values.size) // 2
            if count == 0:
                known = (0, 0)
            elif count % 2:
                known = (values.item(middle), count)
            else:
                known = (round_div(values.item(middle - 1) + values.item(middle), 2), count)
            self._medians[g] = known
        return known

    def highest(self, points: "Ints") -> tuple[int, bool]:
        """Highest good value of some points (LOW without any), and whether all of them are good."""
        reasons = self.reasons.take(points)
        values = self.values.take(points)
        if reasons.any():
            values = values[reasons == NoData.PRESENT]
            return (int(values.max()) if values.size else LOW), False
        return int(values.max()), True

    def is_unknown(self, row: int) -> bool:
        """Whether a column row's raw is UNKNOWN: a value it needs is bad."""
        kind, at = self.index.rows[row].kind, self.index.rows[row].at
        if self.reasons[self.index.rows[row].point]:
            return True
        if kind is RowKind.DEVIATION:
            return self.median(self.index.plan.deviations[at].group)[1] < 3
        return kind is RowKind.DIFFERENCE and bool(self.reasons[self.index.plan.differences[at].b])

    def measure(self, row: int) -> int:
        """What a column row compares with its limit, from the present values."""
        kind, at, _, _, point = self.index.rows[row]
        value = self.values.item(point)
        if kind is _LIMIT:
            return value
        if kind is RowKind.DEVIATION:
            return abs(value - self.median(self.index.plan.deviations[at].group)[0])
        difference = self.index.plan.differences[at]
        value -= self.values.item(difference.b)
        return abs(value) if difference.absolute else value

    def limit(self, row: int) -> int:
        """The limit of a column row now, as the plan's units have it."""
        on_at = self.on_at.item(row)
        return on_at if self.high[row] else -on_at

    def raw(self, row: int) -> int:
        """Raw of a column row from the present values: for rows whose limit just changed."""
        if self.is_unknown(row):
            return UNKNOWN
        x = self.measure(row) if self.high[row] else -self.measure(row)
        on_at = self.on_at.item(row)
        return over(x, on_at, on_at - self.off_at.item(row))


def as_column(numbers: Sequence[int]) -> "Ints":
    """Integers as a column."""
    return np.array(numbers, np.int64)
