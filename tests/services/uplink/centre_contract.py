"""What every adapter of the centre's port must do. A test of one inherits the class and gives ``Fleets``."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Protocol

from services.uplink.port import Centre, CentreLost, Order
from shared.wire.blocks import encode_block
from tests.services.uplink.centre import KEY
from tests.wire.chained import BLOCK

WITHIN_S = 60.0


class Fleet(Protocol):
    """What stays when connections come and go."""

    async def connect(self, done_order: int) -> Centre:
        """A connection of the site ``s``."""
        ...

    async def taken(self) -> list[bytes]:
        """All blocks, in order."""
        ...

    async def bodies(self) -> dict[str, bytes]:
        """All rule sets."""
        ...

    async def seen(self) -> list[bytes]:
        """All live records."""
        ...

    async def give(self, data: bytes, site: str) -> None:
        """An order for a site."""
        ...


def blocks(count: int) -> list[bytes]:
    """Different ones, of some size."""
    return [encode_block(replace(BLOCK, epoch=number + 1), KEY) for number in range(count)]


class CentreContract:
    """Inherit, and give ``fleet``."""

    @abstractmethod
    def fleet(self) -> AbstractAsyncContextManager[Fleet]: ...

    @asynccontextmanager
    async def connected(self, fleet: Fleet, done_order: int = 0) -> AsyncIterator[Centre]:
        centre = await fleet.connect(done_order)
        try:
            async with asyncio.timeout(WITHIN_S):
                yield centre
        finally:
            await centre.close()

    async def test_blocks_are_taken_in_the_order_in_which_they_were_handed_over(self) -> None:
        """Many are on their way at once, and come in order; each is acknowledged."""
        async with self.fleet() as fleet, self.connected(fleet) as centre:
            sent = blocks(200)
            told = [await centre.send_block(data) for data in sent]
            await asyncio.gather(*told)
            assert await fleet.taken() == sent

    async def test_a_connection_that_is_closed_gives_up_what_is_on_its_way(self) -> None:
        """Who waits for an acknowledgement is told; the next connection goes on."""
        async with self.fleet() as fleet:
            centre = await fleet.connect(0)
            told = [await centre.send_block(data) for data in blocks(50)]
            await centre.close()
            ended = await asyncio.gather(*told, return_exceptions=True)
            assert all(answer is None or isinstance(answer, CentreLost) for answer in ended)
            async with self.connected(fleet) as again:
                await (await again.send_block(blocks(1)[0]))

    async def test_a_rule_set_is_there_when_it_is_said(self) -> None:
        """The body can be read under its version."""
        async with self.fleet() as fleet, self.connected(fleet) as centre:
            await centre.send_ruleset("v1", b"{}")
            assert await fleet.bodies() == {"v1": b"{}"}

    async def test_a_live_record_comes_as_it_is(self) -> None:
        """Byte for byte."""
        async with self.fleet() as fleet, self.connected(fleet) as centre:
            await centre.send_live(b'{"v":1}')
            assert await fleet.seen() == [b'{"v":1}']

    async def test_orders_of_the_site_come_once_and_in_order(self) -> None:
        """Those of other sites do not; who comes back gets what is behind the last it has done."""
        async with self.fleet() as fleet:
            for data, site in ((b"1", "s"), (b"2", "other"), (b"3", "s"), (b"4", "s")):
                await fleet.give(data, site)
            async with self.connected(fleet) as centre:
                got = [await centre.next_order() for _ in range(3)]
                assert [order.data for order in got] == [b"1", b"3", b"4"]
            async with self.connected(fleet, got[1].place) as centre:
                assert await centre.next_order() == Order(b"4", got[2].place)
