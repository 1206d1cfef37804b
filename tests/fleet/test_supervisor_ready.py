"""A supervisor's probes: not ready while a server of it is away, alive all the same."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.fleet.supervise import serve
from services.fleet.supervise_ready import Pulse
from services.fleet.supervise_tell import Who
from services.fleet.supervise_term import Setting
from shared.log.kafka.access import Access
from tests.fleet.lanes import PATIENCE_S
from tests.fleet.supervised import FLEET_KEY, Supervised, supervised
from tests.testkit.fleet import KafkaBroker, Postgres
from tests.testkit.ports import free_port

UNSIGNED_S = 2.0


@dataclass
class Probed:
    pulse: Pulse

    async def until(self, what: Callable[[dict[str, str]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not what(self.pulse.ready()):
                assert self.pulse.work.why() == ""
                await asyncio.sleep(0.05)


@asynccontextmanager
async def working(fleet: Supervised, access: Access) -> AsyncIterator[Probed]:
    """A supervisor in this process."""
    setting = Setting(access, fleet.centre.partitions, Who(FLEET_KEY, fleet.partition, fleet.centre.prefix))
    stop, probed = asyncio.Event(), Probed(Pulse(UNSIGNED_S))
    task = asyncio.create_task(serve(setting, fleet.url, stop, fleet.told, probed.pulse))
    try:
        yield probed
    finally:
        stop.set()
        await task


def is_ready(checks: dict[str, str]) -> bool:
    return not any(checks.values())


async def test_a_supervisor_is_ready_while_its_database_answers(kafka: KafkaBroker, tmp_path: Path) -> None:
    """It ends and comes back: not ready meanwhile, alive all the time, ready again."""
    with Postgres(tmp_path / "postgres") as own:
        async with supervised(kafka, own) as fleet, working(fleet, fleet.centre.access) as probed:
            await probed.until(is_ready)
            own.stop()
            await probed.until(lambda checks: checks["database"] != "")
            own.start()
            await probed.until(is_ready)


async def test_a_supervisor_that_holds_the_lease_and_hears_no_broker_is_not_ready(
    kafka: KafkaBroker, postgres: Postgres
) -> None:
    """It says which server is away, and that the other is there."""
    async with (
        supervised(kafka, postgres) as fleet,
        working(fleet, Access(f"127.0.0.1:{free_port()}")) as probed,
    ):
        await probed.until(lambda checks: checks["kafka"] != "")
        assert probed.pulse.ready()["database"] == ""
