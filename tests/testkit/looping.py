"""An event loop in a thread of its own, for servers that tests of any kind talk to."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
WAIT_S = 10.0


class LoopThread:
    """Runs coroutines in a thread of its own until :meth:`end`, which cancels what is left there."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run one coroutine there and wait for what it returns."""
        return asyncio.run_coroutine_threadsafe(make(), self.loop).result(WAIT_S)

    def end(self) -> None:
        """Cancel every task, stop and close the loop."""
        self.call(self._cancel_rest)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _cancel_rest(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
