"""The SQLite adapter against the contract, and what only a file can show."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.processor.restore import check_links
from shared.domain.errors import Busy, LogDamaged, LogNewer
from shared.log.port import Group, Log, Stretch
from shared.log.segments import Form, unpack
from shared.log.sqlite_read import SqliteReader
from shared.log.store import SqliteStore, open_reader
from tests.contract.forgery import flip_input, run
from tests.contract.log_contract import Reopen, StoreContract
from tests.contract.rows import event, frames, start, tick
from tests.testkit.disk import read_only, small_disk


def opened(store: SqliteStore) -> Log:
    """The store's log, which must open without trouble."""
    found = store.open()
    assert found.log is not None, found
    return found.log


class TestSqliteLog(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqliteStore]:
        store = SqliteStore(tmp_path, ballast_bytes=0)
        yield store
        store.close()

    @pytest.fixture
    def log(self, store: SqliteStore) -> Log:
        return opened(store)

    @pytest.fixture
    def reopen(self, store: SqliteStore) -> Reopen:
        def again() -> Log:
            store.close()
            return opened(store)

        return again

    def test_a_second_writer_is_refused(self, log: Log, tmp_path: Path) -> None:
        """One folder has one writer."""
        log.commit(start())
        with pytest.raises(Busy):
            SqliteStore(tmp_path).open()

    def test_a_newer_programs_log_is_not_touched(self, log: Log, store: SqliteStore, tmp_path: Path) -> None:
        """The refusal names the format, and the file stays as it is."""
        log.commit(start())
        store.close()
        run(tmp_path, "UPDATE meta SET value='99' WHERE key='format'")
        before = (tmp_path / "log.db").read_bytes()
        with pytest.raises(LogNewer, match="format 99"):
            store.open()
        assert (tmp_path / "log.db").read_bytes() == before

    def test_a_changed_record_is_named_by_its_number(self, log: Log, store: SqliteStore, tmp_path: Path) -> None:
        """The checksum beside each record finds it within its link."""
        log.commit(start())
        log.commit(frames(2, 10, [event(5, 0, 1)]))
        store.close()
        flip_input(tmp_path, 7)
        assert [stretch.bad for stretch in opened(store).stretches()] == [0, 7]

    def test_a_row_that_holds_no_bytes_is_damage(self) -> None:
        """A file that was cut gives NULL or a number where the records were: told with the row's first record."""
        for found in (None, 7, "text"):
            with pytest.raises(LogDamaged, match=r"record 12: .* holds no bytes"):
                unpack(12, Form.YOUNG, found)

    def test_a_reader_opens_a_log_that_was_closed(self, log: Log, store: SqliteStore, tmp_path: Path) -> None:
        """verify and replay read a stopped site's log without writing into its folder."""
        log.commit(start())
        store.close()
        reader = SqliteReader.open(tmp_path / "log.db")
        assert reader.head().site_seq == 1
        reader.close()

    def test_a_file_that_is_no_database_is_damage(self, log: Log, store: SqliteStore, tmp_path: Path) -> None:
        """It is told as damage, and nothing is read from it."""
        log.commit(start())
        store.close()
        (tmp_path / "log.db").write_bytes(b"not a database at all" * 500)
        found = store.open()
        assert isinstance(found.damage, LogDamaged)
        assert (found.log, found.last) == (None, None)

    def test_an_older_copy_is_noticed(self, log: Log, store: SqliteStore, tmp_path: Path) -> None:
        """A restored backup ends before the head that the file beside it knows."""
        log.commit(start())
        store.close()
        backup = (tmp_path / "log.db").read_bytes()
        again = opened(store)
        store.write_head(again.commit(tick(2)))
        store.close()
        (tmp_path / "log.db").write_bytes(backup)
        assert "ends at 1, but it had reached 2" in store.open().older

    def test_a_slow_reader_does_not_hold_up_the_writers_wal(self, log: Log, tmp_path: Path) -> None:
        """Between two reads nothing is held: the WAL goes on being moved into the file."""
        log.commit(start())
        for seq in range(2, 60):
            log.commit(frames(seq, 1))
        reader = SqliteReader.open(tmp_path / "log.db")
        slow = reader.stretches()
        next(slow)
        for turn in range(80):
            log.commit(Group((), (), dead_letters={f"{turn}": bytes(1 << 18)}))
        assert (tmp_path / "log.db-wal").stat().st_size < 8 << 20
        assert [stretch.last_seq for stretch in slow] == list(range(2, 60))
        reader.close()

    def test_packing_under_a_reader_neither_doubles_nor_hides(self, log: Log, tmp_path: Path) -> None:
        """A chain read in pieces is whole, each link once, although its rows were joined meanwhile."""
        log.commit(start())
        for first in range(2, 10_002, 10):
            log.commit(frames(first, 10, [event(first + 3, 0, first)]))
        reader = SqliteReader.open(tmp_path / "log.db")
        seen: list[Stretch] = []
        digest = log.genesis()
        for stretch in reader.stretches():
            digest = check_links(stretch, digest)
            seen.append(stretch)
            if len(seen) == 20:
                while log.tidy():
                    pass
        reader.close()
        assert digest == log.head().hash
        assert [row for stretch in seen for row in stretch.inputs] == list(log.inputs(0, 20_000))
        assert [row for stretch in seen for row in stretch.events] == [row for _, row in log.events(None, 20_000)]

    def test_a_closed_log_is_read_from_a_read_only_disk(self, tmp_path: Path) -> None:
        """As a backup on such a disk would be."""
        with small_disk(tmp_path / "disk", 4) as disk:
            store = SqliteStore(disk, ballast_bytes=0)
            opened(store).commit(start())
            store.close()
            with read_only(disk):
                reader = open_reader(disk)
                assert reader.head().site_seq == 1
                reader.close()
