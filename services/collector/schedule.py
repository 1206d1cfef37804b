"""When a device is polled: every period from its start on, without drift; and when a dead one is tried again.

Pure: times are monotonic milliseconds that the caller brings. A slot that passes while the bus is busy is skipped and
counted, and the phase stays: the n-th slot is always start + n * every.

    polled --2 polls in a row without answer--> quarantined --a try is answered--> polled
                                             |      ^
                                             '-fails-'  next try after 1 s, 2 s, 4 s ... up to 5 s or 30 s
"""

from dataclasses import dataclass

QUARANTINE_AFTER = 2
TRY_FIRST_MS = 1_000
TRY_MAX_MS = 30_000
TRY_MAX_FAST_MS = 5_000
FAST_MS = 900
"""Gas, airflow and relay points are polled at least this often: such devices go first and are tried again sooner."""
PATIENCE_MS = 10_000
"""A try waits so long for a pause in which it delays nobody, then it is made all the same."""


@dataclass(slots=True)
class Schedule:
    """The slots of one device and its quarantine."""

    every_ms: int
    next_ms: int
    """Start of the next slot."""
    skipped: int = 0
    failures: int = 0
    """Polls in a row without an answer."""
    try_ms: int = 0
    pause_ms: int = TRY_FIRST_MS
    has_line: bool = True
    """Whether it could be asked at all the last time."""

    @property
    def is_fast(self) -> bool:
        return self.every_ms <= FAST_MS

    @property
    def is_quarantined(self) -> bool:
        return self.failures >= QUARANTINE_AFTER

    def is_due(self, now_ms: int) -> bool:
        return now_ms >= self.next_ms

    def take_slot(self, now_ms: int) -> int:
        """Uses the newest slot that has begun; gives how many before it were missed."""
        missed = (now_ms - self.next_ms) // self.every_ms
        self.skipped += missed
        self.next_ms += (missed + 1) * self.every_ms
        return missed

    def may_try(self, now_ms: int, free_ms: int, cost_ms: int) -> bool:
        """Whether a quarantined device is asked now; ``free_ms`` is the time until another device needs the line."""
        return now_ms >= self.try_ms and (free_ms >= cost_ms or now_ms >= self.try_ms + PATIENCE_MS)

    def note_answer(self) -> None:
        self.failures = 0
        self.has_line = True
        self.pause_ms = TRY_FIRST_MS

    def note_no_line(self, now_ms: int) -> None:
        """Nobody could be asked: a silent device is tried each period, and so as soon as the line is back."""
        self.has_line = False
        self.try_ms = now_ms + self.every_ms
        self.pause_ms = TRY_FIRST_MS

    def note_silence(self, now_ms: int) -> None:
        self.failures += 1
        self.has_line = True
        if self.is_quarantined:
            self.try_ms = now_ms + self.pause_ms
            self.pause_ms = min(2 * self.pause_ms, TRY_MAX_FAST_MS if self.is_fast else TRY_MAX_MS)
