"""For whom the centre's notifier asks the sites to leave their messages to it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.notifier.centre import app
from services.notifier.centre.app import Outlet
from shared.log.kafka.records import Place
from shared.runtime.clocks import SystemClock
from shared.wire.orders import NotifyLease, decode_order

WITHIN_S = 60.0


@dataclass
class Seat:
    site: str = "north"
    partition: int = 3
    holds: int = 7


class Sites:
    def ours(self) -> tuple[Seat, ...]:
        return (Seat(),)


@dataclass
class Claims:
    """What the database says, look by look; the last word holds on."""

    words: list[bool]
    looks: int = 0

    @property
    def lives(self) -> bool:
        self.looks += 1
        return self.words[min(self.looks, len(self.words)) - 1]


@dataclass
class Producer:
    sent: list[tuple[Place, bytes]] = field(default_factory=list)
    has: asyncio.Event = field(default_factory=asyncio.Event)

    async def hand_over(
        self, place: Place, _key: bytes, value: bytes, _headers: Sequence[object] = ()
    ) -> "asyncio.Future[None]":
        self.sent.append((place, value))
        self.has.set()
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


async def test_no_lease_is_asked_for_while_the_database_takes_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sites are anybody's then, and it could tell nobody: they tell by their own ways until it lives again."""
    monkeypatch.setattr(app, "RENEW_S", 0.01)
    claims, producer = Claims([False, False, False, True]), Producer()
    given: tuple[Any, Any, Any] = (producer, Sites(), claims)
    renewing = asyncio.create_task(Outlet(given[0], "", SystemClock(), None).renew(given[1], given[2]))
    async with asyncio.timeout(WITHIN_S):
        await producer.has.wait()
    looks = claims.looks
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)
    assert looks == 4
    place, value = producer.sent[0]
    order = decode_order(value)
    assert isinstance(order, NotifyLease)
    assert (place.partition, order.site, order.epoch) == (3, "north", 7)


async def test_a_site_waits_five_seconds_for_a_centre_that_died_and_no_longer() -> None:
    """As long as its newest order says, or as that order may be under way; two of them fit into the time."""
    producer, given = Producer(), Claims([True])
    wanted: tuple[Any, Any, Any] = (producer, Sites(), given)
    renewing = asyncio.create_task(Outlet(wanted[0], "", SystemClock(), None).renew(wanted[1], wanted[2]))
    async with asyncio.timeout(WITHIN_S):
        await producer.has.wait()
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)
    order = decode_order(producer.sent[0][1])
    assert isinstance(order, NotifyLease)
    assert (order.for_ms, order.ttl_ms) == (5_000, 5_000)
    assert order.for_ms > 2_000 * app.RENEW_S
