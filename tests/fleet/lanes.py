"""What the tests of Kafka's clients share: topics of their own on a broker, and what is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

import httpx

from shared.bus.registry import COMMANDS, Shape, Topic
from shared.log.kafka.access import Access
from shared.log.kafka.kept import Kept
from shared.log.kafka.records import Place, Record
from shared.log.kafka.stretch import read_stretch
from shared.log.kafka.topics import set_up
from tests.testkit.fleet import unique

PATIENCE_S = 120.0
"""For a loaded machine; what takes this long has failed."""


class Told:
    """What a client told, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def __call__(self, event: str, words: str) -> None:
        self.events.append((event, words))

    @property
    def names(self) -> list[str]:
        return [event for event, _ in self.events]


async def topic(access: Access, name: str, partitions: int = 1, shape_of: Topic = COMMANDS) -> str:
    """A new topic; its name."""
    wanted = replace(shape_of, name=unique(name))
    await set_up(access, [wanted], Shape(partitions))
    return wanted.name


async def everything(access: Access, place: Place) -> list[Record]:
    """All that stands in a partition."""
    return [record async for record in read_stretch(access, place)]


async def until(true: Callable[[], bool], what: str = "") -> None:
    """Waits until it is so; ``what`` is said when it never is."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await asyncio.sleep(0.05)
    except TimeoutError as fault:
        raise TimeoutError(what) from fault


async def until_database_is(health: str, word: str) -> None:
    """Until /readyz of a service says so of its database; "" is well."""
    async with httpx.AsyncClient() as client, asyncio.timeout(PATIENCE_S):
        while (await client.get(f"http://{health}/readyz")).json()["checks"]["database"]["why"] != word:
            await asyncio.sleep(0.1)


async def collect(take: Callable[[], Awaitable[Sequence[Record]]], wanted: int) -> list[Record]:
    """Takes until that many different values have come."""
    found = list[Record]()
    async with asyncio.timeout(PATIENCE_S):
        while len({record.value for record in found}) < wanted:
            found += await take()
    return found


def first_ones(records: Sequence[Record]) -> list[bytes]:
    """The values, each where it came first: a repeat changes nothing for who knows it."""
    return list(dict.fromkeys(record.value or b"" for record in records))


async def numbers(count: int, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    """b"0", b"1" and so on."""
    for number in range(count):
        yield b"%d" % number
        if pause_s:
            await asyncio.sleep(pause_s)


async def hang(kept: Kept) -> None:
    """The client's fetching ends without an error, as after some restarts of a broker."""
    fetcher = (await kept.client())._fetcher
    for task in (fetcher._fetch_task, *fetcher._pending_tasks):
        task.cancel()
