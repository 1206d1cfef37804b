"""What is told of the uplink: how far it is, how much waits and since when."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from services.site.measured import measured, uplink_notes
from services.uplink.fake import FakeFleet
from services.uplink.place import Place, read_place
from services.uplink.standing import Standing
from shared.devices.plan import UplinkPlan
from shared.log.store import open_reader
from shared.runtime import metrics, places, uplink_stand
from shared.runtime.clocks import ManualClock, SystemClock
from shared.runtime.metrics import Sample
from shared.runtime.uplink_stand import OLD_MS, UplinkStand
from tests.services.processor.site import Site, on_disk
from tests.services.uplink.running import drain, recorded
from tests.services.uplink.test_lane import live

SINCE_MS = 1_000


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = on_disk(tmp_path)
    made.open()
    return made


def clock() -> ManualClock:
    return ManualClock(mono=5_000, wall=SINCE_MS)


def test_what_the_fleet_does_not_have_is_counted_from_the_log(site: Site, tmp_path: Path) -> None:
    """All of it at first, some of it half-way, nothing of it at the end; a fleet that is away is no connection."""
    live(site, 60)
    reader = open_reader(tmp_path)
    head, inputs = reader.head(), len(recorded(tmp_path))
    reader.close()

    def looked(acknowledged: int, *, is_up: bool = True) -> UplinkStand:
        place = Place(epoch=7, site_seq=acknowledged)
        return Standing(tmp_path, clock(), lambda: place, lambda: is_up).look()

    first, half, last = looked(0, is_up=False), looked(head.site_seq // 2), looked(head.site_seq)
    assert (first.backlog, first.connected_at_ms, first.epoch) == (inputs, 0, 7)
    assert 0 < half.backlog < first.backlog
    assert 0 < half.backlog_bytes < first.backlog_bytes
    assert 0 < half.backlog_ms < first.backlog_ms
    assert last == UplinkStand(SINCE_MS, 7, head.site_seq)


def test_a_drained_log_leaves_no_backlog(site: Site, tmp_path: Path) -> None:
    """By the place that the uplink itself has written."""
    live(site, 20)
    drain(tmp_path, FakeFleet())
    place = read_place(tmp_path)
    assert place is not None
    stand = Standing(tmp_path, clock(), lambda: place, lambda: True).look()
    assert (stand.backlog, stand.backlog_bytes, stand.backlog_ms) == (0, 0, 0)


def test_a_log_that_is_away_is_no_backlog_and_no_fault(tmp_path: Path) -> None:
    """It is looked at again a second later."""
    stand = Standing(tmp_path, clock(), Place, lambda: True).look()
    assert stand == UplinkStand(SINCE_MS, 1, 0)


async def test_it_is_told_as_long_as_the_uplink_runs(site: Site, tmp_path: Path) -> None:
    """The connection's time stays the first one; what was told ends with its age."""
    live(site, 5)
    now = SystemClock()
    running = asyncio.create_task(Standing(tmp_path, now, Place, lambda: True).run())
    try:
        async with asyncio.timeout(60):
            while (first := uplink_stand.read(tmp_path, now)) is None:
                await asyncio.sleep(0.02)
            live(site, 5, first=6)
            while (later := uplink_stand.read(tmp_path, now)) is None or later.backlog <= first.backlog:
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert later.connected_at_ms == first.connected_at_ms
    places.leave_memory(tmp_path, places.IN_MEMORY)


def test_what_is_old_of_another_boot_or_broken_is_no_stand(tmp_path: Path) -> None:
    """An uplink that was killed leaves its file behind."""
    then, stand = clock(), UplinkStand(1, 2, 3, 4, 5, 6)
    uplink_stand.tell(tmp_path, then, stand)
    path = places.memory_folder(tmp_path) / places.UPLINK_STAND
    assert uplink_stand.read(tmp_path, then) == stand
    then.mono += OLD_MS
    assert uplink_stand.read(tmp_path, then) == stand
    then.mono += 1
    assert uplink_stand.read(tmp_path, then) is None
    then.mono = 0
    assert uplink_stand.read(tmp_path, then) is None
    for broken in (b"", b"[]", b"{}", b'{"told_ms": "x"}', b'{"told_ms": 0, "boot": "", "more": 1}'):
        path.write_bytes(broken)
        assert uplink_stand.read(tmp_path, then) is None
    places.leave_memory(tmp_path, places.IN_MEMORY)


def test_a_site_without_an_uplink_measures_none_and_one_that_says_nothing_is_not_connected() -> None:
    """A panel of the fleet shows those that should be there."""
    joined = replace(UplinkPlan(), kafka="k:9092")
    assert measured(UplinkPlan(), None, {}) == ()
    assert measured(joined, None, {}) == (Sample(metrics.UPLINK_CONNECTED, 0),)
    told = {each.name: each.value for each in measured(joined, UplinkStand(9, 2, 30, 4, 500, 6_000), {})}
    assert told == {
        metrics.UPLINK_CONNECTED: 1,
        metrics.UPLINK_EPOCH: 2,
        metrics.UPLINK_ACKNOWLEDGED: 30,
        metrics.UPLINK_BACKLOG: 4,
        metrics.UPLINK_BACKLOG_BYTES: 500,
        metrics.UPLINK_BACKLOG_AGE: 6.0,
    }


@pytest.mark.parametrize(
    ("stand", "says"),
    [
        (None, "NOT RUNNING"),
        (UplinkStand(0, 7, 30), "NOT CONNECTED; epoch 7, the fleet has the log up to 30; to go up: nothing"),
        (
            UplinkStand(1_000, 7, 30, 4, 5_000, 6_200),
            "connected since 1970-01-01T00:00:01Z; epoch 7, the fleet has the log up to 30;"
            " to go up: 4 inputs, 5 KiB, the oldest 6.2 s old",
        ),
    ],
)
def test_status_has_a_line_of_the_uplink(stand: UplinkStand | None, says: str) -> None:
    """Whether it runs, since when it is connected, and what waits; none at a site without one."""
    [line] = uplink_notes(UplinkPlan(kafka="k:9092"), stand)
    assert says in line
    assert uplink_notes(UplinkPlan(), stand) == ()
