"""How a service of the centre runs: until INT or TERM, with what it tells in its structured log.

Exit codes: 0 for a clean end, CANNOT_START when it cannot begin (said with the reason; what it needs may come later,
whoever supervises services starts it again). Any other fault is a fault of the program and ends the process as such.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Final

from shared.domain.errors import AmpwardError
from shared.runtime.logging import configure, logger

CANNOT_START: Final = 3

Tell = Callable[[str, str], None]
"""(event name, what happened in words): once per change of condition."""
Work = Callable[[asyncio.Event, Tell], Awaitable[None]]
"""Works until the event is set; raises AmpwardError when it cannot begin."""


def run_service(name: str, work: Work) -> int:
    """The exit code; called in the main thread."""
    configure(name)
    log = logger()

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await work(stop, lambda event, words: log.warning(event, words=words))

    try:
        asyncio.run(run())
    except AmpwardError as fault:
        log.error("cannot_start", why=str(fault))
        return CANNOT_START
    return 0
