"""Blocks that are no registered site's: any number of them cost a number, and a line a minute.

Who may write a topic may write under any name and by any key (an ACL knows topics and not keys), so a name that nobody
has registered, a key that is not of the site that a block names, or was ended before the broker took it, gets nothing
of its own from whoever reads: no memory, no state, no row, no wait. The record stays in its topic, where it is found
when a site of that name is registered after all.
"""

import time
from collections.abc import Callable
from typing import Final

from shared.log.kafka.records import Record, Tell

TELL_S: Final = 60.0


class Strangers:
    """One reader's."""

    def __init__(self, tell: Tell, now: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._now = now
        self._told_at = -TELL_S
        self._told = 0
        self.number = 0
        """Of such records since the start."""

    def note(self, record: Record) -> None:
        """One more."""
        self.number += 1
        if self._now() - self._told_at >= TELL_S:
            place = f"{record.place.topic}/{record.place.partition} {record.offset}"
            self._tell(
                "not_registered", f"{record.name!r} at {place}; {self.number - self._told} records since last told"
            )
            self._told_at, self._told = self._now(), self.number
