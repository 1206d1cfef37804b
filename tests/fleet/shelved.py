"""The fleet's history under test: sites that lived for an hour and a half, their blocks, and what each answers."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC
from itertools import count
from pathlib import Path
from typing import Any

from services.gateway.past import Journal, JournalAnswer, JournalQuestion, PastViews
from services.history.centre.asking import Asking
from services.history.centre.desk import Desk
from services.history.centre.schema import MIGRATIONS
from services.history.centre.writing import partitions_of
from services.history.readings import Wanted
from services.site.fleet_past import FleetPast
from services.site.past import SitePast
from shared.log.chain import link
from shared.log.kafka.records import Place, Record
from shared.log.steps import Step, no_step
from shared.log.store import open_reader
from shared.runtime.postgres import Pool, migrate
from shared.wire.blocks import Block, BlockLink, encode_block
from shared.wire.events import decode_event, encode_event
from shared.wire.rows import EventBytes
from shared.wire.signing import PublicKey
from tests.fleet.centre import KEY
from tests.services.history.life import JAR, MINUTE_MS, POINT, Life, an_hour_and_a_half, grow
from tests.services.processor.recorded import blocks_of, bodies
from tests.services.processor.site import on_disk

DAY_MS = 86_400_000
INPUTS = Place("inputs", 0)
WEEK = Wanted(7)


@dataclass
class Lived:
    """A site's folder with its log over midnight and its own history, and the blocks of the log."""

    folder: Path
    life: Life
    begin_ms: int
    blocks: list[Block]
    rules: dict[str, bytes]

    @property
    def end_ms(self) -> int:
        return self.begin_ms + 4 * 3_600_000

    def named(self, site: str) -> list[Block]:
        """The same blocks as another site's."""
        return renamed(self.blocks, site)


def renamed(blocks: Sequence[Block], site: str) -> list[Block]:
    """Blocks that follow each other, and their events, as another site's; chained anew."""
    return [*_renamed(blocks, site)]


def _renamed(blocks: Sequence[Block], site: str) -> Iterator[Block]:
    head = blocks[0].prev_hash
    for block in blocks:
        told = [(event, decode_event(event.data)._replace(site=site)) for event in block.events]
        events = tuple(EventBytes(old.site_seq, old.ordinal, encode_event(new)) for old, new in told)
        links: list[BlockLink] = []
        before, begun = head, 0
        for last_seq, _ in block.links:
            inputs = [row for row in block.inputs if begun < row.site_seq <= last_seq]
            made = [event for event in events if begun < event.site_seq <= last_seq]
            links.append(BlockLink(last_seq, link(links[-1].hash if links else before, inputs, made).hash))
            begun = last_seq
        head = links[-1].hash
        yield replace(block, site=site, prev_hash=before, links=tuple(links), events=events)


def live(folder: Path, story: Callable[[Life], None] = an_hour_and_a_half) -> Lived:
    """Today's midnight is in the midst of it: what is older than a year would not be a site's time at the centre."""
    begin_ms = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS - 40 * MINUTE_MS
    life = Life(on_disk(folder))
    life.site.clock.wall = begin_ms
    life.site.open()
    story(life)
    life.site.kill()
    grow(folder)
    log = open_reader(folder)
    try:
        return Lived(folder, life, begin_ms, renamed(blocks_of(log, site="north"), "north"), bodies(log))
    finally:
        log.close()


@dataclass
class Knowing:
    """Rule sets and keys that are there."""

    rules: dict[str, bytes]
    ends_at_ms: int = 1 << 62
    """Of the key."""
    made_sure: int = 0

    def body(self, version: str) -> bytes | None:
        return self.rules.get(version)

    def key(self, site: str, key_id: str, at_ms: int) -> PublicKey | None:
        return KEY.public if key_id == KEY.id and self.is_registered(site) and at_ms < self.ends_at_ms else None

    async def make_sure(self) -> None:
        self.made_sure += 1

    def is_registered(self, site: str) -> bool:
        return not site.startswith("stranger")


def records_of(blocks: Sequence[Block], *, first: int = 0, place: Place = INPUTS) -> list[Record]:
    """As Kafka hands them out, taken by the broker as they came."""
    numbers = count(first)
    return [
        Record(place, next(numbers), block.site.encode(), encode_block(block, KEY), (), time.time_ns() // 1_000_000)
        for block in blocks
    ]


class Crashed(Exception):
    """The program has ended at a labelled step."""


def crash_at(label: str) -> Step:
    def step(at: str) -> None:
        if at == label:
            raise Crashed(label)

    return step


@dataclass
class Database:
    """A database with the history's schema, and desks that write into it."""

    pool: Pool
    known: Knowing
    told: list[tuple[str, str]] = field(default_factory=list)
    buried: list[tuple[Record, str]] = field(default_factory=list)

    async def bury(self, record: Record, why: str) -> None:
        self.buried.append((record, why))

    wanted: Wanted = WEEK

    async def desk(self, *, step: Step = no_step, places: Sequence[Place] = (INPUTS,)) -> tuple[Desk, dict[Place, int]]:
        """A replica that has just been given the partitions."""
        made = Desk(
            self.pool, partitions_of(self.pool), self.known, bury=self.bury,
            tell=lambda event, words: self.told.append((event, words)), step=step, wanted=self.wanted, wait_s=0.2,
        )  # fmt: skip
        return made, dict(await made.start_at(frozenset(places)))

    async def put(self, records: Sequence[Record], *, each: int = 40, step: Step = no_step) -> None:
        """All of them by one replica, flushed now and then, days turned round."""
        desk, starts = await self.desk(step=step, places=tuple({record.place for record in records}) or (INPUTS,))
        for number, record in enumerate(record for record in records if record.offset >= starts[record.place]):
            await desk.take(record)
            if number % each == each - 1:
                await desk.flush()
                while await desk.turn_one():
                    pass
        await desk.flush()
        while await desk.turn_one():
            pass

    def past(self) -> FleetPast:
        async def pool() -> Pool:
            return self.pool

        return FleetPast(Asking(pool))


async def made_database(pool: Pool, known: Knowing) -> Database:
    await migrate(pool, MIGRATIONS)
    return Database(pool, known)


@asynccontextmanager
async def own_past(lived: Lived) -> AsyncIterator[PastViews]:
    """What the site itself answers."""
    past = SitePast(lived.folder, lambda: UTC, tuple)
    try:
        yield past
    finally:
        past.close()


async def told_of(past: PastViews, lived: Lived) -> dict[str, Any]:
    """Every answer about the time that was lived; places of the journal are each history's own."""
    span = (lived.begin_ms, lived.end_ms)
    told: dict[str, Any] = {
        f"{point} {step}": await past.trend(point, *span, step)
        for point in (POINT, JAR)
        for step in ("raw", "minute", "hour")
    }
    for which in Journal:
        answer = await past.journal(JournalQuestion(which, *span))
        assert isinstance(answer, JournalAnswer)
        told[which.value] = [replace(item, place=0) for item in answer.items]
    told["discharges"] = await past.discharges(*span, "")
    told["kpis"] = await past.kpis(*span, 1)
    return told


class Replica:
    """A history's process."""

    def __init__(self, words: Sequence[str], log: Path, crash_at: str = "") -> None:
        env = {**os.environ, **({"AMPWARD_CRASH_AT": crash_at} if crash_at else {})}
        self._log = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet.history_process", *words], env=env, stdout=self._log, stderr=self._log
        )

    async def ended(self) -> int:
        """Waits for its end; the exit code."""
        return await asyncio.to_thread(self.process.wait, 120)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        self._log.close()


@contextmanager
def replicas_end(replicas: list[Replica]) -> Iterator[list[Replica]]:
    try:
        yield replicas
    finally:
        for replica in replicas:
            replica.kill()
