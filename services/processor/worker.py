"""The processor in the centre, without an engine: blocks in; events, states and acknowledgements out.

    record -> seats (fold) -> Batch: events handed to the broker        every 5 s of work, and at hand-over:
                              Parked: wait for the rule set or key        events confirmed -> states confirmed
                              Hole: read what we did not see, else ask     -> input acknowledged up to the lowest state
                              Dead: exact bytes to the dead letters

Whatever the engine does to us is seen here: offsets of this topic are dense, so one that it left out is noticed and
read by a second consumer before anything behind it is taken; a record that comes again is a repeat; a site whose state
is older than what the engine begins with finds that its chain does not fit, and reads the rest itself.
A parked site stands at its offset and delays nobody: when what it waits for is there it catches up by a consumer of
its own.

Promises: nothing is acknowledged before its events and its site's state are confirmed; dead letters likewise. After a
kill at any moment another worker goes on from the states, and what it sends again are repeats under the same numbers.
Raises (and then the process must end): what sending or reading raises that will never come right.
Limits: SAVE_SHARE bounds the part of the time that states cost; PENDING_MAX the records on their way.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import chain, count
from typing import Final

from services.processor.books import ASK_S, ASK_S_MAX, TURNS_MAX, Broker, Counts, Engine, Partition, Site, restored
from services.processor.compared import tell_compared
from services.processor.hands import SeatsPort
from services.processor.saying import letter_of, order_of
from services.processor.seats import KEY, Given, Kind, Outcome
from services.processor.sifting import sift
from shared.bus.registry import COMMANDS, DEADLETTER, EVENTS, STATE
from shared.domain.errors import AmpwardError, WireError
from shared.log.kafka.records import Headers, Place, Record, Tell
from shared.log.kafka.strangers import Strangers
from shared.runtime.metrics import Ages
from shared.runtime.tracing import OFF, Spans
from shared.wire import cloud
from shared.wire.batches import Verdict
from shared.wire.site_state import StatePlace, peek_site_state

SAVE_S: Final = 5.0
SAVE_SHARE: Final = 10
"""States are made at most a tenth of the time: with many sites they are written less often. How long a broker takes to
confirm them does not count: one that was away for a minute would put off the next states by hours."""
PENDING_MAX: Final = 1_000
TOLD_PARKED_S: Final = 60.0
CATCH_UP_PAUSE_S: Final = 5.0


class Worker:
    """See the module. One event loop; ``take`` is awaited by the engine's one agent."""

    def __init__(
        self,
        seats: SeatsPort,
        broker: Broker,
        engine: Engine,
        *,
        tell: Tell,
        prefix: str = "",
        save_s: float = SAVE_S,
        ahead: int = 0,
        spans: Spans = OFF,
        now: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._seats = seats
        self._broker = broker
        self._engine = engine
        self._tell = tell
        self._prefix = prefix
        self._save_s = self._pause_s = save_s
        self._ahead = ahead
        self._spans = spans
        self._now = now
        self._wall_ms = wall_ms
        self._partitions: dict[Place, Partition] = {}
        self._assigning = asyncio.Lock()
        self._taking: list[list[asyncio.Task[None]]] = []  # The parts of each take that is still going on.
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self.counts = Counts()
        self.strangers = Strangers(tell, now)
        self.ages = Ages()
        """From the broker's acceptance of a block to its events' hand-over."""
        self.generation = -1
        """Of the partitions that are ours; -1 before there were any."""

    async def assign(self, places: Sequence[Place], generation: int) -> None:
        """These partitions are ours from now on, and no others; their states are read before anything is taken."""
        self.generation = generation
        async with self._assigning, AsyncExitStack() as turns:
            for partition in self._partitions.values():
                await turns.enter_async_context(partition.turn)
            old, self._partitions = self._partitions, {}
            readying = [partition.ready for partition in old.values() if partition.ready is not None]
            for task in readying:
                task.cancel()
            await asyncio.gather(*readying, return_exceptions=True)
            for place in places:
                before = old.pop(place, None)
                made = Partition(place, generation, self._now(), pending=before.pending if before else [])
                made.ready = asyncio.create_task(self._restore(made, before.sites if before else {}))
                self._partitions[place] = made
            for gone in old.values():
                await self._leave(gone.sites)

    async def hand_over(self) -> None:
        """Before partitions may go elsewhere: states of everything that was taken."""
        for partition in restored(self._partitions.values()):
            async with partition.turn:
                if self._is_ours(partition):
                    await self._save(partition)

    async def close(self) -> None:
        """Nothing is taken any more."""
        readying = [p.ready for p in self._partitions.values() if p.ready is not None]
        tasks = [*chain(*self._taking), *self._tasks, *readying]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_restored(self) -> bool:
        """Whether the states of all that is ours are read."""
        return all(partition.ready is not None and partition.ready.done() for partition in self._partitions.values())

    def places(self) -> tuple[Place, ...]:
        """The partitions that are ours."""
        return tuple(self._partitions)

    def sites(self) -> tuple[Site, ...]:
        """Those of our partitions."""
        return tuple(site for partition in self._partitions.values() for site in partition.sites.values())

    @property
    def is_busy(self) -> bool:
        """Whether records are being worked on: who has none waits for the engine."""
        return any(partition.turn.locked() for partition in self._partitions.values())

    def stands(self) -> dict[Place, int]:
        """The next offset that the engine should give, of each partition that it has begun."""
        return {place: partition.next for place, partition in self._partitions.items() if partition.next >= 0}

    async def _leave(self, sites: Mapping[str, Site]) -> None:
        for site in sites.values():
            if site.catching is not None:
                site.catching.cancel()
            await self._seats.drop(site.name)

    async def _restore(self, partition: Partition, before: Mapping[str, Site]) -> None:
        """The newest state of each site; what we still have in memory is kept where nothing newer was written."""
        place = Place(self._prefix + STATE.name, partition.place.partition)
        parked: dict[str, str] = {}
        async for record in self._broker.read(place, 0, None):
            try:
                name, stands, needs = peek_site_state(record.value or b"")
            except WireError as fault:
                self._tell("state_unreadable", f"{place.topic}/{place.partition} {record.offset}: {fault}")
                continue
            if name not in partition.stored or stands >= partition.stored[name][0]:
                partition.stored[name] = stands, record.value or b""
                parked[name] = needs
        for name, site in before.items():
            if site.catching is not None:
                site.catching.cancel()
            stored = partition.stored.get(name)
            if stored is not None and stored[0] <= StatePlace(site.offset, site.site_seq):
                del partition.stored[name]
                kept = Site(name, site.offset, site.site_seq, site.epoch, site.offset, site.unsaved, site.needs)
                partition.sites[name] = kept
            else:
                await self._seats.drop(name)
        for name in [name for name in partition.stored if parked[name] and self._broker.is_registered(name)]:
            (await self._site(partition, name)).needs = parked[name]

    async def take(self, records: Sequence[Record]) -> None:
        """The next records of the engine, in the order of each partition; partitions side by side.

        Returns when no more takes than ``ahead`` are still being folded: so no process that folds waits for another.
        """
        parts: dict[Place, list[Record]] = {}
        for record in records:
            parts.setdefault(record.place, []).append(record)
        partitions = [partition for place in parts if (partition := await self._ready(place)) is not None]
        begun = [asyncio.create_task(self._take_own(each, parts[each.place])) for each in partitions]
        self._taking.append(begun)
        while len(self._taking) > self._ahead:
            for part in self._taking[0]:
                await part
            del self._taking[0]

    async def _take_own(self, partition: Partition, records: list[Record]) -> None:
        """In the order in which they were begun, as long as the partition is ours."""
        async with partition.turn:
            if self._is_ours(partition):
                try:
                    await self._take_part(partition, records)
                    if self._is_ours(partition):
                        await self._tend_to(partition)
                except Exception as fault:  # Before who waits for its turn gets it.
                    self._fault = fault
                    raise

    def _is_ours(self, partition: Partition) -> bool:
        """Nothing is, once the worker has to end."""
        return self._fault is None and self._partitions.get(partition.place) is partition

    async def _ready(self, place: Place) -> Partition | None:
        """The partition when its states are read; None when it is not ours."""
        partition = self._partitions.get(place)
        if partition is None or partition.ready is None:
            return None
        await asyncio.wait([partition.ready])
        if partition.ready.cancelled():
            return None
        partition.ready.result()
        return partition

    async def _take_part(self, partition: Partition, records: list[Record]) -> None:
        if partition.next < 0:
            partition.first = partition.next = records[0].offset
        wanted: list[Record] = []
        for record in records:
            if record.offset < partition.next:
                continue
            if record.offset > partition.next:
                self._tell("engine_left_out", f"{partition.place} {partition.next} to {record.offset - 1}")
                async for left_out in self._broker.read(partition.place, partition.next, record.offset):
                    self.counts = self.counts.plus(skipped=1)
                    wanted.append(left_out)
            wanted.append(record)
            partition.next = record.offset + 1
        todo: list[tuple[Site, Record]] = []
        for record in await sift(wanted, partition, self._broker, self.strangers):
            site = await self._site(partition, record.name)
            if not site.needs and site.catching is None and record.offset >= site.offset:
                todo.append((site, record))
        await self._fold(partition, todo)

    async def _site(self, partition: Partition, name: str) -> Site:
        site = partition.sites.get(name)
        if site is None:
            site = partition.sites[name] = Site(name)
            stored = partition.stored.pop(name, None)
            fault = "" if stored is None else await self._seats.restore(name, stored[1])
            if fault:
                self._tell("state_unreadable", f"{name}: {fault}")
            elif stored is not None:
                site.offset, site.site_seq = stored[0]
                site.unseen = site.offset
            else:  # Its first blocks may be behind us: before it was registered, or by an engine shared out anew.
                site.unseen = 0
        return site

    async def _fold(self, partition: Partition, todo: list[tuple[Site, Record]], *, behind: bool = False) -> None:
        """Gives records to the seats. A parked one is given again when what it waits for is there already; one by a key
        that nobody has registered before it is passed by.

        ``behind``: they are read beside the engine, for a site that catches up.
        """
        is_sure = False
        for turn in count(1):
            if not todo:
                return
            outcomes = await self._seats.take([Given(site.name, each.offset, each.value or b"") for site, each in todo])
            again: list[tuple[Site, Record]] = []
            learnt: set[str] = set()
            for (site, record), outcome in zip(todo, outcomes, strict=True):
                is_keyless = outcome.needs.startswith(KEY) and not self._broker.known(outcome.needs, site.name)
                if is_keyless and not is_sure:
                    await self._broker.make_sure()
                    is_sure, is_keyless = True, not self._broker.known(outcome.needs, site.name)
                if outcome.kind is not Kind.PARKED:
                    await self._settle(partition, site, record, outcome, behind=behind)
                elif turn < TURNS_MAX and (
                    site.name in learnt or (not site.needs and await self._learn(site, outcome.needs))
                ):
                    learnt.add(site.name)
                    again.append((site, record))
                elif is_keyless and not site.needs and site.name not in learnt:
                    learnt.add(site.name)
                    self.strangers.note(record)
                    site.offset = record.offset + 1 if behind or site.catching is None else site.offset
                elif not site.needs:
                    site.needs, site.needs_since, site.is_told = outcome.needs, self._now(), False
                    site.offset = record.offset
                    site.unsaved = record.offset if site.unsaved < 0 else site.unsaved
            todo = again

    async def _learn(self, site: Site, needs: str) -> bool:
        """Gives the seats what the site waits for, when it is there."""
        value = self._broker.known(needs, site.name)
        if value is not None:
            await self._seats.learn(needs, site.name, value)
        return value is not None

    async def _settle(
        self, partition: Partition, site: Site, record: Record, outcome: Outcome, *, behind: bool
    ) -> None:
        """What one outcome means beside the fold."""
        is_on_the_way = site.catching is not None and not behind
        if not is_on_the_way:
            site.offset = record.offset + 1
        if outcome.kind is Kind.DEAD:
            await self._bury(partition, site, record, outcome.why)
            return
        site.epoch, site.site_seq = outcome.epoch, outcome.site_seq
        if outcome.kind is Kind.REPEAT:
            self.counts = self.counts.plus(repeats=1)
        elif outcome.kind is Kind.BATCH:
            await self._publish(partition, site, record, outcome)
        elif 0 <= site.unseen < max(partition.first, partition.passed) and site.catching is None:
            site.offset = site.unseen
            self._catch_up(partition, site)
        elif not is_on_the_way:
            await self._ask(partition, site, outcome.from_seq, state=outcome.wants_state)

    async def _publish(self, partition: Partition, site: Site, record: Record, outcome: Outcome) -> None:
        site.unseen = -1
        site.unsaved = record.offset if site.unsaved < 0 else site.unsaved
        is_different, is_open = (outcome.verdict == each.value for each in (Verdict.DIFFERENT, Verdict.NOT_COMPARABLE))
        self.counts = self.counts.plus(blocks=1, inputs=outcome.inputs, events=outcome.events)
        self.counts = self.counts.plus(different=int(is_different), not_comparable=int(is_open))
        if is_different:
            self._tell("block_differs", f"{site.name} {outcome.id}: {outcome.why}")
        if outcome.record:
            headers = cloud.headers(cloud.BATCH, site=site.name, id=outcome.id, at_ms=record.at_ms)
            await self._send(partition, EVENTS.name, site.name, outcome.record, headers)
            tell_compared(self._spans, record, outcome, self._wall_ms())
        self.ages.add((self._wall_ms() - record.at_ms) / 1000)
        if outcome.from_seq:
            await self._ask(partition, site, outcome.from_seq, state=True)
        elif outcome.verdict == Verdict.EQUAL.value:
            site.ask_pause = ASK_S

    async def _bury(self, partition: Partition, site: Site, record: Record, why: str) -> None:
        self.counts = self.counts.plus(dead=1)
        name = f"{record.place.topic}/{record.place.partition}/{record.offset}"
        self._tell("dead_letter", f"{name} {site.name}: {why}")
        letter, headers = letter_of(record, site.name, name, why, self._wall_ms())
        await self._send(partition, DEADLETTER.name, site.name, letter, headers)

    async def _ask(self, partition: Partition, site: Site, from_seq: int, *, state: bool) -> None:
        """Asks the site to send again, at ever longer intervals as long as nothing fits."""
        now = self._now()
        if now - site.asked_at < site.ask_pause:
            return
        self.counts = self.counts.plus(asked=1)
        site.asked_at, site.ask_pause = now, min(2 * site.ask_pause, ASK_S_MAX)
        self._tell("site_asked_to_resend", f"{site.name} from {from_seq}, {'with' if state else 'without'} its state")
        order, headers = order_of(site.name, site.epoch, from_seq, self._wall_ms(), state=state)
        await self._send(partition, COMMANDS.name, site.name, order, headers)

    async def _send(self, partition: Partition, topic: str, site: str, value: bytes, headers: Headers) -> None:
        if len(partition.pending) >= PENDING_MAX:
            await partition.confirmed()
        place = Place(self._prefix + topic, partition.place.partition)
        partition.pending.append(await self._broker.hand_over(place, site.encode(), value, headers))

    def _catch_up(self, partition: Partition, site: Site) -> None:
        task = asyncio.create_task(self._read_on(partition, site), name=f"catch up {site.name}")
        site.catching = task
        self._tasks.add(task)
        task.add_done_callback(self._caught_up)

    def _caught_up(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fault = task.exception()

    async def _read_on(self, partition: Partition, site: Site) -> None:
        """One site from its offset to where the partition stands, beside all others."""
        at = site.offset
        while True:
            end = None if partition.next < 0 else partition.next
            try:
                async for record in self._broker.read(partition.place, at, end):
                    at = record.offset + 1
                    if record.name != site.name or record.offset < site.offset:
                        continue
                    async with partition.turn:
                        if not self._is_ours(partition):
                            return
                        mine = await sift([record], partition, self._broker, self.strangers)
                        await self._fold(partition, [(site, each) for each in mine], behind=True)
                        if site.needs:
                            site.catching = None
                            return
            except AmpwardError as fault:
                self._tell("catching_up_failed", f"{site.name}: {fault}")
                await asyncio.sleep(CATCH_UP_PAUSE_S)
                continue
            at = max(at, end or 0)
            async with partition.turn:
                if end is None or end >= partition.next:
                    site.offset, site.catching, site.unseen = max(site.offset, at), None, -1
                    return

    async def tend(self) -> None:
        """States that are due, parked sites; wants to be called a few times a second."""
        if self._fault is not None:
            raise self._fault
        for partition in restored(self._partitions.values()):
            async with partition.turn:
                if self._is_ours(partition):
                    await self._tend_to(partition)

    async def _tend_to(self, partition: Partition) -> None:
        now = self._now()
        for site in [site for site in partition.sites.values() if site.needs]:
            await self._look_at_parked(partition, site, now)
        if now - partition.saved_at >= self._pause_s:
            await self._save(partition)

    async def _look_at_parked(self, partition: Partition, site: Site, now: float) -> None:
        if await self._learn(site, site.needs) or site.needs.startswith(KEY):
            if site.is_told:
                self._tell("site_goes_on", f"{site.name}: {site.needs} is there")
            site.needs = ""
            self._catch_up(partition, site)
        elif self._broker.is_ended(site.name) and now - site.needs_since >= TOLD_PARKED_S:
            site.needs, site.unsaved = "", site.offset if site.unsaved < 0 else site.unsaved
        elif not site.is_told and now - site.needs_since >= TOLD_PARKED_S:
            site.is_told = True
            self._tell("site_parked", f"{site.name} waits for {site.needs}")

    async def _save(self, partition: Partition) -> None:
        """Events confirmed, then states confirmed, then input acknowledged up to where everything is covered."""
        began = self._now()
        due = [site for site in partition.sites.values() if site.unsaved >= 0]
        wanted = [(site.name, site.offset, site.needs) for site in due]
        states = await self._seats.states(wanted, partition.generation) if wanted else []
        worked_s = self._now() - began
        await partition.confirmed()
        at_ms = self._wall_ms()
        for site, state in zip(due, states, strict=True):
            name = f"{site.name}/{site.offset}/{site.site_seq}"
            headers = cloud.headers(cloud.STATE, site=site.name, id=name, at_ms=at_ms)
            await self._send(partition, STATE.name, site.name, state, headers)
        await partition.confirmed()
        for site in due:
            site.unsaved = -1
        partition.saved_at = self._now()
        self._pause_s = max(self._save_s, SAVE_SHARE * worked_s * len(self._partitions))
        if partition.next >= 0:
            self._engine.acknowledge(partition.place, partition.next)
