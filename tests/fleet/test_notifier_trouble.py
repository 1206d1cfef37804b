"""The centre's notifier while PostgreSQL is away, and while its people change: told late, and never twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from services.notifier.centre.app import NotifierPlan, serve
from services.notifier.ports import Outgoing, Sent
from shared.bus.registry import DELIVERIES, Shape
from shared.log.kafka.access import Access
from shared.runtime.site_file.people import read_people
from tests.fleet.telling import PARTITIONS, PATIENCE_S, Telling
from tests.testkit.fleet import KafkaBroker, Postgres

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


async def until(is_so: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                await asyncio.sleep(0.05)
    except TimeoutError as fault:
        raise TimeoutError(what) from fault


@pytest.fixture
def server(tmp_path: Path) -> Postgres:
    """One of its own, to be stopped."""
    return Postgres(tmp_path / "postgres")


@asynccontextmanager
async def replica(telling: Telling, people: Path, post: Post, told: list[str]) -> AsyncIterator[None]:
    """In this process, until TERM's own way of ending it."""
    read, stop = partial(read_people, people, {}), asyncio.Event()
    plan = NotifierPlan(
        Access(telling.broker.bootstrap), Shape(partitions=PARTITIONS), telling.url, read(), telling.prefix,
        channels=lambda _: {"email": post}, read_people=read, statement_s=2.0,
    )  # fmt: skip
    task = asyncio.create_task(serve(plan, stop, lambda event, _: told.append(event)))
    try:
        yield
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
                async with asyncio.timeout(PATIENCE_S):
                    while not await telling.records(DELIVERIES):
                        await asyncio.sleep(0.1)
                server.stop()
                await telling.raise_(0, "north", "gas2")
                people.write_text(PEOPLE.replace("WHO", "ben, anna"))
                await until(lambda: "people_taken" in told, "the people's file was not taken")
                assert len(post.taken) == 1
                server.start()
                await post.has("ben", "ben", "anna")
                async with asyncio.timeout(PATIENCE_S):
                    while len(await telling.records(DELIVERIES)) < 3:
                        await asyncio.sleep(0.1)
                server.stop()
                await telling.raise_(0, "north", "gas3")
            server.start()
            async with replica(telling, people, post, told):
                await post.has("ben", "ben", "anna", "ben", "anna")
            assert not any(repeat for _, _, repeat in post.taken)
