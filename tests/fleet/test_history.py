"""The fleet's history on a real PostgreSQL: it answers as each site's own does, whatever is cut, repeated or killed."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from services.gateway.past import PastViews
from services.history.centre.writing import Fenced
from tests.fleet.database import new_database, pool_of
from tests.fleet.shelved import (
    Crashed,
    Database,
    Knowing,
    Lived,
    crash_at,
    live,
    made_database,
    own_past,
    records_of,
    told_of,
)
from tests.services.gateway.past_contract import Known, PastContract
from tests.services.history.life import POINT
from tests.services.processor.plant import H2_ALARM
from tests.testkit.fleet import Postgres


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return live(tmp_path_factory.mktemp("lived"))


@pytest.fixture
async def database(postgres: Postgres, lived: Lived) -> AsyncIterator[Database]:
    async with pool_of(await new_database(postgres)) as pool:
        yield await made_database(pool, Knowing(lived.rules))


async def the_sites_own(lived: Lived) -> dict[str, object]:
    async with own_past(lived) as past:
        return await told_of(past, lived)


async def test_the_centre_answers_what_the_site_answers(database: Database, lived: Lived) -> None:
    """Trends, journals, figures of two sites, over midnight and a restart: equal, item for item."""
    north, south = records_of(lived.blocks), records_of(lived.named("south"))
    mixed = [record for pair in zip(north, south, strict=True) for record in pair]
    await database.put([record._replace(offset=number) for number, record in enumerate(mixed)])
    own = await the_sites_own(lived)
    for site in ("north", "south"):
        assert await told_of(database.past().of(frozenset({site})), lived) == own
    assert not database.told


class TestFleetPast(PastContract):
    @pytest.fixture
    async def past(self, database: Database, lived: Lived) -> PastViews:
        await database.put(records_of(lived.blocks))
        return database.past().of(None)

    @pytest.fixture
    def known(self, lived: Lived) -> Known:
        return Known(POINT, lived.begin_ms, lived.end_ms, H2_ALARM, "r1", ())

    @pytest.fixture
    async def nothing(self, postgres: Postgres) -> AsyncIterator[PastViews]:
        async with pool_of(await new_database(postgres)) as pool:
            yield Database(pool, Knowing({})).past().of(None)


@pytest.mark.parametrize("label", ["in places", "in minutes", "in journal", "committed", "in turn", "turned"])
async def test_a_replica_that_ends_at_any_step_leaves_nothing_lost_or_doubled(
    database: Database, lived: Lived, label: str
) -> None:
    """What was read and not stored comes again to the next one; what was stored is not stored again."""
    records = records_of(lived.blocks)
    with pytest.raises(Crashed):
        await database.put(records, step=crash_at(label))
    await database.put(records, each=1_000)
    assert await told_of(database.past().of(None), lived) == await the_sites_own(lived)


async def test_a_replica_that_slept_writes_nothing(database: Database, lived: Lived) -> None:
    """Another has its partition: what it had in hand is refused as a whole."""
    records = records_of(lived.blocks)
    sleeper, _ = await database.desk()
    for record in records[:50]:
        await sleeper.take(record)
    await database.put(records)
    with pytest.raises(Fenced):
        await sleeper.flush()
    assert await told_of(database.past().of(None), lived) == await the_sites_own(lived)


async def test_a_commit_whose_answer_was_lost_is_not_made_again(database: Database, lived: Lived) -> None:
    """The same desk tries again, and finds that its place has moved."""
    records = records_of(lived.blocks)
    desk, _ = await database.desk(step=crash_at("committed"))
    for record in records[:50]:
        await desk.take(record)
    with pytest.raises(Crashed):
        await desk.flush()
    await database.put(records)
    assert await told_of(database.past().of(None), lived) == await the_sites_own(lived)


async def test_blocks_that_come_again_change_nothing(database: Database, lived: Lived) -> None:
    """The uplink sends at least once, and from an earlier place when it was asked to, under a higher epoch."""
    first, second = lived.blocks, [replace(block, epoch=2) for block in lived.blocks]
    sent = [*first[:60], *first[40:50], *second[20:60], first[60], *second[60:]]
    await database.put(records_of(sent), each=7)
    assert await told_of(database.past().of(None), lived) == await the_sites_own(lived)
