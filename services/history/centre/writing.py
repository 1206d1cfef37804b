"""Rows into PostgreSQL, with the places in Kafka that they reach to: one transaction, or nothing.

    places, under their claims -> names -> minutes, readings -> journal (places in the order of commits) -> commit

A claim is a number that rises each time a partition is taken over (``fence``). Who writes under an older one changes
nothing and learns it (Fenced): so a replica that slept, or that the network hid, can do no harm.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple

import asyncpg

from services.history.centre.schema import (
    EVENT_COLUMNS,
    MINUTES,
    READING_COLUMNS,
    READINGS,
    SCHEMA,
    YEARS,
)
from services.history.centre.shelf import Row, Rows
from shared.domain.errors import AmpwardError
from shared.log.kafka.records import Place
from shared.log.steps import Step
from shared.runtime.postgres import Connection, Days, Months, Pool

LABELS: Final = ("taken", "in places", "in minutes", "in journal", "committed", "confirmed", "in turn", "turned")
"""Where a replica may be ended by a test, and nothing must be lost or doubled."""

_CLAIM: Final = """
INSERT INTO place (topic, partition) VALUES ($1, $2)
ON CONFLICT (topic, partition) DO UPDATE SET fence = place.fence + 1 RETURNING next, fence
"""
_MOVE: Final = """
UPDATE place AS mine SET next = given.next
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[]) AS given
    (topic, partition, fence, before, next)
WHERE mine.topic = given.topic AND mine.partition = given.partition AND mine.fence = given.fence
    AND mine.next = given.before
"""
"""A place that is not where it was found has moved by a commit of ours whose answer was lost."""
_NAMES: Final = {
    "logs": "INSERT INTO log (site, no, log_id) VALUES ($1, $2, $3)",
    "series": "INSERT INTO series (site, no, unit, decimals) VALUES ($1, $2, $3, $4)",
    "points": "INSERT INTO point (site, point, unit, series) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (site, point, unit) DO UPDATE SET series = excluded.series",
    "layouts": "INSERT INTO layout (site, no, device, series) VALUES ($1, $2, $3, $4)",
}
_YOUNG: Final = """
INSERT INTO young (site, layout, at_ms, data) VALUES ($1, $2, $3, $4)
ON CONFLICT (site, layout, at_ms) DO UPDATE SET data = excluded.data
"""
_HOLES: Final = """
INSERT INTO hole (site, log, first_seq, last_seq, at_ms, reason) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (site, log, first_seq) DO UPDATE SET last_seq = excluded.last_seq, at_ms = excluded.at_ms,
    reason = excluded.reason
"""
_DISCHARGES: Final = """
INSERT INTO discharge (site, battery, began_at_ms, ended_at_ms, lasted_ms, strings, lowest_jar, lowest_mv, log,
    site_seq) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (site, battery, log, site_seq) DO UPDATE SET ended_at_ms = excluded.ended_at_ms,
    lasted_ms = excluded.lasted_ms, strings = excluded.strings, lowest_jar = excluded.lowest_jar,
    lowest_mv = excluded.lowest_mv
"""
_SITES: Final = """
UPDATE site SET state = $1, chain = $2, batteries = $3,
    since_ms = CASE WHEN $4::bigint = 0 OR since_ms BETWEEN 1 AND $4::bigint THEN since_ms ELSE $4::bigint END
WHERE no = $5
"""
_TELLERS: Final = """
INSERT INTO teller (site, ledger, last) VALUES ($1, $2, $3)
ON CONFLICT (site, ledger) DO UPDATE SET last = excluded.last
"""
_LET_GO: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name LIKE 'ampward history-%' AND datname = current_database() AND pid <> pg_backend_pid()
    AND xact_start < now() - interval '10 s'
"""
"""One that only was slow does it again."""
_GAPS: Final = """
UPDATE site SET chain = (chain::jsonb || '{"may_jump": true}')::text
WHERE chain IS NOT NULL AND (site = ANY ($1) OR partition = ANY ($2))
"""
_NEXT_PLACES: Final = "UPDATE counter SET last = last + $1 RETURNING last"


class Fenced(AmpwardError):
    """Partitions are held by another replica now."""


class Standing(NamedTuple):
    """Of one partition: the claim, and the offset up to which everything is taken."""

    fence: int
    next: int


class Move(NamedTuple):
    """Of one partition: the claim, where its place is now, and where it will be."""

    fence: int
    before: int
    next: int


class Gaps(NamedTuple):
    """Of whom something is gone for us, before the places that are written: the next block need not follow."""

    sites: set[str]
    partitions: set[int]
    """Every site of theirs."""


async def claim(pool: Pool, places: Sequence[Place]) -> dict[Place, Standing]:
    """These partitions are ours from now on; where reading of them goes on."""
    found = {}
    try:
        async with pool.acquire() as connection, connection.transaction():
            for place in sorted(places):
                row = await connection.fetchrow(_CLAIM, *place)
                found[place] = Standing(row["fence"], row["next"])
    except asyncpg.LockNotAvailableError:
        await let_go(pool)
        raise
    return found


async def hold(connection: Connection, moves: Mapping[Place, Move]) -> None:
    """Moves the places, inside the caller's transaction; raises Fenced when one is not where we left it."""
    columns = zip(*[(*place, *move) for place, move in sorted(moves.items())], strict=True)
    status = await connection.execute(_MOVE, *map(list, columns))
    if status != f"UPDATE {len(moves)}":
        raise Fenced("a partition of ours is another's, or is not where it was left")


async def let_go(pool: Pool) -> None:
    """Ends the sessions of replicas that sleep in the midst of a statement: they hold their locks for as long."""
    await pool.execute(_LET_GO)


class Partitions(NamedTuple):
    """Makers of partitions."""

    minutes: Months
    years: Months
    readings: Days

    def forget(self) -> None:
        """Look anew which are there."""
        for one in self:
            one.forget()


def partitions_of(pool: Pool, schema: str = SCHEMA) -> Partitions:
    return Partitions(Months(pool, schema, MINUTES), Months(pool, schema, YEARS), Days(pool, schema, READINGS))


async def write(
    pool: Pool,
    partitions: Partitions,
    moves: Mapping[Place, Move],
    rows: Rows,
    tellers: Sequence[Row],
    gaps: Gaps,
    step: Step,
) -> None:
    """All of it or nothing. Raises Fenced, and what the database raises."""
    for at_ms in {row[2] for row in rows.young}:
        await partitions.minutes.have(at_ms)
    for at_ms in {row[1] for row in rows.events}:
        await partitions.years.have(at_ms)
    for at_ms in {row[2] for row in rows.readings}:
        await partitions.readings.have(at_ms)
    async with pool.acquire() as connection, connection.transaction():
        await hold(connection, moves)
        step("in places")
        for table, statement in _NAMES.items():
            await _many(connection, statement, rows.names[table])
        await _many(connection, _YOUNG, rows.young)
        await _many(connection, _HOLES, rows.holes)
        await _many(connection, _DISCHARGES, rows.discharges)
        if any(gaps):
            await connection.execute(_GAPS, [*gaps.sites], [*gaps.partitions])
        await _many(connection, _SITES, rows.sites)
        await _many(connection, _TELLERS, tellers)
        await _copy(connection, "reading", READING_COLUMNS, rows.readings)
        step("in minutes")
        if rows.events:
            last = await connection.fetchval(_NEXT_PLACES, len(rows.events))
            places = count(last - len(rows.events) + 1)
            events = [(row[0], next(places), *row[1:]) for row in rows.events]
            await _copy(connection, "event", EVENT_COLUMNS, events)
        step("in journal")


async def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    if not rows:
        return
    try:
        await connection.copy_records_to_table(table, columns=columns, records=rows)
    except (OverflowError, ValueError, TypeError) as fault:  # The library says so by itself, unlike with INSERT.
        raise asyncpg.DataError(f"a column of {table} does not hold it: {fault}") from fault


async def _many(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    if rows:
        await connection.executemany(statement, rows)
