"""A lane between a real log and a fleet in memory, run until it has nothing more to do."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from services.uplink.budget import Budget
from services.uplink.fake import FakeFleet
from services.uplink.lane import Again, Lane
from services.uplink.place import Keeper, Place
from services.uplink.port import CentreLost
from services.uplink.reading import Blocks
from shared.log.port import Reading
from shared.log.steps import Step, no_step
from shared.log.store import open_reader
from shared.runtime.bell import Bell
from tests.services.uplink.centre import KEY

WITHIN_S = 60.0
SITE = "s"


def lane_of(folder: Path, *, bytes_per_s: int = 0, step: Step = no_step) -> Lane:
    keeper = Keeper(folder, every_s=1.0 if step is no_step else 0.0, step=step)
    return Lane(Blocks(folder, SITE, KEY), keeper, Budget(bytes_per_s), Bell(folder), step=step)


def drain(folder: Path, fleet: FakeFleet, *, asked: Again | None = None, step: Step = no_step) -> Place:
    """Run until the fleet has acknowledged the whole log, over lost links; gives the place then."""
    return asyncio.run(_drain(folder, fleet, asked, step))


async def _drain(folder: Path, fleet: FakeFleet, asked: Again | None, step: Step) -> Place:
    lane = lane_of(folder, step=step)
    if asked is not None:
        lane.again(asked)
    epoch = lane.place.epoch
    async with asyncio.timeout(WITHIN_S):
        while True:
            with suppress(CentreLost):
                await _serve(lane, fleet, lambda: asked is None or lane.place.epoch > epoch)
                return lane.place
            await asyncio.sleep(0.01)


async def _serve(lane: Lane, fleet: FakeFleet, may_end: Callable[[], bool]) -> None:
    centre = await fleet.connect(0)
    running = asyncio.create_task(lane.run(centre))
    try:
        while not running.done() and not (may_end() and lane.is_done):
            await asyncio.sleep(0.01)
        if running.done():
            await running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError, CentreLost):
            await running
        await centre.close()


def log_of(folder: Path) -> Reading:
    return open_reader(folder)


def recorded(folder: Path, after_seq: int = 0) -> list[bytes]:
    """The bytes of all inputs of a log."""
    reader = open_reader(folder)
    try:
        return [row.data for row in reader.inputs(after_seq, 1 << 30)]
    finally:
        reader.close()


def told(folder: Path, after_seq: int = 0) -> list[bytes]:
    """The bytes of all events of a log."""
    reader = open_reader(folder)
    try:
        return [row.data for _, row in reader.events(None, 1 << 30) if row.site_seq > after_seq]
    finally:
        reader.close()
