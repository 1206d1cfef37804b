"""The fleet's history on a real Kafka and PostgreSQL: replicas share the sites, and any of them may be killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.gateway.centre.service import GatewayPlan, serving
from services.history.centre.asking import Asking
from services.site.fleet_past import FleetPast
from shared.bus.registry import DELIVERIES, INPUTS, Shape
from shared.log.kafka.records import Place
from shared.runtime.postgres import Pool
from shared.wire import cloud
from shared.wire.deliveries import Delivery, Outcome, encode_delivery
from tests.fleet.centre import Centre
from tests.fleet.database import new_database, pool_of
from tests.fleet.lanes import Told
from tests.fleet.shelved import Lived, Replica, own_past, replicas_end, told_of
from tests.fleet.telling_sites import TOKEN, client_of
from tests.testkit.fleet import KafkaBroker, Postgres

PATIENCE_S = 120.0
SITES = ("north", "south", "east", "west")


@dataclass
class Histories:
    """Topics and a database of their own, and replicas to be killed."""

    centre: Centre
    pool: Pool
    url: str
    folder: Path
    replicas: list[Replica] = field(default_factory=list)

    def start(self, crash_at: str = "") -> Replica:
        words = [self.centre.broker.bootstrap, self.centre.prefix, str(self.centre.partitions), self.url]
        made = Replica(words, self.folder / f"replica{len(self.replicas)}.log", crash_at)
        self.replicas.append(made)
        return made

    async def at_end(self) -> None:
        """Until everything that was sent is stored."""
        places = [Place(self.centre.prefix + topic.name, number) for topic in (INPUTS, DELIVERIES)
                  for number in range(self.centre.partitions)]  # fmt: skip
        missing: dict[Place, object] = {}
        end_s = asyncio.get_running_loop().time() + PATIENCE_S
        async with self.centre.reader(INPUTS) as reader:
            while True:
                assert asyncio.get_running_loop().time() < end_s, f"not stored: {missing}"
                ends = {place: end for place, end in (await reader.ends(places)).items() if end}
                there = await self.pool.fetchval("SELECT to_regclass('history.place') IS NOT NULL")
                rows = await self.pool.fetch("SELECT topic, partition, next FROM history.place") if there else []
                stored = {Place(topic, number): following for topic, number, following in rows}
                assert not any(replica.process.poll() == 1 for replica in self.replicas), "a replica has failed"
                missing = {place: (stored.get(place), end) for place, end in ends.items() if stored.get(place) != end}
                if not missing:
                    return
                await asyncio.sleep(0.2)

    def past(self) -> FleetPast:
        async def pool() -> Pool:
            return self.pool

        return FleetPast(Asking(pool))


@pytest.fixture
async def histories(kafka: KafkaBroker, postgres: Postgres, tmp_path: Path, lived: Lived) -> AsyncIterator[Histories]:
    url = await new_database(postgres)
    async with Centre(kafka) as centre, pool_of(url) as pool:
        await centre.register(*SITES)
        await centre.rules(lived.rules)
        made = Histories(centre, pool, url, tmp_path)
        with replicas_end(made.replicas):
            yield made


async def send(histories: Histories, lived: Lived, sites: Sequence[str], part: slice) -> None:
    await asyncio.gather(*(histories.centre.send(site, lived.named(site)[part]) for site in sites))


async def test_replicas_that_are_killed_or_sleep_leave_each_sites_own_history(
    histories: Histories, lived: Lived
) -> None:
    """One ends amid a commit, one sleeps over a hand-over and wakes, new ones come: every answer is the site's own."""
    crashing = histories.start("in journal")
    await send(histories, lived, SITES, slice(0, 40))
    async with asyncio.timeout(PATIENCE_S):
        assert await crashing.ended() == -signal.SIGKILL
    sleeper = histories.start()
    histories.start()
    await histories.at_end()
    os.kill(sleeper.process.pid, signal.SIGSTOP)
    await send(histories, lived, SITES, slice(40, 80))
    histories.start()
    await send(histories, lived, SITES, slice(80, None))
    await histories.at_end()
    os.kill(sleeper.process.pid, signal.SIGCONT)
    await send(histories, lived, SITES, slice(70, 75))
    await histories.at_end()
    async with own_past(lived) as own:
        expected = await told_of(own, lived)
    for site in SITES:
        assert await told_of(histories.past().of(frozenset({site})), lived) == expected, site


async def test_an_operator_asks_for_the_history_of_two_sites(histories: Histories, lived: Lived) -> None:
    """Over HTTP, at the centre's gateway: alarms of both, and a message that the centre sent, told twice."""
    replica = histories.start()
    await send(histories, lived, ("north", "south"), slice(None))
    delivery = Delivery(
        id="m" * 32, site="north", thread="o" * 32, channel="email", person="anna", outcome=Outcome.SENT, attempt=1,
        repeat=False, reason="250 kept", at_ms=lived.begin_ms, sender="notifier",
    )  # fmt: skip
    place = histories.centre.place(DELIVERIES, "north")
    headers = cloud.headers(cloud.DELIVERY, site="north", id="ledger/7", at_ms=0)
    for _ in range(2):
        await histories.centre.producer.send(place, b"north", encode_delivery(delivery), headers)
    await histories.at_end()
    replica.process.terminate()
    assert await replica.ended() == 0
    plan = GatewayPlan(
        histories.centre.access, Shape(histories.centre.partitions), TOKEN, "127.0.0.1:0", histories.centre.prefix
    )
    whole = {"from": _at(lived.begin_ms), "to": _at(lived.end_ms)}
    span = {**whole, "limit": "1000"}
    async with serving(plan, Told(), histories.past()) as gateway, client_of(gateway) as client:
        both = (await client.get("/api/v1/history/alarms", params=span)).json()["items"]
        north = (await client.get("/api/v1/history/alarms", params={**span, "site": "north"})).json()["items"]
        sent = (await client.get("/api/v1/history/deliveries", params=span)).json()["items"]
        figures = (await client.get("/api/v1/kpis", params={**whole, "site": "north"})).json()
    assert len(both) == 2 * len(north) > 0
    (message,) = sent
    assert (message["type"], message["actor"]) == ("ampward.delivery.sent.v1", "anna")
    assert message["reason"] == f"message {'m' * 32}, attempt 1: 250 kept"
    assert figures["announced"] == sum(item["type"] == "ampward.alarm.raised.v1" for item in north)


def _at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
