"""The open minute of one device: all its points at once, a frame at a time.

Promises: the same frames in the same order give the same row, however they were batched. A frame costs some ten
microseconds for 200 points. Limits: 1,000 frames a minute (polls are 100 ms apart at least, so 600 fill it): what comes
beyond, by a clock that was set back, is counted and left out, so that no sum leaves 64 bits (1,000 times 2**53).
"""

import numpy as np
from numpy.typing import NDArray

from services.history.packing import Ints, pack, unpack

FRAMES_MAX = 1_000
_MOST, _LEAST = np.iinfo(np.int64).max, np.iinfo(np.int64).min
_COLUMNS = 7
YOUNG_LEVEL = 1
"""Rewritten some times a minute: quick rather than small."""


class Minute:
    """Sums of one minute. Values of a scan whose reason is not 0 are 0, as shared.devices.columns gives them."""

    __slots__ = ("_bad", "_good", "_high", "_last", "_low", "_total", "_uncertain", "_whole", "frames", "left_out")

    def __init__(self, count: int) -> None:
        self.frames = 0
        self.left_out = 0
        self._whole = 0
        """Frames in time and with every value: not counted in the columns yet."""
        self._good = np.zeros(count, np.int64)
        self._uncertain = np.zeros(count, np.int64)
        self._bad = np.zeros(count, np.int64)
        self._low = np.full(count, _MOST)
        self._high = np.full(count, _LEAST)
        self._total = np.zeros(count, np.int64)
        self._last = np.zeros(count, np.int64)

    def take(self, values: Ints, reasons: NDArray[np.int8], *, is_late: bool) -> None:
        """Keeps ``values``: they are not to be changed afterwards."""
        if self.frames >= FRAMES_MAX:
            self.left_out += 1
            return
        self.frames += 1
        self._total += values
        if np.count_nonzero(reasons):
            present = reasons == 0
            counted = self._uncertain if is_late else self._good
            counted += present
            self._bad += ~present
            np.minimum(self._low, np.where(present, values, _MOST), out=self._low)
            np.maximum(self._high, np.where(present, values, _LEAST), out=self._high)
            self._last = np.where(present, values, self._last)
            return
        if is_late:
            self._uncertain += 1
        else:
            self._whole += 1
        np.minimum(self._low, values, out=self._low)
        np.maximum(self._high, values, out=self._high)
        self._last = values

    def add_earlier(self, data: bytes) -> None:
        """What was stored of the same minute, before anything that this one has taken."""
        good, uncertain, bad, low, span, excess, last = unpack(data, _COLUMNS)
        earlier = good + uncertain
        mine = self._good + self._whole + self._uncertain
        self._last = np.where(mine > 0, self._last, np.where(earlier > 0, low + last, 0))
        self._low = np.minimum(self._low, np.where(earlier > 0, low, _MOST))
        self._high = np.maximum(self._high, np.where(earlier > 0, low + span, _LEAST))
        self._total = self._total + excess + earlier * low
        self._good = self._good + good
        self._uncertain = self._uncertain + uncertain
        self._bad = self._bad + bad
        self.frames += int((earlier + bad).max(initial=0))

    def to_bytes(self) -> bytes:
        """As the table ``young`` keeps it; columns over the points."""
        good = self._good + self._whole
        valued = good + self._uncertain
        low = np.where(valued > 0, self._low, 0)
        high = np.where(valued > 0, self._high, 0)
        columns = [good, self._uncertain, self._bad, low, high - low, self._total - valued * low, self._last - low]
        columns[-1][valued == 0] = 0
        return pack(columns, level=YOUNG_LEVEL, thrifty=False)

    @staticmethod
    def from_bytes(data: bytes) -> "Minute":
        """To go on with a minute that was stored."""
        good, uncertain, bad, low, span, excess, last = unpack(data, _COLUMNS)
        valued = good + uncertain
        minute = Minute(len(good))
        minute.frames = int((valued + bad).max(initial=0))
        minute._good, minute._uncertain, minute._bad = good, uncertain, bad
        minute._low = np.where(valued > 0, low, _MOST)
        minute._high = np.where(valued > 0, low + span, _LEAST)
        minute._total = excess + valued * low
        minute._last = np.where(valued > 0, low + last, 0)
        return minute


def young_columns(data: bytes) -> list[Ints]:
    """good, uncertain, bad, low, high, excess, last of every point of a stored minute."""
    good, uncertain, bad, low, span, excess, last = unpack(data, _COLUMNS)
    return [good, uncertain, bad, low, low + span, excess, low + last]
