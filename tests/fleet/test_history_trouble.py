"""The fleet's history while PostgreSQL stops, starts and hangs: it waits, says so, and loses and doubles nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from services.history.centre.app import HistoryPlan, serve
from services.history.centre.asking import Asking
from services.site.fleet_past import FleetPast
from shared.bus.registry import INPUTS, Shape
from shared.runtime.postgres import TROUBLE, DatabaseAway, Pool, connect
from tests.fleet.centre import Centre
from tests.fleet.database import pool_of
from tests.fleet.lanes import until, until_database_is
from tests.fleet.shelved import Lived, own_past, told_of
from tests.testkit.fleet import KafkaBroker, Postgres
from tests.testkit.ports import free_port
from tests.testkit.proxy import FaultProxy, Faults

PATIENCE_S = 150.0


@asynccontextmanager
async def replica(centre: Centre, url: str, tell: Callable[[str, str], None]) -> AsyncIterator[str]:
    """One in this process; where it tells how it is. It ends in order, whatever the database does."""
    stop, health = asyncio.Event(), f"127.0.0.1:{free_port()}"
    plan = HistoryPlan(
        centre.access, Shape(partitions=centre.partitions), url, centre.prefix, health=health, quiet_s=0.2,
        event_s=0.2, statement_s=2.0,
    )  # fmt: skip
    task = asyncio.create_task(serve(plan, stop, tell))
    try:
        yield health
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await task


async def until_stored(centre: Centre, url: str, count: int) -> None:
    """So many records of the one site; a server that is away is asked again."""
    place = centre.place(INPUTS, "north")
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with pool_of(url) as pool:
                    query = "SELECT next FROM history.place WHERE topic = $1 AND partition = $2"
                    while (await pool.fetchval(query, *place) or 0) < count:
                        await asyncio.sleep(0.1)
                    return
            except (*TROUBLE, DatabaseAway):
                await asyncio.sleep(0.2)


async def test_a_database_that_stops_and_hangs_costs_no_row(kafka: KafkaBroker, tmp_path: Path, lived: Lived) -> None:
    """Blocks go on coming while it is stopped and while its connections are silent: exact after, and said so."""
    told: list[str] = []
    with Postgres(tmp_path / "postgres") as server, FaultProxy("127.0.0.1", server.plan.port) as proxy:
        url = server.url.replace(f":{server.plan.port}/", f":{proxy.port}/")
        async with Centre(kafka, partitions=1) as centre:
            await centre.register("north")
            await centre.rules(lived.rules)
            await centre.send("north", lived.blocks[:30])
            async with replica(centre, url, lambda event, _: told.append(event)) as health:
                await until_stored(centre, server.url, 10)
                server.stop()
                await centre.send("north", lived.blocks[30:60])
                await until(lambda: "database_away" in told, "it was not said that the database is away")
                await until_database_is(health, "PostgreSQL takes nothing")
                server.start()
                await until_stored(centre, server.url, 60)
                await until_database_is(health, "")
                before = told.count("database_away")
                proxy.faults = Faults(swallow_up=True, swallow_down=True)
                await centre.send("north", lived.blocks[60:90])
                await until(lambda: told.count("database_away") > before, "it was not said that the database hangs")
                proxy.mend()
                proxy.reset()
                await centre.send("north", lived.blocks[90:])
                await until_stored(centre, server.url, len(lived.blocks))
                await until_database_is(health, "")
                assert told.count("database_back") == told.count("database_away") >= 2
                proxy.faults = Faults(swallow_up=True, swallow_down=True)
                await centre.send("north", lived.blocks[-5:])
                await asyncio.sleep(1.0)  # It ends in the midst of a statement, mostly before it knows that it hangs.
            await _is_exact(server.url, lived)


async def _is_exact(url: str, lived: Lived) -> None:
    async def pool() -> Pool:
        return await connect(url, "test", schema="history")

    asking = Asking(pool)
    try:
        async with own_past(lived) as own:
            assert await told_of(FleetPast(asking).of(None), lived) == await told_of(own, lived)
    finally:
        await asking.close()
