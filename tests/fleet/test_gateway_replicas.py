"""Replicas of the fleet's gateway that are killed: a reader goes from one to the other and has every event once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.fleet.centre import Centre
from tests.fleet.replicas import Reader, Replica
from tests.fleet.telling_sites import Sites, ids
from tests.testkit.fleet import KafkaBroker

KILLS = 3
EACH = 12
"""Events of each site between two kills."""


@pytest.fixture
async def centre(kafka: KafkaBroker) -> AsyncIterator[Centre]:
    async with Centre(kafka, partitions=2) as made:
        await made.register("depot", "mill")
        yield made


async def test_a_reader_has_every_event_once_while_replicas_are_killed(centre: Centre) -> None:
    """Events come by both lanes; whoever serves the reader is killed in the middle and another takes its place."""
    sites = Sites(centre)
    replicas = [Replica(centre), Replica(centre)]
    reader = Reader(replicas)
    reading: asyncio.Task[None] | None = None
    try:
        await asyncio.gather(*[each.answers() for each in replicas])
        reading = asyncio.create_task(reader.follow())
        for number in range(KILLS + 1):
            begin = 1 + number * EACH
            for event in range(begin, begin + EACH, 2):
                await sites.live("depot", event + 1)
                await sites.batch("mill", event, event + 1)
                if event - begin == EACH // 2 and number < KILLS:
                    await reader.has(2 * (begin - 1) + 1)
                    victim = reader.at
                    assert victim is not None
                    replicas[replicas.index(victim)] = Replica(centre)
                    victim.kill()
                await sites.batch("depot", event, event + 1)
            await asyncio.gather(*[each.answers() for each in replicas if not each.address])
        last = (KILLS + 1) * EACH
        await reader.has(2 * last)
        expected = ids("depot", range(1, last + 1)) + ids("mill", range(1, last + 1))
        assert sorted(reader.heard.ids) == sorted(expected)
        assert [each for each in reader.heard.ids if each.startswith("mill")] == ids("mill", range(1, last + 1))
        assert reader.moves >= KILLS
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        for each in replicas:
            each.kill()
