"""Migrations and monthly partitions on a real PostgreSQL."""

import asyncio
from datetime import UTC, datetime

import pytest

from shared.runtime.postgres import DatabaseAway, Migrations, Months, SchemaNewer, connect, migrate, month_of
from tests.fleet.database import new_database, pool_of
from tests.testkit.fleet import Postgres

FIRST = (
    "CREATE TABLE demo.thing (at_ms bigint NOT NULL, n integer NOT NULL, PRIMARY KEY (at_ms, n))"
    " PARTITION BY RANGE (at_ms)"
)
SECOND = "ALTER TABLE demo.thing ADD COLUMN words text NOT NULL DEFAULT 'none'"


def at_ms(year: int, month: int, day: int = 1) -> int:
    return round(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


async def test_an_older_schema_is_brought_up_and_a_newer_one_refused(postgres: Postgres) -> None:
    """Each step runs once, replicas that start together do not disturb each other, an older program stays out."""
    async with pool_of(await new_database(postgres)) as pool:
        old, new = Migrations("demo", (FIRST,)), Migrations("demo", (FIRST, SECOND))
        assert await migrate(pool, old) == 1
        assert sorted(await asyncio.gather(*(migrate(pool, new) for _ in range(3)))) == [0, 0, 1]
        assert await pool.fetchval("SELECT count(*) FROM demo.thing WHERE words = 'none'") == 0
        with pytest.raises(SchemaNewer, match="form 2, this program knows up to 1"):
            await migrate(pool, old)


async def test_a_step_that_fails_leaves_the_schema_as_it_was(postgres: Postgres) -> None:
    """All steps or none: the next start finds what the last good one left."""
    async with pool_of(await new_database(postgres)) as pool:
        with pytest.raises(Exception, match="syntax error"):
            await migrate(pool, Migrations("demo", (FIRST, "this is no statement")))
        assert await migrate(pool, Migrations("demo", (FIRST, SECOND))) == 2


async def test_months_are_made_before_they_are_needed_and_dropped_whole(postgres: Postgres) -> None:
    """A row of each month finds its partition; those that ended before a moment go with their rows."""
    async with pool_of(await new_database(postgres)) as pool:
        await migrate(pool, Migrations("demo", (FIRST,)))
        months = Months(pool, "demo", ("thing",))
        for moment in (at_ms(2025, 12, 31), at_ms(2026, 1), at_ms(2026, 2, 28)):
            await asyncio.gather(months.have(moment), Months(pool, "demo", ("thing",)).have(moment))
            await pool.execute("INSERT INTO demo.thing VALUES ($1, 1)", moment)
        assert await months.drop_before(at_ms(2026, 2)) == ("thing_2025_12", "thing_2026_01")
        assert [month_of(at) for (at,) in await pool.fetch("SELECT at_ms FROM demo.thing")] == ["2026_02"]
        await months.have(at_ms(2026, 1))
        await pool.execute("INSERT INTO demo.thing VALUES ($1, 1)", at_ms(2026, 1))


async def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    """The sentence says why, and nothing of the address's secret."""
    with pytest.raises(DatabaseAway) as told:
        await connect("postgresql://me:hidden-word@127.0.0.1:1/none", "test")
    assert "hidden-word" not in str(told.value)
