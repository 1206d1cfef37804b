"""The centre behind Kafka: services.uplink.port over the topics of shared.bus.registry.

Blocks and rule sets go by one producer that never gives up by itself, live records by another that does so within
seconds: what waits for a broker that is away is not live any more. Orders are read from where the uplink stands.

A broker with rights refuses a site that was ended. One in clear acknowledges whatever comes, so there the fleet's book
(ampward.sites.v1) is read beside the orders: a connection by a key that counts nowhere is lost, with the reason, and
does not say that the fleet answers before the book is read. A site of which the book says nothing goes on.
"""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Iterable

from services.uplink.identity import Identity
from services.uplink.port import CentreLost, Order
from shared.bus.registry import COMMANDS, INPUTS, LIVE, RULESETS, SITES
from shared.domain.errors import WireError
from shared.log.kafka.access import Access
from shared.log.kafka.producer import Producer, Sent
from shared.log.kafka.reader import BEGINNING, Reader
from shared.log.kafka.records import Place, Record, RecordRefused, Tell, Unconfirmed, silent
from shared.log.kafka.stretch import next_before
from shared.runtime.clocks import Clock, SystemClock
from shared.wire import cloud
from shared.wire.blocks import peek_block
from shared.wire.registrations import decode_registration

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
        self._tell = tell
        self._site = identity.site
        self._key_text = identity.key.public.text()
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
        self._book = self._place(SITES.name, identity.partition)
        self._is_read = bool(identity.kafka_user)
        """The book, as far as it is ours to read."""
        books = {} if self._is_read else {self._book: BEGINNING}
        self._registered = b""
        self._reader = Reader(access, {self._commands: done_order, **books}, f"{name}-commands", tell=tell)
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
        if not self._is_read:
            await self._read_book()
        while not self._orders:
            self._sort(await self._reader.take())
            self._look()
        return self._orders.popleft()

    async def _read_book(self) -> None:
        end = (await self._reader.ends([self._book]))[self._book]
        while records := await next_before(self._reader, self._book, end):
            self._sort(records)
        self._look()
        self._is_read = True

    def _sort(self, records: Iterable[Record]) -> None:
        for record in records:
            if record.key != self._key or record.value is None:
                continue
            if record.place == self._commands:
                self._orders.append(Order(record.value, record.offset + 1))
            else:
                self._registered = record.value

    def _look(self) -> None:
        """What the book says of us by its newest record. Raises CentreLost when nothing counts that we sign."""
        data, self._registered = self._registered, b""
        if not data:
            return
        try:
            found = decode_registration(data)
        except WireError as fault:
            self._tell("registration_unreadable", str(fault))
            return
        if found.ended:
            raise CentreLost(f"the fleet has ended {self._site} (`ampward revoke`): nothing counts that it sends")
        if self._key_text not in found.keys:
            raise CentreLost("the fleet does not know this key, or has ended it: the box needs its newest identity")

    async def close(self) -> None:
        await asyncio.gather(self._blocks.close(), self._at_once.close(), self._reader.close())

    def offset_ms(self) -> int | None:
        return self._offset_ms if self._is_read else None

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
