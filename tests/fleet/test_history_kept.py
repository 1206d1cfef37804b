"""How long the fleet's history is kept, on a real PostgreSQL with clocks that are moved."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from services.history.centre.keeping import Kept, tidy
from services.history.centre.schema import MIGRATIONS, MINUTES, YEARS
from services.history.centre.writing import partitions_of
from shared.runtime.postgres import Pool, migrate, month_bounds
from tests.fleet.database import new_database, pool_of
from tests.testkit.fleet import Postgres

DAY_MS = 86_400_000
KEPT = Kept(readings=7, minutes=100, years=3_660)
LONG_AGO = ("2011_01", "2011_02")
ROWS = {
    "young": "(site, layout, at_ms, data) VALUES (1, 1, $1, '')",
    "minute": "(site, series, at_ms, data) VALUES (1, 1, $1, '')",
    "hour": "VALUES (1, 1, $1, 1, 0, 0, 0, 0, 0, 0)",
    "event": "VALUES (1, $1, $1, 1, 1, 'r', 't', 1, 0, 0, $1, 's', '', '', '', '', '', '', '', '', '', '', 0, $1)",
}


@pytest.fixture
async def pool(postgres: Postgres) -> AsyncIterator[Pool]:
    """With a row of each table in two months of the past, and a discharge."""
    async with pool_of(await new_database(postgres)) as made:
        await migrate(made, MIGRATIONS)
        for month in LONG_AGO:
            at_ms = month_bounds(month)[0]
            for months in partitions_of(made)[:2]:
                await months.have(at_ms)
            for table, values in ROWS.items():
                await made.execute(f"INSERT INTO {table} {values}", at_ms)
            await made.execute("INSERT INTO discharge VALUES (1, 'b', $1, $1, 0, '[]', '', 0, 1, $1)", at_ms)
        yield made


async def rows(pool: Pool) -> dict[str, int]:
    return {table: await pool.fetchval(f"SELECT count(*) FROM {table}") for table in (*ROWS, "discharge")}


async def tidied(pool: Pool, *, wall_ms: int, taken_ms: int, is_of_days: bool = False) -> tuple[str, ...]:
    """What was dropped of the tables by month, or of that by day."""
    gone = await tidy(pool, partitions_of(pool), KEPT, wall_ms=wall_ms, taken_ms=taken_ms)
    return tuple(name for name in gone if is_of_days == name.startswith("reading"))


async def test_a_month_goes_when_its_last_minute_has_been_kept_for_long_enough(pool: Pool) -> None:
    """Not a millisecond before it; minutes before hours and events, which stay for their years."""
    end_ms = month_bounds(LONG_AGO[0])[1]
    minutes_ms, years_ms = end_ms + KEPT.minutes * DAY_MS, end_ms + KEPT.years * DAY_MS
    assert await tidied(pool, wall_ms=minutes_ms - 1, taken_ms=minutes_ms - 1) == ()
    gone = await tidied(pool, wall_ms=minutes_ms, taken_ms=minutes_ms)
    assert gone == tuple(f"{table}_2011_01" for table in MINUTES)
    assert await rows(pool) == {"young": 1, "minute": 1, "hour": 2, "event": 2, "discharge": 2}
    await tidied(pool, wall_ms=years_ms - 1, taken_ms=years_ms - 1)
    assert await rows(pool) == {"young": 0, "minute": 0, "hour": 2, "event": 2, "discharge": 1}
    await tidied(pool, wall_ms=years_ms, taken_ms=years_ms)
    assert await rows(pool) == {"young": 0, "minute": 0, "hour": 1, "event": 1, "discharge": 1}


async def test_a_day_of_readings_goes_when_it_has_been_kept_for_long_enough(pool: Pool) -> None:
    """Not a millisecond before it; the day after it stays, and the next one is made."""
    begin_ms = month_bounds(LONG_AGO[0])[0]
    for at_ms in (begin_ms, begin_ms + DAY_MS):
        await partitions_of(pool).readings.have(at_ms)
        await pool.execute("INSERT INTO reading VALUES (1, 1, $1, 1, 1, '')", at_ms)
    end_ms = begin_ms + (1 + KEPT.readings) * DAY_MS
    assert await tidied(pool, wall_ms=end_ms - 1, taken_ms=end_ms, is_of_days=True) == ()
    assert await tidied(pool, wall_ms=end_ms, taken_ms=end_ms, is_of_days=True) == ("reading_2011_01_01",)
    assert await pool.fetchval("SELECT count(*) FROM reading") == 1
    assert await pool.fetchval("SELECT to_regclass('history.reading_2011_01_10')")


async def test_a_clock_that_steps_by_years_drops_nothing(pool: Pool) -> None:
    """Neither this program's, nor the broker's, nor the database's alone makes anything old; nor is it known before a
    record came."""
    then_ms, ten_years_ms = month_bounds(LONG_AGO[1])[1], 3_700 * DAY_MS
    now_ms = time.time_ns() // 1_000_000
    for wall_ms, taken_ms in ((then_ms + ten_years_ms, then_ms), (then_ms, then_ms + ten_years_ms), (now_ms, 0)):
        assert await tidied(pool, wall_ms=wall_ms, taken_ms=taken_ms) == ()
    assert set((await rows(pool)).values()) == {2}


async def test_the_next_month_is_there_before_it_begins(pool: Pool) -> None:
    """So that no replica has to make it while all of them write."""
    at_ms = round(datetime(2011, 11, 25, tzinfo=UTC).timestamp() * 1000)
    await tidied(pool, wall_ms=at_ms, taken_ms=at_ms)
    for table in (*MINUTES, *YEARS):
        for month in ("2011_11", "2011_12"):
            assert await pool.fetchval("SELECT to_regclass($1)", f"history.{table}_{month}"), (table, month)
