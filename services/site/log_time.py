"""The log's clock: the machine's, but after a pause it goes through what guard kept before it goes on.

    live --asked again only after GAP_MS or more--> behind --an input of after the pause, or nothing more comes--> live
    behind at once when it begins before now, with what guard kept before this process was there

A site process that stood still (stopped, swapped out, stuck in the disk) finds many seconds gone, and guard's frames of
these seconds still on the link. Taken at the time of now they would all come too late: everything would be stale first
and return then. While behind, each input of guard has the time at which it was made, and between two inputs time stands
still. Promises: it never falls; the wall clock is moved by as much, so that nobody sees a step; without an input of
guard it is live again within QUIET_MS, in any case within BEHIND_MS, and then silence shows as what it is. Limit:
nothing of safety waits for it: the trip and the outputs are guard's, and no lease is given while it is behind.
"""

from shared.runtime.clocks import Clock

GAP_MS = 1_000
"""The writer asks at least four times a second."""
QUIET_MS = 2_000
"""Every gas, airflow or relay point is polled within 900 ms; one retry and a reconnect fit beside it."""
BEHIND_MS = 15_000
"""18,000 frames, 60 s of 300 a second, take half of it on one slow core."""


class LogTime:
    """One owner, the writer's thread; a Clock for its runner."""

    def __init__(self, clock: Clock, begins_ms: int | None = None) -> None:
        self._clock = clock
        self._asked = now = clock.monotonic_ms()
        self._last = now if begins_ms is None else min(begins_ms, now)
        self.is_behind = self._last < now
        self._pause_end = now if self.is_behind else 0
        """Inputs made from here on end being behind."""
        self._quiet_since = self._pause_end

    def monotonic_ms(self) -> int:
        now = self._look()
        if not self.is_behind:
            self._last = max(self._last, now)
        return self._last

    def take(self, made_ms: int) -> int:
        """The time at which an input of guard counts that was made at ``made_ms``; -1 is not known."""
        now = self._look()
        if self.is_behind and made_ms >= 0:
            self._quiet_since = now
            self._last = max(self._last, min(made_ms, now))
            self.is_behind = made_ms < self._pause_end
        return self.monotonic_ms()

    def _look(self) -> int:
        now, asked = self._clock.monotonic_ms(), self._asked
        self._asked = now
        if now - asked >= GAP_MS:
            self.is_behind = True
            self._pause_end = self._quiet_since = now
        elif now - self._quiet_since >= QUIET_MS or now - self._pause_end >= BEHIND_MS:
            self.is_behind = False
        return now

    def wall_ms(self) -> int:
        self.monotonic_ms()
        return self._clock.wall_ms() - (self._asked - self._last if self.is_behind else 0)

    def synced(self) -> bool:
        return self._clock.synced()

    def boot(self) -> str:
        return self._clock.boot()
