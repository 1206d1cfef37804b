"""Questions to the fleet's history in PostgreSQL, by point, site and time: what services.history.queries is at a site.

Times are UTC milliseconds since 1970, ``end`` is not included; a row that is not there is a hole. Sites are given by
name, None is every site. Values are integers in the core's scaled units.
Raises NoHistory as long as there is none, UnknownPoint, TooMuch, HistoryBroken when PostgreSQL does not answer.
Limits: as at a site; an answer takes shared.runtime.postgres.STATEMENT_S at most. Single readings are here for as long
as they are kept (keeping.py beside this); the step ``auto`` is minutes where there are none.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import asyncpg
import numpy as np

from services.history.answers import ROWS_MAX, DischargeRow, EventRecord, Step, TooMuch, Trend, TrendRow, UnknownPoint
from services.history.centre.schema import READINGS
from services.history.database import HistoryBroken, NoHistory
from services.history.kinds import Kind
from services.history.minutes import young_columns
from services.history.queries import STEP_MS, chosen, too_many, trend_rows
from services.history.raw import check_range, reading_row, too_many_readings
from services.history.readings import readings_of
from services.history.rolls import (
    DAY_MINUTES,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NONE,
    Rolls,
    hours,
    merged,
    unpack_rolls,
)
from shared.domain.units import DECIMALS, Unit
from shared.runtime.postgres import TROUBLE, Connection, DatabaseAway, Pool, close, day_bounds, partitions

Sites = frozenset[str] | None

_EVENT: Final = (
    "event.place, coalesce(log.log_id, ''), event.room, event.type, event.site_seq, event.ordinal, event.tick_ms,"
    " event.said_at_ms, event.subject, event.occurrence, event.rule, event.severity, event.state, event.value,"
    " event.unit, event.bound, event.quality, event.reason, event.actor, event.until_ms"
)
_JOURNAL: Final = f"""
SELECT {_EVENT} FROM event LEFT JOIN log ON log.site = event.site AND log.no = event.log
WHERE event.site = ANY ($1) AND kind = ANY ($2) AND at_ms >= $3 AND at_ms < $4 AND place > $5
    AND ($6 = '' OR room = $6) AND ($7 = '' OR subject = $7 OR starts_with(subject, $7 || '/'))
ORDER BY place LIMIT $8
"""
_POINT: Final = """
SELECT point.site, series, unit FROM point JOIN site ON site.no = point.site
WHERE point.site = ANY ($1) AND point = $2 ORDER BY starts_with(point, site.site || '/') DESC, series DESC LIMIT 1
"""
"""A site names its points itself: what another one says of them does not stand before it."""
_DISCHARGES: Final = """
SELECT battery, began_at_ms, ended_at_ms, lasted_ms, strings, lowest_jar, lowest_mv FROM discharge
WHERE site = ANY ($1) AND began_at_ms < $3 AND (ended_at_ms = 0 OR ended_at_ms >= $2) AND ($4 = '' OR battery = $4)
ORDER BY began_at_ms, battery LIMIT $5
"""


class Journal(NamedTuple):
    """What is asked of the journal."""

    kinds: Sequence[Kind]
    begin_ms: int
    end_ms: int
    subject: str = ""
    """The thing itself, and what is below its path."""
    room: str = ""
    after: int = 0
    limit: int = 1000


class Asking:
    """Reads on a pool's connections; any number of questions at a time. ``open_pool`` is asked at the first of them,
    and again as long as it raises: nobody has to wait for a database that is away."""

    def __init__(self, open_pool: Callable[[], Awaitable[Pool]]) -> None:
        self._open_pool = open_pool
        self._pool: Pool | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Give the pool back."""
        if self._pool is not None:
            await close(self._pool)
            self._pool = None

    async def trend(self, sites: Sites, point: str, begin_ms: int, end_ms: int, step: Step = Step.AUTO) -> Trend:
        """Rows from ``begin_ms`` on, whole minutes or hours; readings of this time."""
        async with self._connection() as connection:
            step = await _chosen(connection, step, begin_ms, end_ms)
            numbers = await self._numbers(connection, sites)
            found = await connection.fetchrow(
                _POINT, numbers, point,
            )  # fmt: skip
            if found is None:
                raise UnknownPoint(f"no point {point} in the history")
            site, series, unit = found[0], found[1], Unit(found[2])
            read = _readings if step is Step.RAW else _rolled
            rows = await read(connection, site, series, begin_ms, end_ms, step)
        return Trend(point, "" if unit is Unit.STATE else unit.value, DECIMALS[unit], step, rows)

    async def journal(self, sites: Sites, asked: Journal) -> tuple[EventRecord, ...]:
        """Events in the order in which the centre took them, which is each site's own; behind the place ``after``."""
        kinds, begin_ms, end_ms, subject, room, after, limit = asked
        async with self._connection() as connection:
            numbers = await self._numbers(connection, sites)
            rows = await connection.fetch(
                _JOURNAL, numbers, [*map(int, kinds)], begin_ms, end_ms, after, room, subject, limit
            )
        return tuple(EventRecord(*row) for row in rows)

    async def discharges(
        self, sites: Sites, begin_ms: int, end_ms: int, *, battery: str = "", limit: int = 1000
    ) -> tuple[DischargeRow, ...]:
        """Those that were going on in this time, in order of their begin."""
        async with self._connection() as connection:
            numbers = await self._numbers(connection, sites)
            rows = await connection.fetch(_DISCHARGES, numbers, begin_ms, end_ms, battery, limit)
        return tuple(DischargeRow(row[0], row[1], row[2], row[3], json.loads(row[4]), row[5], row[6]) for row in rows)

    async def batteries(self, sites: Sites) -> tuple[str, ...]:
        """Those that the sites have, and every one of which a discharge is known."""
        async with self._connection() as connection:
            numbers = await self._numbers(connection, sites)
            rows = await connection.fetch(
                "SELECT unnest(batteries) FROM site WHERE no = ANY ($1)"
                " UNION SELECT battery FROM discharge WHERE site = ANY ($1) ORDER BY 1",
                numbers,
            )
        return tuple(battery for (battery,) in rows)

    async def since_ms(self, sites: Sites) -> int:
        """When the first event of these sites was, 0 while they have none."""
        async with self._connection() as connection:
            numbers = await self._numbers(connection, sites)
            found: int | None = await connection.fetchval(
                "SELECT min(since_ms) FROM site WHERE no = ANY ($1) AND since_ms > 0", numbers
            )
        return found or 0

    async def span_ms(self) -> tuple[int, int]:
        """From the first to the last day of which single readings may be here; (0, 0) for none."""
        async with self._connection() as connection:
            return await _span_ms(connection)

    async def names(self) -> tuple[str, ...]:
        """Every site of which there is a history."""
        async with self._connection() as connection:
            rows = await connection.fetch("SELECT site FROM site ORDER BY site")
        return tuple(site for (site,) in rows)

    async def points(self, sites: Sites) -> tuple[tuple[str, str], ...]:
        """(id, unit) of every point there ever was."""
        async with self._connection() as connection:
            numbers = await self._numbers(connection, sites)
            rows = await connection.fetch("SELECT point, unit FROM point WHERE site = ANY ($1) ORDER BY point", numbers)
        return tuple((point, "" if unit == Unit.STATE else unit) for point, unit in rows)

    @staticmethod
    async def _numbers(connection: Connection, sites: Sites) -> list[int]:
        rows = await connection.fetch(
            "SELECT no FROM site WHERE $1::text[] IS NULL OR site = ANY ($1)",
            None if sites is None else sorted(sites),
        )
        if not rows:
            raise NoHistory("there is no history of these sites yet")
        return [no for (no,) in rows]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """One moment of the database, nothing written."""
        try:
            async with self._opening:
                pool = self._pool = self._pool or await self._open_pool()
            async with pool.acquire() as connection, _moment(connection):
                yield connection
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as fault:
            raise NoHistory("there is no history in this database yet") from fault
        except DatabaseAway as fault:
            raise HistoryBroken(str(fault)) from fault
        except TROUBLE as fault:
            raise HistoryBroken(f"PostgreSQL: {type(fault).__name__}: {fault}") from fault
        except (ValueError, TypeError, OverflowError, IndexError) as fault:
            raise HistoryBroken(f"a row is not what was written: {type(fault).__name__}: {fault}") from fault


def no_readings() -> TooMuch:
    """Why the step ``raw`` is refused."""
    return TooMuch("no single readings are kept here, the site's own history has them; allowed here: minute, hour")


def _moment(connection: Connection) -> Any:
    return connection.transaction(isolation="repeatable_read", readonly=True)


async def _span_ms(connection: Connection) -> tuple[int, int]:
    days = await partitions(connection, READINGS[0])
    return (day_bounds(days[0])[0], day_bounds(days[-1])[1]) if days else (0, 0)


async def _chosen(connection: Connection, step: Step, begin_ms: int, end_ms: int) -> Step:
    span_ms = await _span_ms(connection)
    if step is Step.RAW and not any(span_ms):
        raise no_readings()
    return chosen(step, begin_ms, end_ms, span_ms)


async def _readings(
    connection: Connection, site: int, series: int, begin_ms: int, end_ms: int, _step: Step
) -> tuple[TrendRow, ...]:
    """In the order of their sampling."""
    check_range(begin_ms, end_ms)
    places = await _places(connection, site, series)
    first_ms = begin_ms // MINUTE_MS * MINUTE_MS
    keys = (site, [*places], first_ms, end_ms)
    where = "FROM reading WHERE site = $1 AND layout = ANY ($2) AND at_ms >= $3 AND at_ms < $4"
    count = await connection.fetchval(
        f"SELECT coalesce(sum(frames), 0) {where} AND at_ms >= $5 AND at_ms <= $6",
        *keys, begin_ms, end_ms - MINUTE_MS,
    )  # fmt: skip
    if count > ROWS_MAX:  # Those minutes alone that are asked for as a whole.
        raise too_many_readings()
    rows = await connection.fetch(f"SELECT at_ms, layout, data {where} ORDER BY at_ms, first_seq", *keys)
    stored = [(at_ms, places[layout], data) for at_ms, layout, data in rows]
    return await asyncio.to_thread(_reading_rows, stored, begin_ms, end_ms)


def _reading_rows(stored: list[tuple[int, int, bytes]], begin_ms: int, end_ms: int) -> tuple[TrendRow, ...]:
    found: list[TrendRow] = []
    for minute_ms, place, data in stored:
        columns = (column.tolist() for column in readings_of(minute_ms, data, place))
        found += [
            reading_row(at_ms, value, has_value=not reason, is_late=bool(is_late))
            for at_ms, is_late, value, reason in zip(*columns, strict=True)
            if begin_ms <= at_ms < end_ms
        ]
    if len(found) > ROWS_MAX:
        raise too_many_readings()
    return tuple(sorted(found, key=lambda row: row.at_ms))


async def _rolled(
    connection: Connection, site: int, series: int, begin_ms: int, end_ms: int, step: Step
) -> tuple[TrendRow, ...]:
    step_ms = STEP_MS[step]
    first, end = begin_ms // step_ms, -(-end_ms // step_ms)
    read = _minutes if step is Step.MINUTE else _hours
    rolls = (await read(connection, site, series, first, end)).between(first, end)
    if rolls.rows > ROWS_MAX:
        raise too_many(rolls.rows)
    return trend_rows(rolls, step_ms)


async def _minutes(connection: Connection, site: int, series: int, first: int, end: int) -> Rolls:
    """From minute ``first`` on, before ``end``; whole days may come along."""
    begin_ms, end_ms = first // DAY_MINUTES * DAY_MS, end * MINUTE_MS
    rows = await connection.fetch(
        "SELECT at_ms, data FROM minute WHERE site = $1 AND series = $2 AND at_ms >= $3 AND at_ms < $4"
        " ORDER BY at_ms LIMIT $5",
        site, series, begin_ms, end_ms, ROWS_MAX // DAY_MINUTES + 3,
    )  # fmt: skip
    if len(rows) > ROWS_MAX // DAY_MINUTES + 2:
        raise too_many(len(rows) * DAY_MINUTES)
    parts = [unpack_rolls(data, at_ms // MINUTE_MS) for at_ms, data in rows]
    return merged([*parts, await _young(connection, site, series, first, end)])


async def _hours(connection: Connection, site: int, series: int, first: int, end: int) -> Rolls:
    rows = await connection.fetch(
        f"SELECT at_ms / {HOUR_MS}, good, uncertain, bad, low, high, excess, last FROM hour"
        " WHERE site = $1 AND series = $2 AND at_ms >= $3 AND at_ms < $4 ORDER BY at_ms LIMIT $5",
        site, series, first * HOUR_MS, end * HOUR_MS, ROWS_MAX + 1,
    )  # fmt: skip
    stored = Rolls(*np.array([tuple(row) for row in rows], np.int64).T) if rows else NONE
    young = await _young(connection, site, series, first * 60, end * 60)
    return merged([stored, hours(young)])


async def _places(connection: Connection, site: int, series: int) -> dict[int, int]:
    """Where the point stands in each layout that has it."""
    places = {}
    for no, packed in await connection.fetch("SELECT no, series FROM layout WHERE site = $1", site):
        found = np.flatnonzero(np.frombuffer(packed, "<i4") == series)
        if len(found):
            places[no] = int(found[0])
    return places


async def _young(connection: Connection, site: int, series: int, first: int, end: int) -> Rolls:
    """Minutes of days that are not turned round yet."""
    places = await _places(connection, site, series)
    rows = await connection.fetch(
        "SELECT at_ms, layout, data FROM young WHERE site = $1 AND layout = ANY ($2) AND at_ms >= $3"
        " AND at_ms < $4 ORDER BY at_ms, layout LIMIT $5",
        site, [*places], first * MINUTE_MS, end * MINUTE_MS, ROWS_MAX + 1,
    )  # fmt: skip
    if len(rows) > ROWS_MAX:
        raise too_many(len(rows))
    made = [
        (at_ms // MINUTE_MS, *(int(column[places[no]]) for column in young_columns(data))) for at_ms, no, data in rows
    ]
    if not made:
        return NONE
    columns = np.array(made, np.int64).T
    return merged([Rolls(*(column[n : n + 1] for column in columns)) for n in range(len(made))])
