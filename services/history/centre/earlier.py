"""What Kafka has no longer, taken over from the history in use into one that is to grow beside it (rebuild.py).

Of a site whose first blocks are gone: names and numbers of its points and logs, minutes and hours before the first
minute all of whose frames are there, events, holes and discharges before its first block. Of a site whose blocks are
all there only its number. One transaction: all of it or nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.history.centre.schema import HOUR_COLUMNS, MINUTES, READINGS, SCHEMA, YEARS
from services.history.centre.writing import Partitions
from services.history.rolls import DAY_MINUTES, DAY_MS, HOUR_MS, MINUTE_MS, Rolls, hours, pack_rolls, unpack_rolls
from shared.runtime.postgres import Connection, Months, Pool, partitions

MARGIN_MINUTES: Final = 2
"""The first frame's minute may lack frames, and the next one those that came late."""
LONG_S: Final = 3600.0
FOR_EVER: Final = 1 << 62
_NAMES: Final = ("series", "point", "layout", "log")


@dataclass(slots=True)
class First:
    """What Kafka has first of a site."""

    is_whole: bool = False
    """Everything that there ever was."""
    log_id: str = ""
    seq: int = 0
    minute: int = 0
    """Of the first frame; 0 when there is none."""


async def take_over(pool: Pool, made: Partitions, firsts: Mapping[str, First], told_ms: Mapping[int, int]) -> int:
    """Into an empty schema, which is the pool's; how many sites had something. ``firsts`` lacks sites of which nothing
    is there; deliveries of a partition that were taken before ``told_ms`` are taken over."""
    for months, tables in ((made.minutes, MINUTES), (made.years, YEARS), (made.readings, READINGS)):
        await _have(pool, months, tables[0])
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO site (no, site, partition, batteries, since_ms) OVERRIDING SYSTEM VALUE"
            f" SELECT no, site, partition, batteries, since_ms FROM {SCHEMA}.site"
        )
        await connection.execute("SELECT setval(pg_get_serial_sequence('site', 'no'), greatest(max(no), 1)) FROM site")
        await connection.execute(f"UPDATE counter SET last = (SELECT last FROM {SCHEMA}.counter)")
        kept = 0
        for no, name, partition in await connection.fetch("SELECT no, site, partition FROM site ORDER BY no"):
            await _copy(connection, "event", "log = 0 AND taken_ms < $2", no, told_ms.get(partition, FOR_EVER))
            first = firsts.get(name, First())
            if not first.is_whole:
                await _site(connection, no, first)
                kept += 1
    return kept


async def _have(pool: Pool, months: Months, table: str) -> None:
    """The partitions that the history in use has."""
    for name in await partitions(pool, f"{SCHEMA}.{table}"):
        await months.have(months.bounds(name)[0])


async def _site(connection: Connection, no: int, first: First) -> None:
    for table in _NAMES:
        await _copy(connection, table, "$2 > 0", no, 1)
    log = await connection.fetchval("SELECT no FROM log WHERE site = $1 AND log_id = $2", no, first.log_id)
    before = "log > 0" if log is None else f"(log > 0 AND log < {log} OR log = {log} AND {{seq}} < $2)"
    for table, seq in (("event", "site_seq"), ("discharge", "site_seq"), ("hole", "first_seq")):
        which = before.format(seq=seq)
        await _copy(connection, table, which if "$2" in which else f"{which} AND $2 > 0", no, first.seq or 1)
    end = first.minute + MARGIN_MINUTES if first.minute else FOR_EVER // MINUTE_MS
    day_ms = end // DAY_MINUTES * DAY_MS
    await _copy(connection, "young", "at_ms < $2", no, end * MINUTE_MS)
    await _copy(connection, "reading", "at_ms < $2", no, end * MINUTE_MS)
    await _copy(connection, "minute", "at_ms < $2", no, day_ms)
    await _copy(connection, "hour", "at_ms < $2", no, day_ms)
    if first.minute:
        await _part_of_day(connection, no, day_ms, end)
        await connection.execute("UPDATE site SET skip_before = $2 WHERE no = $1", no, end)


async def _part_of_day(connection: Connection, no: int, day_ms: int, end: int) -> None:
    """Of a day that was turned round, the minutes before ``end``."""
    base = day_ms // MINUTE_MS
    rows = await connection.fetch(
        f"SELECT series, data FROM {SCHEMA}.minute WHERE site = $1 AND at_ms = $2", no, day_ms
    )
    found = [(series, unpack_rolls(data, base).between(base, end)) for series, data in rows]
    parts = [(series, rolls) for series, rolls in found if rolls.rows]
    await connection.executemany(
        "INSERT INTO minute (site, series, at_ms, data) VALUES ($1, $2, $3, $4)",
        [(no, series, day_ms, pack_rolls(rolls, base)) for series, rolls in parts],
    )
    await connection.copy_records_to_table(
        "hour", columns=HOUR_COLUMNS, records=[(no, series, *row) for series, rolls in parts for row in _by_hour(rolls)]
    )


def _by_hour(rolls: Rolls) -> list[tuple[int, ...]]:
    found = hours(rolls)
    return list(zip(*(column.tolist() for column in (found.at * HOUR_MS, *found[1:])), strict=True))


async def _copy(connection: Connection, table: str, which: str, no: int, value: int) -> None:
    """Rows of a site; ``value`` is $2."""
    await connection.execute(
        f"INSERT INTO {table} SELECT * FROM {SCHEMA}.{table} WHERE site = $1 AND {which}", no, value, timeout=LONG_S
    )
