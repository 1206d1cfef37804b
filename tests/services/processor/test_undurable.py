"""A disk that takes nothing: the site goes on, says so, and writes what it holds as soon as it can."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from shutil import copy

import pytest

from services.processor.replay import replay, replay_log
from services.processor.verify import verify, verify_log
from shared.devices.plan import LogLimits
from shared.domain.core import alarms, state_to_data
from shared.domain.errors import LogBroken, LogError, LogFull
from shared.domain.inputs import Report, Resync, What
from shared.log import journal
from shared.log.ballast import LAST_PART
from shared.log.port import Group, Head
from shared.log.store import MemoryStore
from shared.wire.inputs import decode_input
from tests.services.processor.plant import H2_ALARM, bank, command, gas
from tests.services.processor.site import BALLAST, Site, in_memory, kinds, on_disk
from tests.testkit.disk import filled, read_only, small_disk


@contextmanager
def failing(site: Site, fault: LogError) -> Iterator[None]:
    """Every commit raises meanwhile."""
    store = site.store
    assert isinstance(store, MemoryStore)
    store.log.fail.extend([fault] * 10_000)
    try:
        yield
    finally:
        store.log.fail.clear()


def _log(site: Site) -> MemoryStore:
    assert isinstance(site.store, MemoryStore)
    return site.store


def test_an_alarm_on_a_full_disk_is_told_and_marked() -> None:
    """Inputs get their numbers, step() goes on, and what is told says that it is not durable."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 20))
    with failing(site, LogFull("no space")):
        made = site.commit(gas(2, 250))
        assert not made.durable
        assert "s/_site/log/log_undurable" in {event.subject for event in made.events}
        assert H2_ALARM in {event.subject for event in made.events}
        assert not site.commit(gas(3, 250)).durable
        assert _log(site).log.head().site_seq < made.first_seq


def test_what_was_kept_in_memory_is_written_in_order_before_anything_new() -> None:
    """After a short trouble the log is as if it had never been, and says that it was."""
    site, calm = in_memory(), in_memory()
    for each in (site, calm):
        each.open()
        each.commit(gas(1, 20))
    with failing(site, LogBroken("EIO")):
        for n in range(2, 6):
            site.commit(gas(n, 50 * n), after_ms=1000)
    for n in range(2, 6):
        calm.commit(gas(n, 50 * n), after_ms=1000)
    made = site.commit(gas(6, 20), after_ms=1000)
    calm.commit(gas(6, 20), after_ms=1000)
    assert made.durable
    assert not site.runner.undurable
    rows = list(_log(site).log.inputs(0))
    assert [row.site_seq for row in rows] == list(range(1, len(rows) + 1))
    assert [row.kind for row in rows].count("frame") == 6
    assert verify_log(_log(site).log).ok
    assert replay_log(_log(site).log).equal
    alarms = [event.subject for event in site.events if event.type.endswith("raised.v1") and event.room == "r1"]
    assert alarms == [event.subject for event in calm.events if event.type.endswith("raised.v1")]


def test_when_the_oldest_are_lost_the_log_says_which_and_goes_on_from_a_state() -> None:
    """After minutes of trouble the ring's tail is written behind a Resync of each room; replay and verify pass."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 20))
    before = site.runner.head.site_seq
    with failing(site, LogFull("no space")):
        for n in range(2, 300):
            site.commit(gas(n, 20 if n < 100 else 250), bank(n), after_ms=500)
            if n == 120:
                site.commit(command("c1", What.ACK, H2_ALARM))
            site.tick(500)
    last = site.runner.head.site_seq
    site.tick(1000)
    assert not site.runner.undurable
    rows = list(_log(site).log.inputs(0))
    frames = [row.site_seq for row in rows if row.kind == "frame"]
    lost = set(range(before + 1, last)) - {row.site_seq for row in rows}
    assert 200 < len(lost) < last
    assert max(frames) > last - 10
    resync = next(decode_input(row.data).body for row in rows if row.kind == "resync")
    assert isinstance(resync, Resync)
    assert (resync.first_lost, resync.room) == (before + 1, "r1")
    assert resync.last_lost >= max(lost)
    assert "command" in {row.kind for row in rows}
    log = _log(site).log
    assert verify_log(log).ok
    found = replay_log(log)
    assert found.equal, found.first_difference
    raised = [row.data for _, row in log.events(None, 10_000) if row.type.endswith("raised.v1") and row.room == "r1"]
    assert len(raised) == 2
    state = state_to_data(site.runner.states["r1"])
    site.restart()
    again = state_to_data(site.runner.states["r1"])
    assert again["records"] == state["records"]


def test_the_ring_has_a_limit_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storm on a full disk loses its oldest frames and not its memory."""
    monkeypatch.setattr(journal, "RING_BYTES_MAX", 200_000)
    monkeypatch.setattr(journal, "CHECKPOINT_BYTES", 50_000)
    site = in_memory()
    site.open()
    with failing(site, LogFull("no space")):
        for n in range(1, 400):
            site.commit(*(gas(n * 10 + k, 20) for k in range(10)), after_ms=20)
        held = sum(journal.group_size(each.group) for each in site.runner._journal._ring)
    assert held < 300_000
    site.tick(1000)
    assert verify_log(_log(site).log).ok
    assert replay_log(_log(site).log).equal


def test_no_number_means_two_things_after_a_power_cut_while_undurable() -> None:
    """What was told undurable and lost comes again under another log_id only."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 20))
    with failing(site, LogFull("no space")):
        site.commit(gas(2, 250))
        site.commit(gas(3, 250))
        site.restart()
        assert site.runner.undurable
        made = site.commit(gas(1, 250, boot="g2"))
        assert not made.durable
    site.tick(1000)
    assert not site.runner.undurable
    ids = [event.id for event in site.events]
    assert len(ids) == len(set(ids))
    assert len({(event.log_id, event.site_seq) for event in site.undurable}) > 2
    starts = [decode_input(row.data).body for row in _log(site).log.inputs(0) if row.kind == "start"]
    assert (starts[1].previous_log_id, starts[1].clean) == (starts[0].log_id, False)
    assert starts[1].previous_seq < made.first_seq
    assert verify_log(_log(site).log).ok
    assert replay_log(_log(site).log).equal


def test_a_disk_that_takes_some_of_the_ring_never_turns_a_position_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written of the ring is not written again: an older position would come over a newer one."""
    site = in_memory()
    site.open()
    log = _log(site).log
    with failing(site, LogFull("no space")):
        assert not site.runner.commit((), {"guard": b"1"}).durable
        site.runner.commit([gas(1, 20)], {"guard": b"2"})
        site.commit(gas(2, 20), after_ms=10)
    real, left = log.commit, 3

    def full_again(group: Group) -> Head:
        nonlocal left
        left -= 1
        if left < 0:
            raise LogFull("no space")
        return real(group)

    monkeypatch.setattr(log, "commit", full_again)
    site.tick(1500)
    assert site.runner.undurable
    monkeypatch.setattr(log, "commit", real)
    site.tick(1500)
    assert not site.runner.undurable
    assert log.position("guard") == b"2"
    assert replay_log(log).equal


@pytest.mark.parametrize("kind", ["disk_low", "log_undurable"])
def test_a_trouble_that_went_while_the_site_was_stopped_is_over_after_the_start(kind: str) -> None:
    """Its alarm does not stay for ever."""
    site = in_memory(limits=LogLimits(disk_low_mib=100))
    site.open()
    subject = f"s/_site/{'disk' if kind == 'disk_low' else 'log'}"
    site.commit(Report(kind, subject, on=True, pulse=False, detail=""))
    assert _condition(site, kind) == "true"
    site.restart()
    site.tick(11_000)
    assert _condition(site, kind) == "false"


def _condition(site: Site, rule: str) -> str:
    return next(view.condition for view in alarms(site.runner.states["_site"]) if view.rule == rule)


def test_the_ballast_is_taken_again_when_there_is_space(tmp_path: Path) -> None:
    """Given up on a full disk, it is there for the next time."""
    with small_disk(tmp_path / "disk", 8) as disk:
        site = on_disk(disk)
        site.open()
        with filled(disk):
            while not site.runner.undurable:
                site.commit(*(bank(n) for n in range(200)))
            site.tick(11_000)
            assert (disk / "ballast").stat().st_size <= BALLAST // LAST_PART
        site.tick(11_000)
        assert (disk / "ballast").stat().st_size >= BALLAST
        site.runner.close()


def test_a_real_disk_runs_full_and_is_freed(tmp_path: Path) -> None:
    """ENOSPC: first the ballast goes, then undurable; with space again everything is in the log."""
    with small_disk(tmp_path / "disk", 8) as disk:
        site = on_disk(disk)
        site.open()
        site.commit(gas(1, 20))
        assert (disk / "ballast").stat().st_size > 0
        with filled(disk):
            while not site.runner.undurable:
                site.commit(*(bank(n) for n in range(200)))
            assert (disk / "ballast").stat().st_size <= BALLAST // LAST_PART
            made = site.commit(gas(2, 250))
            assert not made.durable
            assert "alarm.raised" in kinds(made)
        site.tick(1000)
        assert not site.runner.undurable
        assert verify(disk).ok
        assert replay(disk).equal
        reader = site.runner.reader()
        assert reader is not None
        stored = [row.data for _, row in reader.events(None, 100_000) if row.type.endswith("alarm.raised.v1")]
        assert len(stored) == len([event for event in site.events if event.type.endswith("alarm.raised.v1")])
        reader.close()
        site.runner.close()


def test_a_site_starts_on_a_full_disk_and_remembers(tmp_path: Path) -> None:
    """Power-cycled on a full disk, twice: each start goes on from the last durable state; later the last is written."""
    origin = on_disk(tmp_path)
    origin.open()
    origin.commit(gas(1, 20))
    origin.commit(gas(2, 250))
    with small_disk(tmp_path / "disk", 4) as disk:
        for name in ("log.db", "log.db-wal"):
            copy(tmp_path / name, disk / name)
        site = on_disk(disk)
        site.starts = count(100)
        with filled(disk):
            site.open()
            assert site.runner.undurable
            assert site.runner.states["r1"].room_no > origin.runner.states["r1"].room_no
            assert not site.commit(gas(1, 250, boot="g2")).durable
            lost = site.runner.log_id
            site.restart()
            assert not site.commit(gas(1, 250, boot="g3")).durable
        site.tick(2000)
        assert not site.runner.undurable
        reader = site.runner.reader()
        assert reader is not None
        assert lost not in {cursor.log_id for cursor, _ in reader.events(None, 100_000)}
        reader.close()
        assert verify(disk).ok
        assert replay(disk).equal
        site.runner.close()


def test_a_site_starts_on_a_read_only_disk(tmp_path: Path) -> None:
    """Read-only after a clean stop or a kill: undurable from the last state; writable again: written."""
    for is_clean in (True, False):
        with small_disk(tmp_path / f"disk{is_clean}", 8) as disk:
            site = on_disk(disk)
            site.open()
            site.commit(gas(1, 20))
            site.commit(gas(2, 250))
            room_no = site.runner.states["r1"].room_no
            if is_clean:
                site.runner.close()
            else:
                site.kill()
            with read_only(disk):
                made = site.open()
                assert not made.durable
                assert site.runner.states["r1"].room_no > room_no
                assert not site.commit(gas(1, 250, boot="g2")).durable
            site.tick(2000)
            assert not site.runner.undurable
            assert verify(disk).ok
            assert replay(disk).equal
            site.runner.close()
