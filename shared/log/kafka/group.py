"""Reads topics together with others of its group: the broker shares the partitions out, each has one owner at a time.

    async with GroupReader(access, "notifier", (topic,), "notifier-1") as reader:
        taken = await reader.take()
        ...the effect, in a transaction with the position...
        await reader.confirm(taken)          # False: the partitions have gone to somebody else meanwhile

    shared out anew:  fence -> the batch in hand is waited for (drain_s) -> its partitions are given up
                      -> new partitions, new generation -> from their committed offsets, or where ``start_at`` says

Promises: the records of a partition come in their order; after a crash or a hand-over those that were not confirmed
come again, none is left out. Offsets are committed only by ``confirm``, after the effect. A batch of an earlier
generation is never confirmed: an owner that was away and comes back (a zombie) cannot move the position of the next.
What it does beside Kafka it must fence itself: ``is_current``, and a position in its own transaction.
Limits: a batch that takes longer than ``drain_s`` at a hand-over comes again at the next owner.
"""

import asyncio
from asyncio import Task
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from shared.log.kafka.access import Access
from shared.log.kafka.kept import TROUBLE, Kept, bounded, positions
from shared.log.kafka.reader import RECORDS_MAX
from shared.log.kafka.records import Place, Record, Tell, record_of, silent
from shared.log.kafka.watching import STUCK_S, WATCH_S, Standing

SESSION_MS: Final = 10_000
"""An owner that is killed loses its partitions after this."""
HEARTBEAT_MS: Final = 3000
REBALANCE_MS: Final = 15_000
"""So long the others wait for one that has to drain; below what the watch calls stuck."""
DRAIN_S: Final = 5.0

StartAt = Callable[[frozenset[Place]], Awaitable[Mapping[Place, int]]]
"""Where reading of new partitions goes on; those that it leaves out go on at their committed offsets."""


class Taken(NamedTuple):
    """Records of partitions that were ours when they were taken."""

    generation: int
    records: tuple[Record, ...]


class GroupReader:
    """See the module. One owner: ``take``, effect, ``confirm``, and again."""

    def __init__(
        self,
        access: Access,
        group: str,
        topics: Iterable[str],
        name: str,
        *,
        start_at: StartAt | None = None,
        tell: Tell = silent,
        drain_s: float = DRAIN_S,
        watch_s: float = WATCH_S,
        stuck_s: float = STUCK_S,
    ) -> None:
        self._topics = tuple(topics)
        self._start_at = start_at
        self._drain_s = drain_s
        self._client: AIOKafkaConsumer | None = None
        self._next: dict[Place, int] = {}
        self._shared = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()
        self._is_taking = False
        self._failing: Task[None] | None = None
        self.generation = 0
        """Rises with each hand-over and each new client."""
        options = {
            "client_id": name,
            "group_id": group,
            "session_timeout_ms": SESSION_MS,
            "heartbeat_interval_ms": HEARTBEAT_MS,
            "rebalance_timeout_ms": REBALANCE_MS,
        }
        self._kept = Kept(access, self, options, tell=tell, watch_s=watch_s, stuck_s=stuck_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def rebuilt(self) -> int:
        """How many clients were thrown away."""
        return self._kept.rebuilt

    @property
    def standing(self) -> Standing:
        """How this reader stood at its last look."""
        return self._kept.standing

    @property
    def owned(self) -> frozenset[Place]:
        """The partitions that are ours now."""
        return frozenset(self._next) if self._shared.is_set() else frozenset()

    def is_current(self, taken: Taken) -> bool:
        """Whether the records' partitions are still ours, as far as we know: a network that is cut tells nobody."""
        return self._shared.is_set() and taken.generation == self.generation

    async def take(self, records_max: int = RECORDS_MAX) -> Taken:
        """The next records, at least one; waits for them. The batch taken before is done with. May be cancelled."""
        self._free.set()
        self._is_taking = True
        try:
            while True:
                client = await self._kept.client()
                await self._shared.wait()
                generation = self.generation
                found = await self._kept.get(client, records_max) if self._is_now(client) else {}
                if found and generation == self.generation:
                    break
        finally:
            self._is_taking = False
        records = tuple(record_of(record) for part in found.values() for record in part)
        for record in records:
            self._next[record.place] = record.offset + 1
        self._free.clear()
        return Taken(generation, records)

    async def confirm(self, taken: Taken) -> bool:
        """Commits the places behind these records. False: they are no longer ours, or the broker does not answer.

        The effect stands all the same; the records then come again, here or at the next owner.
        """
        client = self._client
        behind = {TopicPartition(*record.place): record.offset + 1 for record in taken.records}
        try:
            if client is None or taken.generation != self.generation:
                return False
            await bounded(client.commit(behind))
        except TROUBLE:
            return False
        finally:
            self._free.set()
        return True

    async def close(self) -> None:
        """Gives the partitions up at once; what was not confirmed comes again elsewhere."""
        self._free.set()
        await self._kept.close()

    async def begin(self, client: AIOKafkaConsumer) -> None:
        """For the kept client: join the group."""
        self._client = client
        client.subscribe(self._topics, listener=_Listener(self, client))
        await client.start()

    async def places(self) -> Mapping[Place, int] | None:
        """For the kept client; -1 for a place whose beginning nobody can say."""
        client = self._client
        if client is None or not self._shared.is_set():
            return None
        return await positions(client, self._next)

    def is_busy(self) -> bool:
        """For the kept client: nobody waits for records."""
        return not self._is_taking

    def lost(self) -> None:
        """For the kept client."""
        self._client = None
        self._fence()

    def _is_now(self, client: AIOKafkaConsumer) -> bool:
        return self._client is client

    def _fence(self) -> None:
        self._shared.clear()
        self._next = {}
        self.generation += 1
        self._kept.forget()

    async def revoked(self, client: AIOKafkaConsumer) -> None:
        """For the listener: the batch in hand may still be confirmed, for a while."""
        if not self._is_now(client):
            return
        self._shared.clear()
        self._kept.forget()
        try:
            async with asyncio.timeout(self._drain_s):
                await self._free.wait()
        finally:
            if self._is_now(client):
                self._fence()

    async def assigned(self, client: AIOKafkaConsumer, places: frozenset[Place]) -> None:
        """For the listener: go to where reading goes on."""
        if not self._is_now(client):
            return
        begun = dict.fromkeys(places, -1)
        if self._start_at is not None:
            for place, offset in (await self._start_at(places)).items():
                client.seek(TopicPartition(*place), offset)
                begun[place] = offset
        if self._is_now(client):
            self._next = begun
            self._shared.set()

    def failed(self, client: AIOKafkaConsumer, why: str) -> None:
        """For the listener, whose own task ends with the client: another one ends it."""
        self._failing = asyncio.create_task(self._kept.throw_away(client, why))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # The library asks for its own base class.
    """Hands what the library tells on to the reader; an exception here would only be logged."""

    def __init__(self, reader: GroupReader, client: AIOKafkaConsumer) -> None:
        self._reader = reader
        self._client = client

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        del revoked  # All are: the library's protocol is the eager one.
        try:
            await self._reader.revoked(self._client)
        except TimeoutError:
            return  # Fenced: the batch in hand comes again at the next owner.

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        places = frozenset(Place(each.topic, each.partition) for each in assigned)
        try:
            await self._reader.assigned(self._client, places)
        except Exception as fault:  # Whatever a ledger raises: without a beginning nothing may be read.
            self._reader.failed(self._client, f"where to begin is not known: {type(fault).__name__}: {fault}")
