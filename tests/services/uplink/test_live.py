"""The live lane: what is new is seen at once, whatever waits in the other lane."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from services.uplink import live as live_module
from services.uplink import newest as newest_module
from services.uplink.budget import Budget
from services.uplink.fake import FakeFleet
from services.uplink.live import LiveLane
from services.uplink.newest import Told
from services.uplink.site_door import DoorShut
from shared.runtime import places, undurable_events
from shared.runtime.bell import Bell, Rope
from shared.runtime.clocks import SystemClock
from shared.runtime.places import UNDURABLE_EVENTS, memory_folder
from shared.runtime.undurable_events import Handing, Waiting
from shared.runtime.uplink_stand import UplinkStand
from shared.wire.events import decode_event, encode_event
from shared.wire.live import Live, LiveAlarm, LiveOutput, LivePoint, decode_live
from tests.services.processor.plant import gas
from tests.services.processor.site import Site, on_disk
from tests.services.uplink.centre import KEY, KEYS
from tests.services.uplink.test_lane import live

WITHIN_S = 60.0
OUTPUT = LiveOutput("s/r1/io1-do0", "fan", "on", (), "on", "proven", True, "watchdog")  # noqa: FBT003


class Door:
    """The site's points as the test says."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {"s/r1/gas1-h2": "0.2", "s/r1/bank-v1": "2.23"}
        self.alarms: tuple[LiveAlarm, ...] = ()
        self.outputs = (OUTPUT,)
        self.is_open = True

    def told(self) -> Told:
        if not self.is_open:
            raise DoorShut("away")
        points = tuple(LivePoint(name, value, "V", "good", "", 1) for name, value in self.now.items())
        return Told(points, self.alarms, self.outputs)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = on_disk(tmp_path)
    made.open()
    return made


def seen(fleet: FakeFleet) -> list[Live]:
    return [decode_live(data, KEYS) for data in fleet.live]


def events_of(fleet: FakeFleet) -> list[str]:
    return [decode_event(data).id for record in seen(fleet) for data in record.event_bytes()]


async def run(folder: Path, fleet: FakeFleet, door: Door, *steps: Callable[[], bool], bell: Bell | None = None) -> None:
    """The lane, until each step has come true in turn."""
    heard = bell or Bell(folder)
    lane = LiveLane(folder, "s", KEY, Budget(0), door, SystemClock(), heard)  # type: ignore[arg-type]
    lane.stand = lambda: UplinkStand(acknowledged=3, backlog_ms=45_000)
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


async def test_a_ring_is_enough(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are sent at the ring after their commit, also when nobody would look for an hour."""
    fleet, waits = FakeFleet(), list[float]()

    class Heard(Bell):
        async def wait(self, rings: int, seconds: float) -> None:
            waits.append(seconds)
            await super().wait(rings, seconds)

    def quiet() -> bool:
        monkeypatch.setattr(live_module, "LOOK_S", 3600.0)
        return 3600.0 in waits

    def begin() -> bool:
        live(site, 30)
        Rope(tmp_path).ring()
        return True

    def come() -> bool:
        Rope(tmp_path).ring()
        return len(events_of(fleet)) >= len(site.events)

    with Heard(tmp_path) as bell:
        await run(tmp_path, fleet, Door(), lambda: bool(seen(fleet)), quiet, begin, come, bell=bell)
    places.leave_memory(tmp_path, places.IN_MEMORY)
    assert events_of(fleet) == [event.id for event in site.events]


async def test_a_long_past_is_passed_over(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that comes back after long begins near its end: what was before comes by the blocks."""
    monkeypatch.setattr(live_module, "BEHIND_MAX", 20)
    live(site, 200)
    fleet = FakeFleet()
    newest = site.events[-1].id
    await run(tmp_path, fleet, Door(), lambda: newest in events_of(fleet))
    assert 0 < len(events_of(fleet)) < len(site.events) // 2


async def test_a_record_says_from_which_input_on_it_leaves_no_event_out(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record after record without a hole, over inputs that told nothing; behind a stretch that was passed over, from
    its end on."""
    monkeypatch.setattr(live_module, "BEHIND_MAX", 20)
    monkeypatch.setattr(live_module, "SIGN_S", 0.05)
    live(site, 200)
    fleet = FakeFleet()
    begun = site.runner.head.site_seq

    def whole() -> list[tuple[int, int]]:
        return [(one.from_seq, one.site_seq) for one in seen(fleet) if one.from_seq]

    def more() -> bool:
        live(site, 5)
        return True

    def is_at_the_head() -> bool:
        return bool(whole()) and whole()[-1][1] == site.runner.head.site_seq

    await run(tmp_path, fleet, Door(), lambda: bool(whole()), more, is_at_the_head)
    assert whole()[0] == (begun - 19, begun)
    assert all(first == before + 1 for (_, before), (first, _) in pairwise(whole()))


async def test_events_that_were_not_taken_are_sent_again(site: Site, tmp_path: Path) -> None:
    """The fleet is away for a record: the next one has its events, and no hole before them."""
    fleet = FakeFleet()

    def away() -> bool:
        fleet.is_up = False
        live(site, 30)
        return True

    lane = LiveLane(tmp_path, "s", KEY, Budget(0), Door(), SystemClock(), Bell(tmp_path))  # type: ignore[arg-type]
    centre = await fleet.connect(0)
    away()
    running = asyncio.create_task(lane.run(centre))
    await asyncio.sleep(0.3)
    assert not fleet.live
    fleet.is_up = True
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await centre.close()
    again = await fleet.connect(0)
    running = asyncio.create_task(lane.run(again))
    async with asyncio.timeout(WITHIN_S):
        while len(events_of(fleet)) < len(site.events):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await again.close()
    assert events_of(fleet) == [event.id for event in site.events]
    assert next(one.from_seq for one in seen(fleet) if one.events) == 1


@pytest.mark.usefixtures("site")
async def test_points_come_whole_then_as_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All at first, then what has changed."""
    monkeypatch.setattr(live_module, "TELL_S", 0.02)
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
    assert {(one.acked_seq, one.backlog_ms) for one in seen(fleet)} == {(3, 45_000)}


def raised(name: str, state: str) -> LiveAlarm:
    return LiveAlarm(
        name, "h2_alarm", "s/r1/gas1-h2", "critical", state, "true", "none", "o", 1, "2.1", "%vol", "go", 0
    )


@pytest.mark.usefixtures("site")
async def test_alarms_and_outputs_come_whole_then_as_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first record of a connection is anew; then an alarm that changed, one that is over, a switched output."""
    monkeypatch.setattr(live_module, "TELL_S", 0.02)
    fleet, door = FakeFleet(), Door()
    door.alarms = (raised("s/a", "B"), raised("s/b", "B"))

    def told() -> list[tuple[list[tuple[str, str]], tuple[str, ...], list[str], bool]]:
        return [
            ([(a.id, a.state) for a in one.alarms], one.alarms_gone, [o.demand for o in one.outputs], one.anew)
            for one in seen(fleet)
            if one.alarms or one.alarms_gone or one.outputs
        ]  # fmt: skip

    def change() -> bool:
        door.alarms = (raised("s/a", "C"),)
        return True

    def switch() -> bool:
        door.outputs = (msgspec.structs.replace(OUTPUT, demand="off"),)
        return True

    steps = (lambda: len(told()) == 1, change, lambda: len(told()) == 2, switch, lambda: len(told()) == 3)
    await run(tmp_path, fleet, door, *steps)
    assert told() == [
        ([("s/a", "B"), ("s/b", "B")], (), ["on"], True),
        ([("s/a", "C")], ("s/b",), [], False),
        ([], (), ["off"], False),
    ]


@pytest.mark.usefixtures("site")
async def test_what_was_not_taken_is_told_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a record that was lost, and after the time, everything is told again."""
    monkeypatch.setattr(live_module, "TELL_S", 0.02)
    monkeypatch.setattr(newest_module, "ANEW_S", 0.1)
    fleet, door = FakeFleet(), Door()
    await run(tmp_path, fleet, door, lambda: sum(one.anew for one in seen(fleet)) >= 3)
    assert all(len(one.points) == 2 for one in seen(fleet) if one.anew)


async def test_what_the_disk_does_not_take_is_seen_all_the_same(site: Site, tmp_path: Path) -> None:
    """Events that are in no log come marked; each once, and none when the log has them."""
    live(site, 5)
    fleet, handing = FakeFleet(), Handing(tmp_path)
    events = [encode_event(event) for event in site.commit(gas(50, 250)).events]

    def put() -> bool:
        handing.put(events[:1])
        handing.put(events[1:])
        return True

    def undurable() -> list[bytes]:
        return [data for one in seen(fleet) if one.undurable for data in one.event_bytes()]

    await run(tmp_path, fleet, Door(), lambda: bool(seen(fleet)), put, lambda: len(undurable()) >= len(events))
    assert undurable() == events
    handing.end()
    assert Waiting(tmp_path).take() == []


def test_the_file_of_undurable_events_is_bounded_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins anew when it is full; half a line is not taken, and what is there before the reader is."""
    monkeypatch.setattr(undurable_events, "BYTES_MAX", 20)
    handing, waiting = Handing(tmp_path), Waiting(tmp_path)
    handing.put([b"first", b"second"])
    assert waiting.take() == [b"first", b"second"]
    assert waiting.take() == []
    handing.put([b"third one"])
    assert waiting.take() == [b"third one"]
    with (memory_folder(tmp_path) / UNDURABLE_EVENTS).open("ab") as file:
        file.write(b"half")
    assert waiting.take() == []
    handing.end()


@pytest.mark.usefixtures("site")
async def test_every_record_is_signed_and_later_than_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(site_seq, sent_at_ms, number) rise, whichever part of the lane sends, also with a clock that stands."""
    monkeypatch.setattr(live_module, "TELL_S", 0.01)
    monkeypatch.setattr(live_module, "SIGN_S", 0.01)
    monkeypatch.setattr(newest_module, "ANEW_S", 0.0)
    fleet = FakeFleet()
    await run(tmp_path, fleet, Door(), lambda: len(seen(fleet)) >= 20)
    stamps = [(one.site_seq, one.sent_at_ms, one.number) for one in seen(fleet)]
    assert stamps == sorted(set(stamps))
