"""Single readings of one device as few bytes: frames of one minute, all points at once, for a place beside minutes.

    frame, frame, ... --Readings--> pieces: (layout, minute, first number, frames, packed columns)

A site needs none of this: its readings are the log's own frames (services.history.raw). The centre has no log of a
site, so it stores them. A piece is written once and never changed: what comes later of a minute is another piece.
Promises: what was packed comes back, reading by reading, in the order in which it was taken.
Limits: a piece has at most packing.COUNT_MAX values (49 frames of 1,320 points).
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.history.packing import COUNT_MAX, Ints, pack, unpack
from services.history.rolls import MINUTE_MS

LEVEL = 1
"""Each piece is packed once, while records wait behind it: quick rather than small."""
_LENGTH = 4


class Wanted(NamedTuple):
    """Which readings are stored: not those that were older than ``days`` when the broker took them, and none before
    ``since_ms``."""

    days: int = 0
    since_ms: int = 0


NOTHING: Final = Wanted()


class Piece(NamedTuple):
    """One row."""

    layout: int
    minute: int
    first_seq: int
    """The log's number of its first frame."""
    frames: int
    data: bytes


class _Open:
    """Frames of one device and minute, not packed yet."""

    __slots__ = ("first_seq", "late", "minute", "reasons", "times", "values")

    def __init__(self, minute: int, first_seq: int) -> None:
        self.minute = minute
        self.first_seq = first_seq
        self.times: list[int] = []
        self.late: list[bool] = []
        self.values: list[Ints] = []
        self.reasons: list[NDArray[np.int8]] = []


class Readings:
    """Readings of one site that wait to be stored."""

    def __init__(self, since_ms: int = 0) -> None:
        self.since_ms = since_ms
        """Older ones are left out."""
        self._open: dict[int, _Open] = {}
        self._pieces: list[Piece] = []
        self.count = 0
        """How many wait."""

    def take(
        self, layout: int, site_seq: int, at_ms: int, values: Ints, reasons: NDArray[np.int8], *, is_late: bool
    ) -> None:
        """One frame. Keeps ``values`` and ``reasons``: they are not to be changed afterwards."""
        if at_ms < self.since_ms:
            return
        minute = at_ms // MINUTE_MS
        one = self._open.get(layout)
        if one is not None and (one.minute != minute or (len(one.times) + 1) * len(values) > COUNT_MAX):
            self._end(layout)
            one = None
        if one is None:
            one = self._open[layout] = _Open(minute, site_seq)
        one.times.append(at_ms - minute * MINUTE_MS)
        one.late.append(is_late)
        one.values.append(values)
        one.reasons.append(reasons)
        self.count += len(values)

    def pieces(self) -> list[Piece]:
        """All that waits, packed; it goes on waiting until ``written``."""
        for layout in [*self._open]:
            self._end(layout)
        return self._pieces

    def written(self) -> None:
        """All of it is stored."""
        self._pieces = []
        self.count = 0

    def _end(self, layout: int) -> None:
        one = self._open.pop(layout)
        self._pieces.append(Piece(layout, one.minute, one.first_seq, len(one.times), _packed(one)))


def _packed(one: _Open) -> bytes:
    values = np.array(one.values, np.int64)
    with np.errstate(over="ignore"):
        steps = np.diff(values, axis=0)
    parts = [
        [np.array(one.times, np.int64), np.array(one.late, np.int64)],
        [values[0]],
        [steps.T.ravel()],
        [np.array(one.reasons, np.int64).T.ravel()],
    ]
    packed = [pack(part, level=LEVEL, thrifty=False) for part in parts]
    return b"".join(len(part).to_bytes(_LENGTH, "little") + part for part in packed)


class Taken(NamedTuple):
    """The readings of one point in a piece."""

    at_ms: Ints
    is_late: Ints
    values: Ints
    reasons: Ints
    """0 where there is a value."""


def readings_of(minute_ms: int, data: bytes, place: int) -> Taken:
    """Those of the point that stands at ``place`` in its layout. Raises ValueError for bytes that are none."""
    parts, at = [], 0
    for columns in (2, 1, 1, 1):
        begin = at + _LENGTH
        at = begin + int.from_bytes(data[at:begin], "little")
        parts.append(unpack(data[begin:at], columns))
    (times, late), (first,), (steps,), (reasons,) = parts
    count = len(times)
    values = np.concatenate((first[place : place + 1], steps.reshape(len(first), count - 1)[place]))
    return Taken(minute_ms + times, late, np.cumsum(values), reasons.reshape(len(first), count)[place])
