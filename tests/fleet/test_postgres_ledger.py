"""The ledger of a site in a real PostgreSQL: the contract of all ledgers, and what a claim is worth."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.notifier.centre.claims import LIVES_S, Claims
from services.notifier.centre.ledger import Fenced, LedgerAway, PostgresLedger
from services.notifier.centre.schema import MIGRATIONS, MONTHLY, SCHEMA
from services.notifier.ledger_port import Change
from shared.runtime.postgres import Migrations, Months, Pool, migrate
from tests.fleet.database import new_database, pool_of
from tests.services.notifier.ledger_contract import STAND, LedgerContract, Ledgers, row, rows
from tests.testkit.fleet import Postgres


@pytest.fixture
async def pool(postgres: Postgres) -> AsyncIterator[Pool]:
    async with pool_of(await new_database(postgres)) as made:
        await migrate(made, MIGRATIONS)
        yield made


@pytest.fixture
async def claims(pool: Pool) -> Claims:
    made = Claims(pool, "first")
    await made.sign()
    return made


def ledger(pool: Pool, fence: int, site: str = "s") -> PostgresLedger:
    return PostgresLedger(pool, Months(pool, SCHEMA, MONTHLY), site, fence)


class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    async def ledgers(self, pool: Pool, claims: Claims) -> Ledgers:
        fence = await claims.claim("s", 0)
        other = ledger(pool, await claims.claim("other", 0), "other")
        await other.commit(Change(STAND, {"b": b"other"}, rows(row(1), row(9))))
        return lambda: ledger(pool, fence)


async def test_an_older_programs_ledger_is_brought_up_while_one_of_its_replicas_goes_on(postgres: Postgres) -> None:
    """It wrote a site, its place and its messages; all of it is there, of the live lane nothing is known, and what the
    older replica writes afterwards, which knows of no live lane, holds too."""
    async with pool_of(await new_database(postgres)) as pool:
        assert await migrate(pool, Migrations(SCHEMA, MIGRATIONS.steps[:1])) == 1
        await pool.execute("INSERT INTO notifier.site (site, partition, fence, seen) VALUES ('s', 3, 1, 'x')")
        older = ledger(pool, 1)
        await older.commit(Change(STAND, {"b": b"known"}, rows(row(1))))
        assert await migrate(pool, MIGRATIONS) == len(MIGRATIONS.steps) - 1
        await older.commit(Change(STAND, {"c": b"later"}, rows(row(2))))
        found = await ledger(pool, 1).open()
        assert (found.stand, dict(found.records), len(found.rows)) == (STAND, {"b": b"known", "c": b"later"}, 2)
        assert await pool.fetchrow("SELECT seen, live FROM notifier.site") == (b"x", None)


async def test_a_site_has_one_holder_who_gives_signs(pool: Pool, claims: Claims) -> None:
    """A second replica gets the site when it is released, or when its holder gave no sign for five seconds."""
    second = Claims(pool, "second")
    await second.sign()
    fence = await claims.claim("s", 3)
    assert fence == 1
    assert await second.claim("s", 3) == 0
    await claims.release("s", fence)
    assert await second.claim("s", 3) == 2
    assert await claims.claim("s", 3) == 0
    await claims.release("s", fence)
    assert await claims.claim("s", 3) == 0, "who no longer holds it releases nothing"
    await pool.execute("UPDATE notifier.replica SET until = until - $1 * interval '1 s' WHERE name = 'second'", LIVES_S)
    assert await claims.claim("s", 3) == 3


async def test_a_holder_that_sleeps_in_a_transaction_does_not_keep_the_site(pool: Pool, postgres: Postgres) -> None:
    """Its session is ended once it gave no sign, however far its statement was."""
    url = await pool.fetchval("SELECT current_database()")
    first = Claims(pool, "first")
    await first.sign()
    assert await first.claim("s", 0) == 1
    sleeper = await asyncpg.connect(
        f"{postgres.url.rpartition('/')[0]}/{url}", server_settings={"application_name": "ampward first"}
    )
    held = sleeper.transaction()
    await held.start()
    await sleeper.execute("UPDATE notifier.site SET holder = holder WHERE site = 's'")
    second = Claims(pool, "second")
    await second.sign()
    assert await second.claim("other", 0) == 1
    await pool.execute("UPDATE notifier.replica SET until = now() WHERE name = 'first'")
    assert await second.claim("s", 0) == 2
    async with asyncio.timeout(60):
        while not sleeper.is_closed():
            await asyncio.sleep(0.05)
    sleeper.terminate()


async def test_one_of_many_that_claim_at_once_gets_the_site(pool: Pool) -> None:
    """PostgreSQL puts them in a row."""
    all_of_them = [Claims(pool, f"replica{number}") for number in range(8)]
    await asyncio.gather(*(one.sign() for one in all_of_them))
    fences = await asyncio.gather(*(one.claim("s", 0) for one in all_of_them))
    assert sorted(fences) == [0] * 7 + [1]


async def test_an_owner_that_lost_its_claim_changes_nothing(pool: Pool, claims: Claims) -> None:
    """A stopped process that goes on finds a higher fence: neither place nor message nor record is written."""
    old = ledger(pool, await claims.claim("s", 0))
    await old.open()
    await old.commit(Change(STAND, {"a": b"old"}, rows(row(1))))
    new = ledger(pool, await claims.claim("s", 0))
    with pytest.raises(Fenced):
        await old.commit(Change(STAND, {"a": None}, rows(row(1, "sent"), row(2))))
    with pytest.raises(Fenced):
        await old.open()
    found = await new.open()
    assert (found.records, found.rows) == ({"a": b"old"}, (row(1),))


async def test_a_database_that_is_away_is_told(claims: Claims, pool: Pool) -> None:
    """Nothing goes on in memory: another replica may hold the site by then."""
    mine = ledger(pool, await claims.claim("s", 0))
    await pool.close()
    with pytest.raises(LedgerAway):
        await mine.commit(Change(STAND))
    with pytest.raises(LedgerAway):
        await mine.open()


async def test_settled_messages_stand_in_the_month_of_their_planning(pool: Pool, claims: Claims) -> None:
    """So that old ones go by dropping a month."""
    mine = ledger(pool, await claims.claim("s", 0))
    await mine.commit(Change(STAND, rows=rows(row(1, "sent"))))
    months = Months(pool, SCHEMA, MONTHLY)
    assert await pool.fetchval("SELECT count(*) FROM notifier.settled_2026_01") == 1
    await months.drop_before(STAND.wall_ms + 60 * 86_400_000)
    assert await pool.fetchval("SELECT count(*) FROM notifier.settled") == 0
