"""Who hosts a site, by a real PostgreSQL: one holder, the log's home, terms that end."""

from collections.abc import AsyncIterator

import pytest

from services.bridge import lease
from services.bridge.lease import MIGRATIONS, Leases
from shared.runtime.postgres import Pool, migrate
from tests.fleet.database import new_database, pool_of
from tests.testkit.fleet import Postgres

HOME, OTHER = "a" * 32, "b" * 32


@pytest.fixture
async def pool(postgres: Postgres) -> AsyncIterator[Pool]:
    async with pool_of(await new_database(postgres)) as made:
        await migrate(made, MIGRATIONS)
        yield made


async def _expire(pool: Pool) -> None:
    await pool.execute("UPDATE bridge.site SET until = now() - interval '1 s'")


async def test_one_bridge_has_a_site(pool: Pool) -> None:
    """Another has it at once when it was let go, and with a higher number."""
    one, two = Leases(pool, "one"), Leases(pool, "two")
    assert await one.take("far", HOME)
    assert not await two.take("far", HOME)
    await one.end("far")
    assert await two.take("far", HOME)
    assert two.fences["far"] == 2


async def test_who_slept_learns_that_the_site_is_anothers(pool: Pool) -> None:
    """Its sign is refused for that site alone, and its good-bye ends nobody's term."""
    one, two = Leases(pool, "one"), Leases(pool, "two")
    assert await one.take("far", HOME)
    await _expire(pool)
    assert await one.take("near", OTHER)
    assert await two.take("far", HOME)
    assert await one.sign() == ("far",)
    assert list(one.fences) == ["near"]
    await one.end("far")
    assert await two.sign() == ()
    assert not await one.take("far", HOME)


async def test_a_sign_holds_a_site(pool: Pool) -> None:
    """As long as it comes within the time."""
    one, two = Leases(pool, "one"), Leases(pool, "two")
    assert await one.take("far", HOME)
    await _expire(pool)
    assert await one.sign() == ()
    assert not await two.take("far", HOME)


async def test_a_site_is_given_to_nobody_without_its_log(pool: Pool) -> None:
    """However long nobody holds it: a second log would leave behind what was acknowledged to its devices."""
    one, two = Leases(pool, "one"), Leases(pool, "two")
    assert await one.take("far", HOME)
    await one.end("far")
    await _expire(pool)
    assert not await two.take("far", OTHER)
    assert await two.home("far") == HOME
    assert await two.home("unknown") == ""


def test_a_sign_comes_well_before_the_end_of_the_time() -> None:
    """Two may be lost."""
    assert 2 * lease.SIGN_S < lease.LIVES_S
