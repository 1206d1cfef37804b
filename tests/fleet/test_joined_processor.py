"""From a gas head's register to the fleet's event log: a real site, a real broker, the real processor."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway.centre.service import GatewayPlan, serving
from services.site.upkeep_items import upkeep
from shared.bus.registry import ALL, EVENTS, SITES, Shape
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place, silent
from shared.log.kafka.topics import set_up
from shared.log.store import open_reader
from shared.wire.batches import EventsBatch, Verdict, decode_batch
from shared.wire.registrations import Registration, encode_registration
from tests.e2e.foreign import Site, wait_for
from tests.fleet.centre import Processor
from tests.fleet.joined import KEY, PARTITION, SITE, Fleet, joined
from tests.fleet.telling_sites import TOKEN, client_of
from tests.soak.rig import stored
from tests.testkit.fleet import KafkaBroker

PARTITIONS = 2


@pytest.fixture
def fleet(kafka: KafkaBroker) -> Fleet:
    """All topics, and the site's registration."""
    made = Fleet(kafka.bootstrap)

    async def prepare() -> None:
        await set_up(made.access, [topic.named(made.prefix) for topic in ALL], Shape(partitions=PARTITIONS))
        body = encode_registration(Registration(SITE, PARTITION, (KEY.public.text(),)))
        async with Producer(made.access, "test") as producer:
            await producer.send(Place(made.prefix + SITES.name, PARTITION), SITE.encode(), body)

    asyncio.run(prepare())
    return made


@pytest.fixture
def processor(fleet: Fleet) -> Iterator[Processor]:
    started = Processor(fleet.bootstrap, fleet.prefix, PARTITIONS, 0.5, 0)
    yield started
    if started.is_running():
        started.kill()


def _batches(fleet: Fleet) -> list[EventsBatch]:
    return [decode_batch(record.value or b"") for record in fleet.read(EVENTS)]


async def _stock(fleet: Fleet) -> set[str]:
    """The parts that the fleet's gateway tells."""
    plan = GatewayPlan(fleet.access, Shape(PARTITIONS), TOKEN, "127.0.0.1:0", fleet.prefix, upkeep=upkeep)
    async with serving(plan, silent) as served, client_of(served) as client:
        for path in ("stock", "due"):
            answer = await client.get(f"/api/v1/{path}")
            answer.raise_for_status()
        return {item["part"] for item in (await client.get("/api/v1/stock", params={"site": SITE})).json()["items"]}


def _own(site: Site) -> list[bytes]:
    """The events in the site's own log."""
    reader = open_reader(site.data)
    try:
        return stored(reader)
    finally:
        reader.close()


def test_an_alarm_of_a_real_site_is_derived_again_byte_for_byte(
    tmp_path: Path, fleet: Fleet, processor: Processor
) -> None:
    """Hydrogen rises at the device: the fleet's log has the site's events, all blocks equal, over a new worker."""
    with joined(tmp_path, fleet) as (depot, site):
        depot.h2(15)
        wait_for("the pre-alarm", lambda: site.alarms().get("h2_prealarm"))

        def has_all() -> bool:
            """Everything that the log had when this look began."""
            want = _own(site)
            told = dict.fromkeys(event for batch in _batches(fleet) for event in batch.events)
            return list(told)[: len(want)] == want

        wait_for("the fleet's event log", has_all)
        processor.kill()
        successor = Processor(fleet.bootstrap, fleet.prefix, PARTITIONS, 0.5, 0)
        try:
            depot.h2(25)
            wait_for("the alarm", lambda: site.alarms().get("h2_alarm"))
            wait_for("the fleet's event log again", has_all)
            own = {item["part"] for item in site.get("/api/v1/stock")["items"]}
            assert own
            wait_for("the site's parts at the centre", lambda: asyncio.run(_stock(fleet)) == own)
            assert successor.stop() == 0
        finally:
            if successor.is_running():
                successor.kill()
        assert {batch.verdict for batch in _batches(fleet)} == {Verdict.EQUAL}
        assert b'"rule":"h2_alarm"' in b"".join(event for batch in _batches(fleet) for event in batch.events)
