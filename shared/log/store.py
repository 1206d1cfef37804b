"""Where a site's log lives, and how it is opened whatever state the disk and the file are in.

DIR/log.db (with -wal and -shm while open), DIR/log.head, DIR/ballast; DIR/damaged-<time>/ holds one that was set aside.

| found | outcome |
|---|---|
| nothing | a new log |
| a torn tail after a kill | SQLite rolls it back: not damage |
| a newer program's log | LogNewer, nothing is touched |
| another writer | Busy |
| no space, or read-only | ``Opened.trouble``, with whatever can still be read |
| not a database, a broken page, a flipped byte in the young end | ``Opened.damage``; ``replace`` sets it aside |
| an older copy than log.head knows | opens, ``Opened.older`` says what is missing |

``replace`` survives a kill at every step: the new log is complete under another name before the old one is moved.
Limits: the whole file is checked for structure only up to 64 MiB (0.3 s), so that a start stays quick; ``verify``
checks all of it, and the chain of everything after the newest snapshot is always checked by who restores from it.
"""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from shared.domain.errors import Busy, LogBroken, LogDamaged, LogError, LogFull
from shared.log.ballast import Ballast, free_bytes
from shared.log.chain import GENESIS
from shared.log.headfile import read_mark, write_mark
from shared.log.memory import MemoryLog
from shared.log.port import Group, Head, Log, Reading
from shared.log.sqlite import SqliteLog
from shared.log.sqlite_read import SqliteReader
from shared.log.sqlite_schema import (
    connect_exclusive,
    connect_immutable,
    connect_reader,
    connect_writer,
    create,
    has_tables,
    read_meta,
    roll_back,
    translated,
)
from shared.log.steps import Step, no_step
from shared.wire.packing import Mark

DATABASE = "log.db"
FRESH = "log.new.db"
HEAD_FILE = "log.head"
BALLAST_FILE = "ballast"
LOCK_FILE = "log.lock"
CHECK_BYTES_MAX = 64 << 20
BALLAST_BYTES = 64 << 20
_SIDES = ("", "-wal", "-shm")


class Opened(NamedTuple):
    """What opening found. Exactly one of log, trouble and damage is not None."""

    log: Log | None
    last: Reading | None
    """What can be read: the log itself, or the last readable state beside trouble or damage."""
    trouble: LogError | None
    damage: LogDamaged | None
    mark: Mark | None
    """What log.head says."""
    older: str
    """What an older copy lacks; "" when it lacks nothing that is known."""


class Store(Protocol):
    """What the runner needs of the place where its log lives."""

    def open(self) -> Opened: ...

    def reopen(self, groups: Sequence[Group], *, is_tight: bool = False) -> Log:
        """The log again after trouble, with these groups written (those that landed after all are not doubled).

        ``is_tight``: the last free bytes are for these groups, the file itself does not grow meanwhile.
        """
        ...

    def replace(self, start_after: int, follows: bytes, name: str, groups: Sequence[Group]) -> Log:
        """Sets the damaged log aside as DIR/``name`` and begins a new one with these groups."""
        ...

    def free_bytes(self) -> int: ...

    def free_ballast(self) -> bool:
        """Gives all of the ballast but its last part back; True when there was more."""
        ...

    def free_last_ballast(self) -> bool:
        """Gives the last part back too; True when there was anything."""
        ...

    def has_ballast(self) -> bool:
        """Whether ``free_ballast`` would give something back."""
        ...

    def take_ballast(self) -> None: ...

    def write_head(self, head: Head) -> None: ...

    def close(self) -> None: ...


class MemoryStore:
    """A store without a disk: the same log object at each opening."""

    def __init__(self, log: MemoryLog | None = None) -> None:
        self.log = log or MemoryLog()
        self.free = 1 << 40

    def open(self) -> Opened:
        if self.log.fail:
            return Opened(None, self.log, self.log.fail[0], None, None, "")
        return Opened(self.log, self.log, None, None, None, "")

    def reopen(self, groups: Sequence[Group], *, is_tight: bool = False) -> Log:  # noqa: ARG002
        write_groups(self.log, groups)
        return self.log

    def replace(self, start_after: int, follows: bytes, name: str, groups: Sequence[Group]) -> Log:  # noqa: ARG002
        self.log = MemoryLog(start_after, follows)
        write_groups(self.log, groups)
        return self.log

    def free_bytes(self) -> int:
        return self.free

    def free_ballast(self) -> bool:
        return False

    def free_last_ballast(self) -> bool:
        return False

    def has_ballast(self) -> bool:
        return False

    def take_ballast(self) -> None:
        """Memory needs none."""

    def write_head(self, head: Head) -> None:
        """Nothing to compare with later."""

    def close(self) -> None:
        """The log stays for the next opening."""


class SqliteStore:
    """See the module."""

    def __init__(self, directory: Path, *, ballast_bytes: int = BALLAST_BYTES, step: Step = no_step) -> None:
        self._directory = directory
        self._step = step
        self._ballast = Ballast(directory / BALLAST_FILE, ballast_bytes)
        self._lock: int | None = None
        self._log: SqliteLog | None = None

    @property
    def path(self) -> Path:
        return self._directory / DATABASE

    def open(self) -> Opened:
        mark = read_mark(self._directory / HEAD_FILE)
        try:
            self._take_lock()
            self._finish_replacement()
            if self.path.exists() and self.path.stat().st_size == 0 and mark is not None:
                raise LogDamaged(0, "the file is empty, but there was a log")
            log = self._open_writer()
            return Opened(log, log, None, None, mark, _older(log, mark))
        except LogDamaged as damage:
            return Opened(None, self._readable(), None, damage, mark, "")
        except (LogFull, LogBroken) as trouble:
            return Opened(None, self._readable(), trouble, None, mark, "")
        except OSError as fault:
            return Opened(None, self._readable(), LogBroken(str(fault)), None, mark, "")

    def _take_lock(self) -> None:
        """One writer a folder; a folder that cannot be written has no writer at all."""
        if self._lock is not None:
            return
        try:
            handle = os.open(self._directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            os.close(handle)
            raise Busy(f"{self.path} is written by another process") from fault
        self._lock = handle

    def _open_writer(self, *, is_tight: bool = False) -> SqliteLog:
        with translated():
            connection = connect_writer(self.path)
            try:
                if is_tight:
                    connection.execute("PRAGMA wal_autocheckpoint=0")
                if has_tables(connection):
                    read_meta(connection)
                    self._check(connection)
                else:
                    create(connection, 0, GENESIS)
                if not is_tight:
                    _probe(connection)
                self._log = SqliteLog(connection, self.path, self._step)
            except BaseException:
                connection.close()
                raise
        return self._log

    def _check(self, connection: sqlite3.Connection) -> None:
        if self.path.stat().st_size > CHECK_BYTES_MAX:
            return
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise LogDamaged(0, f"quick_check: {answer}")

    def _readable(self) -> Reading | None:
        """What of the log can be read when it cannot be written, or None.

        A disk without room for the shared-memory file needs the exclusive way; a read-only one that has lost it is
        read without what stands in the WAL only.
        """
        for connect in (connect_reader, connect_exclusive, connect_immutable):
            with suppress(LogError):
                reader = SqliteReader.open(self.path, connect)
                try:
                    reader.head()
                except LogDamaged:
                    return reader
                except LogError:
                    reader.close()
                    continue
                return reader
        return None

    def reopen(self, groups: Sequence[Group], *, is_tight: bool = False) -> Log:
        self._close_log()
        self._take_lock()
        try:
            self._finish_replacement()
        except OSError as fault:
            raise LogBroken(str(fault)) from fault
        log = self._open_writer(is_tight=is_tight)
        if not is_tight:
            with translated():
                log.checkpoint()
        write_groups(log, groups)
        return log

    def replace(self, start_after: int, follows: bytes, name: str, groups: Sequence[Group]) -> Log:
        self._close_log()
        self._take_lock()
        fresh = self._directory / FRESH
        try:
            _remove(fresh)
            self._step("before set-aside")
            with translated():
                connection = connect_writer(fresh)
                create(connection, start_after, follows)
                connection.execute("INSERT INTO meta VALUES('sets_aside', ?)", (name,))
            log = SqliteLog(connection, fresh, self._step)
            write_groups(log, groups)
            log.close()
            self._step("mid set-aside")
            self._finish_replacement()
        except OSError as fault:
            raise LogBroken(str(fault)) from fault
        return self._open_writer()

    def _finish_replacement(self) -> None:
        """Moves the old log away and the new one into its place; an unfinished new one is thrown away."""
        fresh = self._directory / FRESH
        if not fresh.exists():
            return
        name = _sets_aside(fresh)
        if name == "":
            _remove(fresh)
            return
        _settle(fresh)
        aside = self._directory / name
        aside.mkdir(exist_ok=True)
        for side in reversed(_SIDES):
            old = self.path.with_name(DATABASE + side)
            if old.exists():
                old.replace(aside / old.name)
                self._step("mid set-aside move")
        _sync(aside)
        fresh.replace(self.path)
        _sync(self._directory)
        self._step("after set-aside")

    def free_bytes(self) -> int:
        return free_bytes(self._directory)

    def free_ballast(self) -> bool:
        return self._ballast.free()

    def free_last_ballast(self) -> bool:
        return self._ballast.free_last()

    def has_ballast(self) -> bool:
        return self._ballast.is_held()

    def take_ballast(self) -> None:
        self._ballast.take()

    def write_head(self, head: Head) -> None:
        write_mark(self._directory / HEAD_FILE, Mark(head.log_id, head.site_seq, head.hash.hex()))

    def _close_log(self) -> None:
        if self._log is not None:
            with suppress(sqlite3.Error):
                self._log.close()
            self._log = None

    def close(self) -> None:
        """Closes what is open and gives the lock back."""
        self._close_log()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def open_reader(directory: Path) -> SqliteReader:
    """The log of a folder for one who only reads, also on a read-only disk (then without a WAL).

    Raises LogBroken when there is none or it cannot be read, LogDamaged, LogNewer.
    """
    path = directory / DATABASE
    if not path.exists():
        raise LogBroken(f"there is no log in {directory}")
    try:
        return SqliteReader.open(path)
    except LogBroken:
        wal = path.with_name(DATABASE + "-wal")
        if os.access(directory, os.W_OK) or (wal.exists() and wal.stat().st_size > 0):
            raise
        return SqliteReader.open(path, connect_immutable)


def write_groups(log: Log, groups: Sequence[Group]) -> None:
    """Commits the groups in order, but for those that are there already: up to the last whose inputs are.

    Raises LogDamaged when other bytes stand in their place.
    """
    written = 0
    for count, group in enumerate(groups, 1):
        last = group.inputs[-1] if group.inputs else None
        if last is None or last.site_seq > log.head().site_seq:
            continue
        found = next(log.inputs(last.site_seq - 1, 1), None)
        if found is None or found.data != last.data:
            raise LogDamaged(last.site_seq, "another record stands where this one was to be written")
        written = count
    for group in groups[written:]:
        log.commit(group)


def _probe(connection: sqlite3.Connection) -> None:
    """Raises LogFull or LogBroken when the disk takes no byte: better known now than at the first input."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("INSERT OR REPLACE INTO meta VALUES('probe', '1')")
        connection.execute("COMMIT")
    finally:
        roll_back(connection)


def _older(log: Log, mark: Mark | None) -> str:
    if mark is None or mark.site_seq == 0:
        return ""
    head = log.head()
    if head.site_seq < mark.site_seq:
        return f"the log ends at {head.site_seq}, but it had reached {mark.site_seq} as {mark.log_id}"
    stretch = next(log.stretches(mark.site_seq - 1), None)
    if stretch is not None and stretch.last_seq == mark.site_seq and stretch.hash.hex() != mark.hash:
        return f"record {mark.site_seq} is not the one that was written as {mark.log_id}"
    return ""


def _sets_aside(fresh: Path) -> str:
    """The folder that a complete new log names for the old one; "" when the new log is not complete."""
    try:
        reader = SqliteReader.open(fresh)
    except LogError:
        return ""
    try:
        return reader.meta("sets_aside") if reader.head().site_seq >= reader.first_seq() else ""
    except LogError:
        return ""
    finally:
        reader.close()


def _settle(database: Path) -> None:
    """Everything into the one file: a kill may have left the newest of it in the WAL."""
    with translated():
        connection = connect_writer(database)
        try:
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            connection.close()
    if busy:
        raise LogBroken(f"{database} is being read")


def _remove(database: Path) -> None:
    for side in _SIDES:
        database.with_name(database.name + side).unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
