"""Questions to the fleet's history in PostgreSQL, by point, site and time: what services.history.queries is at a site.

Times are UTC milliseconds since 1970, ``end`` is not included; a row that is not there is a hole. Sites are given by
name, None is every site. Values are integers in the core's scaled units.
Raises NoHistory as long as there is none, UnknownPoint, TooMuch, HistoryBroken when PostgreSQL does not answer.
Limits: as at a site; an answer takes shared.runtime.postgres.STATEMENT_S at most. Single readings are not here: the
step ``auto`` is minutes where a site would give readings.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import asyncpg
import numpy as np

from services.history.answers import ROWS_MAX, DischargeRow, EventRecord, Step, TooMuch, Trend, UnknownPoint
from services.history.database import HistoryBroken, NoHistory
from services.history.kinds import Kind
from services.history.minutes import young_columns
from services.history.queries import STEP_MS, chosen, too_many, trend_rows
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
from shared.runtime.postgres import TROUBLE, Connection, DatabaseAway, Pool, close

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
        """Rows from ``begin_ms`` on, whole minutes or hours."""
        step = _coarse(step, begin_ms, end_ms)
        async with self._connection() as connection:
            numbers = await self._numbers(connection, sites)
            found = await connection.fetchrow(
                "SELECT site, series, unit FROM point WHERE site = ANY ($1) AND point = $2"
                " ORDER BY series DESC LIMIT 1",
                numbers, point,
            )  # fmt: skip
            if found is None:
                raise UnknownPoint(f"no point {point} in the history")
            site, series, unit = found[0], found[1], Unit(found[2])
            step_ms = STEP_MS[step]
            first, end = begin_ms // step_ms, -(-end_ms // step_ms)
            read = _minutes if step is Step.MINUTE else _hours
            rolls = (await read(connection, site, series, first, end)).between(first, end)
        if rolls.rows > ROWS_MAX:
            raise too_many(rolls.rows)
        return Trend(point, "" if unit is Unit.STATE else unit.value, DECIMALS[unit], step, trend_rows(rolls, step_ms))

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
    return TooMuch("single readings are in the site's own history; allowed here: minute, hour")


def _moment(connection: Connection) -> Any:
    return connection.transaction(isolation="repeatable_read", readonly=True)


def _coarse(step: Step, begin_ms: int, end_ms: int) -> Step:
    if step is Step.RAW:
        raise no_readings()
    found = chosen(step, begin_ms, end_ms)
    return Step.MINUTE if found is Step.RAW else found


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


async def _young(connection: Connection, site: int, series: int, first: int, end: int) -> Rolls:
    """Minutes of days that are not turned round yet."""
    places = {}
    for no, packed in await connection.fetch("SELECT no, series FROM layout WHERE site = $1", site):
        found = np.flatnonzero(np.frombuffer(packed, "<i4") == series)
        if len(found):
            places[no] = int(found[0])
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
