"""A quiet site sends few blocks, and nobody waits for anything that follows from a frame."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from services.uplink.budget import Budget
from services.uplink.fake import FakeFleet
from services.uplink.lane import Lane
from services.uplink.place import Keeper
from services.uplink.reading import Blocks
from shared.domain.inputs import What
from shared.runtime.bell import Bell
from tests.services.processor.plant import H2_ALARM, command, gas
from tests.services.processor.site import Site, on_disk
from tests.services.uplink.centre import KEY, made_of
from tests.services.uplink.running import recorded

WITHIN_S = 60.0
NEVER_S = 600.0
FRAMES = 30


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site past its first scans: calm frames make no events any more."""
    made = on_disk(tmp_path)
    made.open()
    for number in range(1, 6):
        made.commit(gas(number, 20))
    return made


async def run(folder: Path, fleet: FakeFleet, calm_s: float, *steps: Callable[[Lane], bool]) -> None:
    """The lane, until each step has come true in turn; what the log has already is up before the first."""
    lane = Lane(Blocks(folder, "s", KEY), Keeper(folder), Budget(0), Bell(folder), calm_s=calm_s)
    centre = await fleet.connect(0)
    running = asyncio.create_task(lane.run(centre))
    try:
        async with asyncio.timeout(WITHIN_S):
            for step in (lambda lane: lane.is_done, *steps):
                while not step(lane):
                    await asyncio.sleep(0.01)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await centre.close()


def test_calm_frames_wait_and_whatever_follows_from_one_does_not(site: Site, tmp_path: Path) -> None:
    """They go with the first event or command behind them, in one block, in order; or when a block is full."""
    fleet = FakeFleet()
    blocks: list[int] = []

    def calm(_lane: Lane) -> bool:
        blocks.append(len(fleet.blocks))
        for number in range(6, 6 + FRAMES):
            assert not site.commit(gas(number, 20)).events
        return True

    def still(lane: Lane) -> bool:
        return lane.behind >= FRAMES and len(fleet.blocks) == blocks[0]

    def alarm(_lane: Lane) -> bool:
        return bool(site.commit(gas(100, 250)).events)

    def one_more(lane: Lane) -> bool:
        return lane.is_done and len(fleet.blocks) == blocks[0] + 1

    def act(_lane: Lane) -> bool:
        site.commit(gas(101, 250), command("c1", What.ACK, H2_ALARM, reason="seen"))
        return True

    def many(_lane: Lane) -> bool:
        for number in range(102, 102 + 64):
            site.commit(gas(number, 250))
        return True

    steps = (calm, still, alarm, one_more, act, lambda lane: lane.is_done, many, lambda lane: lane.behind < 64)
    asyncio.run(run(tmp_path, fleet, NEVER_S, *steps))
    centre = made_of(fleet.blocks)
    assert (centre.holes, centre.order) == ([], sorted(centre.order))
    assert [row.data for row in centre.inputs.values()] == recorded(tmp_path)[: len(centre.inputs)]


def test_calm_frames_go_when_their_time_is_over(site: Site, tmp_path: Path) -> None:
    """Without anything behind them, as one block."""
    fleet = FakeFleet()
    blocks: list[int] = []

    def calm(_lane: Lane) -> bool:
        blocks.append(len(fleet.blocks))
        for number in range(6, 6 + FRAMES):
            site.commit(gas(number, 20))
        return True

    asyncio.run(run(tmp_path, fleet, 0.5, calm, lambda _lane: len(fleet.blocks) > blocks[0], lambda lane: lane.is_done))
    assert [row.data for row in made_of(fleet.blocks).inputs.values()] == recorded(tmp_path)
