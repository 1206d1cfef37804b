"""The supervision on a machine that slept, or whose wall clock is wrong by years, on a real PostgreSQL."""

import time

import pytest

from services.fleet.supervise_log import KEPT_MS, MIGRATIONS, Fenced, FleetLog
from services.fleet.supervise_push import AGAIN_MS, Pushes, push
from shared.runtime.postgres import migrate
from tests.fleet.database import new_database, pool_of
from tests.testkit.fleet import Postgres

YEAR_MS = 365 * 86_400_000


async def test_an_order_that_was_sent_by_a_clock_far_ahead_is_sent_again(postgres: Postgres) -> None:
    """Else the site would wait for its file until the right clock has come so far."""
    async with pool_of(await new_database(postgres), "fleet") as pool:
        await migrate(pool, MIGRATIONS)
        pushes = Pushes(pool)
        await pushes.know(["north"])
        number = await push(pool, "rules.yaml", "rules: {}\n", ["north"], wave=1, actor="cli:anna")
        now_ms = time.time_ns() // 1_000_000
        (wanted,) = await pushes.due(now_ms)
        assert (wanted.site, wanted.number) == ("north", number)
        await pushes.sent(wanted, now_ms + YEAR_MS)
        assert await pushes.due(now_ms) == [wanted]
        await pushes.sent(wanted, now_ms)
        assert await pushes.due(now_ms + AGAIN_MS - 1) == []
        assert await pushes.due(now_ms + AGAIN_MS) == [wanted]


async def test_old_links_go_only_when_they_are_old_by_the_databases_clock_too(postgres: Postgres) -> None:
    """A clock that steps by years takes no evidence with it."""
    async with pool_of(await new_database(postgres), "fleet") as pool:
        await migrate(pool, MIGRATIONS)
        now_ms = time.time_ns() // 1_000_000
        for number, at_ms in enumerate((now_ms - KEPT_MS - YEAR_MS, now_ms), 1):
            await pool.execute("INSERT INTO fleet.block VALUES ($1, 'l', $2, '', true)", number, at_ms)
        log = FleetLog(pool, "test")
        await log.tidy(now_ms + 10 * YEAR_MS)
        assert [number for (number,) in await pool.fetch("SELECT last_seq FROM fleet.block")] == [2]
        await log.tidy(now_ms - 10 * YEAR_MS)
        assert [number for (number,) in await pool.fetch("SELECT last_seq FROM fleet.block")] == [2]


async def test_a_supervisor_that_slept_writes_nothing_more(postgres: Postgres) -> None:
    """Another has the lease by now, and alone says how far Kafka was read."""
    async with pool_of(await new_database(postgres), "fleet") as pool:
        await migrate(pool, MIGRATIONS)
        slept, other = FleetLog(pool, "slept"), FleetLog(pool, "other")
        assert await slept.take()
        await slept.keep({("t", 0): 7})
        assert not await other.take()
        await pool.execute("UPDATE fleet.lease SET until = now() - interval '1 s'")
        assert await other.take()
        await other.keep({("t", 0): 9})
        with pytest.raises(Fenced):
            await slept.keep({("t", 0): 8})
        assert await other.places() == {("t", 0): 9}
