"""SQLite files of a running site, copied as of one moment.

A read transaction is opened first and the pages are copied within it, so that the writer goes on, the copy is of the
moment at which it was opened, and no change begins it anew. The writer's WAL grows meanwhile by what it writes.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.site.backup.words import in_words
from shared.domain.errors import LogBroken
from shared.log.sqlite_schema import connect_immutable, connect_reader, translated

Tell = Callable[[int, int], None]
"""Takes (done, of all)."""
PAGES = 2_048
"""Copied between two looks at the progress: 8 MiB."""


@contextmanager
def moment(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as it is now, for as long as the context lasts. Raises LogBroken, LogDamaged."""
    connection = _begin(path)
    try:
        yield connection
    finally:
        connection.close()


def _begin(path: Path) -> sqlite3.Connection:
    try:
        return _begin_by(connect_reader, path)
    except LogBroken:
        wal = path.with_name(f"{path.name}-wal")
        if os.access(path.parent, os.W_OK) or (wal.exists() and wal.stat().st_size > 0):
            raise
        return _begin_by(connect_immutable, path)


def _begin_by(connect: Callable[[Path], sqlite3.Connection], path: Path) -> sqlite3.Connection:
    with translated():
        connection = connect(path)
        try:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error:
            connection.close()
            raise
    return connection


def copy(connection: sqlite3.Connection, target: Path, tell: Tell) -> None:
    """Every page into a new file ``target``. Raises CannotBackUp in words of its disk, LogDamaged, LogBroken."""
    with translated():
        made = sqlite3.connect(target, isolation_level=None)
        try:
            made.execute("PRAGMA synchronous=OFF")
            connection.backup(made, pages=PAGES, progress=lambda _, rest, pages: tell(pages - rest, pages))
        except sqlite3.Error as fault:
            if fault.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
                raise in_words(OSError(28, os.strerror(28)), target.parent) from fault
            raise
        finally:
            made.close()
    target.chmod(0o600)
