"""A consumer of aiokafka that is watched, and thrown away and made anew when it hangs.

    client() -> connects, for as long as it takes -> the client of now
    watch    -> every 5 s: do its places move? (shared.log.kafka.watching) -> stuck: thrown away, said, made anew

A client that lost its broker usually finds back by itself; after some restarts it does not (aiokafka #1154), and sits
there without an error. Promises: such a client is replaced within a minute; nothing of an old client is used again.
The owner says by ``places`` where it stands, so that the new client begins there.
"""

import asyncio
import contextlib
import time
from asyncio import Task
from collections.abc import Awaitable, Coroutine, Iterable, Mapping
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared.log.kafka.access import Access
from shared.log.kafka.records import REQUEST_MS, Place, Tell, hush
from shared.log.kafka.watching import STUCK_S, WATCH_S, Standing, Watch, standing

CONNECT_S: Final = 25.0
"""Above two requests' own time-outs: a connection that is cancelled half-way would stay open."""
CLOSE_S: Final = 5.0
PAUSE_S: Final = 1.0
POSITION_S: Final = 1.0
POLL_MS: Final = 1000
"""The longest that a client is asked to wait for records at once."""
PARTITION_BYTES: Final = 4 << 20
"""Of one partition a fetch; a larger record still comes, alone."""
FETCH_BYTES: Final = 32 << 20
FETCH_WAIT_MS: Final = 250
"""The longest that a broker waits for a record before it answers; the first one ends it."""
TROUBLE: Final = (KafkaError, TimeoutError, OSError, IllegalStateError)


class Owner(Protocol):
    """Who reads by the client."""

    async def begin(self, client: AIOKafkaConsumer) -> None:
        """Subscribe or assign, start, and go to where reading goes on. May raise what a client raises."""
        ...

    async def places(self) -> Mapping[Place, int] | None:
        """The next offset to be read of each place; None while nobody knows (a group is being shared out anew)."""
        ...

    def is_busy(self) -> bool:
        """Whether nobody waits for records: those read last are still being worked on."""
        ...

    def lost(self) -> None:
        """The client is thrown away."""
        ...


class Kept:
    """See the module. ``options`` are keywords of the client beside those that are always set."""

    def __init__(
        self,
        access: Access,
        owner: Owner,
        options: Mapping[str, Any],
        *,
        tell: Tell,
        watch_s: float = WATCH_S,
        stuck_s: float = STUCK_S,
    ) -> None:
        self._access = access
        self._owner = owner
        self._options = options
        self._tell = tell
        self._watch_s = watch_s
        self._stuck_s = stuck_s
        self._client: AIOKafkaConsumer | None = None
        self._watching: Task[None] | None = None
        self._making: Task[None] | None = None
        self._getting: Task[Any] | None = None
        self._is_starting = False
        self._lock = asyncio.Lock()
        self._is_away = False
        self.rebuilt = 0
        """How many clients were thrown away."""
        self.standing = Standing(looked_at_s=time.monotonic())

    async def client(self) -> AIOKafkaConsumer:
        """The client of now, connected; waits as long as no broker can be reached.

        Who waits may be cancelled: connecting goes on. A client that is cancelled half-way leaves its connection open,
        and one whose every attempt is cut short would never be made.
        """
        while (client := self._client) is None:
            if self._making is None or self._making.done():
                self._making = asyncio.create_task(self._make(), name="kafka connecting")
            await asyncio.shield(self._making)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="kafka watch")
        return client

    async def _make(self) -> None:
        async with self._lock:
            while self._client is None:
                client = self._new()
                self._is_starting = True
                try:
                    async with asyncio.timeout(CONNECT_S):
                        await self._owner.begin(client)
                except TROUBLE as fault:
                    self._is_starting = False
                    self._say_away(f"{self._access.bootstrap}: {type(fault).__name__}: {fault}")
                    await _end(client)
                    await asyncio.sleep(PAUSE_S)
                except BaseException:
                    await _end(client)
                    raise
                else:
                    self._client = client
                    self.standing = self.standing._replace(is_away=False, looked_at_s=time.monotonic())
                    self._say_back()
            self._is_starting = False

    async def get(self, client: AIOKafkaConsumer, records_max: int) -> Mapping[TopicPartition, list[Any]]:
        """What has come. Who is cancelled leaves his getting to the next one."""
        if self._getting is None:
            self._getting = asyncio.create_task(client.getmany(timeout_ms=POLL_MS, max_records=records_max))
        await asyncio.wait([self._getting])
        task, self._getting = self._getting, None
        if task is None or task.cancelled():
            return {}
        fault = task.exception()
        if fault is None:
            return dict(task.result())
        if not isinstance(fault, TROUBLE):
            raise fault
        await self.throw_away(client, f"{type(fault).__name__}: {fault}")
        return {}

    @property
    def has_got(self) -> bool:
        """Whether somebody who was cancelled has left what came to the next one."""
        return self._getting is not None and self._getting.done()

    def forget(self) -> None:
        """What is being got is nobody's any more; it is read again."""
        if self._getting is not None:
            self._getting.cancel()
            self._getting = None

    async def throw_away(self, client: AIOKafkaConsumer, why: str) -> None:
        """Ends this client, when it is still the one of now."""
        async with self._lock:
            if self._client is not client:
                return
            self._client = None
            self.rebuilt += 1
            self.standing = self.standing._replace(is_away=True, rebuilt=self.rebuilt)
            self._say_away(why)
            self.forget()
            self._owner.lost()
            await _end(client)
            await asyncio.sleep(PAUSE_S)

    async def close(self) -> None:
        """Never raises, never waits long for a broker."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
            self._watching = None
        if self._making is not None and not self._making.done():
            if self._is_starting:
                await asyncio.wait([self._making], timeout=CLOSE_S)
            self._making.cancel()
            await asyncio.wait([self._making])
        async with self._lock:
            if self._client is not None:
                client, self._client = self._client, None
                self.forget()
                self._owner.lost()
                await _end(client)

    def _say_away(self, words: str) -> None:
        if not self._is_away:
            self._tell("kafka_reader_rebuilt", words)
        self._is_away = True

    def _say_back(self) -> None:
        if self._is_away:
            self._tell("kafka_reads_again", self._access.bootstrap)
        self._is_away = False

    async def _watch(self) -> None:
        client, watch = self._client, Watch(time.monotonic(), self._stuck_s)
        while True:
            await asyncio.sleep(self._watch_s)
            if self._client is None:
                await self.client()
            if self._client is not client:
                client, watch = self._client, Watch(time.monotonic(), self._stuck_s)
                continue
            places = await self._owner.places()
            ends = None if places is None or client is None else await self._ends(client, places)
            self.standing = standing(time.monotonic(), places or {}, ends, self.standing, self.rebuilt)
            why = watch.look(time.monotonic(), places or {}, ends, busy=self._owner.is_busy())
            if why and client is not None:
                await self.throw_away(client, why)

    async def _ends(self, client: AIOKafkaConsumer, places: Iterable[Place]) -> Mapping[Place, int] | None:
        wanted = [TopicPartition(*place) for place in places]
        if not wanted:
            return {}
        try:
            async with asyncio.timeout(WATCH_S):
                found = await client.end_offsets(wanted)
        except TROUBLE:
            return None
        return {Place(each.topic, each.partition): offset for each, offset in found.items()}

    def _new(self) -> AIOKafkaConsumer:
        hush()
        options = {"fetch_max_wait_ms": FETCH_WAIT_MS, **self._options}
        return AIOKafkaConsumer(
            **self._access.options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            request_timeout_ms=REQUEST_MS,
            max_partition_fetch_bytes=PARTITION_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            check_crcs=True,
            **options,
        )


async def bounded(answer: Awaitable[Any], seconds: float = CLOSE_S) -> Any:
    """What a client answers; raises TimeoutError when it does not."""
    async with asyncio.timeout(seconds):
        return await answer


async def positions(client: AIOKafkaConsumer, known: Mapping[Place, int]) -> dict[Place, int]:
    """Where the client stands: not before what is known, and behind offsets that hold no record.

    A place whose position it does not say within POSITION_S stays as it is known.
    """
    found = dict(known)
    for place, offset in known.items():
        with contextlib.suppress(*TROUBLE):
            found[place] = max(offset, await bounded(client.position(TopicPartition(*place)), POSITION_S))
    return found


async def _end(client: AIOKafkaConsumer) -> None:
    """Ends a client also when it hangs: first as it wants it, then its tasks one by one."""
    if await _went_well(client.stop()):
        return
    fetcher, coordinator = client._fetcher, client._coordinator
    tasks = [getattr(fetcher, "_fetch_task", None), *getattr(fetcher, "_pending_tasks", ())]
    names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
    tasks += [getattr(coordinator, name, None) for name in names]
    running = [task for task in tasks if task is not None and not task.done()]
    for task in running:
        task.cancel()
    await asyncio.wait([asyncio.create_task(client._client.close()), *running], timeout=CLOSE_S)


async def _went_well(ending: Coroutine[Any, Any, None]) -> bool:
    """Whether it ended in time and without trouble. In a task of its own: what the library cancels inside is not us."""
    task = asyncio.create_task(ending)
    await asyncio.wait([task], timeout=CLOSE_S)
    if task.done():
        return not task.cancelled() and task.exception() is None
    task.cancel()
    return False
