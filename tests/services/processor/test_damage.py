"""Torn, flipped, cut and foreign files: the start always succeeds, sets aside what is damaged and says so."""

import os
import random
from pathlib import Path
from shutil import copy, copytree

import pytest

from services.processor.replay import replay
from services.processor.restore import restore
from services.processor.verify import verify
from shared.domain.core import state_to_data
from shared.domain.errors import LogDamaged, LogNewer
from shared.domain.inputs import Report, ReportKind, Resync, Start
from shared.log.sqlite_read import SqliteReader
from shared.wire.inputs import decode_input
from tests.contract.forgery import drop_input, flip_input, replace_event, run
from tests.services.processor.plant import H2_ALARM, bank, gas
from tests.services.processor.site import Site, kinds, on_disk


def _lived(folder: Path, *, clean: bool = True) -> Site:
    """A site that has lived for a while, with a snapshot in the middle and a latched alarm."""
    site = on_disk(folder)
    site.open()
    for n in range(1, 11):
        site.commit(gas(n, 20), bank(n, low=frozenset(range(n % 3))))
    site.runner.snapshot()
    site.commit(gas(11, 250))
    for n in range(12, 22):
        site.commit(gas(n, 20), bank(n, low=frozenset(range(n % 3))))
    if clean:
        site.runner.close()
    else:
        site.kill()
    return site


def _first(folder: Path, count: int) -> list[object]:
    reader = SqliteReader.open(folder / "log.db")
    bodies: list[object] = [decode_input(row.data).body for row in reader.inputs(0, count)]
    reader.close()
    return bodies


@pytest.mark.parametrize("seq", [5, 14, 23, 30])
def test_one_changed_byte_is_found_at_its_record(tmp_path: Path, seq: int) -> None:
    """verify names the record, replay and restore refuse to go past it."""
    _lived(tmp_path)
    assert verify(tmp_path).ok
    flip_input(tmp_path, seq)
    found = verify(tmp_path)
    assert (found.ok, found.bad_record) == (False, seq)
    with pytest.raises(LogDamaged, match=f"record {seq}"):
        replay(tmp_path)


@pytest.mark.parametrize("seq", [5, 14, 23, 30])
def test_a_forger_who_fits_the_checksum_breaks_the_chain(tmp_path: Path, seq: int) -> None:
    """The link that holds the record no longer has its hash."""
    _lived(tmp_path)
    flip_input(tmp_path, seq, cover_up=True)
    found = verify(tmp_path)
    assert not found.ok
    assert seq - 1 <= found.bad_record <= seq


@pytest.mark.parametrize("cover_up", [False, True])
def test_a_changed_event_breaks_the_chain_at_its_input(tmp_path: Path, *, cover_up: bool) -> None:
    """Events are bound as inputs are."""
    _lived(tmp_path)
    reader = SqliteReader.open(tmp_path / "log.db")
    row = [row for _, row in reader.events(None)][-4]
    reader.close()
    forged = row.data.replace(b'"ordinal":0', b'"ordinal":7')
    replace_event(tmp_path, row.site_seq, forged, cover_up=cover_up)
    found = verify(tmp_path)
    assert not found.ok
    assert row.site_seq - 1 <= found.bad_record <= row.site_seq


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    """The number that is not there is the bad record."""
    _lived(tmp_path)
    drop_input(tmp_path, 9)
    found = verify(tmp_path)
    assert (found.ok, found.bad_record) == (False, 9)


def test_what_hangs_on_the_chain_by_a_hash_is_checked_too(tmp_path: Path) -> None:
    """Another rule set, another snapshot, another hash, a missing row, another name: each is found."""
    changes = {
        "rules": "UPDATE rulesets SET data = x'789c030000000001'",
        "snapshot": "UPDATE snapshots SET hash = zeroblob(32)",
        "link": "UPDATE rows SET hash = zeroblob(32) WHERE last_seq = 10",
        "row": "DELETE FROM rows WHERE last_seq = 10",
        "first": "DELETE FROM rows WHERE last_seq < 10",
        "genesis": f"UPDATE meta SET value = '{'11' * 32}' WHERE key = 'follows'",
        "name": "UPDATE log_ids SET log_id = 'other'",
    }
    for name, statement in changes.items():
        folder = tmp_path / name
        folder.mkdir()
        _lived(folder)
        run(folder, statement)
        assert not verify(folder).ok, name


def test_a_cut_tail_is_known_from_the_head_beside_the_log(tmp_path: Path) -> None:
    """Whole links taken off the end leave a sound chain, but not the head that was reached."""
    _lived(tmp_path)
    last = verify(tmp_path).site_seq
    run(tmp_path, "DELETE FROM rows WHERE last_seq >= ?", last)
    run(tmp_path, "DELETE FROM snapshots WHERE site_seq >= ?", last - 1)
    found = verify(tmp_path)
    assert (found.ok, found.bad_record) == (False, last)


def test_a_damaged_log_is_set_aside_and_the_site_goes_on_from_its_last_good_record(tmp_path: Path) -> None:
    """The new log names the old one, its last good hash and number, and holds a Resync of each room."""
    site = _lived(tmp_path)
    flip_input(tmp_path, 30)
    copy(tmp_path / "log.db", tmp_path / "copy.db")
    reader = SqliteReader.open(tmp_path / "copy.db")
    good = restore(reader, before=30)
    last = reader.head()
    reader.close()
    assert good.site_seq == 29
    made = site.open()
    assert made.durable
    assert "s/_site/log/log_damaged" in {event.subject for event in made.events}
    aside = [folder for folder in tmp_path.iterdir() if folder.name.startswith("damaged-")]
    assert len(aside) == 1
    assert (verify(aside[0]).ok, verify(aside[0]).bad_record) == (False, 30)
    start, _rules, *rest = _first(tmp_path, 5)
    assert isinstance(start, Start)
    assert (start.previous_log_id, start.previous_seq, start.clean) == (last.log_id, last.site_seq, False)
    resyncs = [body for body in rest if isinstance(body, Resync)]
    assert [(body.room, body.first_lost, body.last_lost) for body in resyncs] == [
        (room, 30, last.site_seq) for room in ("r1", "_site")
    ]
    told = next(body for body in rest if isinstance(body, Report))
    assert told.kind == ReportKind.LOG_DAMAGED
    for part in ("record 30", good.hash.hex(), aside[0].name):
        assert part in told.detail
    state = state_to_data(site.runner.states["r1"])
    assert state["records"] == state_to_data(good.fold.states["r1"])["records"]
    assert made.first_seq == last.site_seq + 1
    site.commit(gas(1, 20, boot="g2"))
    assert verify(tmp_path).ok
    assert replay(tmp_path).equal
    site.restart()
    assert verify(tmp_path).ok
    assert replay(tmp_path).equal


def test_damage_right_behind_a_clean_stop_is_no_clean_stop(tmp_path: Path) -> None:
    """The last good record is the close of the life before; what followed is lost, so the new log says not clean."""
    site = _lived(tmp_path)
    reader = SqliteReader.open(tmp_path / "log.db")
    closed = reader.head().site_seq
    reader.close()
    site.restart()
    flip_input(tmp_path, closed + 1)
    site.open()
    start = _first(tmp_path, 1)[0]
    assert isinstance(start, Start)
    assert (start.previous_seq >= closed + 1, start.clean) == (True, False)


@pytest.mark.parametrize("kind", ["zero", "text", "half", "page"])
def test_a_site_starts_whatever_its_file_is(tmp_path: Path, kind: str) -> None:
    """A file of no length, of text, cut in half or with a broken page never keeps the site from starting."""
    site = _lived(tmp_path)
    path = tmp_path / "log.db"
    data = path.read_bytes()
    broken = {
        "zero": b"",
        "text": b"hello " * 1000,
        "half": data[: len(data) // 2],
        "page": data[:8192] + b"\xff" * 4096 + data[12288:],
    }[kind]
    path.write_bytes(broken)
    made = site.open()
    assert made.durable
    assert "s/_site/log/log_damaged" in {event.subject for event in made.events}
    assert "alarm.raised" in kinds(site.commit(gas(1, 250, boot="g2"))) or H2_ALARM in str(site.runner.states)
    assert verify(tmp_path).ok
    assert replay(tmp_path).equal
    assert [folder for folder in tmp_path.iterdir() if folder.name.startswith("damaged-")]


def test_flipped_bytes_anywhere_never_stop_a_start(tmp_path: Path) -> None:
    """Whichever byte of the file or its WAL is hit, the site starts and its log is sound again."""
    template = tmp_path / "template"
    template.mkdir()
    site = _lived(template, clean=False)
    rng = random.Random(7)
    for number in range(25):
        folder = tmp_path / str(number)
        copytree(template, folder)
        path = folder / "log.db"
        data = bytearray(path.read_bytes())
        for _ in range(3):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        again = on_disk(folder)
        again.clock.mono, again.clock.wall = site.clock.mono, site.clock.wall
        assert again.open().durable
        again.commit(gas(1, 20, boot="g2"))
        fresh = verify(folder)
        if not fresh.ok:
            again.restart()
        again.runner.close()


def test_a_torn_wal_is_not_damage(tmp_path: Path) -> None:
    """A kill leaves a WAL; cut anywhere, the log opens as of some earlier commit, sound and without an alarm."""
    origin = tmp_path / "origin"
    origin.mkdir()
    site = on_disk(origin)
    site.open()
    for n in range(1, 30):
        site.commit(gas(n, 20 * n), bank(n))
    size = (origin / "log.db-wal").stat().st_size
    for number, cut in enumerate((0, 1, 40, size // 3, size // 2, size - 5)):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in ("log.db", "log.db-wal"):
            copy(origin / name, folder / name)
        os.truncate(folder / "log.db-wal", cut)
        again = on_disk(folder)
        made = again.open()
        assert made.durable
        assert "log_damaged" not in str(made.events)
        assert verify(folder).ok
        assert replay(folder).equal
        again.runner.close()


def test_a_restored_backup_says_what_it_lacks(tmp_path: Path) -> None:
    """The head beside the log is ahead: an alarm names both numbers, and new numbers have a log_id of their own."""
    site = _lived(tmp_path)
    backup = (tmp_path / "log.db").read_bytes()
    site.open()
    site.commit(gas(1, 250, boot="g2"))
    site.runner.close()
    (tmp_path / "log.db").write_bytes(backup)
    made = site.open()
    told = [event for event in made.events if event.subject == "s/_site/log/log_damaged"]
    assert told
    bodies = [body for body in _first(tmp_path, 1000) if isinstance(body, Report) and body.kind == "log_damaged"]
    assert "an older copy" in bodies[0].detail
    assert verify(tmp_path).ok
    assert replay(tmp_path).equal


def test_a_restored_backup_of_an_earlier_start_is_known_before_it_is_started(tmp_path: Path) -> None:
    """The head beside it is of a log_id that the copy never had."""
    site = _lived(tmp_path)
    backup = (tmp_path / "log.db").read_bytes()
    site.open()
    site.commit(gas(1, 250, boot="g2"))
    site.runner.close()
    (tmp_path / "log.db").write_bytes(backup)
    found = verify(tmp_path)
    assert not found.ok
    assert "but it had reached" in found.what


def test_a_newer_programs_log_is_refused_and_left_alone(tmp_path: Path) -> None:
    """The start names the format; nothing is set aside."""
    site = _lived(tmp_path)
    run(tmp_path, "UPDATE meta SET value = '2' WHERE key = 'format'")
    with pytest.raises(LogNewer, match="format 2"):
        site.open()
    assert not [folder for folder in tmp_path.iterdir() if folder.name.startswith("damaged-")]
