"""Roll-ups: what is kept of all readings of a minute or an hour, for one point, as columns.

A row says: how many readings were good, uncertain (the frame came too late to be decided by) and bad (there was no
value), and of those with a value the least, the greatest, the mean (rounded half up) and the last in the log's order.
Without a single reading there is no row: a hole is never filled. With bad ones only the row has no value. Integers in
the core's scaled units throughout.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.history.packing import Ints, pack, unpack

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
DAY_MINUTES = 1_440
_EXACT = 1 << 40
"""A span of values up to here is averaged in 64 bits: 36,000 readings an hour times 2**40 stay below 2**56."""


class Rolls(NamedTuple):
    """Rows in order of time; ``at`` counts minutes or hours since 1970."""

    at: Ints
    good: Ints
    uncertain: Ints
    bad: Ints
    low: Ints
    high: Ints
    excess: Ints
    """Sum of all values less ``low``: the mean is low + excess / (good + uncertain)."""
    last: Ints

    @property
    def valued(self) -> Ints:
        """How many readings had a value."""
        return self.good + self.uncertain

    def means(self) -> Ints:
        """Rounded half up; 0 where there is no value."""
        count = np.maximum(self.valued, 1)
        whole, rest = np.divmod(self.excess, count)
        return self.low + whole + (2 * rest >= count)

    def between(self, first: int, end: int) -> "Rolls":
        """Rows from ``first`` on and before ``end``."""
        a, b = np.searchsorted(self.at, (first, end))
        return Rolls(*(column[a:b] for column in self))

    @property
    def rows(self) -> int:
        return len(self.at)


NONE = Rolls(*(np.zeros(0, np.int64) for _ in range(8)))


def pack_rolls(rolls: Rolls, base: int) -> bytes:
    """As stored, ``at`` counted from ``base``."""
    low = rolls.low
    return pack([rolls.at - base, rolls.good, rolls.uncertain, rolls.bad, low, rolls.high - low, rolls.excess,
                 rolls.last - low])  # fmt: skip


def unpack_rolls(data: bytes, base: int) -> Rolls:
    """Raises ValueError for bytes that are none."""
    at, good, uncertain, bad, low, span, excess, last = unpack(data, 8)
    return Rolls(at + base, good, uncertain, bad, low, low + span, excess, low + last)


def merged(parts: Sequence[Rolls]) -> Rolls:
    """All rows in order, those of the same time as one; ``last`` is that of the later part."""
    parts = [part for part in parts if part.rows]
    if len(parts) < 2:
        return parts[0] if parts else NONE
    if all(a.at[-1] < b.at[0] for a, b in pairwise(parts)):
        return Rolls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    every = Rolls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    order = np.argsort(every.at, kind="stable")
    return grouped(Rolls(*(column[order] for column in every)), every.at[order])


def hours(minutes: Rolls) -> Rolls:
    """The same by hour."""
    return grouped(minutes, minutes.at // 60)


def grouped(rolls: Rolls, at: Ints) -> Rolls:
    """Rows of the same ``at`` (sorted) as one."""
    if len(at) == 0:
        return NONE
    starts = np.flatnonzero(np.diff(at, prepend=at[0] - 1))
    has = rolls.valued > 0
    low = np.where(has, rolls.low, np.iinfo(np.int64).max)
    high = np.where(has, rolls.high, np.iinfo(np.int64).min)
    low, high = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
    valued = np.add.reduceat(rolls.valued, starts)
    low[valued == 0] = high[valued == 0] = 0
    return Rolls(
        at[starts],
        np.add.reduceat(rolls.good, starts),
        np.add.reduceat(rolls.uncertain, starts),
        np.add.reduceat(rolls.bad, starts),
        low,
        high,
        _excess(rolls, starts, low, high),
        _last(rolls, starts, has),
    )


def _excess(rolls: Rolls, starts: NDArray[np.intp], low: Ints, high: Ints) -> Ints:
    """Sums over the groups' own least values."""
    sizes = np.diff(starts, append=rolls.rows)
    above = np.where(rolls.valued > 0, rolls.low - np.repeat(low, sizes), 0)
    if int((high - low).max()) < _EXACT:
        return np.add.reduceat(rolls.excess + above * rolls.valued, starts)
    ends = [*starts[1:].tolist(), rolls.rows]
    sums = [
        sum(e + a * n for e, a, n in zip(*(c[i:k].tolist() for c in (rolls.excess, above, rolls.valued)), strict=True))
        for i, k in zip(starts.tolist(), ends, strict=True)
    ]
    return np.array([min(total, np.iinfo(np.int64).max) for total in sums], np.int64)


def _last(rolls: Rolls, starts: NDArray[np.intp], has: NDArray[np.bool_]) -> Ints:
    """Of each group the last row that has a value."""
    places = np.where(has, np.arange(rolls.rows), -1)
    newest = np.maximum.reduceat(places, starts)
    return np.where(newest >= 0, rolls.last[newest], 0)
