"""The centre behind Kafka: services.uplink.port over the topics of shared.bus.registry.

Blocks and rule sets go by one producer that never gives up by itself, live records by another that does so within
seconds: what waits for a broker that is away is not live any more. Orders are read from where the uplink stands.
"""

import asyncio
from asyncio import Future
from collections import deque

from services.uplink.identity import Identity
from services.uplink.port import CentreLost, Order
from shared.bus.registry import COMMANDS, INPUTS, LIVE, RULESETS
from shared.log.kafka.access import Access
from shared.log.kafka.producer import Producer, Sent
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Place, RecordRefused, Tell, Unconfirmed, silent
from shared.runtime.clocks import Clock, SystemClock
from shared.wire import cloud
from shared.wire.blocks import peek_block

GIVE_UP_S = 60.0
"""Then the connection is made anew from the place; what was taken all the same is known by its numbers."""
LIVE_S = 3.0
LIVE_BYTES_MAX = 4 << 20
WAITING_BYTES_MAX = 32 << 20


class KafkaCentre:
    """See the module. One event loop; made when it is needed, connected by itself."""

    def __init__(
        self, identity: Identity, access: Access, done_order: int, *, tell: Tell = silent, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._count = 0
        self._offset_ms: int | None = None
        self._site = identity.site
        self._key = identity.site.encode()
        self._prefix = identity.topics
        self._inputs = self._place(INPUTS.name, identity.partition)
        self._live = self._place(LIVE.name, identity.partition)
        self._commands = self._place(COMMANDS.name, identity.partition)
        name = f"uplink-{identity.site}"
        self._blocks = Producer(access, name, tell=tell, give_up_s=GIVE_UP_S, waiting_bytes_max=WAITING_BYTES_MAX)
        self._at_once = Producer(
            access, f"{name}-live", attempt_s=LIVE_S, give_up_s=LIVE_S, waiting_bytes_max=LIVE_BYTES_MAX
        )
        self._reader = Reader(access, {self._commands: done_order}, f"{name}-commands", tell=tell)
        self._orders: deque[Order] = deque()

    def _place(self, topic: str, partition: int) -> Place:
        return Place(self._prefix + topic, partition)

    async def send_block(self, data: bytes) -> "Future[None]":
        head = peek_block(data)
        name = cloud.range_id(head.log_id, head.epoch, head.first_seq, head.last_seq)
        headers = cloud.headers(cloud.BLOCK, site=self._site, id=name, at_ms=self._clock.wall_ms())
        sent = await self._blocks.hand_over(self._inputs, self._key, data, headers)
        done: Future[None] = asyncio.get_running_loop().create_future()
        sent.add_done_callback(lambda told: self._pass_on(told, done))
        return done

    async def send_ruleset(self, version: str, body: bytes) -> None:
        key = version.encode()
        headers = cloud.headers(cloud.RULESET, site=self._site, id=version, at_ms=self._clock.wall_ms())
        try:
            place = await self._blocks.partition_for(self._prefix + RULESETS.name, key)
            await self._blocks.send(place, key, body, headers)
        except (RecordRefused, Unconfirmed) as fault:
            raise CentreLost(str(fault)) from fault

    async def send_live(self, data: bytes) -> None:
        self._count += 1
        at_ms = self._clock.wall_ms()
        headers = cloud.headers(cloud.LIVE, site=self._site, id=f"live/{at_ms}/{self._count}", at_ms=at_ms)
        try:
            self._note(await self._at_once.send(self._live, self._key, data, headers))
        except (RecordRefused, Unconfirmed) as fault:
            raise CentreLost(str(fault)) from fault

    async def next_order(self) -> Order:
        while not self._orders:
            for record in await self._reader.take():
                if record.key == self._key and record.value is not None:
                    self._orders.append(Order(record.value, record.offset + 1))
        return self._orders.popleft()

    async def close(self) -> None:
        await asyncio.gather(self._blocks.close(), self._at_once.close(), self._reader.close())

    def offset_ms(self) -> int | None:
        return self._offset_ms

    def _note(self, sent: Sent) -> None:
        if sent.at_ms >= 0:
            self._offset_ms = sent.at_ms - self._clock.wall_ms()

    def _pass_on(self, told: "Future[Sent]", done: "Future[None]") -> None:
        """The producer's word as the port's."""
        if done.done():
            return
        fault = None if told.cancelled() else told.exception()
        if fault is not None or told.cancelled():
            done.set_exception(CentreLost(str(fault or "the sender was closed")))
            done.exception()  # Seen: nobody may be waiting for it any more.
        else:
            self._note(told.result())
            done.set_result(None)
