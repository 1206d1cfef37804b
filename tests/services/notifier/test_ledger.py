"""The ledger on real disks: what it keeps, and what it does when the disk takes nothing or gives back other things."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.notifier.ledger import NAME, Ledger
from services.notifier.ledger_port import Change, Row, Stand
from services.notifier.messages import Form, Item, Kind, Lane, Message
from services.notifier.on_disk import LedgerOnDisk
from services.notifier.reports import BoxReport
from shared.domain.inputs import ReportKind
from shared.log.port import Cursor
from tests.services.notifier.ledger_contract import LedgerContract, Ledgers
from tests.services.notifier.lines import World, setting
from tests.testkit.disk import filled, read_only, small_disk


class TestLedgerOnDisk(LedgerContract):
    @pytest.fixture
    def ledgers(self, tmp_path: Path) -> Ledgers:
        return lambda: LedgerOnDisk(tmp_path)


HERE = Cursor("log1", 7, 2)
STAND = Stand(HERE, HERE, 5_000, 1_767_225_600_000)


def row(number: int, state: str = "planned") -> Row:
    event = World(setting()).event("raised", f"r1/p{number}/rule", value="2.1")
    item = Item(Kind.RAISED, event, undurable=True)
    lane = Lane("anna", "email")
    return Row(Message(f"{number:032x}", lane, Form.ALARM, (item,), "t", ("f",), urgent=True, at_ms=number), state)


FAILING = BoxReport(ReportKind.DELIVERY_FAILING, "email", "451 later", on=True)
WELL = BoxReport(ReportKind.DELIVERY_FAILING, "email", "messages arrive again", on=False)


def keep(ledger: Ledger, *rows: Row, **records: bytes | None) -> None:
    ledger.commit(Change(STAND, dict(records), {one.message.id: one for one in rows}))


def reopened(folder: Path) -> Ledger:
    made = Ledger(folder)
    made.open()
    return made


def test_what_was_committed_is_found_again(tmp_path: Path) -> None:
    """Place, records and messages that are not settled, as they were."""
    ledger = reopened(tmp_path)
    keep(ledger, row(1), replace(row(2, "failed"), attempts=3, repeat=True, why="451"), row(3, "sent"), a=b"1", b=b"2")
    keep(ledger, a=None)
    ledger.close()
    found = Ledger(tmp_path).open()
    assert found.stand == STAND
    assert found.records == {"b": b"2"}
    assert found.rows == (row(1), replace(row(2, "failed"), attempts=3, repeat=True, why="451"))


def test_reports_are_kept_under_their_numbers_until_they_are_forgotten(tmp_path: Path) -> None:
    """The ledger has one id over every start, and no number twice; another ledger has another id."""
    ledger = reopened(tmp_path)
    ledger.commit(Change(rows={row(1).message.id: row(1, "sent")}, reports={1: FAILING, 2: WELL}))
    ledger.close()
    found = Ledger(tmp_path).open()
    assert (dict(found.reports), found.last, found.rows) == ({1: FAILING, 2: WELL}, 2, ())
    ledger = reopened(tmp_path)
    ledger.commit(Change(reports={3: FAILING}, forgotten=2))
    ledger.close()
    again = Ledger(tmp_path).open()
    assert (again.ledger, dict(again.reports), again.last) == (found.ledger, {3: FAILING}, 3)
    ledger = reopened(tmp_path)
    ledger.commit(Change(forgotten=3))
    ledger.close()
    assert (Ledger(tmp_path).open().reports, Ledger(tmp_path).open().last) == ({}, 3)
    (tmp_path / NAME).write_bytes(b"no database")
    assert Ledger(tmp_path).open().ledger != found.ledger


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\x00" + bytes(4096)])
def test_a_file_that_is_no_ledger_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    """Nothing is read from it but that it is damaged; an empty file is an empty ledger."""
    (tmp_path / NAME).write_bytes(damage)
    ledger = Ledger(tmp_path)
    found = ledger.open()
    assert (found.stand, found.rows) == (None, ())
    assert bool(found.set_aside) == bool(damage)
    assert (tmp_path / "notify.damaged-1.db").exists() == bool(damage)
    keep(ledger, row(1))
    ledger.close()
    assert Ledger(tmp_path).open().rows == (row(1),)


def test_a_ledger_that_is_damaged_while_in_use_is_begun_anew_from_memory(tmp_path: Path) -> None:
    """What is open and where it stands are known: the new file has them, and the old one is kept aside."""
    ledger = reopened(tmp_path)
    keep(ledger, *(row(number) for number in range(6000)), a=b"1")
    ledger.commit(Change(reports={1: FAILING, 2: WELL}))
    ledger.close()
    ledger = Ledger(tmp_path)
    ident = ledger.open().ledger
    raw = bytearray((tmp_path / NAME).read_bytes())
    raw[4096:] = b"\xa5" * (len(raw) - 4096)
    (tmp_path / NAME).write_bytes(bytes(raw))
    for number in range(0, 6000, 100):
        keep(ledger, row(number))
    assert "notify.damaged-1.db" in ledger.set_aside
    ledger.close()
    found = Ledger(tmp_path).open()
    assert len(found.rows) == 6000
    assert (found.stand, dict(found.records)) == (STAND, {"a": b"1"})
    assert (found.ledger, dict(found.reports), found.last) == (ident, {1: FAILING, 2: WELL}, 2)


def test_a_full_disk_leaves_everything_in_memory_until_there_is_room(tmp_path: Path) -> None:
    """Nothing raises; when the disk takes it again, all of it is written."""
    with small_disk(tmp_path / "disk", 2) as disk:
        ledger = reopened(disk)
        keep(ledger, row(1))
        with filled(disk):
            for number in range(2, 400):
                keep(ledger, row(number))
            assert "full" in ledger.trouble
        keep(ledger, row(400))
        assert ledger.trouble == ""
        ledger.close()
        assert len(Ledger(disk).open().rows) == 400


def test_a_read_only_disk_is_read_and_not_written(tmp_path: Path) -> None:
    """The ledger begins where it stood, says its trouble, and goes on in memory."""
    with small_disk(tmp_path / "disk", 4) as disk:
        ledger = reopened(disk)
        keep(ledger, row(1), a=b"1")
        ledger.close()
        with read_only(disk):
            ledger = Ledger(disk)
            found = ledger.open()
            assert (found.stand, found.rows) == (STAND, (row(1),))
            keep(ledger, row(2))
            assert ledger.trouble
            ledger.close()


def test_a_folder_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    """Even without a place for the file everything is kept in memory."""
    ledger = Ledger(tmp_path / "nowhere")
    assert ledger.open().stand is None
    keep(ledger, row(1))
    assert ledger.trouble
    (tmp_path / "nowhere").mkdir()
    keep(ledger, row(2))
    assert ledger.trouble == ""
    ledger.close()
    assert len(Ledger(tmp_path / "nowhere").open().rows) == 2
