"""A centre in memory, for tests and for trying an uplink without a fleet.

:class:`FakeFleet` is what stays; ``connect`` gives a connection to it. It may be told to lose the link, to take things
late, or to take a block and say nothing: what a broker does.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from services.uplink.port import CentreLost, Order


@dataclass
class FakeFleet:
    """What the centre has. Everything in one event loop."""

    blocks: list[bytes] = field(default_factory=list)
    """As they came, also twice."""
    rulesets: dict[str, bytes] = field(default_factory=dict)
    live: list[bytes] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    is_up: bool = True
    connections: int = 0
    delay_s: float = 0.0
    """Between taking a block and saying so."""
    before_block: Callable[[int], None] = lambda _count: None
    """Told how many blocks there are, before the next is taken; may raise CentreLost."""
    offset_ms: int | None = 0
    """Of its clock."""
    after_block: Callable[[int], None] = lambda _count: None
    """Told after it is taken, before that is said; may raise CentreLost."""

    async def connect(self, done_order: int) -> "FakeCentre":
        """``done_order`` is the place of the last order that was done."""
        if not self.is_up:
            raise CentreLost("the fleet is down")
        self.connections += 1
        return FakeCentre(self, done_order)


class FakeCentre:
    """One connection; see services.uplink.port."""

    def __init__(self, fleet: FakeFleet, done_order: int) -> None:
        self._fleet = fleet
        self._done_order = done_order
        self._lost = ""
        self._queue: asyncio.Queue[tuple[bytes, asyncio.Future[None]]] = asyncio.Queue()
        self._told: list[asyncio.Future[None]] = []
        self._taking = asyncio.create_task(self._take())

    async def send_block(self, data: bytes) -> "asyncio.Future[None]":
        self._check()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._told.append(done)
        await self._queue.put((data, done))
        return done

    async def _take(self) -> None:
        while True:
            data, done = await self._queue.get()
            try:
                self._check()
                self._fleet.before_block(len(self._fleet.blocks))
                self._fleet.blocks.append(data)
                self._fleet.after_block(len(self._fleet.blocks))
                await asyncio.sleep(self._fleet.delay_s)
            except CentreLost as fault:
                self._lost = str(fault)
                if not done.done():
                    done.set_exception(fault)
                continue
            if not done.done():
                done.set_result(None)
            self._told.remove(done)

    async def send_ruleset(self, version: str, body: bytes) -> None:
        self._check()
        self._fleet.rulesets[version] = body

    async def send_live(self, data: bytes) -> None:
        self._check()
        self._fleet.live.append(data)

    async def next_order(self) -> Order:
        while True:
            self._check()
            for order in self._fleet.orders:
                if order.place > self._done_order:
                    self._done_order = order.place
                    return order
            await asyncio.sleep(0.005)

    def offset_ms(self) -> int | None:
        return self._fleet.offset_ms

    async def close(self) -> None:
        self._taking.cancel()
        await asyncio.gather(self._taking, return_exceptions=True)
        for done in self._told:
            if not done.done():
                done.set_exception(CentreLost("closed"))
            if not done.cancelled():
                done.exception()

    def _check(self) -> None:
        if not self._fleet.is_up:
            self._lost = "the fleet is down"
        if self._lost:
            raise CentreLost(self._lost)
