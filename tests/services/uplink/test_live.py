"""The live lane: what is new is seen at once, whatever waits in the other lane."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from services.uplink import live as live_module
from services.uplink.budget import Budget
from services.uplink.fake import FakeFleet
from services.uplink.live import LiveLane
from services.uplink.site_door import DoorShut
from shared.runtime.clocks import SystemClock
from shared.wire.events import decode_event
from shared.wire.live import Live, LivePoint, decode_live
from tests.services.processor.site import Site, on_disk
from tests.services.uplink.test_lane import live

WITHIN_S = 20.0


class Door:
    """The site's points as the test says."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {"s/r1/gas1-h2": "0.2", "s/r1/bank-v1": "2.23"}
        self.is_open = True

    def points(self) -> tuple[LivePoint, ...]:
        if not self.is_open:
            raise DoorShut("away")
        return tuple(LivePoint(name, value, "V", "good", "", 1) for name, value in self.now.items())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = on_disk(tmp_path)
    made.open()
    return made


def seen(fleet: FakeFleet) -> list[Live]:
    return [decode_live(data) for data in fleet.live]


def events_of(fleet: FakeFleet) -> list[str]:
    return [decode_event(data).id for record in seen(fleet) for data in record.event_bytes()]


async def run(folder: Path, fleet: FakeFleet, door: Door, *steps: Callable[[], bool]) -> None:
    """The lane, until each step has come true in turn."""
    lane = LiveLane(folder, "s", Budget(0), door, SystemClock())  # type: ignore[arg-type]
    centre = await fleet.connect(0)
    running = asyncio.create_task(lane.run(centre))
    try:
        async with asyncio.timeout(WITHIN_S):
            for step in steps:
                while not step():
                    await asyncio.sleep(0.01)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await centre.close()


async def test_events_come_as_they_are_committed(site: Site, tmp_path: Path) -> None:
    """Each event of the site, in order, with its own bytes."""
    fleet = FakeFleet()

    def begin() -> bool:
        live(site, 30)
        return True

    await run(tmp_path, fleet, Door(), begin, lambda: len(events_of(fleet)) >= len(site.events))
    assert events_of(fleet) == [event.id for event in site.events]


async def test_a_long_past_is_passed_over(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that comes back after long begins near its end: what was before comes by the blocks."""
    monkeypatch.setattr(live_module, "BEHIND_MAX", 20)
    live(site, 200)
    fleet = FakeFleet()
    newest = site.events[-1].id
    await run(tmp_path, fleet, Door(), lambda: newest in events_of(fleet))
    assert 0 < len(events_of(fleet)) < len(site.events) // 2


@pytest.mark.usefixtures("site")
async def test_points_come_whole_then_as_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All at first, then what has changed."""
    monkeypatch.setattr(live_module, "POINTS_S", 0.02)
    fleet, door = FakeFleet(), Door()

    def points() -> list[list[tuple[str, str]]]:
        return [[(point.id, point.value) for point in record.points] for record in seen(fleet) if record.points]

    def change() -> bool:
        door.now["s/r1/gas1-h2"] = "1.5"
        return True

    await run(tmp_path, fleet, door, lambda: len(points()) == 1, change, lambda: len(points()) == 2)
    assert points() == [[("s/r1/gas1-h2", "0.2"), ("s/r1/bank-v1", "2.23")], [("s/r1/gas1-h2", "1.5")]]


async def test_a_silent_site_gives_a_sign(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing else goes out an empty record does, with the number that the log has reached."""
    monkeypatch.setattr(live_module, "SIGN_S", 0.05)
    live(site, 5)
    fleet, door = FakeFleet(), Door()
    door.is_open = False
    await run(tmp_path, fleet, door, lambda: sum(not record.events for record in seen(fleet)) >= 3)
    assert seen(fleet)[-1].site_seq == site.runner.head.site_seq
