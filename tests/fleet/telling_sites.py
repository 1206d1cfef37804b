"""Sites as the gateway of a fleet sees them: records on both lanes of a real broker, and operators who listen."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from services.gateway.centre.service import GatewayPlan, serving
from services.gateway.keys import Keys
from services.gateway.server import Gateway
from shared.bus.registry import EVENTS, LIVE, Shape
from shared.domain.events import Event
from shared.wire.batches import EventsBatch, Verdict, encode_batch
from shared.wire.events import encode_event
from shared.wire.live import Live, encode_live, raw_events
from shared.wire.signing import SigningKey
from tests.fleet.centre import KEY, Centre
from tests.fleet.lanes import Told
from tests.services.gateway.samples import event
from tests.testkit.web import web_client

TOKEN = "t" * 43
LOG = "0" * 32


def made(site: str, *numbers: int) -> tuple[Event, ...]:
    """Events of a site."""
    return tuple(
        event(number)._replace(site=site, id=f"{site}-{number}", subject=f"{site}/r1/gas1-h2/h2_prealarm")
        for number in numbers
    )


@dataclass
class Sites:
    """Sends what uplinks and processors send."""

    centre: Centre
    sent: int = 0

    async def batch(self, site: str, *numbers: int) -> None:
        """One batch of ampward.events.v1."""
        data = tuple(map(encode_event, made(site, *numbers)))
        batch = EventsBatch(site, LOG, 1, numbers[0], numbers[-1], Verdict.EQUAL, 1, 0, "a" * 64, data)
        await self.centre.producer.send(self.centre.place(EVENTS, site), site.encode(), encode_batch(batch))

    async def live(self, site: str, *numbers: int, key: SigningKey = KEY, **more: Any) -> bytes:
        """One record of ampward.live.v1; its bytes."""
        self.sent += 1
        events = raw_events(tuple(map(encode_event, made(site, *numbers))))
        stamps = {"site_seq": self.sent, "sent_at_ms": 0, "number": self.sent}
        data = encode_live(Live(site=site, log_id=LOG, events=events, **stamps | more), key)
        await self.again(site, data)
        return data

    async def again(self, site: str, data: bytes) -> None:
        """The same bytes, by whoever may write to the topic."""
        await self.centre.producer.send(self.centre.place(LIVE, site), site.encode(), data)


@asynccontextmanager
async def gateway(centre: Centre, keys: Keys | str = TOKEN) -> AsyncIterator[Gateway]:
    """One replica."""
    plan = GatewayPlan(centre.access, Shape(centre.partitions), keys, "127.0.0.1:0", centre.prefix)
    async with serving(plan, Told()) as served:
        yield served


@asynccontextmanager
async def client_of(served: Gateway, token: str = TOKEN) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {token}"}
    async with web_client(served.address, headers) as client:
        yield client


@dataclass
class Heard:
    """What an operator heard: (cursor, CloudEvent) in order."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    """By time.monotonic(), when each came."""

    @property
    def ids(self) -> list[str]:
        return [event["id"] for _, event in self.told]

    @property
    def last(self) -> str:
        return self.told[-1][0]

    async def take(self, answer: httpx.Response, count: int = 0) -> None:
        """Every event of a stream, until there are so many or it ends."""
        cursor = ""
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                cursor = line[4:]
            elif line.startswith("data: ") and cursor:
                self.told.append((cursor, json.loads(line[6:])))
                self.at.append(time.monotonic())
                cursor = ""
                if len(self.told) == count:
                    return


async def listen(client: httpx.AsyncClient, count: int = 0, **params: str) -> Heard:
    """Follows the stream until so many events came; 0 reads to the newest there is."""
    heard = Heard()
    if not count:
        params["follow"] = "false"
    async with client.stream("GET", "/api/v1/events", params=params) as answer:
        answer.raise_for_status()
        await heard.take(answer, count)
    return heard


def ids(site: str, numbers: Sequence[int]) -> list[str]:
    return [f"{site}-{number}" for number in numbers]
