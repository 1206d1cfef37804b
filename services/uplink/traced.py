"""The centre with traces: of each traced input, when the centre had it, by lane. Made only when traces are on.

Each block and live record is opened once more for its events, a block beside the loop: one of 4 MiB takes some 30 ms.
Promises: what it stands before does as it does without it. Of a record that the centre never said to have, nothing is
told.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable, Iterable

from services.uplink.port import Centre, Order
from shared.runtime.tracing import Span, Spans, Stage, by_input
from shared.wire.blocks import open_block, peek_block
from shared.wire.events import decode_event
from shared.wire.live import decode_live
from shared.wire.signing import PublicKey

BLOCKS = "blocks"
LIVE = "live"


class TracedCentre:
    """Implements services.uplink.port.Centre over another one; ``key`` checks what is sent."""

    def __init__(self, centre: Centre, key: PublicKey, spans: Spans, wall_ms: Callable[[], int]) -> None:
        self._centre = centre
        self._key = key
        self._spans = spans
        self._wall_ms = wall_ms

    async def send_block(self, data: bytes) -> "Future[None]":
        done = await self._centre.send_block(data)
        if peek_block(data).events:
            done.add_done_callback(lambda done: self._block_is_there(data, done))
        return done

    def _block_is_there(self, data: bytes, done: "Future[None]") -> None:
        if not done.cancelled() and done.exception() is None:
            loop, now_ms = asyncio.get_running_loop(), self._wall_ms()
            loop.run_in_executor(None, self._tell_block, data, now_ms)

    def _tell_block(self, data: bytes, now_ms: int) -> None:
        self._tell(BLOCKS, (row.data for row in open_block(data, self._key).events), now_ms)

    async def send_live(self, data: bytes) -> None:
        await self._centre.send_live(data)
        self._tell(LIVE, decode_live(data, {self._key.id: self._key}).event_bytes(), self._wall_ms())

    def _tell(self, lane: str, events: Iterable[bytes], now_ms: int) -> None:
        for cause, caused in by_input(map(decode_event, events)):
            self._spans.tell(Span(Stage.SEND, cause, caused[0].at_ms, now_ms, lane, {"lane": lane}))

    async def send_ruleset(self, version: str, body: bytes) -> None:
        await self._centre.send_ruleset(version, body)

    async def next_order(self) -> Order:
        return await self._centre.next_order()

    def offset_ms(self) -> int | None:
        return self._centre.offset_ms()

    async def close(self) -> None:
        await self._centre.close()
