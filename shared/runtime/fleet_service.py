"""How a service of the centre runs: until INT or TERM, with what it tells in its structured log.

Exit codes: 0 for a clean end, CANNOT_START when it cannot begin (said with the reason; what it needs may come later,
whoever supervises services starts it again). Any other fault is a fault of the program and ends the process as such.
Limits: LINES_MAX lines a minute of each event: who may write a topic can make a reader tell of each record that is
none, and must not fill the disk of its log by that. The counters of shared.runtime.metrics have all of them.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Final

from shared.domain.errors import AmpwardError
from shared.runtime.logging import configure, logger

CANNOT_START: Final = 3
LINES_MAX: Final = 120
MINUTE_S: Final = 60.0

Tell = Callable[[str, str], None]
"""(event name, what happened in words): once per change of condition."""
Work = Callable[[asyncio.Event, Tell], Awaitable[None]]
"""Works until the event is set; raises AmpwardError when it cannot begin."""


class Bounded:
    """Tells at most LINES_MAX times a minute of each event; the next one then says how many were left out."""

    def __init__(self, tell: Tell, now: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._now = now
        self._lines: dict[str, tuple[float, int]] = {}
        """By event: when its minute began, and how many lines came in it."""

    def __call__(self, event: str, words: str) -> None:
        now = self._now()
        began, lines = self._lines.get(event, (now, 0))
        if now - began >= MINUTE_S:
            left_out = max(0, lines - LINES_MAX)
            began, lines = now, 0
            words += f" ({left_out} more were left out since)" if left_out else ""
        self._lines[event] = (began, lines + 1)
        if lines < LINES_MAX:
            self._tell(event, words)


def run_service(name: str, work: Work) -> int:
    """The exit code; called in the main thread."""
    configure(name)
    log = logger()

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await work(stop, Bounded(lambda event, words: log.warning(event, words=words)))

    try:
        asyncio.run(run())
    except AmpwardError as fault:
        log.error("cannot_start", why=str(fault))
        return CANNOT_START
    return 0
