"""What of the log goes next, when its time is over or the disk's space is, in the order of DESIGN.md section 4.

    frames older than the retention, sent                    each hour, whatever space there is
    less than 12 MiB of room      frames past their window, sent (without an uplink: what is a day old)
    a commit fails                [the ballast is freed, but for its last 64th: shared.log.journal]
    less than 6 MiB, no ballast   the oldest frames, not sent; the snapshot that ended them stands in their place
                                  then what was kept around alarms, the oldest first
    still nothing can be written  [the log is undurable; the last of the ballast takes commands and Reports]

Room is what the disk has free and what the file has free inside: SQLite gives no page back to the disk, it fills its
own free pages before it grows, so a folded interval is room for as many new records although the file stays as large.
Sent is what the fleet has had for the whole replay window: until then it may ask for it again. A site without an uplink
has sent everything at once.

One interval goes at a time, whole, in one transaction with the Report that says so; only what is needed goes. Commands,
Reports, rule sets, Starts, Resyncs and every event never go, nor does the newest whole interval, the way back when the
newest snapshot is damaged.

Looked at four times a second. A disk that others fill faster takes the ballast first; one that they fill to the last
byte again at once makes the log undurable although it has old frames: to fold them takes some room, too.
"""

from collections.abc import Callable
from typing import NamedTuple

from services.processor import retention
from services.processor.retention import Due
from shared.devices.plan import LogLimits
from shared.log.port import Log
from shared.log.store import Store

DAY_MS = 86_400_000
AGE_CHECK_MS = 3_600_000
SPACE_CHECK_MS = 10_000
"""So long nothing is looked for when there was nothing to fold."""
UNSENT_BELOW_BYTES = 6 << 20
"""What stands in the WAL between two checkpoints (4 MiB) may all be growth of the file; the rest is for the folding."""
SENT_BELOW_BYTES = 2 * UNSENT_BELOW_BYTES


class _Stage(NamedTuple):
    """One kind of frames, and how little room there must be for it to go."""

    why: str
    below_bytes: int
    needs_ballast_gone: bool


SENT = _Stage("space", SENT_BELOW_BYTES, needs_ballast_gone=False)
UNSENT = _Stage("space, not sent", UNSENT_BELOW_BYTES, needs_ballast_gone=True)
ALARMS = _Stage("space, around alarms", UNSENT_BELOW_BYTES, needs_ballast_gone=True)


Sent = Callable[[int], int | None]
"""The last number that may go, at this time of the log, as far as the fleet is concerned; None: there is no fleet."""


def no_fleet(_tick_ms: int) -> None:
    """A site without an uplink."""


class Keeping:
    """One owner, the runner."""

    def __init__(self, store: Store, limits: LogLimits, subject: str, sent: Sent = no_fleet) -> None:
        self._store = store
        self._sent = sent
        self._limits = limits
        self._subject = subject
        self._next_age = self._next_space = 0
        self._stripped_to = 0

    def due(self, log: Log, tick_ms: int) -> Due | None:
        """What is to go now; at most one interval. Raises LogDamaged when it is not what was written."""
        if tick_ms >= self._next_age:
            found = self._of_age(log, tick_ms, self._limits.frames_days * DAY_MS, retention.AGE, self._sent(tick_ms))
            if found is not None:
                return found
            self._next_age = tick_ms + AGE_CHECK_MS
        return self._for_space(log, tick_ms) if tick_ms >= self._next_space else None

    def _of_age(self, log: Log, tick_ms: int, keep_ms: int, why: str, up_to: int | None) -> Due | None:
        around_ms = self._limits.keep_around_alarm_ms
        return retention.due(
            log, tick_ms, keep_ms=keep_ms, around_ms=around_ms, subject=self._subject, why=why, up_to=up_to
        )

    def _for_space(self, log: Log, tick_ms: int) -> Due | None:
        room = self._store.free_bytes()
        if room >= SENT.below_bytes or (room := room + log.spare_bytes()) >= SENT.below_bytes:
            return None
        for stage in (SENT, UNSENT, ALARMS):
            if room < stage.below_bytes and not (stage.needs_ballast_gone and self._store.has_ballast()):
                found = self._of_stage(log, tick_ms, stage)
                if found is not None:
                    return found
        self._next_space = tick_ms + SPACE_CHECK_MS
        return None

    def _of_stage(self, log: Log, tick_ms: int, stage: _Stage) -> Due | None:
        around_ms = self._limits.keep_around_alarm_ms
        if stage is SENT:
            return self._of_age(log, tick_ms, DAY_MS - around_ms, stage.why, self._sent(tick_ms))
        if stage is UNSENT:
            return self._of_age(log, tick_ms, -around_ms, stage.why, None)
        found = retention.strip(log, self._stripped_to, subject=self._subject, why=stage.why)
        self._stripped_to = found.folding.last_seq if found else log.folded_to()
        return found
