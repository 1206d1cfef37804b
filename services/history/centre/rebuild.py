"""The fleet's history grown anew from Kafka, beside the one in use, which answers until the new one is complete.

    schema history_new (grows: blocks and deliveries from the oldest that Kafka has) --complete--> history, in one step

Replicas may run meanwhile: after the exchange they find their places elsewhere, and read on from those of the new one.
Ended in the middle, by whatever, the next run goes on where it stood. Nothing is sent, and no dead letter written
again. What Kafka has no longer is taken over from the history in use, before anything is read (earlier.py beside this).

Promises: the answers are those of before, as far as these were sound; places of the journal are new ones.
Raises Busy, DatabaseAway, SchemaNewer. Limits: a discharge that went on at a site's first block is not ended.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from services.history.centre.desk import Desk
from services.history.centre.earlier import LONG_S, First, take_over
from services.history.centre.keeping import DAY_MS, Kept
from services.history.centre.schema import MIGRATIONS, SCHEMA
from services.history.centre.times import moment_at
from services.history.centre.writing import partitions_of
from services.history.readings import Wanted
from services.history.rolls import MINUTE_MS
from shared.bus.registry import DELIVERIES, INPUTS, Shape
from shared.devices.frame import Frame
from shared.domain.errors import Busy, WireError
from shared.log.kafka.access import Access
from shared.log.kafka.known import Known
from shared.log.kafka.reader import BEGINNING, Reader
from shared.log.kafka.records import Place, Record, Tell, silent
from shared.log.steps import no_step
from shared.runtime.clocks import SystemClock
from shared.runtime.postgres import TROUBLE, DatabaseAway, Migrations, Pool, close, connect, migrate, sure_ms
from shared.wire.blocks import decode_block, peek_block
from shared.wire.inputs import decode_input

FRESH: Final = "history_new"
OLD: Final = "history_old"
NAME: Final = "history-rebuild"
ROWS: Final = 5_000
RECORDS: Final = 64
LOOK_S: Final = 0.5
IDLE_S: Final = 60.0
"""Nobody waits for what its transactions hold, and a machine that is busy may let it wait."""
_LOCK: Final = 0x616D71
"""Advisory lock: one rebuild at a time."""

Progress = Callable[[int, int], None]


class Rebuilt(NamedTuple):
    """What was grown."""

    records: int
    """Read by this run."""
    kept: int
    """Sites of which something was taken over; 0 when this run went on with an earlier one."""


@dataclass(frozen=True, slots=True)
class RebuildPlan:
    """Where from, and where to."""

    access: Access
    shape: Shape
    postgres_url: str
    prefix: str = ""
    tell: Tell = silent
    rows: int = ROWS
    """Of a transaction."""
    readings_days: int = Kept().readings
    """So far back single readings are stored."""

    def places(self, topic: str) -> list[Place]:
        return [Place(self.prefix + topic, number) for number in range(self.shape.partitions)]


async def rebuild(plan: RebuildPlan, progress: Progress = lambda _done, _all: None) -> Rebuilt:
    """Grow it, and put it in the old one's place."""
    pool = await connect(plan.postgres_url, "rebuild", schema=FRESH, idle_s=IDLE_S)
    known = Known(plan.access, NAME, partitions=plan.shape.partitions, tell=plan.tell, prefix=plan.prefix)
    try:
        async with _alone(pool), _followed(known):
            await pool.execute(f"DROP SCHEMA IF EXISTS {OLD} CASCADE", timeout=LONG_S)
            kept = 0 if await _is_begun(pool) else await _begin(plan, pool, known)
            records = await _grow(plan, pool, known, progress)
            await _exchange(pool)
            return Rebuilt(records, kept)
    except TROUBLE as fault:
        raise DatabaseAway(f"PostgreSQL: {type(fault).__name__}: {fault}; run it again, it goes on") from fault
    finally:
        await known.close()
        await close(pool)


@asynccontextmanager
async def _alone(pool: Pool) -> AsyncIterator[None]:
    async with pool.acquire() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            raise Busy("the fleet's history is being rebuilt by another process")
        yield


@asynccontextmanager
async def _followed(known: Known) -> AsyncIterator[None]:
    """Keys and rule sets, those that come meanwhile too."""
    await known.begin()
    following = asyncio.create_task(known.follow(), name="known")
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait([following])


async def _is_begun(pool: Pool) -> bool:
    """An earlier run came so far that it read: what was to be taken over stands there."""
    if await pool.fetchval("SELECT to_regclass($1)", f"{FRESH}.place") is None:
        return False
    return bool(await pool.fetchval(f"SELECT EXISTS (SELECT FROM {FRESH}.place)"))


async def _begin(plan: RebuildPlan, pool: Pool, known: Known) -> int:
    await pool.execute(f"DROP SCHEMA IF EXISTS {FRESH} CASCADE", timeout=LONG_S)
    await migrate(pool, Migrations(FRESH, MIGRATIONS.steps))
    if await pool.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.place") is None:
        return 0
    rows = await pool.fetch(f"SELECT topic, partition, next FROM {SCHEMA}.place")
    stored = {Place(topic, partition): following for topic, partition, following in rows}
    firsts: dict[str, First] = {}
    for place in plan.places(INPUTS.name):
        sites = await pool.fetch(f"SELECT site FROM {SCHEMA}.site WHERE partition = $1", place.partition)
        if sites:
            firsts |= await _firsts(plan, known, place, {site for (site,) in sites}, stored.get(place, 0))
    told_ms = {}
    for place in plan.places(DELIVERIES.name):
        async with (
            Reader(plan.access, {place: BEGINNING}, NAME, tell=plan.tell) as reader,
            aclosing(_records(reader, await reader.ends([place]))) as records,
        ):
            async for record in records:
                told_ms[place.partition] = record.at_ms if record.offset else 0
                break
    return await take_over(pool, partitions_of(pool, FRESH), firsts, told_ms)


async def _firsts(plan: RebuildPlan, known: Known, place: Place, sites: set[str], stored: int) -> dict[str, First]:
    """What is there first of each of these sites, which are all that are known in this partition."""
    found: dict[str, First] = {}
    async with Reader(plan.access, {place: BEGINNING}, NAME, tell=plan.tell) as reader:
        ends = await reader.ends([place])
        async with aclosing(_records(reader, ends)) as records:
            async for record in records:
                if record.offset == 0 and stored <= ends[place]:
                    return {site: First(is_whole=True) for site in sites}
                name = record.name
                first = found.get(name)
                if name in sites and (first is None or not first.minute):
                    with suppress(WireError):
                        found[name] = _first(record, known, first)
                if all(site in found and found[site].minute for site in sites):
                    break
    return found


def _first(record: Record, known: Known, before: First | None) -> First:
    """With this block; raises WireError."""
    data = record.value or b""
    head = peek_block(data)
    key = known.key(head.site, head.key_id, record.at_ms)
    if key is None:
        raise WireError(f"{head.site} has no key {head.key_id}")
    block = decode_block(data, key)
    found = before or First(log_id=block.log_id, seq=block.first_seq)
    for row in block.inputs:
        body = decode_input(row.data).body if row.kind == "frame" else None
        if isinstance(body, Frame):
            found.minute = moment_at(record.at_ms)(body.sampled_at_ms) // MINUTE_MS
            break
    return found


async def _records(reader: Reader, ends: Mapping[Place, int]) -> AsyncGenerator[Record, None]:
    """Everything before these ends, in the order of each place."""
    waiting = {place for place, end in ends.items() if end}
    while waiting := {place for place in waiting if await reader.passed(place) < ends[place]}:
        taken: Sequence[Record] = ()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                taken = await reader.take(RECORDS)
        for record in taken:
            if record.offset < ends[record.place]:
                yield record


async def _grow(plan: RebuildPlan, pool: Pool, known: Known, progress: Progress) -> int:
    """Up to what stood there at the begin of this; how many records were read."""

    async def was_buried(_record: Record, _why: str) -> None:
        return

    now_ms = await sure_ms(pool, SystemClock().wall_ms())
    wanted = Wanted(plan.readings_days, now_ms - plan.readings_days * DAY_MS)
    desk = Desk(pool, partitions_of(pool, FRESH), known, bury=was_buried, tell=plan.tell, step=no_step, wanted=wanted)
    places = [*plan.places(INPUTS.name), *plan.places(DELIVERIES.name)]
    starts = await desk.start_at(frozenset(places))
    count = 0
    async with Reader(plan.access, starts, NAME, tell=plan.tell) as reader:
        ends = await reader.ends(places)
        of = sum(max(0, ends[place] - starts[place]) for place in places)
        async for record in _records(reader, ends):
            await desk.take(record)
            count += 1
            if desk.weight >= plan.rows or desk.is_full:
                await _store(desk)
                progress(sum(max(0, reader.offset(place) - starts[place]) for place in places), of)
        await _store(desk)
        progress(of, of)
    return count


async def _store(desk: Desk) -> None:
    await desk.flush()
    while await desk.turn_one():
        pass


async def _exchange(pool: Pool) -> None:
    """Who writes holds the table of places until its end, and finds the new one's fences after it."""
    async with pool.acquire() as connection, connection.transaction():
        is_there = await connection.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.place") is not None
        if is_there:
            await connection.execute(f"LOCK TABLE {SCHEMA}.place IN ACCESS EXCLUSIVE MODE")
            await connection.execute(
                f"UPDATE {FRESH}.place AS mine SET fence = 1 + greatest(mine.fence, old.fence)"
                f" FROM {SCHEMA}.place AS old WHERE old.topic = mine.topic AND old.partition = mine.partition"
            )
            await connection.execute(f"ALTER SCHEMA {SCHEMA} RENAME TO {OLD}")
        await connection.execute(f"ALTER SCHEMA {FRESH} RENAME TO {SCHEMA}")
    await pool.execute(f"DROP SCHEMA IF EXISTS {OLD} CASCADE", timeout=LONG_S)
