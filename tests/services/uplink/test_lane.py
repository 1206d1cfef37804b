"""A site's log goes up in blocks: nothing lost, in order, over lost links and restarts."""

import threading
from pathlib import Path

import pytest

from services.uplink import place as place_module
from services.uplink.fake import FakeFleet
from services.uplink.lane import Again
from services.uplink.place import Place, read_place, write_place
from services.uplink.port import CentreLost
from shared.domain.inputs import What
from shared.log import sqlite
from shared.log.store import open_reader
from tests.services.processor.plant import H2_ALARM, bank, command, gas
from tests.services.processor.site import Site, on_disk
from tests.services.uplink.centre import made_of
from tests.services.uplink.running import drain, lane_of, recorded, told


def live(site: Site, scans: int, *, first: int = 1) -> None:
    """A running site: frames, an alarm now and then, Ticks."""
    for number in range(first, first + scans):
        site.commit(gas(number, 250 if number % 40 == 20 else 20), bank(number, low=frozenset(range(number % 3))))
        if number % 10 == 0:
            site.tick()
        if number % 40 == 25:
            site.commit(command(f"c{number}", What.ACK, H2_ALARM, reason="seen"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = on_disk(tmp_path)
    made.open()
    return made


def test_the_whole_log_goes_up_in_order(site: Site, tmp_path: Path) -> None:
    """Every input and event of the log is at the fleet, byte for byte, each once and in order."""
    live(site, 100)
    fleet = FakeFleet()
    place = drain(tmp_path, fleet)
    centre = made_of(fleet.blocks)
    assert [row.data for row in centre.inputs.values()] == recorded(tmp_path)
    assert [event.data for event in centre.events.values()] == told(tmp_path)
    assert centre.order == sorted(centre.order)
    assert (centre.holes, centre.repeats) == ([], 0)
    assert (place.site_seq, place.hash) == (site.runner.head.site_seq, site.runner.head.hash)


def test_the_rule_set_is_there_before_the_input_that_names_it(site: Site, tmp_path: Path) -> None:
    """A body is confirmed before the first block that needs it."""
    fleet = FakeFleet()
    seen: list[set[str]] = []
    fleet.before_block = lambda _count: seen.append(set(fleet.rulesets))
    drain(tmp_path, fleet)
    assert seen[0] == {site.runner.version}


def test_packed_rows_go_up_as_the_links_that_they_were(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packing takes the hashes of inner links away; what goes up has them all."""
    monkeypatch.setattr(sqlite, "YOUNG_INPUTS", 32)
    live(site, 150)
    while site.runner._journal.log is not None and site.runner._journal.log.tidy():
        pass
    reader = open_reader(tmp_path)
    assert any(len(span.inside.links) > 10 for span in reader.spans())
    reader.close()
    fleet = FakeFleet()
    drain(tmp_path, fleet)
    centre = made_of(fleet.blocks)
    assert [row.data for row in centre.inputs.values()] == recorded(tmp_path)
    assert (centre.holes, centre.repeats) == ([], 0)


def test_a_restart_goes_on_where_the_fleet_has_it(site: Site, tmp_path: Path) -> None:
    """Nothing that was acknowledged goes up again after a clean stop of the uplink."""
    fleet = FakeFleet()
    live(site, 20)
    drain(tmp_path, fleet)
    live(site, 20, first=21)
    drain(tmp_path, fleet)
    centre = made_of(fleet.blocks)
    assert [row.data for row in centre.inputs.values()] == recorded(tmp_path)
    assert (centre.holes, centre.repeats) == ([], 0)


def test_a_restart_of_the_site_goes_up_under_its_new_log_id(site: Site, tmp_path: Path) -> None:
    """A Start is the first input of a block whose log_id is the new one."""
    live(site, 20)
    site.restart()
    live(site, 20, first=21)
    fleet = FakeFleet()
    drain(tmp_path, fleet)
    centre = made_of(fleet.blocks)
    assert [row.data for row in centre.inputs.values()] == recorded(tmp_path)
    assert len({log_id for log_id, _ in centre.inputs}) == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_link_that_breaks_loses_nothing(site: Site, tmp_path: Path, when: str) -> None:
    """Blocks that were taken without a word come again and are known by their numbers; none is missing."""
    live(site, 60)
    fleet = FakeFleet()
    lost: list[int] = []

    def lose(count: int) -> None:
        if count in (2, 3, 7) and count not in lost:
            lost.append(count)
            raise CentreLost("cut")

    setattr(fleet, f"{when}_block", lose)
    drain(tmp_path, fleet)
    centre = made_of(fleet.blocks)
    assert [row.data for row in centre.inputs.values()] == recorded(tmp_path)
    assert centre.holes == []
    assert fleet.connections == 1 + len(lost)


def test_the_fleet_gets_a_hole_again_under_a_higher_epoch(site: Site, tmp_path: Path) -> None:
    """What the fleet asks for comes from its link on, everything behind it too, and the epoch has risen on disk."""
    live(site, 40)
    fleet = FakeFleet()
    drain(tmp_path, fleet)
    before = len(fleet.blocks)
    drain(tmp_path, fleet, asked=Again(30, state=False, epoch=0))
    again = made_of(fleet.blocks)
    assert again.epoch == 2
    assert again.holes == []
    first = made_of(fleet.blocks[:before])
    assert list(again.inputs) == list(first.inputs)
    found = read_place(tmp_path)
    assert found is not None
    assert (found.epoch, found.site_seq) == (2, site.runner.head.site_seq)


def test_the_epoch_is_above_what_the_fleet_knows(site: Site, tmp_path: Path) -> None:
    """An uplink whose file was lost learns from the request how high epochs have been."""
    live(site, 10)
    fleet = FakeFleet()
    drain(tmp_path, fleet)
    assert drain(tmp_path, fleet, asked=Again(5, state=False, epoch=41)).epoch == 42


def test_a_request_that_was_answered_already_raises_nothing(site: Site, tmp_path: Path) -> None:
    """Who asks again before the new epoch has arrived does not begin it all anew."""
    live(site, 10)
    fleet = FakeFleet()
    drain(tmp_path, fleet, asked=Again(5, state=False, epoch=1))
    count = len(fleet.blocks)
    lane = lane_of(tmp_path)
    lane.again(Again(5, state=False, epoch=1))
    assert drain(tmp_path, fleet).epoch == 2
    assert len(fleet.blocks) == count


def test_states_come_with_the_first_block_when_asked_for(site: Site, tmp_path: Path) -> None:
    """A fleet that cannot go on from what it has gets the newest snapshot before the number it names."""
    live(site, 30)
    site.runner.snapshot()
    at = site.runner.head.site_seq
    live(site, 30, first=31)
    fleet = FakeFleet()
    drain(tmp_path, fleet)
    before = len(fleet.blocks)
    drain(tmp_path, fleet, asked=Again(at + 10, state=True, epoch=1))
    centre = made_of(fleet.blocks[before:])
    assert centre.begun_at == [at]
    assert centre.order == list(range(at, site.runner.head.site_seq + 1))


def test_a_place_that_cannot_be_read_begins_again(site: Site, tmp_path: Path) -> None:
    """A torn file costs repeats, never a loss."""
    live(site, 20)
    fleet = FakeFleet()
    drain(tmp_path, fleet)
    (tmp_path / "uplink.json").write_text('{"v": 1, "epo')
    assert drain(tmp_path, fleet).site_seq == site.runner.head.site_seq
    centre = made_of(fleet.blocks)
    assert [row.data for row in centre.inputs.values()] == recorded(tmp_path)
    assert centre.holes == []


def test_nothing_is_kept_of_a_new_epoch_that_the_disk_refuses(site: Site, tmp_path: Path) -> None:
    """The file says the epoch before a block does."""
    live(site, 10)
    fleet = FakeFleet()
    drain(tmp_path, fleet)
    written: list[int] = []

    def note(_count: int) -> None:
        found = read_place(tmp_path)
        written.append(0 if found is None else found.epoch)

    fleet.before_block = note
    drain(tmp_path, fleet, asked=Again(3, state=False, epoch=1))
    assert set(written) == {2}


def test_a_frame_is_the_fleets_only_after_the_window() -> None:
    """The retention gate looks a replay window back in the log's own time."""
    hour = 3_600_000
    place = Place()
    for n in range(30):
        place = place.moved("l", 10 * n + 1, bytes(32), n * hour)
    assert place.kept_since(29 * hour) == 51
    assert place.kept_since(23 * hour) == 0
    assert place.moved("l", 21, bytes(32), 29 * hour).kept_since(29 * hour) == 0, "what is asked for again is kept anew"


def test_a_disk_that_is_long_in_taking_the_place_holds_up_no_alarm(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written beside the event loop, in which the live lane has its turn."""
    threads: list[str] = []

    def write(folder: Path, place: Place) -> None:
        threads.append(threading.current_thread().name)
        write_place(folder, place)

    monkeypatch.setattr(place_module, "write_place", write)
    live(site, 30)
    drain(tmp_path, FakeFleet(), step=lambda _label: None)
    assert len(threads) > 1
    assert threading.main_thread().name not in threads
