"""Lanes together over connections: the live one first, back-off between, and an end when it is asked for."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from services.uplink import cutting
from services.uplink import serving as serving_module
from services.uplink.budget import Budget
from services.uplink.fake import FakeFleet
from services.uplink.lane import Lane
from services.uplink.live import LiveLane
from services.uplink.newest import Told
from services.uplink.orders import Orders
from services.uplink.place import Keeper
from services.uplink.port import Centre, CentreLost
from services.uplink.reading import Blocks
from services.uplink.serving import Serving
from services.uplink.site_door import DoorShut, SiteDoor
from shared.domain.errors import ConfigError
from shared.runtime.bell import Bell
from shared.runtime.clocks import SystemClock
from shared.wire.events import decode_event
from shared.wire.live import decode_live
from tests.services.processor.plant import gas
from tests.services.processor.site import Site, on_disk
from tests.services.uplink.centre import KEY, KEYS, made_of
from tests.services.uplink.running import recorded
from tests.services.uplink.test_lane import live

WITHIN_S = 60.0


class Shut(SiteDoor):
    """A site whose door is shut."""

    def told(self) -> Told:
        raise DoorShut("away")


class Joined:
    """One site's uplink against a fleet in memory."""

    def __init__(self, folder: Path, fleet: FakeFleet, bytes_per_s: int = 0) -> None:
        clock, budget = SystemClock(), Budget(bytes_per_s)
        door = Shut(folder, clock.wall_ms)
        self.fleet = fleet
        self.attempts = 0
        self.refusals: list[Exception] = []
        self.lane = Lane(Blocks(folder, "s", KEY), Keeper(folder), budget, Bell(folder))
        live_lane = LiveLane(folder, "s", KEY, budget, door, clock, Bell(folder))
        orders = Orders("s", self.lane, live_lane, door, clock)
        self.serving = Serving(self.lane, live_lane, orders, self._connect, chance=Random(1))

    async def _connect(self, done_order: int) -> Centre:
        self.attempts += 1
        if self.refusals:
            raise self.refusals.pop(0)
        return await self.fleet.connect(done_order)

    async def run(self, *steps: Callable[[], bool]) -> None:
        """Until each step has come true in turn."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.serving.run(stop))
        async with asyncio.timeout(WITHIN_S):
            for step in steps:
                while not step():
                    await asyncio.sleep(0.01)
            stop.set()
            await running

    def is_live(self, event_id: str) -> bool:
        return any(
            decode_event(data).id == event_id
            for each in self.fleet.live
            for data in decode_live(each, KEYS).event_bytes()
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = on_disk(tmp_path)
    made.open()
    return made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_module, "FIRST_S", 0.01)


async def test_what_is_new_is_seen_while_a_backlog_drains(site: Site, tmp_path: Path) -> None:
    """On a thin line the alarm of now is live long before the blocks of before are up."""
    live(site, 600)
    joined = Joined(tmp_path, FakeFleet(), bytes_per_s=4_000)
    began: list[str] = []

    def alarm() -> bool:
        made = site.commit(gas(9_001, 250))
        began.append(made.events[0].id)
        return True

    def behind() -> bool:
        return joined.lane.place.site_seq < site.runner.head.site_seq - 100

    await joined.run(lambda: len(joined.fleet.blocks) > 0, alarm, lambda: joined.is_live(began[0]))
    assert behind()


async def test_a_fleet_that_comes_and_goes_gets_everything(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection goes on where the one before had got to."""
    monkeypatch.setattr(cutting, "FRAMES_MAX", 64)
    live(site, 300)
    fleet = FakeFleet(delay_s=0.02)
    joined = Joined(tmp_path, fleet)

    def down() -> bool:
        fleet.is_up = False
        return True

    def up() -> bool:
        fleet.is_up = True
        fleet.delay_s = 0.0
        return True

    await joined.run(lambda: len(fleet.blocks) > 2, down, lambda: joined.attempts > 1, up, lambda: joined.lane.is_done)
    centre = made_of(fleet.blocks)
    assert [row.data for row in centre.inputs.values()] == recorded(tmp_path)
    assert centre.holes == []
    assert fleet.connections >= 2


async def test_an_identity_that_is_wrong_is_tried_again(site: Site, tmp_path: Path) -> None:
    """Whoever puts it right needs no restart."""
    live(site, 10)
    joined = Joined(tmp_path, FakeFleet())
    joined.refusals = [ConfigError("no key"), ConfigError("no key")]
    await joined.run(lambda: joined.lane.is_done)
    assert joined.fleet.connections == 1


async def test_the_fleet_is_reached_when_it_has_answered(site: Site, tmp_path: Path) -> None:
    """A connection that is only begun is none: what is sent may go to a broker that is not there."""
    live(site, 10)
    fleet = FakeFleet(offset_ms=None)
    joined = Joined(tmp_path, fleet)
    seen: list[bool] = []

    def answers() -> bool:
        seen.append(joined.serving.is_up)
        fleet.offset_ms = 0
        return True

    await joined.run(lambda: joined.lane.is_done, answers, lambda: joined.serving.is_up)
    assert seen == [False]
    assert not joined.serving.is_up


async def test_a_connection_that_is_lost_again_and_again_is_told_once(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the same reason; another one is told, and the same after a good while too."""
    live(site, 10)
    joined = Joined(tmp_path, FakeFleet())
    told: list[str] = []
    monkeypatch.setattr(joined.serving, "_log", SimpleNamespace(warning=lambda _event, why: told.append(why)))
    joined.refusals = [CentreLost(why) for why in ("ended", "ended", "away", "away", "ended")]
    await joined.run(lambda: not joined.refusals)
    assert told == ["ended", "away", "ended"]
    monkeypatch.setattr(serving_module, "GOOD_S", 0.0)
    joined.refusals = [CentreLost("ended")]
    await joined.run(lambda: not joined.refusals and joined.fleet.connections > 0)
    assert told == ["ended", "away", "ended", "ended"]


async def test_a_full_bucket_lets_blocks_wait_and_live_go() -> None:
    """A block larger than the bucket passes once, what follows waits for its debt; live goes before it."""
    now = [0.0]
    budget = Budget(1_000, lambda: now[0])
    await budget.take(5_000)
    block = asyncio.create_task(budget.take(10))
    sent = asyncio.create_task(budget.take_live(10))
    now[0] = 3.5
    await sent
    assert not block.done()
    now[0] = 5.0
    await block
