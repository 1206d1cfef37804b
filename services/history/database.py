"""DIR/history.db: the tables of the history. SQLite in WAL mode, one writer (the history's process), many readers.

A projection: whatever happens to this file, the log has what it was made from. So a commit is not fsynced (a power cut
rolls the newest seconds back together with the cursor, and they are read again), and a file that is damaged or of
another form is thrown away and grown anew.

Keys: ``young`` is minute << 20 | layout; ``minutes`` is day << 20 | series, so that a day is added at the end and
leaves no page half empty; ``hours`` is series << 20 | day, so that a year of one point stands together. Days, minutes
and hours are counted from 1970 on, UTC.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from shared.domain.errors import AmpwardError

FILE = "history.db"
FORM = 1
"""Another form is thrown away and grown anew from the log."""
BUSY_MS = 5_000
WAL_BYTES_MAX = 16 << 20
PAGE_BYTES = 16_384
"""A day of one point is some 2 KiB: of those only one fits into a page of 4 KiB."""
SIDES = ("", "-wal", "-shm")
KEY_BITS = 20

TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE logs(no INTEGER PRIMARY KEY, log_id TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE series(id INTEGER PRIMARY KEY, unit TEXT NOT NULL) STRICT;
CREATE TABLE points(point TEXT NOT NULL, unit TEXT NOT NULL, series INTEGER NOT NULL,
    PRIMARY KEY(point, unit)) STRICT, WITHOUT ROWID;
CREATE TABLE layouts(id INTEGER PRIMARY KEY, device TEXT NOT NULL, series BLOB NOT NULL) STRICT;
CREATE TABLE young(key INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE minutes(key INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE hours(key INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE places(minute INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL) STRICT;
CREATE TABLE events(kind INTEGER NOT NULL, log INTEGER NOT NULL, room TEXT NOT NULL, type TEXT NOT NULL,
    site_seq INTEGER NOT NULL, ordinal INTEGER NOT NULL, tick_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    subject TEXT NOT NULL, occurrence TEXT NOT NULL, rule TEXT NOT NULL, severity TEXT NOT NULL, state TEXT NOT NULL,
    value TEXT NOT NULL, unit TEXT NOT NULL, bound TEXT NOT NULL, quality TEXT NOT NULL, reason TEXT NOT NULL,
    actor TEXT NOT NULL, until_ms INTEGER NOT NULL) STRICT;
CREATE INDEX events_at ON events(kind, at_ms);
CREATE TABLE discharges(battery TEXT NOT NULL, began_at_ms INTEGER NOT NULL, ended_at_ms INTEGER NOT NULL,
    lasted_ms INTEGER NOT NULL, strings TEXT NOT NULL, lowest_jar TEXT NOT NULL, lowest_mv INTEGER NOT NULL,
    log INTEGER NOT NULL, site_seq INTEGER NOT NULL, PRIMARY KEY(battery, log, site_seq)) STRICT;
CREATE TABLE rules(log INTEGER NOT NULL, site_seq INTEGER NOT NULL, version TEXT NOT NULL,
    PRIMARY KEY(log, site_seq)) STRICT, WITHOUT ROWID;
CREATE TABLE holes(log INTEGER NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    reason TEXT NOT NULL, PRIMARY KEY(log, first_seq)) STRICT, WITHOUT ROWID;
"""


class HistoryBroken(AmpwardError):
    """The history's file cannot be read or written; the log has everything that was in it."""


class HistoryDamaged(HistoryBroken):
    """What is stored is not what was written, or of another form: it is to be grown anew."""


class NoHistory(HistoryBroken):
    """There is no history here yet."""


_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_MISMATCH}


@contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors, and values that no writer of ours stored, as ours."""
    try:
        yield
    except sqlite3.Error as fault:
        code = getattr(fault, "sqlite_errorcode", 1) & 0xFF
        is_damage = code in _DAMAGE or (code == 1 and isinstance(fault, sqlite3.DatabaseError))
        kind = HistoryDamaged if is_damage else HistoryBroken
        raise kind(f"{FILE}: {fault}") from fault
    except (ValueError, TypeError, OverflowError, IndexError) as fault:
        raise HistoryDamaged(f"{FILE}: {type(fault).__name__}: {fault}") from fault


def open_writer(path: Path) -> sqlite3.Connection:
    """The writer's connection; makes the file when there is none. Raises HistoryBroken, HistoryDamaged."""
    if not path.exists():
        remove(path)  # A WAL that was left behind would be taken for the new file's.
    with translated():
        connection = _connect(path, "mode=rwc")
        try:
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES_MAX}")
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute("PRAGMA cache_size=-4096")
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                _create(connection)
            _check_form(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises NoHistory, HistoryBroken, HistoryDamaged."""
    if not path.exists():
        raise NoHistory(f"there is no history in {path.parent}")
    with translated():
        connection = _connect(path, "mode=ro")
        try:
            _check_form(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?{mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_MS / 1000,
    )


def _create(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        for statement in TABLES.split(";"):
            if statement.strip():
                connection.execute(statement)
        connection.execute("INSERT INTO meta VALUES('form', ?)", (str(FORM),))


def _check_form(connection: sqlite3.Connection) -> None:
    row = connection.execute("SELECT value FROM meta WHERE key = 'form'").fetchone()
    if row is not None and row[0].isdigit() and int(row[0]) > FORM:
        raise HistoryBroken(f"{FILE} has format {row[0]}, this program reads up to {FORM}: start the newer program")
    if row is None or row[0] != str(FORM):
        raise HistoryDamaged(f"{FILE} has form {row[0] if row else 'none'}, this program reads {FORM}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything inside, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def remove(path: Path) -> None:
    """Throw the file away, with what SQLite keeps beside it."""
    for side in SIDES:
        path.with_name(path.name + side).unlink(missing_ok=True)
