"""Old frames and Ticks go in whole intervals; what is left can still be proven. A day is ten minutes here."""

import json
import sqlite3
import zlib
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path
from shutil import copytree

import pytest

from services.processor import keeping, opening, runner
from services.processor.replay import replay
from services.processor.verify import verify
from shared.devices.frame import Frame
from shared.devices.plan import LogLimits
from shared.domain.inputs import Report, ReportKind, What
from shared.log import sqlite
from shared.log.sqlite_read import SqliteReader
from shared.wire.inputs import decode_input
from tests.contract.forgery import drop_input, flip_input, run
from tests.services.processor.plant import H2_ALARM, bank, command, gas
from tests.services.processor.site import Site, on_disk

MINUTE = 60_000
DAY = 10 * MINUTE
AROUND = 30_000
RAISED = 4 * MINUTE


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose site has lived for three days with a scan each two seconds, and one alarm on the first."""
    folder = tmp_path_factory.mktemp("aged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "DAY_MS", DAY)
        patch.setattr(runner, "SNAPSHOT_MS", MINUTE)
        patch.setattr(keeping, "AGE_CHECK_MS", MINUTE)
        patch.setattr(sqlite, "YOUNG_INPUTS", 64)
        _live(folder)
    return folder


def _live(folder: Path) -> None:
    site = on_disk(folder, limits=LogLimits(frames_days=1, disk_low_mib=0, keep_around_alarm_ms=AROUND))
    site.open()
    numbers = count(1)
    while site.clock.mono < 3 * DAY:
        is_alarm = RAISED <= site.clock.mono < RAISED + 6_000
        site.commit(*_scans(next(numbers), is_alarm=is_alarm), after_ms=1_000)
        if site.clock.mono in range(RAISED + MINUTE, RAISED + MINUTE + 2_000):
            site.commit(command("c1", What.ACK, H2_ALARM))
        site.tick(1_000)
    site.restart()
    site.runner.close()


def _scans(number: int, *, is_alarm: bool) -> tuple[Frame, ...]:
    scans = [gas(number, 250 if is_alarm else 20)]
    return tuple(scans if number % 5 else [*scans, bank(number)])


def _rows(folder: Path) -> list[tuple[int, str, int]]:
    reader = SqliteReader.open(folder / "log.db")
    rows = [(row.site_seq, row.kind, decode_input(row.data).tick_ms) for row in reader.inputs(0, 1_000_000)]
    reader.close()
    return rows


def _folded_to(folder: Path) -> int:
    reader = SqliteReader.open(folder / "log.db")
    folded_to = reader.folded_to()
    reader.close()
    return folded_to


def test_frames_and_ticks_go_after_their_time(aged: Path) -> None:
    """In the old intervals only those around the alarm are left; in the young ones all."""
    rows, folded_to = _rows(aged), _folded_to(aged)
    passing = [(seq, tick) for seq, kind, tick in rows if kind in {"frame", "tick"}]
    old = [tick for seq, tick in passing if seq <= folded_to]
    assert old
    assert min(old) > RAISED - AROUND - 2_000
    assert max(old) < RAISED + 6_000 + 2 * AROUND
    young = [tick for seq, tick in passing if seq > folded_to]
    assert 2 * DAY - 2 * MINUTE < min(young) < 2 * DAY


def test_everything_else_stays(aged: Path) -> None:
    """Commands, starts, rule sets, Reports and every event are kept for ever."""
    folded_to = _folded_to(aged)
    kinds = {kind for seq, kind, _ in _rows(aged) if seq <= folded_to}
    assert {"start", "ruleset", "command", "report"} <= kinds
    reader = SqliteReader.open(aged / "log.db")
    numbers = [row.room_no for _, row in reader.events(None, 1_000_000) if row.room == "r1"]
    reader.close()
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 4


def test_the_log_is_still_proven_and_replayed(aged: Path) -> None:
    """verify passes over the folded part; replay begins after it, and is told to."""
    found = verify(aged)
    assert found.ok, found
    assert found.replay_from == _folded_to(aged) + 1 > 1
    again = replay(aged)
    assert again.equal, again.first_difference
    assert 0 < again.inputs < found.records


def test_each_folding_has_its_report(aged: Path) -> None:
    """Range, root and counts are in the log; the intervals follow one another without a gap."""
    reader = SqliteReader.open(aged / "log.db")
    bodies = [decode_input(row.data).body for row in reader.inputs(0, 1_000_000)]
    reader.close()
    reports = [body for body in bodies if isinstance(body, Report) and body.kind == ReportKind.RETENTION]
    told = [json.loads(report.detail) for report in reports]
    assert told[0]["first"] == 1
    assert all(after["first"] == before["last"] + 1 for before, after in pairwise(told))
    assert told[-1]["last"] == _folded_to(aged)
    assert sum(each["deleted"] for each in told) > 500


def test_what_is_kept_of_a_folded_interval_is_bound(aged: Path, tmp_path: Path) -> None:
    """A changed or missing record in it, and an interval folded without a Report, are each found."""
    at = next(seq for seq, kind, _ in _rows(aged) if kind == "command")
    for name in ("changed", "missing", "unexplained"):
        folder = tmp_path / name
        copytree(aged, folder)
        if name == "changed":
            flip_input(folder, at, cover_up=True)
        elif name == "missing":
            drop_input(folder, at)
        else:
            _fold_silently(folder)
        assert not verify(folder).ok, name


def _fold_silently(folder: Path) -> None:
    connection = sqlite3.connect(folder / "log.db")
    query = "SELECT last_seq, data FROM rows WHERE form = 0 ORDER BY last_seq LIMIT 1"
    last, data = connection.execute(query).fetchone()
    with connection:
        connection.execute("UPDATE rows SET form = 2, data = ? WHERE last_seq = ?", (zlib.compress(data), last))
    connection.close()


@pytest.mark.parametrize("kind", ["changed", "covered up", "torn"])
def test_what_would_show_a_damage_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """An old interval that is not what was written stays as it is; the site says so once and goes on."""
    monkeypatch.setattr(keeping, "DAY_MS", DAY)
    monkeypatch.setattr(runner, "SNAPSHOT_MS", MINUTE)
    monkeypatch.setattr(keeping, "AGE_CHECK_MS", MINUTE)
    monkeypatch.setattr(sqlite, "YOUNG_INPUTS", 64)
    monkeypatch.setattr(opening, "WHOLE_INPUTS", 1)
    site = on_disk(tmp_path, limits=LogLimits(frames_days=1, disk_low_mib=0, keep_around_alarm_ms=AROUND))
    site.open()
    _pass(site, 3 * MINUTE)
    site.kill()
    if kind == "torn":
        query = "UPDATE rows SET data = zeroblob(9) WHERE last_seq = (SELECT min(last_seq) FROM rows)"
        run(tmp_path, query)
    else:
        flip_input(tmp_path, 30, cover_up=kind == "covered up")
    damaged = verify(tmp_path)
    assert not damaged.ok
    assert "log_damaged" not in str(site.open().events)
    _pass(site, 2 * DAY)
    told = [event for event in site.events if event.rule == "log_damaged" and event.type.endswith("raised.v1")]
    assert len(told) == 1
    site.runner.close()
    assert verify(tmp_path).bad_record == damaged.bad_record


def test_verify_and_replay_go_on_while_the_site_packs_and_deletes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes while it is read is passed over; nothing is called damaged, nothing counted twice."""
    monkeypatch.setattr(keeping, "DAY_MS", 2 * MINUTE)
    monkeypatch.setattr(runner, "SNAPSHOT_MS", MINUTE)
    monkeypatch.setattr(keeping, "AGE_CHECK_MS", MINUTE)
    monkeypatch.setattr(sqlite, "YOUNG_INPUTS", 64)
    site = on_disk(tmp_path, limits=LogLimits(frames_days=1, disk_low_mib=0, keep_around_alarm_ms=AROUND))
    site.open()
    _pass(site, 5 * MINUTE)

    def at_first() -> Callable[[int, int], None]:
        pauses = iter([0, 0, 1, 0, 1])
        return lambda _done, _all: _pass(site, 2 * MINUTE) if next(pauses, 0) else None

    begun = _folded_to(tmp_path)
    found = verify(tmp_path, at_first())
    assert found.ok, found
    assert begun < (between := _folded_to(tmp_path))
    again = replay(tmp_path, progress=at_first())
    assert again.equal, again.first_difference
    assert between < _folded_to(tmp_path)
    site.runner.close()
    rows = _rows(tmp_path)
    assert len({seq for seq, _, _ in rows}) == len(rows)
    assert verify(tmp_path).records == len(rows)


def _pass(site: Site, ms: int) -> None:
    end = site.clock.mono + ms
    for number in count(site.clock.mono):
        site.commit(gas(number, 20), after_ms=2_000)
        site.tick(2_000)
        if site.clock.mono >= end:
            return


def test_nothing_goes_within_its_time(tmp_path: Path) -> None:
    """With ninety days to keep, two days lose nothing."""
    site: Site = on_disk(tmp_path)
    site.open()
    for n in range(1, 100):
        site.commit(gas(n, 20), after_ms=1_800_000)
        site.tick(1000)
    site.kill()
    rows = _rows(tmp_path)
    assert _folded_to(tmp_path) == 0
    assert [kind for _, kind, _ in rows].count("frame") == 99
    assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1))
