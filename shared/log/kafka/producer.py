"""Sends records in order, each confirmed by the broker: aiokafka's idempotent producer, with deadlines of our own.

    hand_over() -> lane of the partition -> one batch at a time -> confirmed by all in-sync replicas -> Sent

Promises: records of a partition are written in the order of ``hand_over``, and none is written when one before it was
refused or given up. A batch that is not confirmed within ``attempt_s`` is said (``tell``), its client is thrown away
(aiokafka retries an idempotent batch for ever, and may hang for ever) and the batch is sent again by a new one: nothing
is lost, and what the old client wrote all the same stands in the topic twice, at the latest where its connection ended.
Readers know a repeat by its numbers. After ``give_up_s`` (never, when it is None) the batch and all behind it in its
lane end in Unconfirmed, and the lane begins anew.
Refuses: RecordRefused, for what the broker or the topic's limits will never take.
Limits: ``waiting_bytes_max`` over all lanes, then ``hand_over`` waits; a batch has 1 MiB, or is one larger record.
"""

import asyncio
import contextlib
from asyncio import Future, Task
from collections import deque
from typing import Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from shared.bus.registry import LARGEST_BYTES_MAX
from shared.log.kafka.access import Access
from shared.log.kafka.records import (
    REQUEST_MS,
    Headers,
    Place,
    RecordRefused,
    Tell,
    Unconfirmed,
    hush,
    partition_for,
    silent,
)

ATTEMPT_S: Final = 20.0
"""A broker that restarts is back in ten; the library retries by itself until then."""
CONNECT_S: Final = 25.0
"""Above two requests' own time-outs: a connection that is cancelled half-way would stay open."""
CLOSE_S: Final = 5.0
PAUSE_S: Final = 1.0
"""Between two attempts to connect."""
BATCH_BYTES: Final = 1 << 20
WAITING_BYTES_MAX: Final = 64 << 20
_FOR_EVER = (InvalidTopicError, MessageSizeTooLargeError, RecordListTooLargeError, TopicAuthorizationFailedError)


class Sent(NamedTuple):
    """Where the broker put a record; the offset is -1 when it only said that it had it already."""

    place: Place
    offset: int
    at_ms: int = -1
    """When, by the broker's clock; -1 when it did not say."""


class _Waiting(NamedTuple):
    key: bytes
    value: bytes | None
    headers: Headers
    told: "Future[Sent]"

    @property
    def size(self) -> int:
        return len(self.key) + len(self.value or b"") + 256


class Producer:
    """See the module. One owner, one event loop; lanes work side by side."""

    def __init__(
        self,
        access: Access,
        name: str,
        *,
        tell: Tell = silent,
        attempt_s: float = ATTEMPT_S,
        give_up_s: float | None = None,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        self._access = access
        self._name = name
        self._tell = tell
        self._attempt_s = attempt_s
        self._give_up_s = give_up_s
        self._bytes_max = waiting_bytes_max
        self._bytes = 0
        self._room = asyncio.Event()
        self._lanes: dict[Place, deque[_Waiting]] = {}
        self._tasks: dict[Place, Task[None]] = {}
        self._client: AIOKafkaProducer | None = None
        self._making: Task[None] | None = None
        self._is_starting = False
        self._condition = ""
        self.rebuilt = 0
        """How many clients were thrown away."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def hand_over(self, place: Place, key: bytes, value: bytes | None, headers: Headers = ()) -> "Future[Sent]":
        """Puts a record behind those before it. What comes back is done when the broker has it for good.

        Waits while ``waiting_bytes_max`` are on their way.
        """
        told: Future[Sent] = asyncio.get_running_loop().create_future()
        told.add_done_callback(_seen)
        waiting = _Waiting(key, value, headers, told)
        if waiting.size > LARGEST_BYTES_MAX:
            raise RecordRefused(f"{place.topic}: {waiting.size} bytes, at most {LARGEST_BYTES_MAX} are sent")
        while self._bytes and self._bytes + waiting.size > self._bytes_max:
            self._room.clear()
            await self._room.wait()
        self._bytes += waiting.size
        self._lanes.setdefault(place, deque()).append(waiting)
        if place not in self._tasks:
            self._tasks[place] = asyncio.create_task(self._work(place), name=f"lane {place.topic}/{place.partition}")
        return told

    async def send(self, place: Place, key: bytes, value: bytes | None, headers: Headers = ()) -> Sent:
        """Hands over and waits. Raises RecordRefused, Unconfirmed."""
        return await (await self.hand_over(place, key, value, headers))

    async def partition_for(self, topic: str, key: bytes) -> Place:
        """Where a key lies that no registration places. Raises Unconfirmed when the topic cannot be asked for."""
        try:
            async with asyncio.timeout(self._give_up_s):
                while True:
                    client = await self._connected()
                    with contextlib.suppress(KafkaError, TimeoutError):
                        async with asyncio.timeout(self._attempt_s):
                            return Place(topic, partition_for(key, len(await client.partitions_for(topic))))
                    await self._throw_away(client, f"topic {topic} cannot be asked for")
        except TimeoutError as fault:
            raise Unconfirmed(f"topic {topic} cannot be asked for") from fault

    async def close(self) -> None:
        """Gives up what is on its way; never raises, never waits for a broker."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for place in list(self._lanes):
            self._give_up(place, Unconfirmed(f"{place.topic}: the sender was closed"))
        if self._making is not None and not self._making.done():
            if self._is_starting:
                await asyncio.wait([self._making], timeout=CLOSE_S)
            self._making.cancel()
            await asyncio.wait([self._making])
        if self._client is not None:
            client, self._client = self._client, None
            await _end(client)

    async def _work(self, place: Place) -> None:
        """One lane, until it is empty."""
        try:
            while self._lanes.get(place):
                batch = self._next_batch(place)
                try:
                    async with asyncio.timeout(self._give_up_s):
                        offset, at_ms = await self._confirmed(place, batch)
                except TimeoutError:
                    self._give_up(place, Unconfirmed(f"{place.topic}: not confirmed within {self._give_up_s} s"))
                except RecordRefused as fault:
                    self._tell("kafka_record_refused", str(fault))
                    self._give_up(place, fault)
                except Exception as fault:  # A mistake of ours or of the library's: who waits must hear of it.
                    self._tell("kafka_sender_failed", f"{place.topic}: {type(fault).__name__}: {fault}")
                    self._give_up(place, fault)
                else:
                    self._confirm(place, batch, offset, at_ms)
        finally:
            del self._tasks[place]

    def _next_batch(self, place: Place) -> list[_Waiting]:
        batch, size = list[_Waiting](), 0
        for waiting in self._lanes[place]:
            size += waiting.size
            if batch and size > BATCH_BYTES:
                break
            batch.append(waiting)
        return batch

    def _say(self, event: str, words: str) -> None:
        """Once a condition: the next attempts fail for the same reason."""
        if self._condition != event:
            self._condition = event
            self._tell(event, words)

    def _confirm(self, place: Place, batch: list[_Waiting], offset: int, at_ms: int) -> None:
        if self._condition:
            self._say("kafka_sends_again", f"{place.topic}/{place.partition}: confirmed")
            self._condition = ""
        lane = self._lanes[place]
        for number, waiting in enumerate(batch):
            lane.popleft()
            self._bytes -= waiting.size
            if not waiting.told.done():
                waiting.told.set_result(Sent(place, offset + number if offset >= 0 else -1, at_ms))
        if not lane:
            del self._lanes[place]
        self._room.set()

    def _give_up(self, place: Place, fault: Exception) -> None:
        for waiting in self._lanes.pop(place, ()):
            self._bytes -= waiting.size
            if not waiting.told.done():
                waiting.told.set_exception(fault)
        self._room.set()

    async def _confirmed(self, place: Place, batch: list[_Waiting]) -> tuple[int, int]:
        """Sends until the broker confirms; the offset of the first, and when. Raises RecordRefused."""
        while True:
            client = await self._connected()
            try:
                async with asyncio.timeout(self._attempt_s):
                    return await self._attempt(client, place, batch)
            except _FOR_EVER as fault:
                await self._drop(client)  # The batch had its number: the next one would be refused for the gap.
                raise RecordRefused(f"{place.topic}/{place.partition}: {type(fault).__name__}: {fault}") from fault
            except TimeoutError:
                why = f"{place.topic}/{place.partition}: {len(batch)} records not confirmed in {self._attempt_s} s"
            except KafkaError as fault:
                why = f"{place.topic}/{place.partition}: {type(fault).__name__}: {fault}"
            await self._throw_away(client, why)

    async def _attempt(self, client: AIOKafkaProducer, place: Place, batch: list[_Waiting]) -> tuple[int, int]:
        if place.partition not in await client.partitions_for(place.topic):
            raise RecordRefused(f"{place.topic} has no partition {place.partition}")
        builder = client.create_batch()
        for waiting in batch:
            made: Any = builder.append(key=waiting.key, value=waiting.value, timestamp=None, headers=[*waiting.headers])
            assert made is not None, "the batch is cut to fit"
        confirmed = await client.send_batch(builder, place.topic, partition=place.partition)
        told = await confirmed
        return int(told.offset), -1 if told.timestamp is None else int(told.timestamp)

    async def _connected(self) -> AIOKafkaProducer:
        """The client of now. Who waits may be cancelled, or give up: connecting goes on. A client that is cancelled
        half-way leaves its connection open, and one whose every attempt is cut short would never be made."""
        while (client := self._client) is None:
            if self._making is None or self._making.done():
                self._making = asyncio.create_task(self._make(), name="kafka connecting")
            await asyncio.shield(self._making)
        return client

    async def _make(self) -> None:
        while self._client is None:
            client = self._new_client()
            try:
                self._is_starting = True
                async with asyncio.timeout(CONNECT_S):
                    await client.start()
            except (KafkaError, TimeoutError, OSError) as fault:
                self._is_starting = False
                self._say("kafka_unreachable", f"{self._access.bootstrap}: {type(fault).__name__}: {fault}")
                await _end(client)
                await asyncio.sleep(PAUSE_S)
            except BaseException:
                await _end(client)
                raise
            else:
                self._client = client
        self._is_starting = False

    def _new_client(self) -> AIOKafkaProducer:
        hush()
        return AIOKafkaProducer(
            **self._access.options(),
            client_id=self._name,
            enable_idempotence=True,
            acks="all",
            compression_type=None,
            max_batch_size=BATCH_BYTES + (64 << 10),
            max_request_size=LARGEST_BYTES_MAX,
            request_timeout_ms=REQUEST_MS,
            linger_ms=0,
        )

    async def _throw_away(self, client: AIOKafkaProducer, why: str) -> None:
        """Every lane of this client notices; the first one ends it."""
        if self._client is client:
            self.rebuilt += 1
            self._say("kafka_sender_rebuilt", why)
            await self._drop(client)
            await asyncio.sleep(PAUSE_S)

    async def _drop(self, client: AIOKafkaProducer) -> None:
        if self._client is client:
            self._client = None
            await _end(client)


async def _end(client: AIOKafkaProducer) -> None:
    """Ends a client without waiting for what it still holds: its ``stop`` would wait for a broker that is away."""
    client._closed = True
    client.client._maybe_wait_metadata = _at_once  # What it waits for would never come: close() ends who brings it.
    sender: Task[None] | None = client._sender.sender_task
    if sender is not None:
        sender.cancel()
    ending = [asyncio.create_task(client.client.close()), *([] if sender is None else [sender])]
    await asyncio.wait(ending, timeout=CLOSE_S)
    # What its last task may have opened anew.
    await asyncio.wait([asyncio.create_task(client.client.close())], timeout=CLOSE_S)


async def _at_once() -> None:
    """Stands where a wait was."""


def _seen(told: "Future[Sent]") -> None:
    """A failure that nobody awaits is no fault of the loop."""
    if not told.cancelled():
        told.exception()
