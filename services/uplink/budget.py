"""How many bytes a second go up: one bucket for all lanes of one way, Kafka's or MQTT's, the live one first.

The bucket fills at the rate up to a second's worth. A block waits until it is not empty and nobody live waits, and may
then take more than there is: so the largest block passes too, and what follows waits until its debt is paid. The live
lane may run a second's worth into debt before it waits.
"""

import asyncio
from collections.abc import Callable
from time import monotonic


class Budget:
    """One event loop. ``bytes_per_s`` 0 is no bound."""

    def __init__(self, bytes_per_s: int, now: Callable[[], float] = monotonic) -> None:
        self.bytes_per_s = self._rate = bytes_per_s
        self._now = now
        self._held = float(bytes_per_s)
        self._filled_at = now()
        self._live = 0

    async def take(self, size: int) -> None:
        """For a block."""
        while self._rate and (self._fill() <= 0 or self._live):
            await asyncio.sleep(max(0.001, -self._held / self._rate))
        self._held -= size

    async def take_live(self, size: int) -> None:
        """For a live record; ``size`` may be 0, and spent when it is known."""
        self._live += 1
        try:
            while self._rate and self._fill() <= -self._rate:
                await asyncio.sleep(max(0.001, -self._held / self._rate - 1))
        finally:
            self._live -= 1
        self._held -= size

    def spend(self, size: int) -> None:
        """Without waiting."""
        self._held -= size

    def _fill(self) -> float:
        now = self._now()
        self._held = min(self._held + (now - self._filled_at) * self._rate, float(self._rate))
        self._filled_at = now
        return self._held
