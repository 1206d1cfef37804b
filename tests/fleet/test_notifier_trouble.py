"""The centre's notifier while PostgreSQL is away, and while its people change: told late, and never twice."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from services.notifier.centre import telling as own
from services.notifier.centre.app import RENEW_S, NotifierPlan, serve
from services.notifier.ports import Outgoing, Sent
from shared.bus.registry import COMMANDS, DELIVERIES, Shape
from shared.log.kafka.access import Access
from shared.runtime.postgres import STATEMENT_S
from shared.runtime.site_file.people import read_people
from shared.wire.orders import decode_order
from tests.fleet.lanes import until, until_database_is
from tests.fleet.telling import PARTITIONS, PATIENCE_S, Telling
from tests.testkit.fleet import KafkaBroker, Postgres
from tests.testkit.ports import free_port
from tests.testkit.proxy import FaultProxy, Faults

SILENT = Faults(swallow_up=True, swallow_down=True)

PEOPLE = """version: 1
site: {id: centre, time_zone: UTC, language: en}
people: {anna: {email: anna@example.org}, ben: {email: ben@example.org}}
channels: {email: {host: 127.0.0.1, port: 2525, tls: none, from: box@example.org}}
notify: [{match: {severity: critical}, to: [WHO], by: [email]}]
"""


@dataclass
class Post:
    """Takes everything; (id, person, whether it is marked as a repeat) of each."""

    name: str = "email"
    taken: list[tuple[str, str, bool]] = field(default_factory=list)

    async def send(self, message: Outgoing) -> Sent:
        self.taken.append((message.id, message.person.id, message.repeat))
        return Sent("kept")

    async def close(self) -> None:
        return

    async def has(self, *people: str) -> None:
        """One message each, in any order; nobody got one twice."""
        await until(lambda: len(self.taken) >= len(people), f"{self.taken} for {people}")
        assert sorted(person for _, person, _ in self.taken) == sorted(people)
        assert len({ident for ident, _, _ in self.taken}) == len(self.taken)


async def until_delivered(telling: Telling, count: int) -> None:
    """Until so many outcomes stand in the topic: what was sent is settled in the ledger."""
    async with asyncio.timeout(PATIENCE_S):
        while len(await telling.records(DELIVERIES)) < count:
            await asyncio.sleep(0.1)


async def until_leased(telling: Telling) -> None:
    """Until the site was asked to leave its messages to the centre."""
    async with asyncio.timeout(PATIENCE_S):
        while not await telling.records(COMMANDS):
            await asyncio.sleep(0.1)


async def until_leases_end(telling: Telling) -> None:
    """Until the site was not asked for two renewals' time to leave its messages to the centre."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            orders = [decode_order(record.value or b"") for record in await telling.records(COMMANDS)]
            newest_ms = max(order.sent_at_ms for order in orders)
            if time.time_ns() // 1_000_000 - newest_ms > 2 * RENEW_S * 1000:
                return
            await asyncio.sleep(0.2)


@pytest.fixture
def server(tmp_path: Path) -> Postgres:
    """One of its own, to be stopped."""
    return Postgres(tmp_path / "postgres")


@asynccontextmanager
async def replica(
    telling: Telling, people: Path, post: Post, told: list[str], *, url: str = "", statement_s: float = STATEMENT_S
) -> AsyncIterator[str]:
    """In this process, until TERM's own way of ending it; where it tells how it is."""
    read, stop, health = partial(read_people, people, {}), asyncio.Event(), f"127.0.0.1:{free_port()}"
    plan = NotifierPlan(
        Access(telling.broker.bootstrap), Shape(partitions=PARTITIONS), url or telling.url, read(), telling.prefix,
        channels=lambda _: {"email": post}, read_people=read, statement_s=statement_s, health=health,
    )  # fmt: skip
    task = asyncio.create_task(serve(plan, stop, lambda event, _: told.append(event)))
    try:
        yield health
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await task


async def test_a_database_that_is_away_delays_messages_and_doubles_none(
    kafka: KafkaBroker, server: Postgres, tmp_path: Path
) -> None:
    """An alarm that comes meanwhile is told when it is back, by the people's file of then; a replica that is ended
    while it is away ends, and the next one tells what waits."""
    people, post, told = tmp_path / "people.yaml", Post(), list[str]()
    people.write_text(PEOPLE.replace("WHO", "ben"))
    with server:
        async with Telling(kafka, server, tmp_path) as telling:
            async with replica(telling, people, post, told):
                await telling.raise_(0, "north", "gas1")
                await post.has("ben")
                await until_delivered(telling, 1)
                server.stop()
                await telling.raise_(0, "north", "gas2")
                people.write_text(PEOPLE.replace("WHO", "ben, anna"))
                await until(lambda: "people_taken" in told, "the people's file was not taken")
                assert len(post.taken) == 1
                server.start()
                await post.has("ben", "ben", "anna")
                await until_delivered(telling, 3)
                server.stop()
                await telling.raise_(0, "north", "gas3")
            server.start()
            async with replica(telling, people, post, told):
                await post.has("ben", "ben", "anna", "ben", "anna")
            assert not any(repeat for _, _, repeat in post.taken)


async def test_connections_that_fall_silent_delay_messages_and_lose_none(
    kafka: KafkaBroker, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packets are dropped, not refused, and the connections of before stay dead: it says so, leaves the telling to the
    site, makes other connections, and goes on where it stood. Where only answers are lost nobody knows what was sent:
    that may come twice, and is marked."""
    monkeypatch.setattr(own, "UNSIGNED_S", 3.0)
    people, post, told = tmp_path / "people.yaml", Post(), list[str]()
    people.write_text(PEOPLE.replace("WHO", "ben"))
    port = int(postgres.url.rpartition(":")[2].partition("/")[0])
    async with Telling(kafka, postgres, tmp_path) as telling:
        with FaultProxy("127.0.0.1", port) as proxy:
            url = telling.url.replace(f":{port}/", f":{proxy.port}/")
            async with replica(telling, people, post, told, url=url, statement_s=2.0) as health:
                await telling.raise_(0, "north", "gas1")
                await post.has("ben")
                await until_delivered(telling, 1)
                await until_leased(telling)
                proxy.faults = SILENT
                await until_leases_end(telling)
                await telling.raise_(0, "north", "gas2")
                await until_database_is(health, "PostgreSQL does not answer")
                assert len(post.taken) == 1
                proxy.mend()
                await post.has("ben", "ben")
                await until_delivered(telling, 2)
                proxy.faults = Faults(swallow_down=True)
                await telling.raise_(0, "north", "gas3")
                await until_database_is(health, "PostgreSQL does not answer")
                proxy.mend()
                await until(lambda: len({ident for ident, _, _ in post.taken}) == 3, "the third alarm was not told")
                proxy.faults = SILENT
    told_before = set[str]()
    for ident, _, is_repeat in post.taken:
        assert is_repeat or ident not in told_before
        told_before.add(ident)
    assert len(told_before) == 3
