"""Signs of life of a service of the centre, to ampward.services.v1, where the supervision counts them.

    run()   one at once, then one each EVERY_S, from the loop in which the service works: a loop that stands sends none
    end()   the last one: this replica stopped in order

A broker that is away is nobody's fault here: a sign that it does not take within the time of the next is left out.
Promises: nothing is raised, nobody waits longer than GIVE_UP_S. Limits: a client of its own.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

from shared.bus.registry import SIGNS
from shared.domain.errors import AmpwardError
from shared.log.kafka.access import Access
from shared.log.kafka.producer import Producer
from shared.wire import cloud
from shared.wire.signs import EXPIRES_MAX, Expiry, Sign, encode_sign

EVERY_S: Final = 10.0
GIVE_UP_S: Final = 8.0
NAMES: Final = 30
"""PostgreSQL cuts the name of a session at 63 characters."""

Expires = Callable[[], Iterable[Expiry]]


def replica_name(service: str) -> str:
    """One that no other process has or had."""
    return f"{service}-{socket.gethostname()[:NAMES]}-{os.getpid()}-{secrets.token_hex(3)}"


class Signs:
    """One replica's. ``wall_ms`` stamps them; what counts is when the broker took them."""

    def __init__(
        self,
        access: Access,
        service: str,
        wall_ms: Callable[[], int],
        *,
        prefix: str = "",
        expires: Expires = tuple,
        every_s: float = EVERY_S,
    ) -> None:
        self._producer = Producer(access, f"{service}-signs", attempt_s=GIVE_UP_S, give_up_s=GIVE_UP_S)
        self._topic = prefix + SIGNS.name
        self._service = service
        self._replica = replica_name(service)
        self._wall_ms = wall_ms
        self._expires = expires
        self._every_s = every_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._send(ended=False)
            await asyncio.sleep(self._every_s)

    async def end(self) -> None:
        """Say that this replica ends, and give the client back."""
        await self._send(ended=True)
        await self._producer.close()

    async def _send(self, *, ended: bool) -> None:
        key, now_ms = f"{self._service}/{self._replica}", self._wall_ms()
        sign = Sign(
            service=self._service,
            replica=self._replica,
            sent_at_ms=now_ms,
            ended=ended,
            expires=() if ended else tuple(self._expires())[:EXPIRES_MAX],
        )
        headers = cloud.headers(cloud.SIGN, site="_fleet", id=f"{key}/{now_ms}", at_ms=now_ms)
        with suppress(AmpwardError, TimeoutError):
            async with asyncio.timeout(2 * GIVE_UP_S):
                place = await self._producer.partition_for(self._topic, key.encode())
                await self._producer.send(place, key.encode(), encode_sign(sign), headers)


@asynccontextmanager
async def signing(
    access: Access,
    service: str,
    wall_ms: Callable[[], int],
    *,
    prefix: str = "",
    expires: Expires = tuple,
    every_s: float = EVERY_S,
) -> AsyncIterator[None]:
    """Signs of life for as long as the block runs, the last of them at its end."""
    signs = Signs(access, service, wall_ms, prefix=prefix, expires=expires, every_s=every_s)
    task = asyncio.create_task(signs.run(), name=f"signs of {service}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await signs.end()
