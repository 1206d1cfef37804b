"""The centre in memory keeps the port's contract."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from services.uplink.fake import FakeFleet
from services.uplink.port import Centre, Order
from tests.services.uplink.centre_contract import CentreContract, Fleet


class InMemory:
    def __init__(self) -> None:
        self.fleet = FakeFleet()

    async def connect(self, done_order: int) -> Centre:
        return await self.fleet.connect(done_order)

    async def taken(self) -> list[bytes]:
        return self.fleet.blocks

    async def bodies(self) -> dict[str, bytes]:
        return self.fleet.rulesets

    async def seen(self) -> list[bytes]:
        return self.fleet.live

    async def give(self, data: bytes, site: str) -> None:
        if site == "s":
            self.fleet.orders.append(Order(data, len(self.fleet.orders) + 1))


class TestFake(CentreContract):
    """See the contract."""

    def fleet(self) -> AbstractAsyncContextManager[Fleet]:
        return _made()


@asynccontextmanager
async def _made() -> AsyncIterator[Fleet]:
    yield InMemory()
