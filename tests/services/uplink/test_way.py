"""Whatever becomes of the log, the uplink finds on from where the fleet stands, and says so by states and epochs."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from services.processor import keeping, runner
from services.processor.verify import verify
from services.uplink import place as place_module
from services.uplink import way
from services.uplink.fake import FakeFleet
from services.uplink.lane import Again
from services.uplink.place import read_place
from shared.log import sqlite
from shared.log.store import open_reader
from shared.wire.blocks import Block, decode_block
from tests.contract.forgery import flip_input
from tests.services.processor.plant import bank, gas
from tests.services.processor.site import on_disk
from tests.services.uplink.centre import KEY, made_of
from tests.services.uplink.running import drain, recorded, told

MINUTE = 60_000
DAY = 10 * MINUTE


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot a minute, a day of ten minutes, rows that are packed soon."""
    monkeypatch.setattr(runner, "SNAPSHOT_MS", MINUTE)
    monkeypatch.setattr(keeping, "DAY_MS", DAY)
    monkeypatch.setattr(keeping, "AGE_CHECK_MS", MINUTE)
    monkeypatch.setattr(way, "WINDOW_MS", DAY)
    monkeypatch.setattr(place_module, "WINDOW_MS", DAY)
    monkeypatch.setattr(place_module, "HOUR_MS", MINUTE)
    monkeypatch.setattr(sqlite, "YOUNG_INPUTS", 64)


class Life:
    """A site that lives by the minute."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = on_disk(folder)
        self.site.open()
        self.number = 0

    def go_on(self, minutes: int, *, sent: "Sent | None" = None) -> None:
        """A scan each five seconds, an alarm each minute."""
        for _ in range(minutes * 12):
            self.number += 1
            level = 250 if self.number % 12 == 3 else 20
            self.site.commit(gas(self.number, level), bank(self.number, low=frozenset(range(self.number % 3))))
            self.site.tick(4_900)
            if sent is not None:
                sent(self)

    @property
    def head(self) -> int:
        return self.site.runner.head.site_seq

    def forget_after(self, days: int, *, is_sent: bool) -> None:
        """Frames go after so many days; with a fleet only what is sent."""
        kept = self.site.runner._keeping
        kept._limits = type(kept._limits)(frames_days=days, disk_low_mib=0, keep_around_alarm_ms=1_000)
        kept._sent = self._sent if is_sent else keeping.no_fleet

    def _sent(self, tick_ms: int) -> int | None:
        found = read_place(self.folder)
        return 0 if found is None else found.kept_since(tick_ms)

    def folded_to(self) -> int:
        reader = open_reader(self.folder)
        try:
            return reader.folded_to()
        finally:
            reader.close()


class Sent:
    """Drains now and then."""

    def __init__(self, fleet: FakeFleet) -> None:
        self.fleet = fleet

    def __call__(self, life: Life) -> None:
        if life.number % 24 == 0:
            drain(life.folder, self.fleet)


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    (tmp_path / "data").mkdir()
    made = Life(tmp_path / "data")
    yield made
    made.site.kill()


def blocks(fleet: FakeFleet) -> list[Block]:
    return [decode_block(data, KEY.public) for data in fleet.blocks]


def test_an_old_site_joins_with_its_states(life: Life) -> None:
    """Of a log of three days what is older than the window stays; its first block brings the states before it."""
    life.go_on(30)
    fleet = FakeFleet()
    drain(life.folder, fleet)
    first = blocks(fleet)[0]
    assert first.states
    assert 1 < first.first_seq < life.head
    centre = made_of(fleet.blocks)
    assert [row.data for row in centre.inputs.values()] == recorded(life.folder, first.first_seq - 1)
    assert centre.holes == []
    version = first.states[""].decode()
    assert version in fleet.rulesets


def test_a_young_site_joins_from_its_first_record(life: Life) -> None:
    """What is within the window goes up whole."""
    life.go_on(3)
    fleet = FakeFleet()
    drain(life.folder, fleet)
    assert blocks(fleet)[0].first_seq == 1
    assert not any(block.states for block in blocks(fleet))


def test_frames_stay_until_the_fleet_has_had_them_for_the_window(life: Life) -> None:
    """A fleet that is away keeps the log from letting frames go; one that has them lets them go a window later."""
    life.forget_after(1, is_sent=True)
    life.go_on(25)
    assert life.folded_to() == 0
    fleet = FakeFleet()
    drain(life.folder, fleet)
    life.go_on(4, sent=Sent(fleet))
    sent_to = life.head
    life.go_on(5, sent=Sent(fleet))
    assert life.folded_to() == 0
    life.go_on(4, sent=Sent(fleet))
    assert 0 < life.folded_to() <= sent_to
    assert made_of(fleet.blocks).holes == []
    assert verify(life.folder).ok


def test_what_went_for_space_goes_up_as_what_was_kept(life: Life) -> None:
    """Alarms and persons' acts of intervals that went before they were sent are not lost; the states follow."""
    life.go_on(2)
    fleet = FakeFleet()
    drain(life.folder, fleet)
    life.forget_after(1, is_sent=False)
    life.go_on(25)
    assert life.folded_to() > 2 * 12 * 2
    drain(life.folder, fleet)
    centre = made_of(fleet.blocks)
    assert centre.kept > 0
    assert centre.begun_at == [life.folded_to() + 1]
    assert [event.data for event in centre.events.values()] == told(life.folder)
    assert recorded(life.folder, life.folded_to()) == [
        row.data for (_, seq), row in centre.inputs.items() if seq > life.folded_to()
    ]


def test_a_damaged_record_costs_only_what_is_behind_it_up_to_a_snapshot(life: Life) -> None:
    """Everything before it goes up, then the states of the next snapshot and what is behind them."""
    life.go_on(4)
    bad = 30
    flip_input(life.folder, bad)
    fleet = FakeFleet()
    drain(life.folder, fleet)
    centre = made_of(fleet.blocks)
    assert centre.order[: bad - 3] == list(range(1, bad - 2))
    assert len(centre.begun_at) == 1
    assert centre.begun_at[0] > bad
    behind = centre.begun_at[0] - 1
    assert [row.data for (_, seq), row in centre.inputs.items() if seq > behind] == recorded(life.folder, behind)
    assert centre.holes == []


@pytest.mark.parametrize("sent_first", [False, True])
def test_what_is_good_in_a_log_that_was_set_aside_goes_up(life: Life, *, sent_first: bool) -> None:
    """Its good records that were not sent come first, then the new log from its first record."""
    fleet = FakeFleet()
    life.go_on(1)
    drain(life.folder, fleet)
    life.go_on(1)
    bad = life.head - 5
    if sent_first:
        drain(life.folder, fleet)
    life.site.kill()
    flip_input(life.folder, bad)
    life.site.open()
    life.go_on(1)
    drain(life.folder, fleet)
    centre = made_of(fleet.blocks)
    assert centre.holes == []
    assert {seq for _, seq in centre.inputs} >= set(range(1, bad - 2))
    data = [row.data for row in centre.inputs.values()]
    assert data[-len(recorded(life.folder)) :] == recorded(life.folder)


def test_an_older_copy_of_the_log_begins_at_states_that_both_have(life: Life, tmp_path: Path) -> None:
    """After a restored backup the numbers come again under another log_id: the epoch rises, states come first."""
    life.go_on(3)
    life.site.kill()
    copytree(life.folder, tmp_path / "copy")
    life.site.open()
    fleet = FakeFleet()
    life.go_on(2)
    drain(life.folder, fleet)
    place = read_place(life.folder)
    assert place is not None
    life.site.kill()
    rmtree(life.folder)
    copytree(tmp_path / "copy", life.folder)
    place_module.write_place(life.folder, place)
    life.site.open()
    life.go_on(2)
    assert drain(life.folder, fleet).epoch == place.epoch + 1
    centre = made_of(fleet.blocks)
    assert centre.holes == []
    assert {row.data for row in centre.inputs.values()} >= set(recorded(life.folder))


def test_a_fleet_that_asks_for_what_is_gone_gets_states(life: Life) -> None:
    """From a number that the log no longer has it begins at the oldest states that it has."""
    fleet = FakeFleet()
    life.forget_after(1, is_sent=False)
    life.go_on(25)
    drain(life.folder, fleet)
    before = len(fleet.blocks)
    drain(life.folder, fleet, asked=Again(5, state=False, epoch=0))
    assert blocks(fleet)[before].first_seq == life.folded_to() + 1
    assert blocks(fleet)[before].states
