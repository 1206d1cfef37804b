"""An older program refuses what a newer one has written, each file with its version, before anything is started."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from services.gateway import tokens
from services.history import database
from services.notifier import ledger
from services.site.backup import manifest
from services.site.formats import FORMATS, PROGRAM, check_files, refuse_newer, write_program
from shared.domain.errors import LogNewer
from shared.domain.version import CORE_VERSION
from shared.log import sqlite_schema
from shared.log.store import SqliteStore

RELEASED = Path(__file__).parents[2] / "golden" / "folder" / "released"


def newer_log(folder: Path) -> None:
    shutil.copyfile(RELEASED / "log.db", folder / "log.db")
    ask(folder / "log.db", "UPDATE meta SET value = '2' WHERE key = 'format'")


def newer_ledger(folder: Path) -> None:
    ledger.Ledger(folder).open()
    ask(folder / ledger.NAME, "PRAGMA user_version = 2")


def newer_history(folder: Path) -> None:
    ask(folder / database.FILE, database.TABLES.split(";")[0])
    ask(folder / database.FILE, "INSERT INTO meta VALUES('form', '2')")


def newer_tokens(folder: Path) -> None:
    (folder / "tokens.json").write_text('{"version": 2, "tokens": []}')


def ask(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()


def test_the_formats_are_those_of_the_stores() -> None:
    """The parent knows them without loading what reads them."""
    assert FORMATS == {
        "log.db": sqlite_schema.FORMAT,
        "notify.db": ledger._VERSION,
        "history.db": database.FORM,
        "tokens.json": tokens.VERSION,
        "core": CORE_VERSION,
        "backup": 1,
    }
    assert set(FORMATS) - {"core", "backup"} <= set(manifest.PLAIN)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (newer_log, "log.db"),
        (newer_ledger, "notify.db"),
        (newer_history, "history.db"),
        (newer_tokens, "tokens.json"),
    ],
)
def test_a_file_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path, make: object, name: str) -> None:
    """With its format, what this program reads, and what to do."""
    assert callable(make)
    make(tmp_path)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(LogNewer, match=f"{name} has format 2, this program reads up to 1: start the newer program"):
        check_files(tmp_path)
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_folder_of_a_newer_program_is_refused_with_its_version(tmp_path: Path, name: str) -> None:
    """By what the newer program said of itself, before any file is opened."""
    body = {"version": "9.1.0", "formats": {**FORMATS, name: 2}}
    (tmp_path / PROGRAM).write_text(json.dumps(body))
    with pytest.raises(
        LogNewer, match=rf"{name} has format 2 \(written by ampward 9\.1\.0\), this program reads up to"
    ):
        refuse_newer(tmp_path)


def test_what_this_program_or_an_older_one_wrote_is_opened(tmp_path: Path) -> None:
    """Also a folder from before there was such a file, and one whose file is torn."""
    refuse_newer(tmp_path)
    write_program(tmp_path, "0.0.1")
    refuse_newer(tmp_path)
    assert json.loads((tmp_path / PROGRAM).read_text()) == {"version": "0.0.1", "formats": FORMATS}
    (tmp_path / PROGRAM).write_text('{"version": "9')
    refuse_newer(tmp_path)
    shutil.copyfile(RELEASED / "log.db", tmp_path / "log.db")
    check_files(tmp_path)


def test_a_newer_history_is_not_thrown_away(tmp_path: Path) -> None:
    """Another form is grown anew from the log; a newer one has what the log may no longer have."""
    newer_history(tmp_path)
    with pytest.raises(database.HistoryBroken, match="format 2, this program reads up to 1") as refused:
        database.open_writer(tmp_path / database.FILE)
    assert not isinstance(refused.value, database.HistoryDamaged)


def test_a_store_refuses_a_newer_log_by_itself(tmp_path: Path) -> None:
    """A file may be put into a folder by hand."""
    newer_log(tmp_path)
    with pytest.raises(LogNewer, match="format 2"):
        SqliteStore(tmp_path, ballast_bytes=0).open()
