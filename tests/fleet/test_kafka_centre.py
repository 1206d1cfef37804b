"""The centre behind a real Kafka keeps the port's contract."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from services.uplink.identity import Identity
from services.uplink.kafka_centre import KafkaCentre
from services.uplink.port import Centre, CentreLost, Order
from shared.bus.registry import COMMANDS, INPUTS, LIVE, RULESETS, SITES, Shape
from shared.log.kafka.access import Access
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place, Record
from shared.log.kafka.stretch import read_stretch
from shared.log.kafka.topics import set_up
from shared.wire.registrations import Registration, encode_registration
from tests.services.uplink.centre import KEY
from tests.services.uplink.centre_contract import CentreContract, Fleet, blocks
from tests.testkit.fleet import KafkaBroker, unique

PARTITION = 1
SHAPE = Shape(partitions=2)
TOPICS = (INPUTS, LIVE, RULESETS, COMMANDS, SITES)
OURS, NEWER = KEY.public.text(), "ab" * 32


class OnKafka:
    """Topics of its own on the shared broker."""

    def __init__(self, bootstrap: str) -> None:
        self.access = Access(bootstrap)
        self.prefix = unique("centre") + "."

    async def make(self) -> None:
        await set_up(self.access, [topic.named(self.prefix) for topic in TOPICS], SHAPE)

    async def connect(self, done_order: int) -> Centre:
        identity = Identity(Path(), "s", PARTITION, "", self.prefix, KEY)
        return KafkaCentre(identity, self.access, done_order)

    async def read(self, topic: str, partition: int = PARTITION) -> list[Record]:
        return [each async for each in read_stretch(self.access, Place(self.prefix + topic, partition))]

    async def taken(self) -> list[bytes]:
        return [each.value or b"" for each in await self.read(INPUTS.name)]

    async def bodies(self) -> dict[str, bytes]:
        found = [each for n in range(SHAPE.partitions) for each in await self.read(RULESETS.name, n)]
        return {each.key.decode(): each.value or b"" for each in found}

    async def seen(self) -> list[bytes]:
        return [each.value or b"" for each in await self.read(LIVE.name)]

    async def give(self, data: bytes, site: str) -> None:
        await self._send(COMMANDS.name, site, data)

    async def book(self, site: str, *keys: str, ended: bool = False) -> None:
        """What the fleet's book says of a site from now on."""
        await self._send(SITES.name, site, encode_registration(Registration(site, PARTITION, keys, ended)))

    async def _send(self, topic: str, site: str, data: bytes) -> None:
        async with Producer(self.access, "giver") as producer:
            await producer.send(Place(self.prefix + topic, PARTITION), site.encode(), data)


class TestKafka(CentreContract):
    """See the contract."""

    @pytest.fixture(autouse=True)
    def _on(self, kafka: KafkaBroker) -> None:
        self.bootstrap = kafka.bootstrap

    def fleet(self) -> AbstractAsyncContextManager[Fleet]:
        return self._made()

    @asynccontextmanager
    async def _made(self) -> AsyncIterator[Fleet]:
        made = OnKafka(self.bootstrap)
        await made.make()
        yield made

    async def test_the_record_names_itself_to_other_programs(self) -> None:
        """A block's headers are those of a CloudEvent with the site as its source and key."""
        made = OnKafka(self.bootstrap)
        await made.make()
        async with self.connected(made) as centre:
            await (await centre.send_block(blocks(1)[0]))
        (record,) = await made.read(INPUTS.name)
        headers = dict(record.headers)
        assert (record.key, headers["ce_source"]) == (b"s", b"/s")
        assert headers["ce_type"] == b"ampward.inputs.block.v1"

    async def test_in_clear_the_book_ends_a_connection_that_the_broker_would_hold(self) -> None:
        """Other sites' ends are not ours, nor is a further key; then it is lost with the reason, while it stands and at
        each one after it, and never says that the fleet answers although the broker does."""
        made = OnKafka(self.bootstrap)
        await made.make()
        await made.book("other", ended=True)
        await made.book("s", OURS, NEWER)
        async with self.connected(made) as centre:
            await made.give(b"1", "s")
            assert (await centre.next_order()).data == b"1"
            await centre.send_live(b"{}")
            assert centre.offset_ms() is not None
            waiting = asyncio.create_task(centre.next_order())
            await made.book("s", ended=True)
            with pytest.raises(CentreLost, match="has ended s"):
                await waiting
        for keys, why in (((), "ampward revoke"), ((NEWER,), "newest identity")):
            await made.book("s", *keys, ended=not keys)
            async with self.connected(made) as centre:
                await centre.send_live(b"{}")
                assert centre.offset_ms() is None
                with pytest.raises(CentreLost, match=why):
                    await centre.next_order()
                assert centre.offset_ms() is None
        await made.book("s", NEWER, OURS)
        async with self.connected(made) as centre:
            assert await centre.next_order() == Order(b"1", 1)
