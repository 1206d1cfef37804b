"""What guard keeps for the site process: frames of the last minute and Reports, numbered, until they are acked.

Promises: ``n`` is dense from 1 within one boot of guard; order is kept; nothing is lost while the site process is away
for less than KEEP_MS and the frames fit. Refuses nothing: the oldest frames go first, Reports only beyond REPORTS_MAX.
Limits: frames 60 s and 16 MiB (330 modules of four values each second are 2.6 KiB a second: 0.2 MiB), Reports 4,096
(each at most 700 bytes: 2.8 MiB; a change of condition, not a cycle, makes one).
"""

from collections import deque
from dataclasses import dataclass

from shared.devices.frame import Frame
from shared.domain.inputs import Report

KEEP_MS = 60_000
FRAME_BYTES_MAX = 16 << 20
REPORTS_MAX = 4_096
_FRAME_OVERHEAD = 600
"""Bytes that the objects of one frame take beside its words, measured roughly and rounded up."""


@dataclass(frozen=True, slots=True)
class Kept:
    n: int
    at_ms: int
    """Monotonic clock: of a frame the poll, of a Report the moment it was made."""
    body: Frame | Report


class Outbox:
    """Numbers what is put in and gives it back from any place on."""

    def __init__(self) -> None:
        self._kept: dict[int, Kept] = {}
        self._frames: deque[tuple[int, int, int]] = deque()
        self._reports: deque[int] = deque()
        self._frame_bytes = 0
        self.last_n = 0
        self.acked_n = 0
        self.dropped = 0
        """Frames and Reports that went before an ack covered them."""

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, body: Frame | Report, at_ms: int) -> None:
        """Keep it under the next number."""
        self.last_n += 1
        self._kept[self.last_n] = Kept(self.last_n, at_ms, body)
        if isinstance(body, Frame):
            size = _FRAME_OVERHEAD + sum(len(block.words) for block in body.blocks)
            self._frames.append((self.last_n, at_ms, size))
            self._frame_bytes += size
        else:
            self._reports.append(self.last_n)
            if len(self._reports) > REPORTS_MAX:
                self._drop(self._reports.popleft())
        while self._frames and (self._frame_bytes > FRAME_BYTES_MAX or at_ms - self._frames[0][1] > KEEP_MS):
            n, _, size = self._frames.popleft()
            self._frame_bytes -= size
            self._drop(n)

    def _drop(self, n: int) -> None:
        if self._kept.pop(n, None) is not None:
            self.dropped += 1

    def ack(self, n: int) -> None:
        """Everything up to ``n`` is accepted; a number that was never given counts as the last one."""
        self.acked_n = max(self.acked_n, min(n, self.last_n))
        while self._frames and self._frames[0][0] <= self.acked_n:
            gone, _, size = self._frames.popleft()
            self._frame_bytes -= size
            self._kept.pop(gone, None)
        while self._reports and self._reports[0] <= self.acked_n:
            self._kept.pop(self._reports.popleft(), None)

    def next_after(self, n: int) -> Kept | None:
        """The oldest kept one above ``n``."""
        kept = self._kept.get(n + 1)
        if kept is not None or n >= self.last_n:
            return kept
        above = min((number for number in self._kept if number > n), default=0)
        return self._kept.get(above)
