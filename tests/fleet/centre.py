"""A small centre for tests: topics of its own on a broker, sites that send recorded logs, processors to be killed."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.processor.app import GROUP
from shared.bus.registry import ALL, EVENTS, INPUTS, RULESETS, SITES, Shape, Topic
from shared.domain.version import CORE_VERSION
from shared.log.kafka.access import Access
from shared.log.kafka.producer import Producer
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Place, Record, partition_for
from shared.log.kafka.topics import set_up
from shared.wire.batches import EventsBatch, decode_batch
from shared.wire.blocks import Block, encode_block
from shared.wire.registrations import Registration, encode_registration
from shared.wire.signing import SigningKey
from tests.testkit.fleet import KafkaBroker, unique

KEY = SigningKey(bytes(range(32)))
STANDS_S = 120.0
Id = tuple[str, str, int, str, int]
"""(site, log_id, site_seq, room, ordinal) of an event."""


class Processor:
    """A worker's process and what it told."""

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        partitions: int,
        save_s: float,
        hands: int,
        core_version: int = CORE_VERSION,
    ) -> None:
        command = [sys.executable, "-m", "tests.fleet.processor_process", bootstrap, prefix, str(partitions)]
        self._process = subprocess.Popen(
            [*command, str(save_s), str(hands), str(core_version)], stdout=subprocess.PIPE, text=True
        )
        self.told: list[tuple[str, str]] = []
        self.is_wanted_dead = False
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("["):
                event, words = json.loads(line)
                self.told.append((event, words))

    def kill(self) -> None:
        """kill -9."""
        self.is_wanted_dead = True
        self._process.kill()
        self.wait()

    def stop(self, within_s: float = 60) -> int:
        """TERM, and its exit code. Raises TimeoutExpired."""
        self.is_wanted_dead = True
        self._process.terminate()
        return self.wait(within_s)

    def leave(self) -> None:
        """TERM, without waiting."""
        self.is_wanted_dead = True
        self._process.terminate()

    def wait(self, within_s: float = 60) -> int:
        code = self._process.wait(within_s)
        self._listener.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def is_running(self) -> bool:
        return self._process.poll() is None

    def events(self) -> set[str]:
        """The names of what it told."""
        return {event for event, _ in self.told}


@dataclass
class Centre:
    """Topics under a prefix of their own; ``async with``."""

    broker: KafkaBroker
    partitions: int = 4
    save_s: float = 0.5
    hands: int = 0
    prefix: str = field(default_factory=lambda: unique("centre") + ".")
    processors: list[Processor] = field(default_factory=list)

    @property
    def access(self) -> Access:
        return Access(self.broker.bootstrap)

    async def __aenter__(self) -> Self:
        await set_up(self.access, [topic.named(self.prefix) for topic in ALL], Shape(partitions=self.partitions))
        self.producer = Producer(self.access, "test")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for processor in self.processors:
            (processor.kill if processor.is_running() else processor.wait)()
        await self.producer.close()

    def place(self, topic: Topic, site: str) -> Place:
        """Where a site's records lie."""
        return Place(self.prefix + topic.name, partition_for(site.encode(), self.partitions))

    async def register(self, *sites: str, key: SigningKey = KEY, more: Sequence[SigningKey] = ()) -> None:
        for site in sites:
            keys = tuple(each.public.text() for each in (key, *more))
            await self.tell(Registration(site, self.place(SITES, site).partition, keys))

    async def tell(self, registration: Registration) -> None:
        """As the book of the fleet says it."""
        place, site = self.place(SITES, registration.site), registration.site
        await self.producer.send(place, site.encode(), encode_registration(registration))

    async def rules(self, bodies: Mapping[str, bytes]) -> None:
        for version, body in bodies.items():
            await self.producer.send(self.place(RULESETS, version), version.encode(), body)

    async def send(self, site: str, blocks: Sequence[Block | bytes]) -> None:
        """In order; returns when all are confirmed."""
        made = [each if isinstance(each, bytes) else encode_block(each, KEY) for each in blocks]
        place = self.place(INPUTS, site)
        await asyncio.gather(*[await self.producer.hand_over(place, site.encode(), data) for data in made])

    def start(self, core_version: int = CORE_VERSION) -> Processor:
        """One worker more; one of another core version has no hands."""
        hands = self.hands if core_version == CORE_VERSION else 0
        processor = Processor(self.broker.bootstrap, self.prefix, self.partitions, self.save_s, hands, core_version)
        self.processors.append(processor)
        return processor

    def supervise(self) -> None:
        """Starts a processor anew for each that ended itself, as whoever supervises services does."""
        for each in self.processors:
            if not each.is_running() and not each.is_wanted_dead:
                each.is_wanted_dead = True
                self.start()

    async def stands_at_end(self) -> None:
        """Until the group has committed everything that is there: what is parked included. Raises TimeoutError."""
        places = [Place(self.prefix + INPUTS.name, number) for number in range(self.partitions)]
        ends: dict[Place, int] = {}
        committed: dict[Place, int] = {}
        try:
            async with asyncio.timeout(STANDS_S), self.reader(INPUTS) as reader, self._group() as group:
                while not ends or committed != ends:
                    await asyncio.sleep(0.2)
                    ends = await reader.ends(places)
                    committed = {place: await group.committed(TopicPartition(*place)) or 0 for place in places}
        except TimeoutError as fault:
            raise TimeoutError(f"committed {committed} of {ends}") from fault

    @asynccontextmanager
    async def _group(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.broker.bootstrap, group_id=self.prefix + GROUP, enable_auto_commit=False
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    def reader(self, topic: Topic) -> Reader:
        """All partitions of one of the fleet's topics, from their beginning."""
        return self.reader_of(self.prefix + topic.name)

    def reader_of(self, name: str) -> Reader:
        """The same of any topic."""
        places = [Place(name, number) for number in range(self.partitions)]
        return Reader(self.access, dict.fromkeys(places, 0), "test-reader")

    async def first(self, topic: Topic, count: int, *, within_s: float = 60) -> list[Record]:
        """So many records of a topic; TimeoutError names how many there are."""
        found: list[Record] = []
        try:
            async with asyncio.timeout(within_s), self.reader(topic) as reader:
                while len(found) < count:
                    found += await reader.take()
        except TimeoutError as fault:
            raise TimeoutError(f"{len(found)} of {count} records of {topic.name}") from fault
        return found


@dataclass
class Counted:
    """Counts what ampward.events.v1 has by id, as a consumer with a high mark does."""

    found: dict[Id, bytes] = field(default_factory=dict)
    verdicts: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    """Events by site."""
    repeats: int = 0
    wrong: list[str] = field(default_factory=list)
    """Events that came again with other bytes, or out of their order."""

    def note(self, batch: EventsBatch) -> None:
        """One batch more."""
        self.verdicts[batch.verdict.value] = self.verdicts.get(batch.verdict.value, 0) + 1
        for data in batch.events:
            event = json.loads(data)
            name = (batch.site, event["log_id"], event["site_seq"], event["room"], event["ordinal"])
            if name in self.found:
                self.repeats += 1
                if self.found[name] != data:
                    self.wrong.append(f"{name} came with other bytes")
            else:
                self.counts[batch.site] += 1
            self.found[name] = data

    def by_site(self) -> dict[str, list[bytes]]:
        """The events of each site in the order in which they came first."""
        sites: dict[str, list[bytes]] = {}
        for (site, *_), data in self.found.items():
            sites.setdefault(site, []).append(data)
        return sites


class Told(Counted):
    """Follows ampward.events.v1 of a centre. ``expected`` has by site every event, in order."""

    def __init__(self, centre: Centre, expected: Mapping[str, Sequence[bytes]]) -> None:
        super().__init__()
        self.centre = centre
        self.expected = expected

    async def follow(self, *, within_s: float) -> None:
        """Until every expected event came; TimeoutError says what is missing."""
        wanted = sum(map(len, self.expected.values()))
        try:
            async with asyncio.timeout(within_s), self.centre.reader(EVENTS) as reader:
                while len(self.found) < wanted:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(1):
                            for record in await reader.take():
                                self.note(decode_batch(record.value or b""))
                    self.centre.supervise()
        except TimeoutError as fault:
            counted = {site: len(events) for site, events in self.by_site().items()}
            missing = {site: len(e) - counted.get(site, 0) for site, e in self.expected.items()}
            raise TimeoutError(f"missing: { {site: n for site, n in missing.items() if n} }") from fault

    async def reached(self, count: int) -> None:
        """Until so many events came."""
        while len(self.found) < count:
            await asyncio.sleep(0.05)
