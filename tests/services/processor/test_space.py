"""A disk that runs out of space, filled by the log itself or by others: what goes first, what never goes."""

import json
import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from services.processor import keeping, runner
from services.processor.replay import replay
from services.processor.verify import Verified, verify
from shared.devices.frame import Frame
from shared.devices.plan import LogLimits
from shared.domain.inputs import Report, ReportKind, What
from shared.log import journal, sqlite
from shared.log.store import SqliteStore, open_reader
from shared.wire.events import decode_event
from shared.wire.inputs import Input, decode_input
from tests.contract.forgery import flip_input
from tests.services.processor.plant import H2_ALARM, bank, command, decision, gas
from tests.services.processor.site import BALLAST, Site
from tests.testkit.disk import filled, small_disk

MINUTE = 60_000
JARS = 900
DISK_MIB = 18
LIMITS = LogLimits(frames_days=90, disk_low_mib=0, keep_around_alarm_ms=20_000)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot a minute and a day of ten minutes."""
    monkeypatch.setattr(runner, "SNAPSHOT_MS", MINUTE)
    monkeypatch.setattr(keeping, "DAY_MS", 10 * MINUTE)
    monkeypatch.setattr(keeping, "SPACE_CHECK_MS", 1_000)
    monkeypatch.setattr(sqlite, "YOUNG_INPUTS", 64)


class Plant:
    """A site of many jars whose scans do not compress, on a small disk."""

    def __init__(self, disk: Path, ballast: int = BALLAST) -> None:
        self.site = Site(SqliteStore(disk, ballast_bytes=ballast), plan=decision(jars=JARS), limits=LIMITS)
        self.site.open()
        self._numbers, self._frames = count(1), count(1)
        self._draw = random.Random(7)
        self.asked = 0

    def scan(self, times: int = 1, *, h2: int = 20) -> None:
        """Scans of two seconds each, with their housekeeping."""
        for _ in range(times):
            number = next(self._numbers)
            scans = [self._bank(next(self._frames)) for _ in range(6)]
            self.site.commit(gas(number, h2), *scans, after_ms=1_750)
            self.site.tick(250)

    def _bank(self, number: int) -> Frame:
        words = b"".join(self._draw.randrange(2_050, 2_400).to_bytes(2, "big") for _ in range(JARS))
        frame = bank(number, jars=JARS)
        return frame._replace(
            blocks=tuple(
                block._replace(words=words[2 * block.address : 2 * (block.address + block.size)])
                for block in frame.blocks
            )
        )

    @property
    def gone(self) -> list[str]:
        """What was told of intervals that went."""
        return [event.reason for event in self.site.events if event.rule == ReportKind.RETENTION.value]

    def ask(self) -> None:
        """A person's act, which must never be lost."""
        self.asked += 1
        self.site.commit(command(f"c{self.asked}", What.ACK, H2_ALARM))


def _inputs(disk: Path) -> Iterator[Input]:
    reader = open_reader(disk)
    after = 0
    while rows := list(reader.inputs(after, 1_000)):
        yield from (decode_input(row.data) for row in rows)
        after = rows[-1].site_seq
    reader.close()


def _reasons(disk: Path) -> list[str]:
    """Why each interval went, in the order of their Reports."""
    bodies = (entry.body for entry in _inputs(disk))
    return [
        json.loads(body.detail)["why"]
        for body in bodies
        if isinstance(body, Report) and body.kind == ReportKind.RETENTION.value
    ]


def _is_sound(plant: Plant, disk: Path) -> Verified:
    """verify and replay pass, every command is there."""
    found = verify(disk)
    assert found.ok, found
    again = replay(disk)
    assert again.equal, again.first_difference
    assert again.begins_after == (found.gone[-1].last if found.gone else 0)
    asked = [entry for entry in _inputs(disk) if getattr(entry.body, "id", "").startswith("c")]
    assert len(asked) == plant.asked
    return found


def test_a_log_that_fills_its_disk_gives_up_what_was_sent_and_keeps_its_ballast(tmp_path: Path) -> None:
    """More goes through the log than there is room for: it is never undurable, and says which records are gone."""
    with small_disk(tmp_path / "disk", DISK_MIB) as disk:
        plant = Plant(disk)
        for _ in range(10):
            plant.scan(60)
            plant.ask()
            assert not plant.site.runner.undurable
            assert plant.site.store.has_ballast()
        assert not plant.site.undurable
        plant.site.restart()
        plant.scan(50)
        plant.site.runner.close()
        found = _is_sound(plant, disk)
        assert {gone.why for gone in found.gone} == {"space"}
        assert found.gone[0].first == 1
        assert set(_reasons(disk)) == {"space"}


def test_what_is_not_sent_goes_only_after_the_ballast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is a day old: the ballast is freed first, then the oldest intervals go; still nothing is undurable."""
    monkeypatch.setattr(keeping, "DAY_MS", 1_000 * MINUTE)
    with small_disk(tmp_path / "disk", DISK_MIB) as disk:
        plant = Plant(disk, 6 * BALLAST)
        plant.scan(200)
        assert plant.site.store.has_ballast()
        while plant.site.store.has_ballast():
            assert not plant.gone
            plant.scan()
        for _ in range(4):
            plant.scan(60)
            plant.ask()
        assert plant.gone
        assert not plant.site.undurable
        plant.site.runner.close()
        found = _is_sound(plant, disk)
        assert {gone.why for gone in found.gone} == {"space, not sent"}


def _frames_near(disk: Path, tick_ms: int) -> int:
    return sum(
        abs(entry.tick_ms - tick_ms) <= LIMITS.keep_around_alarm_ms and hasattr(entry.body, "blocks")
        for entry in _inputs(disk)
    )


def test_frames_around_an_alarm_go_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They outlive all other intervals; only when nothing else is left they go, and their events stay."""
    with small_disk(tmp_path / "disk", DISK_MIB) as disk:
        plant = Plant(disk, ballast=0)
        plant.scan(30)
        raised = plant.site.runner.head.tick_ms
        plant.scan(3, h2=250)
        plant.scan(100)
        before = _frames_near(disk, raised)
        for stage in ("UNSENT", "ALARMS"):
            monkeypatch.setattr(keeping, stage, getattr(keeping, stage)._replace(below_bytes=1 << 40))
        monkeypatch.setattr(keeping, "SENT", keeping.SENT._replace(below_bytes=1 << 40))
        plant.scan(2)
        assert _frames_near(disk, raised) == before > 20
        plant.scan(10)
        assert _frames_near(disk, raised) < before
        reasons = _reasons(disk)
        assert reasons == sorted(reasons, key=["space, not sent", "space, around alarms"].index)
        assert len(set(reasons)) == 2
        assert not plant.site.undurable
        plant.site.runner.close()
        _is_sound(plant, disk)
        reader = open_reader(disk)
        kept = [row for _, row in reader.events(None, 10_000) if row.type.endswith("alarm.raised.v1")]
        reader.close()
        assert H2_ALARM in {decode_event(row.data).subject for row in kept}


def test_a_foreign_file_that_fills_the_disk_does_not_stop_the_log(tmp_path: Path) -> None:
    """Not one byte is free any more: the log goes on within its own free pages, as long as it has old frames."""
    with small_disk(tmp_path / "disk", DISK_MIB) as disk:
        plant = Plant(disk)
        plant.scan(500)
        size = (disk / "log.db").stat().st_size
        with filled(disk):
            plant.scan(200)
            plant.ask()
            assert plant.site.store.free_bytes() < 1 << 20
            assert not plant.site.runner.undurable
        assert (disk / "log.db").stat().st_size < size + (2 << 20)
        plant.site.runner.close()
        found = _is_sound(plant, disk)
        assert found.gone


def test_a_persons_act_is_on_the_disk_although_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of the ballast takes commands and Reports when they would only be in memory; frames wait or go."""
    monkeypatch.setattr(journal, "RING_MS_MAX", 10_000)
    monkeypatch.setattr(journal, "CHECKPOINT_MS", 3_000)
    monkeypatch.setattr(runner, "SNAPSHOT_MS", 1_000 * MINUTE)
    with small_disk(tmp_path / "disk", DISK_MIB) as disk:
        plant = Plant(disk, 8 * BALLAST)
        plant.scan(10)
        with filled(disk):
            while not plant.site.runner.undurable:
                plant.scan(5)
            plant.ask()
            begun = sum(hasattr(entry.body, "blocks") for entry in _inputs(disk))
            plant.scan(40)
            assert plant.site.runner.undurable
            assert any(getattr(entry.body, "id", "") == "c1" for entry in _inputs(disk))
            assert sum(hasattr(entry.body, "blocks") for entry in _inputs(disk)) == begun
        plant.scan(3)
        assert not plant.site.runner.undurable
        plant.site.runner.close()
        _is_sound(plant, disk)


def test_a_damaged_log_on_a_full_disk_is_set_aside_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then the site goes on from memory; the last of the ballast is not spent on half a log."""
    monkeypatch.setattr(journal, "RING_MS_MAX", 10_000)
    monkeypatch.setattr(journal, "CHECKPOINT_MS", 3_000)
    with small_disk(tmp_path / "disk", DISK_MIB) as disk:
        plant = Plant(disk)
        plant.scan(10)
        plant.site.kill()
        flip_input(disk, 20)
        with filled(disk):
            plant.site.open()
            plant.ask()
            plant.scan(30)
            assert plant.site.runner.undurable
        plant.scan(3)
        assert not plant.site.runner.undurable
        assert len(list(disk.glob("damaged-*"))) == 1
        plant.site.runner.close()
        _is_sound(plant, disk)
