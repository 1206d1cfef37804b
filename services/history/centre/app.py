"""The fleet's history as a service: `ampward service history --config FILE`, as many replicas as one likes.

    ampward.inputs.v1, ampward.deliveries.v1 --group--> desk: fold of each site --one transaction--> rows and places

Promises: the order of work is rows and places in PostgreSQL, then Kafka's own commit. A replica that was killed loses
its partitions after ten seconds, one that is stopped hands them over at once, one that sleeps and comes back writes
nothing.
Refuses: a database of a newer program, drifted topics. Limits: ROWS of a flush; events wait EVENT_S, minutes QUIET_S.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from services.history.centre.desk import Desk
from services.history.centre.keeping import Kept, tidy
from services.history.centre.schema import MIGRATIONS
from services.history.centre.telling import NAME, Telling
from services.history.centre.writing import LABELS, Fenced, partitions_of
from services.history.readings import Wanted
from shared.bus.registry import DEADLETTER, DELIVERIES, INPUTS, RULESETS, SITES, Shape
from shared.log.kafka.access import Access
from shared.log.kafka.burying import Burying
from shared.log.kafka.group import GroupReader, Taken
from shared.log.kafka.known import Known
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place, Record, Tell
from shared.log.kafka.signs import signing
from shared.log.steps import Step, no_step
from shared.runtime.clocks import Clock, SystemClock
from shared.runtime.crashpoints import crash_step
from shared.runtime.ending import ended
from shared.runtime.fleet_file import FleetPlan
from shared.runtime.fleet_service import run_service
from shared.runtime.fleet_start import begun
from shared.runtime.postgres import STATEMENT_S, TROUBLE, Pool
from shared.runtime.probes import serving_probes

GROUP: Final = "ampward-history"
TOPICS: Final = (INPUTS, DELIVERIES, RULESETS, SITES, DEADLETTER)
READ: Final = (INPUTS, DELIVERIES)
RECORDS: Final = 32
"""Blocks at once: 8 MiB of ordinary ones."""
ROWS: Final = 5_000
QUIET_S: Final = 10.0
EVENT_S: Final = 1.0
LOOK_S: Final = 0.25
AGAIN_S: Final = 0.5
TIDY_S: Final = 3600.0
SOON_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """What a replica is started with."""

    access: Access
    shape: Shape
    postgres_url: str
    prefix: str = ""
    """Of the topics' names and the group."""
    kept: Kept = field(default_factory=Kept)
    step: Step = no_step
    health: str = ""
    """Where probes and metrics are answered, "" for nowhere."""
    quiet_s: float = QUIET_S
    event_s: float = EVENT_S
    tidy_s: float = TIDY_S
    statement_s: float = STATEMENT_S
    clock: Clock = field(default_factory=SystemClock)


async def serve(plan: HistoryPlan, stop: asyncio.Event, tell: Tell) -> None:
    """Runs until ``stop``. Raises what keeps it from starting: DatabaseAway, SchemaNewer, TopicsDrifted,
    KafkaUnavailable."""
    telling = Telling(tell)
    async with (
        serving_probes(plan.health, telling.probes(), tell),
        begun(plan, NAME, TOPICS, MIGRATIONS, telling.tell) as (pool, name),
    ):
        await _serve(plan, stop, telling, pool, name)


async def _serve(plan: HistoryPlan, stop: asyncio.Event, telling: Telling, pool: Pool, name: str) -> None:
    tell = telling.tell
    known = Known(plan.access, NAME, partitions=plan.shape.partitions, tell=tell, prefix=plan.prefix)
    await known.begin()
    async with Producer(plan.access, NAME, tell=tell) as producer:
        burying = Burying(producer, NAME, plan.prefix)
        tasks = [
            asyncio.create_task(known.follow(), name="known"),
            asyncio.create_task(_tidy(plan, pool, telling), name="tidy"),
            asyncio.create_task(_read(plan, pool, known, telling, name, burying), name="read"),
            asyncio.create_task(stop.wait(), name="stop"),
        ]
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if telling.is_away:  # What hangs there would outlast the time that we have to end.
            pool.terminate()
        await ended(waiting, pool.terminate)
    await known.close()
    for task in done:
        task.result()


async def _read(plan: HistoryPlan, pool: Pool, known: Known, telling: Telling, name: str, burying: Burying) -> None:
    """Until cancelled; a replica that was fenced begins anew."""
    tell = telling.tell
    topics = tuple(plan.prefix + topic.name for topic in READ)

    async def bury(record: Record, why: str) -> None:
        await burying.bury(record, why, plan.clock.wall_ms())

    while True:
        wanted = Wanted(plan.kept.readings)
        desk = Desk(pool, partitions_of(pool), known, bury=bury, tell=tell, step=plan.step, wanted=wanted)

        async def start_at(places: frozenset[Place], desk: Desk = desk) -> Mapping[Place, int]:
            with telling.asking():
                return await desk.start_at(places)

        async with GroupReader(plan.access, plan.prefix + GROUP, topics, name, start_at=start_at, tell=tell) as reader:
            telling.reader = reader
            keeping = _Keeping(plan, desk, reader, telling)
            try:
                await keeping.run()
            except Fenced as fault:
                tell("fenced", str(fault))
            finally:
                await keeping.end()


class _Keeping:
    """Takes, flushes and confirms."""

    def __init__(self, plan: HistoryPlan, desk: Desk, reader: GroupReader, telling: Telling) -> None:
        self._plan = plan
        self._desk = desk
        self._reader = reader
        self._telling = telling
        self._taken = Taken(0, ())
        """Of this generation: the last record of each partition that is in hand."""
        self._taking: asyncio.Task[Taken] | None = None
        """Goes on over the looks in between, which only see whether a flush is due."""
        self._flushed_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Until cancelled. Raises Fenced."""
        while True:
            await self._take()
            if self._is_due():
                await self._flush()
            await self._turn()
            self._note()

    def _note(self) -> None:
        """For probes and metrics."""
        telling, desk = self._telling, self._desk
        telling.beat.beat()
        telling.is_begun = telling.is_begun or desk.is_begun
        telling.blocks, telling.left_out, telling.sites = desk.blocks, desk.unreadable, desk.sites
        telling.not_registered = desk.strangers.number
        telling.taken_ms = max(telling.taken_ms, desk.taken_ms)

    async def end(self) -> None:
        """What is in hand, when the database takes it: less comes again elsewhere."""
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.wait([self._taking])
        with suppress(Fenced, *TROUBLE):
            async with asyncio.timeout(AGAIN_S * 10), self._desk.lock:
                if self._reader.is_current(self._taken):
                    await self._desk.flush()
                    await self._reader.confirm(self._taken)

    async def _take(self) -> None:
        if self._taking is None:
            self._taking = asyncio.create_task(self._reader.take(RECORDS), name="take")
        await asyncio.wait([self._taking], timeout=LOOK_S)
        if not self._taking.done():
            return
        taken, self._taking = self._taking.result(), None
        if taken.generation != self._taken.generation:
            self._taken = Taken(taken.generation, ())
        self._desk.have_more()
        for record in taken.records:
            async with self._desk.lock:
                if not self._reader.is_current(taken):
                    return
                await self._with_database(record, taken)
            await asyncio.sleep(0)
        last: dict[Any, Record] = {record.place: record for record in (*self._taken.records, *taken.records)}
        self._taken = Taken(taken.generation, tuple(last.values()))
        self._plan.step("taken")

    async def _with_database(self, record: Record, taken: Taken) -> None:
        """A site that is new to us is looked up: as long as that takes, and the record is ours."""
        while self._reader.is_current(taken):
            with suppress(*TROUBLE), self._asking():
                await self._desk.take(record)
                return
            await asyncio.sleep(AGAIN_S)

    def _is_due(self) -> bool:
        desk = self._desk
        waited = asyncio.get_running_loop().time() - self._flushed_at
        if not desk.owes:
            return False
        is_much = desk.weight >= ROWS or desk.is_full
        return is_much or waited >= self._plan.quiet_s or (desk.has_events and waited >= self._plan.event_s)

    async def _flush(self) -> None:
        """Again and again while the database is away: nothing more is taken meanwhile."""
        while self._reader.is_current(self._taken):
            async with self._desk.lock:
                try:
                    with self._asking():
                        if self._reader.is_current(self._taken):
                            await self._desk.flush()
                    break
                except TROUBLE as fault:
                    await self._desk.let_go(fault)
            await asyncio.sleep(AGAIN_S)
        self._flushed_at = asyncio.get_running_loop().time()
        if await self._reader.confirm(self._taken):
            self._taken = Taken(self._taken.generation, ())
            self._plan.step("confirmed")

    async def _turn(self) -> None:
        async with self._desk.lock:
            if self._desk.owes or not self._reader.owned:
                return
            with suppress(*TROUBLE), self._asking():
                await self._desk.turn_one()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with self._telling.asking():
                yield
        except TROUBLE:
            self._desk.partitions.forget()
            raise


async def _tidy(plan: HistoryPlan, pool: Pool, telling: Telling) -> None:
    """Old months go, new ones are made before they begin; until cancelled."""
    partitions = partitions_of(pool)
    while True:
        await asyncio.sleep(plan.tidy_s if telling.taken_ms else min(plan.tidy_s, SOON_S))
        try:
            wall_ms = plan.clock.wall_ms()
            gone = await tidy(pool, partitions, plan.kept, wall_ms=wall_ms, taken_ms=telling.taken_ms)
            if gone:
                telling.tell("partitions_dropped", ", ".join(gone))
        except TROUBLE as fault:
            telling.tell("not_tidied", f"{type(fault).__name__}: {fault}")


def main(plan: FleetPlan) -> int:
    """`ampward service history`: until INT or TERM. 0 for a clean end, 3 when it cannot start."""

    async def work(stop: asyncio.Event, tell: Tell) -> None:
        made = HistoryPlan(
            plan.access(),
            plan.shape,
            plan.postgres_url(),
            plan.prefix,
            Kept(plan.history.readings_days, plan.history.minutes_days, plan.history.years_days),
            crash_step(os.environ, LABELS),
            plan.health,
        )
        async with signing(made.access, NAME, SystemClock().wall_ms, prefix=plan.prefix):
            await serve(made, stop, tell)

    return run_service(NAME, work)
