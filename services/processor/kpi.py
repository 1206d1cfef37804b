"""Alarm figures of every site by windows of ten minutes, as a second small Faust app: `ampward service kpi`.

    ampward.events.v1 -> figures (services.processor.figures) -> ampward.kpis.v1 confirmed -> acknowledged by hand

No alarm hangs on it: a fault of this process costs figures and nothing else. No Table here either (one skips records
after a kill): what a window came to so far is its own newest record, so a worker that takes a partition over reads the
records of the last windows and goes on from there.
Promises: without a fault of the broker every batch is counted once; what comes again (a kill, a rebalance) is known by
its offset and the site's numbers. Limits: figures of sites that told nothing for two windows begin anew.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from services.processor.app import (
    ENDED,
    Acks,
    Driven,
    ProcessorPlan,
    check_topics,
    drive,
    watch,
)
from services.processor.figures import ALARM, CRITICAL, WARNING, WINDOW_MS, Figures
from services.processor.telling import Telling
from shared.bus.registry import EVENTS, KPIS
from shared.domain.errors import WireError
from shared.log.kafka.producer import Producer
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Place, Record, Tell, hush
from shared.log.kafka.signs import signing
from shared.log.kafka.stretch import read_stretch
from shared.runtime import metrics
from shared.runtime.clocks import SystemClock
from shared.runtime.fleet_file import FleetPlan
from shared.runtime.fleet_service import run_service
from shared.runtime.metrics import Sample
from shared.runtime.probes import Probes, serving_probes
from shared.wire import cloud
from shared.wire.batches import decode_batch
from shared.wire.kpis import Kpi, decode_kpi, encode_kpi

SERVICE: Final = "kpi"
GROUP: Final = "ampward-kpi"
TOPICS: Final = (EVENTS, KPIS)
WINDOWS_READ: Final = 2


class Counting:
    """services.processor.app.Work: counts, sends, acknowledges."""

    def __init__(self, plan: ProcessorPlan, producer: Producer, acks: Acks, tell: Tell, window_ms: int) -> None:
        self._plan = plan
        self._producer = producer
        self._acks = acks
        self._tell = tell
        self._window_ms = window_ms
        self._wall_ms = SystemClock().wall_ms
        self._figures: dict[Place, Figures] = {}
        self._next: dict[Place, int] = {}
        self.is_busy = False
        self.is_assigned = False

    def present(self) -> list[Kpi]:
        """The open window of each site that is ours."""
        now_ms = self._wall_ms()
        return [kpi for figures in self._figures.values() for kpi in figures.present(now_ms)]

    def stands(self) -> dict[Place, int]:
        return dict(self._next)

    async def assign(self, places: Sequence[Place], generation: int) -> None:  # noqa: ARG002 - the engine's word
        """These partitions are ours; each goes on from the newest record of its sites, ours or another worker's."""
        self._figures = {place: self._figures.get(place) or Figures(self._window_ms) for place in places}
        self._next = {place: offset for place, offset in self._next.items() if place in self._figures}
        kept = {Place(self._plan.prefix + KPIS.name, place.partition): self._figures[place] for place in places}
        since_ms = self._wall_ms() - WINDOWS_READ * self._window_ms
        async with Reader(self._plan.access, dict.fromkeys(kept, 0), "kpi-since", tell=self._tell) as reader:
            begins = await reader.taken_since(kept, since_ms) if kept else {}
            ends = await reader.ends(kept) if kept else {}
        for place, figures in kept.items():
            if begins[place] < ends[place]:
                await self._restore(place, begins[place], figures)
        self.is_assigned = True

    async def _restore(self, place: Place, first: int, figures: Figures) -> None:
        async for record in read_stretch(self._plan.access, place, first=first, name="kpi-before", tell=self._tell):
            try:
                figures.restore(decode_kpi(record.value or b""))
            except WireError as fault:
                self._tell("record_unreadable", f"{place.topic}/{place.partition} {record.offset}: {fault}")

    async def hand_over(self) -> None:
        """Everything that was taken is in a confirmed record already."""

    async def take(self, records: Sequence[Record]) -> None:
        """Records of the engine: counted, their windows' records confirmed, then acknowledged."""
        self.is_busy = True
        try:
            await self._take(records)
        finally:
            self.is_busy = False

    async def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            figures = self._figures.get(record.place)
            if figures is None:
                continue
            self._next[record.place] = record.offset + 1
            try:
                figures.count(decode_batch(record.value or b""), record.offset, record.at_ms)
            except WireError as fault:
                self._tell(
                    "record_unreadable", f"{record.place.topic}/{record.place.partition} {record.offset}: {fault}"
                )
        waiting = []
        for place, figures in self._figures.items():
            for kpi in figures.take_due():
                name = f"{kpi.site}/{kpi.begin_ms}/{kpi.offset}"
                headers = cloud.headers(cloud.KPI, site=kpi.site, id=name, at_ms=kpi.begin_ms)
                to = Place(self._plan.prefix + KPIS.name, place.partition)
                waiting.append(await self._producer.hand_over(to, kpi.site.encode(), encode_kpi(kpi), headers))
        await asyncio.gather(*waiting)
        for place, offset in self._next.items():
            self._acks.acknowledge(place, offset)


def samples_of(kpi: Kpi) -> Iterator[Sample]:
    """A window's announced alarms by severity, for operators' dashboards."""
    for severity, count in ((WARNING, kpi.warnings), (ALARM, kpi.alarms), (CRITICAL, kpi.criticals)):
        yield Sample(metrics.WINDOW_ALARMS, count, (kpi.site, severity))


class _Telling(Telling):
    """Of this service: whether it has partitions, and that its engine goes on."""

    counting: Counting | None = None

    def probes(self) -> Probes:
        return Probes(SERVICE, self.ready, self.alive, self.samples)

    def samples(self) -> Iterator[Sample]:
        yield from self.tally.samples()
        for kpi in self.counting.present() if self.counting is not None else ():
            yield from samples_of(kpi)

    def ready(self) -> Mapping[str, str]:
        is_begun = self.counting is not None and self.counting.is_assigned
        return {
            "kafka": "no broker answers" if self.standing.is_away else "",
            "partitions": "" if is_begun else "it waits for Kafka, and for its first partitions",
        }


async def serve(plan: ProcessorPlan, stop: asyncio.Event, tell: Tell, window_ms: int = WINDOW_MS) -> None:
    """Runs until ``stop``. Raises TopicsDrifted at the start; ends the process on later trouble."""
    hush()
    telling = _Telling(tell)
    async with serving_probes(plan.health, telling.probes(), tell):
        told = telling.tally.tell
        if not await check_topics(plan, TOPICS, stop, told):
            return

        def end(fault: BaseException) -> None:
            told("kpi_ends", f"{type(fault).__name__}: {fault}")
            os._exit(ENDED)

        acks, producer = Acks(), Producer(plan.access, SERVICE, tell=told)
        counting = telling.counting = Counting(plan, producer, acks, told, window_ms)
        beside = (watch(counting, EVENTS, plan, end, telling),)
        await drive(plan, Driven(GROUP, EVENTS, counting, acks), beside, stop, end)
        await producer.close()


def main(plan: FleetPlan) -> int:
    """`ampward service kpi`: until INT or TERM. 0 for a clean end, 3 when it cannot start."""

    async def work(stop: asyncio.Event, tell: Tell) -> None:
        made = ProcessorPlan(plan.access(), plan.shape, plan.prefix, health=plan.health)
        async with signing(made.access, SERVICE, SystemClock().wall_ms, prefix=plan.prefix):
            await serve(made, stop, tell)

    return run_service(SERVICE, work)
