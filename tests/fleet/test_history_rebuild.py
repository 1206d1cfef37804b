"""The fleet's history grown anew from a real Kafka, beside the one in use: equal, whatever was there and went on."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from services.history.centre.rebuild import RebuildPlan, rebuild
from services.history.centre.writing import Fenced
from shared.bus.registry import INPUTS, Shape
from shared.log.kafka.records import Record
from tests.fleet.centre import Centre
from tests.fleet.database import new_database, pool_of
from tests.fleet.shelved import Database, Knowing, Lived, made_database, own_past, records_of, told_of
from tests.testkit.fleet import KafkaBroker, Postgres


class Interrupted(Exception):
    """Somebody pressed the keys."""


@dataclass
class Kept:
    """A history of what stands in Kafka, and how it is grown anew."""

    database: Database
    centre: Centre
    plan: RebuildPlan
    records: list[Record]
    lived: Lived

    async def told(self) -> object:
        return await told_of(self.database.past().of(None), self.lived)

    async def expected(self) -> object:
        async with own_past(self.lived) as own:
            return await told_of(own, self.lived)


@pytest.fixture
async def kept(kafka: KafkaBroker, postgres: Postgres, lived: Lived) -> AsyncIterator[Kept]:
    url = await new_database(postgres)
    async with Centre(kafka, partitions=1) as centre, pool_of(url) as pool:
        await centre.register("north")
        await centre.rules(lived.rules)
        await centre.send("north", lived.blocks)
        database = await made_database(pool, Knowing(lived.rules))
        plan = RebuildPlan(centre.access, Shape(partitions=1), url, centre.prefix, rows=50)
        yield Kept(database, centre, plan, records_of(lived.blocks, place=centre.place(INPUTS, "north")), lived)


async def test_a_rebuild_that_was_interrupted_goes_on_and_ends_equal(kept: Kept) -> None:
    """What stands in the old one counts for nothing: it was changed by hand. A replica that worked meanwhile finds
    that its places are elsewhere, and reads on from there."""
    await kept.database.put(kept.records[:-5])
    sleeper, _ = await kept.database.desk(places=[kept.records[0].place])
    for record in kept.records[-5:]:
        await sleeper.take(record)
    await kept.database.pool.execute("UPDATE history.hour SET high = high + 7; UPDATE history.event SET reason = 'x'")
    steps: list[tuple[int, int]] = []

    def until_half(done: int, of: int) -> None:
        steps.append((done, of))
        if done * 2 > of:
            raise Interrupted

    with pytest.raises(Interrupted):
        await rebuild(kept.plan, until_half)
    assert await kept.told() != await kept.expected(), "the one in use stays until the new one is complete"
    made = await rebuild(kept.plan)
    assert 0 < made.records < len(kept.records)
    assert steps[-1][0] < steps[-1][1] == len(kept.records)
    with pytest.raises(Fenced):
        await sleeper.flush()
    await kept.database.put(kept.records)
    assert await kept.told() == await kept.expected()
    assert not await kept.database.pool.fetchval("SELECT to_regnamespace('history_old')")


@pytest.mark.parametrize("gone", [20, 60])
async def test_what_kafka_has_no_longer_is_kept(kept: Kept, gone: int) -> None:
    """The first blocks are deleted by retention: minutes, hours, events of before come from the history in use."""
    await kept.database.put(kept.records)
    admin = AIOKafkaAdminClient(bootstrap_servers=kept.centre.broker.bootstrap)
    await admin.start()
    try:
        place = TopicPartition(*kept.records[0].place)
        await admin.delete_records({place: RecordsToDelete(before_offset=gone)})
    finally:
        await admin.close()
    assert (await rebuild(kept.plan)).kept == 1
    assert await kept.told() == await kept.expected()
