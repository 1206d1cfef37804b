"""The SQLite file of a site's log: its tables, how it is opened, and what its errors mean to us.

WAL with synchronous=FULL: a commit that returned is on the disk, a torn tail after a kill or a power cut is rolled back
by SQLite itself and is not damage. Freed pages are not written with zeros, as some builds of SQLite would: to pack or
fold a megabyte on a full disk takes some pages of the WAL and not as many as are freed. STRICT tables. One writer
connection; each reader has its own.
``rows`` holds inputs, events and the chain, a row a group at the young end and packed behind it (shared.log.segments).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from shared.domain.errors import LogBroken, LogDamaged, LogError, LogFull, LogNewer

FORMAT = 1
"""Raised when an older program could not read the file any more."""
BUSY_MS = 5_000
"""Readers never block the writer; this only bridges recovery and checkpoints."""
WAL_BYTES_MAX = 16 << 20
"""The WAL file is cut back to this after a checkpoint."""

TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE log_ids(first_seq INTEGER PRIMARY KEY, log_id TEXT NOT NULL) STRICT;
CREATE TABLE rows(last_seq INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, form INTEGER NOT NULL,
    count INTEGER NOT NULL, hash BLOB NOT NULL, data BLOB NOT NULL) STRICT;
CREATE INDEX young ON rows(last_seq, count, length(data)) WHERE form = 0;
CREATE TABLE snapshots(site_seq INTEGER PRIMARY KEY, log_id TEXT NOT NULL, hash BLOB NOT NULL,
    data BLOB NOT NULL) STRICT;
CREATE TABLE rulesets(version TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE positions(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dead_letters(number INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, data BLOB NOT NULL) STRICT;
"""

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_MISMATCH}
_PLAIN_ERROR = 1


def connect_writer(path: Path) -> sqlite3.Connection:
    """The writer's connection; makes the file when there is none."""
    connection = _connect(path, "mode=rwc")
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES_MAX}")
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cache_size=-8192")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    return _connect(path, "mode=ro")


def connect_exclusive(path: Path) -> sqlite3.Connection:
    """A reader that keeps the index of the WAL in its own memory: for a disk with no room for the shared one."""
    connection = _connect(path, "mode=rw")
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    return connection


def connect_immutable(path: Path) -> sqlite3.Connection:
    """A reader that takes no lock and sees no WAL: for a read-only disk on which nothing else is left."""
    return _connect(path, "immutable=1")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?{mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_MS / 1000,
    )


def create(connection: sqlite3.Connection, start_after: int, follows: bytes) -> None:
    """The tables of a new log whose first number comes after ``start_after``."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in TABLES.split(";"):
            if statement.strip():
                connection.execute(statement)
        rows = [("format", str(FORMAT)), ("start_after", str(start_after)), ("follows", follows.hex())]
        connection.executemany("INSERT INTO meta VALUES(?, ?)", rows)
        connection.execute("COMMIT")
    except sqlite3.Error:
        roll_back(connection)
        raise


def read_meta(connection: sqlite3.Connection) -> dict[str, str]:
    """What the file says of itself; raises LogNewer and LogDamaged."""
    with translated():
        meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    form = meta.get("format", "")
    if not form.isdigit() or int(form) < 1:
        raise LogDamaged(0, "the format of the log is not readable")
    if int(form) > FORMAT:
        raise LogNewer(f"the log has format {form}, this program reads up to {FORMAT}: start the newer program")
    return meta


def has_tables(connection: sqlite3.Connection) -> bool:
    with translated():
        return bool(connection.execute("SELECT count(*) FROM sqlite_master WHERE name='meta'").fetchone()[0])


@contextmanager
def translated(record: int = 0) -> Iterator[None]:
    """SQLite's errors as ours; ``record`` is the record that was being read."""
    try:
        yield
    except sqlite3.Error as fault:
        raise as_log_error(fault, record) from fault
    except (UnicodeDecodeError, TypeError, OverflowError) as fault:  # What a broken page looks like as a value.
        raise LogDamaged(record, f"{type(fault).__name__}: {fault}") from fault


def as_log_error(fault: sqlite3.Error, record: int = 0) -> LogError:
    """LogFull, LogDamaged, or LogBroken for whatever else the disk answered."""
    code = getattr(fault, "sqlite_errorcode", _PLAIN_ERROR) & 0xFF
    text = f"{getattr(fault, 'sqlite_errorname', 'SQLITE_ERROR')}: {fault}"
    if code == sqlite3.SQLITE_FULL:
        return LogFull(text)
    if code in _DAMAGE or (code == _PLAIN_ERROR and isinstance(fault, sqlite3.DatabaseError)):
        return LogDamaged(record, text)
    return LogBroken(text)


def roll_back(connection: sqlite3.Connection) -> None:
    """Ends a failed transaction; a connection that cannot even do that is reopened by its owner."""
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
