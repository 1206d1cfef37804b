"""The fleet's history on a real PostgreSQL: it answers as each site's own does, whatever is cut, repeated or killed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.gateway.past import NotTold, PastViews, TrendAnswer, Why
from services.history.answers import Step
from services.history.centre.exporting import FleetTrends
from services.history.centre.writing import Fenced
from services.history.export import export
from services.history.queries import Queries
from services.history.readings import Wanted
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
from tests.services.history.life import JAR, MINUTE_MS, POINT, Life
from tests.services.processor.plant import H2_ALARM
from tests.testkit.fleet import Postgres


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
    with pytest.raises(Fenced):
        await desk.flush()
    await database.put(records)
    assert await told_of(database.past().of(None), lived) == await the_sites_own(lived)


async def test_readings_that_come_after_their_day_was_turned_are_joined_to_it(
    postgres: Postgres, tmp_path: Path
) -> None:
    """A guard that kept its frames over midnight: minutes and hours are those of all of them."""

    def late(life: Life) -> None:
        for _ in range(4):
            life.scan(20)
        life.site.clock.advance(90 * MINUTE_MS)
        for _ in range(4):
            life.scan(30)
        for minutes in (91, 92, 150):
            life.scan(40, late_ms=minutes * MINUTE_MS)
        for _ in range(4):
            life.scan(50)

    lived = live(tmp_path, late)
    async with pool_of(await new_database(postgres)) as pool:
        database = await made_database(pool, Knowing(lived.rules))
        await database.put(records_of(lived.blocks), each=2)
        midnight_ms = lived.begin_ms + 40 * MINUTE_MS
        assert not await pool.fetchval("SELECT count(*) FROM young WHERE at_ms < $1", midnight_ms), "turned again"
        assert await told_of(database.past().of(None), lived) == await the_sites_own(lived)


async def test_what_is_not_signed_is_told_and_what_is_lost_is_a_hole(database: Database, lived: Lived) -> None:
    """A forged block changes nothing; records that Kafka no longer has are named, and reading goes on behind them."""
    records = records_of(lived.blocks)
    forged = records[9]._replace(value=(records[9].value or b"")[:-1] + b"x")
    await database.put([*records[:9], forged, *records[10:60], *records[70:]])
    assert [event for event, _ in database.told] == ["record_unreadable", "records_lost"]
    holes = await database.pool.fetch("SELECT first_seq, last_seq, reason FROM history.hole ORDER BY first_seq")
    lost = [(lived.blocks[9].first_seq, lived.blocks[9].last_seq)]
    lost.append((lived.blocks[60].first_seq, lived.blocks[69].last_seq))
    assert [(first, last) for first, last, _ in holes] == lost


async def test_a_history_that_begins_amid_a_log_knows_the_rules_by_the_first_event(
    database: Database, lived: Lived
) -> None:
    """Kafka keeps inputs for a month, and a rule set is named once: what is still there is read all the same."""
    begin = next(n for n, block in enumerate(lived.blocks) if n > 5 and block.events)
    await database.put(records_of(lived.blocks[begin:]))
    trend = await database.past().of(None).trend(POINT, lived.begin_ms, lived.end_ms, "minute")
    assert isinstance(trend, TrendAnswer)
    assert sum(item.good for item in trend.items) > 50


async def test_a_point_is_its_own_sites_whatever_another_one_says(database: Database, lived: Lived) -> None:
    """A site signs what it likes, also points that it has not."""
    mine = lived.named("s")[:60]
    both = [*lived.named("a")[:-1], *mine, *lived.named("z")[:-1]]
    await database.put(records_of(both))
    span = (lived.begin_ms, lived.end_ms)
    for step in ("raw", "minute", "hour"):
        owned = await database.past().of(frozenset({"s"})).trend(POINT, *span, step)
        assert await database.past().of(None).trend(POINT, *span, step) == owned
        assert await database.past().of(frozenset({"z"})).trend(POINT, *span, step) != owned


async def test_the_hours_can_be_read_by_sql(database: Database, lived: Lived) -> None:
    """The view has what the answer has, with decimals, for dashboards."""
    await database.put(records_of(lived.blocks))
    trend = await database.past().of(None).trend(POINT, lived.begin_ms, lived.begin_ms + 3_600_000, "hour")
    assert isinstance(trend, TrendAnswer)
    row = await database.pool.fetchrow("SELECT * FROM history.hours WHERE point = $1 ORDER BY at LIMIT 1", POINT)
    assert (float(row["min"]), float(row["max"])) == (float(trend.items[0].low or 0), float(trend.items[0].high or 0))
    assert (row["unit"], row["quality"], row["good"]) == ("%vol", trend.items[0].quality, trend.items[0].good)


async def test_an_export_at_the_centre_is_that_of_the_site(postgres: Postgres, lived: Lived, tmp_path: Path) -> None:
    """The same words, the same file, in each step."""
    url = await new_database(postgres)
    async with pool_of(url) as pool:
        await (await made_database(pool, Knowing(lived.rules))).put(records_of(lived.blocks))
    span = (lived.begin_ms, lived.end_ms)
    for step in (Step.RAW, Step.MINUTE, Step.HOUR, Step.AUTO):
        own = export(Queries(lived.folder), tmp_path / f"own-{step}.csv", [POINT, JAR], span, step)
        made = tmp_path / f"made-{step}.csv"
        assert await asyncio.to_thread(export, FleetTrends(url), made, [POINT, JAR], span, step) == own > 0
        assert made.read_bytes() == (tmp_path / f"own-{step}.csv").read_bytes()


async def test_readings_that_are_not_kept_are_refused_and_a_short_time_is_told_in_minutes(
    database: Database, lived: Lived
) -> None:
    """Where the centre keeps none, or when the broker took them too late for what it keeps."""
    database.wanted = Wanted()
    await database.put(records_of(lived.blocks[:60]))
    short = (lived.begin_ms, lived.begin_ms + 300_000)
    past = database.past().of(None)
    refused = await past.trend(POINT, *short, "raw")
    assert isinstance(refused, NotTold)
    assert refused.why is Why.TOO_MUCH
    assert "the site's own history has them" in refused.text
    answer = await past.trend(POINT, *short, "auto")
    assert isinstance(answer, TrendAnswer)
    assert answer.step == "minute"
    assert answer.items
    database.wanted = Wanted(1)
    late = [record._replace(at_ms=record.at_ms + 3 * 86_400_000) for record in records_of(lived.blocks)]
    await database.put(late)
    assert not await database.pool.fetchval("SELECT count(*) FROM history.reading")


async def test_more_readings_than_one_answer_may_have_are_refused(database: Database, lived: Lived) -> None:
    """In the words in which the site refuses them: a day at most, and so many rows."""
    await database.put(records_of(lived.blocks))
    past = database.past().of(None)
    async with own_past(lived) as own:
        day = (lived.begin_ms, lived.begin_ms + 86_400_001)
        assert await past.trend(POINT, *day, "raw") == await own.trend(POINT, *day, "raw")
    await database.pool.execute("UPDATE history.reading SET frames = 20000")
    answer = await past.trend(POINT, lived.begin_ms, lived.end_ms, "raw")
    assert isinstance(answer, NotTold)
    assert answer.text == "more than 20000 readings: ask for less, or for minutes"


async def test_blocks_that_come_again_change_nothing(database: Database, lived: Lived) -> None:
    """The uplink sends at least once, and from an earlier place when it was asked to, under a higher epoch."""
    first, second = lived.blocks, [replace(block, epoch=2) for block in lived.blocks]
    sent = [*first[:60], *first[40:50], *second[20:60], first[60], *second[60:]]
    await database.put(records_of(sent), each=7)
    assert await told_of(database.past().of(None), lived) == await the_sites_own(lived)
