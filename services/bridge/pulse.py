"""How long a message may have waited at the broker: no longer than since our last pulse that came back from there.

    we --pulse, at t--> broker: frame, frame, pulse, frame, frame --in that order--> we

What comes behind a pulse of ours came to the broker after we had sent it, because Mosquitto gives a session everything
of QoS 1 in one line: so it is not older than that pulse. Before the first pulse of a link is back nothing of the kind
is known; the broker may have kept a message as long as the session (UNKNOWN_MS).
Promises: the figure is never too small; it is our monotonic clock's alone, no clock of a device or a broker is asked.
Limits: in quiet times it is up to PULSE_S and two ways to the broker too large, far below the least stale time, 4 s.
What a device held before it published is not in it: a device says that itself.
"""

import json
from asyncio import Event
from collections.abc import Callable
from secrets import token_hex
from typing import Final

from shared.bus.mqtt import KEPT_S

PULSE_S: Final = 0.5
UNKNOWN_MS: Final = KEPT_S * 1000
AWAY_MAX: Final = 100
"""Pulses that are not back; a session that gets none for so long asks once a minute."""


class Pulses:
    """Of one link. Belongs to its loop."""

    def __init__(self, monotonic_ms: Callable[[], int]) -> None:
        self._monotonic_ms = monotonic_ms
        self._link = token_hex(8)
        self._number = 0
        self._away: dict[bytes, int] = {}
        """When each was sent."""
        self._since = -1
        self.back = Event()
        """Whether the newest one is."""

    def next(self) -> bytes:
        """What to send to ourselves now."""
        self._number += 1
        made = json.dumps({"link": self._link, "n": self._number}).encode()
        self._away[made] = self._monotonic_ms()
        if len(self._away) > AWAY_MAX:
            del self._away[next(iter(self._away))]
        self.back.clear()
        return made

    def take(self, payload: bytes) -> bool:
        """One has come; False when it is none of this link's."""
        if payload not in self._away:
            return False
        self._since = self._away[payload]
        while next(iter(self._away)) != payload:
            del self._away[next(iter(self._away))]
        del self._away[payload]
        if not self._away:
            self.back.set()
        return True

    def waited_ms(self) -> int:
        """What comes now has waited no longer than this."""
        return UNKNOWN_MS if self._since < 0 else self._monotonic_ms() - self._since
