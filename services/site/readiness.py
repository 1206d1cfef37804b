"""What systemd is told: READY=1 once the trip is ready, WATCHDOG=1 only while guard and the site process are alive.

    parent's turn -> guard heard of lately? site process heard of lately? -> WATCHDOG=1, else silence

The parent is the first line: it ends a guard that is silent for 15 s and a site process that is silent for 60 s, and
starts them again. systemd is the second: silence for WatchdogSec ends the parent and starts everything anew, but guard,
which outlives that (KillMode=process). A site process may take its time to start (a long log, a slow disk): its silence
counts from START_S on. A log that is undurable or damaged is no reason: the site tells of it and goes on.
"""

import os
from time import monotonic

from shared.runtime.lifecycle import notify_systemd

EVERY_S = 5.0
SITE_SILENT_S = 60.0
"""The site process gives a sign of life each second; a slow disk may hold it up for long, not for ever."""
START_S = 120.0


class Readiness:
    """One service's word to systemd; without systemd nothing happens."""

    def __init__(self) -> None:
        wanted_us = os.environ.get("WATCHDOG_USEC", "")
        self._every_s = min(EVERY_S, int(wanted_us) / 3e6) if wanted_us.isdigit() else EVERY_S
        self._told_at = -EVERY_S
        self._site_began_at = monotonic()
        self._trouble = ""

    def ready(self) -> None:
        """The trip is ready."""
        notify_systemd("READY=1\nSTATUS=trip ready")

    def site_begins(self) -> None:
        """The site process is started, or started anew."""
        self._site_began_at = monotonic()

    def look(self, *, guard_alive: bool, site_alive_at: float) -> None:
        """Once a turn. ``site_alive_at`` is time.monotonic() of its last sign of life, 0 while it has given none."""
        if monotonic() - self._told_at < self._every_s:
            return
        self._told_at = monotonic()
        before, self._trouble = self._trouble, self._found(guard_alive=guard_alive, site_alive_at=site_alive_at)
        if self._trouble != before:
            notify_systemd(f"STATUS={self._trouble or 'trip ready'}")
        if not self._trouble:
            notify_systemd("WATCHDOG=1")

    def _found(self, *, guard_alive: bool, site_alive_at: float) -> str:
        now = monotonic()
        if not guard_alive:
            return "guard does not answer"
        if site_alive_at and now - site_alive_at > SITE_SILENT_S:
            return "the site process gives no sign of life"
        if not site_alive_at and now - self._site_began_at > START_S:
            return "the site process does not start"
        return ""
