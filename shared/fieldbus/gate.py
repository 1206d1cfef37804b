"""Turns on a line: one holder at a time, and who waits to write goes before all who wait to read.

Hold it for one request, never for a whole scan: then a write waits for one request at most.
"""

from asyncio import CancelledError, Future, get_running_loop
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Made for one event loop. Turns are first come, first served within each class."""

    def __init__(self) -> None:
        self._held = False
        self._urgent: deque[Future[None]] = deque()
        self._normal: deque[Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, *, urgent: bool = False) -> AsyncIterator[None]:
        """Inside, nobody else has the line."""
        await self._take(self._urgent if urgent else self._normal)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, queue: deque[Future[None]]) -> None:
        if not self._held:
            self._held = True
            return
        mine: Future[None] = get_running_loop().create_future()
        queue.append(mine)
        try:
            await mine
        except CancelledError:
            # A turn that was given up stays in the queue, and is passed over when it comes up.
            if not mine.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """The line goes straight to the next who waits: nobody can slip in between."""
        for queue in (self._urgent, self._normal):
            while queue:
                future = queue.popleft()
                if not future.done():
                    future.set_result(None)
                    return
        self._held = False
