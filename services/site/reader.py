"""The log as the event loop's thread reads it: one connection, opened when it is needed, again after trouble.

Opened anew every few seconds too, so that a log that was set aside meanwhile is not read for ever.
"""

from collections.abc import Callable
from time import monotonic

from shared.domain.errors import LogError
from shared.log.port import Reading

FRESH_S = 5.0


class LogReader:
    """Call it for a reader. For one thread."""

    def __init__(self, opened: Callable[[], Reading | None]) -> None:
        self._opened = opened
        self._reading: Reading | None = None
        self._since = 0.0

    def __call__(self) -> Reading | None:
        """None while the log cannot be read; never raises."""
        if self._reading is not None and monotonic() - self._since > FRESH_S:
            self._reading.close()
            self._reading = None
        if self._reading is None:
            try:
                self._reading = self._opened()
            except LogError:
                return None
            self._since = monotonic()
        return self._reading

    def position(self, name: str) -> bytes | None:
        """A position of the log; None when there is none or it cannot be read now."""
        try:
            reading = self()
            return None if reading is None else reading.position(name)
        except LogError:
            return None
