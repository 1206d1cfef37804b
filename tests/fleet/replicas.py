"""Replicas of the fleet's gateway as processes, and a reader that goes over to whichever answers."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from tests.fleet.centre import Centre
from tests.fleet.telling_sites import TOKEN, Heard

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
        self._wait(WITHIN_S)

    def stop(self, within_s: float) -> int:
        """TERM, and its exit code. Raises TimeoutExpired."""
        self.process.terminate()
        return self._wait(within_s)

    def _wait(self, within_s: float) -> int:
        code = self.process.wait(within_s)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


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
