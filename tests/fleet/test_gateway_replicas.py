"""Replicas of the fleet's gateway that are killed: a reader goes from one to the other and has every event once."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import pytest

from tests.fleet.centre import Centre
from tests.fleet.telling_sites import TOKEN, Heard, Sites, ids
from tests.testkit.fleet import KafkaBroker

KILLS = 3
EACH = 12
"""Events of each site between two kills."""
WITHIN_S = 60.0


@dataclass
class Replica:
    """A gateway's process; ``address`` when it answers."""

    centre: Centre
    process: "subprocess.Popen[str]" = field(init=False)
    address: str = ""

    def __post_init__(self) -> None:
        words = [self.centre.broker.bootstrap, self.centre.prefix, str(self.centre.partitions), TOKEN]
        command = [sys.executable, "-m", "tests.fleet.gateway_process", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    async def answers(self) -> None:
        assert self.process.stdout is not None
        self.address = (await asyncio.to_thread(self.process.stdout.readline)).strip()
        assert self.address, "it did not start"

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@dataclass
class Reader:
    """Follows all events over whichever replica answers, from its last cursor on."""

    replicas: list[Replica]
    heard: Heard = field(default_factory=Heard)
    at: Replica | None = None
    moves: int = 0

    async def follow(self) -> None:
        while True:
            self.at = next((each for each in self.replicas if each is not self.at and each.address), self.at)
            with suppress(httpx.HTTPError):
                await self._read()
            self.moves += 1
            await asyncio.sleep(0.05)

    async def _read(self) -> None:
        assert self.at is not None
        headers = {"Authorization": f"Bearer {TOKEN}"}
        since = {"since": self.heard.last} if self.heard.told else {}
        async with (
            httpx.AsyncClient(base_url=f"http://{self.at.address}", headers=headers, timeout=30) as client,
            client.stream("GET", "/api/v1/events", params=since) as answer,
        ):
            answer.raise_for_status()
            await self.heard.take(answer)

    async def has(self, count: int) -> None:
        async with asyncio.timeout(WITHIN_S):
            while len(self.heard.told) < count:
                await asyncio.sleep(0.02)


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
