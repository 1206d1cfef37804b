"""Where the seats of sites are, as the worker sees them: in its own process."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from services.processor.seats import Given, Outcome, Seats


class SeatsPort(Protocol):
    """Seats as the worker sees them, wherever they are."""

    async def learn(self, needs: str, site: str, value: bytes) -> None: ...

    async def restore(self, site: str, data: bytes) -> str: ...

    async def drop(self, site: str) -> None: ...

    async def take(self, given: Sequence[Given]) -> list[Outcome]: ...

    async def states(self, wanted: Sequence[tuple[str, int, str]], generation: int) -> list[bytes]: ...

    async def close(self) -> None: ...


class OwnSeats:
    """In this process. Gives the loop a turn between two records: a heartbeat must not wait for a whole batch."""

    def __init__(self) -> None:
        self._seats = Seats()

    async def learn(self, needs: str, site: str, value: bytes) -> None:
        self._seats.learn(needs, site, value)

    async def restore(self, site: str, data: bytes) -> str:
        return self._seats.restore(site, data)

    async def drop(self, site: str) -> None:
        self._seats.drop(site)

    async def take(self, given: Sequence[Given]) -> list[Outcome]:
        outcomes = []
        for one in self._seats.take(given):
            outcomes.append(one)
            await asyncio.sleep(0)
        return outcomes

    async def states(self, wanted: Sequence[tuple[str, int, str]], generation: int) -> list[bytes]:
        return self._seats.states(wanted, generation)

    async def close(self) -> None:
        """Nothing to end."""
