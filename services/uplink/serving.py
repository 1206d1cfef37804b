"""One site's uplink over all its connections: lanes up, orders down, back-off between.

away --connect--> lanes up, orders down --link lost, identity wrong--> back-off (0.5 s doubling to 30 s, +-50 %)
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

from services.uplink.lane import Lane
from services.uplink.live import LiveLane
from services.uplink.orders import Orders
from services.uplink.port import Centre, CentreLost
from shared.domain.errors import AmpwardError, ConfigError
from shared.runtime.logging import Changes, logger

FIRST_S = 0.5
MOST_S = 30.0
GOOD_S = 10.0
"""A connection that held so long begins with the first delay again."""

Connect = Callable[[int], Awaitable[Centre]]
"""Given the place behind the last order that was done. Raises CentreLost, ConfigError."""


class Serving:
    """See the module."""

    def __init__(self, lane: Lane, live: LiveLane, orders: Orders, connect: Connect, *, chance: Random) -> None:
        self._lane = lane
        self._live = live
        self._orders = orders
        self._connect = connect
        self._chance = chance
        self._centre: Centre | None = None
        self._changes = Changes()
        self._log = logger()

    @property
    def is_up(self) -> bool:
        """Whether the fleet has answered on the connection of now: before that nobody knows that it is there."""
        return self._centre is not None and self._centre.offset_ms() is not None

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set."""
        delay_s = FIRST_S
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            began = loop.time()
            why = await self._once(stop)
            if stop.is_set():
                return
            is_good = loop.time() - began >= GOOD_S
            if is_good:
                self._changes.changed("link", "")
            if self._changes.changed("link", why):
                self._log.warning("uplink_away", why=why)
            delay_s = FIRST_S if is_good else min(MOST_S, 2 * delay_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s * self._chance.uniform(0.5, 1.5)):
                    await stop.wait()

    async def _once(self, stop: asyncio.Event) -> str:
        """One connection; why it ended."""
        try:
            centre = await self._connect(self._lane.place.orders)
        except (CentreLost, ConfigError) as fault:
            return str(fault)
        self._centre = centre
        why = ""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._lane.run(centre), name="inputs")
                group.create_task(self._live.run(centre), name="live")
                group.create_task(self._orders.run(centre), name="orders")
                group.create_task(_end_at(stop), name="stop")
        except* _Ended:
            why = ""
        except* AmpwardError as faults:
            why = str(faults.exceptions[0])
        finally:
            self._centre = None
            await centre.close()
        return why


class _Ended(Exception):
    """``stop`` is set."""


async def _end_at(stop: asyncio.Event) -> None:
    await stop.wait()
    raise _Ended
