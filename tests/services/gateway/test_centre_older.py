"""Events that the gateway reads from Kafka for who asks: whoever goes, and however, no connection is left open."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest

from services.gateway.centre import older
from services.gateway.centre.older import READINGS_MAX, Older
from services.gateway.centre.stands import NOBODY, Stand, place
from shared.bus.registry import EVENTS
from shared.log.kafka.access import Access
from shared.log.kafka.records import Place, Record, silent
from shared.wire.batches import EventsBatch, Verdict, encode_batch
from shared.wire.events import encode_event
from tests.services.gateway.samples import event

RECORDS = 20
ENDS = (place(RECORDS),)


@dataclass
class FakeReader:
    """A partition of batches with an event each; who asks for its end waits while the broker is away."""

    at: int
    broker: asyncio.Event
    is_closed: bool = False

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        await self.broker.wait()
        return dict.fromkeys(places, RECORDS)

    def offset(self, _: Place) -> int:
        return self.at

    async def take(self) -> tuple[Record, ...]:
        self.at += 1
        data = (encode_event(event(self.at)),)
        batch = EventsBatch("demo", "0" * 32, 1, self.at, self.at, Verdict.EQUAL, 1, 0, "a" * 64, data)
        return (Record(Place(EVENTS.name, 0), self.at - 1, b"demo", encode_batch(batch), (), 0),)

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class Broker:
    """Makes the readers, and knows them."""

    is_there: asyncio.Event = field(default_factory=asyncio.Event)
    readers: list[FakeReader] = field(default_factory=list)

    def reader(self, _: Access, begins: Mapping[Place, int], *_more: object, **_named: object) -> FakeReader:
        self.readers.append(FakeReader(min(begins.values()), self.is_there))
        return self.readers[-1]

    def open(self) -> int:
        return sum(not each.is_closed for each in self.readers)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(older, "Reader", made.reader)
    return made


def stand(offset: int = 0) -> Stand:
    return Stand(NOBODY, 0, (place(offset),), (0,), (0,))


async def page(reading: Older, at: Stand) -> Stand:
    """An event more; where who asked stands then."""
    found = await reading.read(at, ENDS, 1)
    assert isinstance(found, tuple)
    (item,) = found
    assert isinstance(item.cursor, Stand)
    return item.cursor


async def test_who_goes_while_a_broker_is_asked_leaves_no_connection(broker: Broker) -> None:
    """An operator's stream that ends before the first page: what was being connected for him is closed."""
    reading = Older(Access("127.0.0.1:9"), EVENTS.name, silent)
    asking = asyncio.create_task(reading.read(stand(), ENDS, 1))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (len(broker.readers), broker.open()) == (1, 0)


async def test_of_two_that_come_to_the_same_place_one_connection_is_kept(broker: Broker) -> None:
    """Both are told everything; the reading that nobody can find again is closed."""
    broker.is_there.set()
    reading = Older(Access("127.0.0.1:9"), EVENTS.name, silent)
    first = await page(reading, stand())
    assert await page(reading, stand()) == first
    assert (len(broker.readers), broker.open()) == (2, 1)
    second = await page(reading, first)
    assert await page(reading, first) == second
    await reading.close()
    assert broker.open() == 0


async def test_the_reading_that_was_used_longest_ago_ends(broker: Broker) -> None:
    """As many are kept as are allowed, however many ask."""
    broker.is_there.set()
    reading = Older(Access("127.0.0.1:9"), EVENTS.name, silent)
    for offset in reversed(range(READINGS_MAX + 2)):
        await page(reading, stand(offset))
    assert [each.is_closed for each in broker.readers] == [True] * 2 + [False] * READINGS_MAX
    await reading.close()
    assert broker.open() == 0
