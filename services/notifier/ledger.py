"""The site's delivery ledger, DIR/notify.db (the port is services.notifier.ledger_port, reached by on_disk).

A ledger that cannot be read is set aside as notify.damaged-<number>.db and a new one begun; one of a newer program is
left as it is (``open`` raises LogNewer). While the disk is full or read-only everything goes on in memory, and is
written when the disk takes it again; ``trouble`` says so. Nothing in here raises for the disk's sake. SQLite: STRICT
tables, WAL, synchronous=FULL, one thread.
Limits: settled messages are kept for 90 days and 20,000 at most.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from services.notifier.ledger_port import OPEN, Change, Found, Row, Stand, begun
from services.notifier.messages import Lane, Message
from services.notifier.reports import BoxReport
from shared.domain.errors import LogNewer
from shared.log.steps import Step, no_step

NAME = "notify.db"
KEPT_MS = 90 * 86_400_000
KEPT_MAX = 20_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    id TEXT PRIMARY KEY, person TEXT NOT NULL, channel TEXT NOT NULL, form TEXT NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL, planned_at_ms INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL, repeat INTEGER NOT NULL, why TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS message_open ON message (state) WHERE state IN ('planned', 'sending', 'failed');
CREATE INDEX IF NOT EXISTS message_changed ON message (changed_at_ms);
CREATE TABLE IF NOT EXISTS report (number INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
"""
_VERSION = 1
_MEMORY = "/dev/shm"
_CANNOT_WRITE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
                 sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PERM)  # fmt: skip

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode
_decode_report = msgspec.json.Decoder(BoxReport).decode


class Ledger:
    """One ledger, used by one thread at a time. ``trouble`` is why it is in memory only, or ""."""

    def __init__(self, folder: Path, *, step: Step = no_step) -> None:
        self._path = folder / NAME
        self._step = step
        self._db: sqlite3.Connection | None = None
        self._waiting = Change()
        """What the disk has not taken yet."""
        self._records: dict[str, bytes] = {}
        self._open: dict[str, Row] = {}
        self._stand: Stand | None = None
        self._ident, self._last = "", 0
        self._reports: dict[int, BoxReport] = {}
        self.trouble = ""
        self.set_aside = ""
        """Said once by whoever asks."""

    def open(self) -> Found:
        """Read what there is."""
        try:
            found = self._read()
        except LogNewer:
            self.close()
            raise
        except (sqlite3.DatabaseError, ValueError) as fault:
            if _cannot_write(fault):
                self.trouble = str(fault)
                found = self._read_copy()
            else:
                found = begun(self._put_aside(str(fault)))
                self._connect_anew()
        self._records = dict(found.records)
        self._open = {row.message.id: row for row in found.rows}
        self._stand = found.stand
        self._ident, self._last, self._reports = found.ledger, found.last, dict(found.reports)
        return found

    def commit(self, change: Change) -> None:
        """All of the change or nothing of it; kept in memory while the disk takes nothing."""
        self._remember(change)
        self._waiting.join(change)
        if self._db is None:
            self._connect_anew()
            if self._db is None:
                return
        try:
            self._write(self._db, self._waiting)
        except sqlite3.DatabaseError as fault:
            with suppress(sqlite3.DatabaseError):
                self._db.rollback()
            if not _cannot_write(fault):
                self.set_aside = self._put_aside(str(fault))
                self._waiting = self._everything()
                self._connect_anew()
                return
            self.trouble = str(fault)
            return
        self._waiting = Change()
        self.trouble = ""

    def tidy(self, wall_ms: int) -> None:
        """Settled messages that are older than what is kept go."""
        if self._db is None or self.trouble:
            return
        with suppress(sqlite3.DatabaseError), self._db:
            settled = "state NOT IN ('planned', 'sending', 'failed', 'lent')"
            self._db.execute(f"DELETE FROM message WHERE {settled} AND changed_at_ms < ?", (wall_ms - KEPT_MS,))
            self._db.execute(
                f"DELETE FROM message WHERE {settled} AND id NOT IN"
                " (SELECT id FROM message ORDER BY changed_at_ms DESC LIMIT ?)",
                (KEPT_MAX,),
            )

    def close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.DatabaseError):
                self._db.close()
            self._db = None

    # On the disk

    def _read_copy(self) -> Found:
        """A disk that refuses every write cannot even be read in this mode: read a copy in memory."""
        self.close()
        with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
            try:
                for suffix in ("", "-wal"):
                    path = self._path.with_name(NAME + suffix)
                    if path.exists():
                        shutil.copyfile(path, Path(folder) / path.name)
                copy = Ledger(Path(folder))
                found = copy._read()
                copy.close()
            except (OSError, sqlite3.DatabaseError, ValueError):
                return begun()
        return found

    def _read(self) -> Found:
        db = self._connect()
        check = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if check != "ok":
            raise sqlite3.DatabaseError(check)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise LogNewer(f"{NAME} has format {version}, this program reads up to {_VERSION}: start the newer program")
        if version == 0:
            _prepare(db)
        said = db.execute("SELECT value FROM meta WHERE name = 'stand'").fetchone()
        records = {key: bytes(value) for key, value in db.execute("SELECT key, value FROM record")}
        rows = tuple(
            Row(_decode(body), state, attempts, due_ms, changed_at_ms, bool(repeat), why)
            for state, attempts, due_ms, changed_at_ms, repeat, why, body in db.execute(
                "SELECT state, attempts, due_ms, changed_at_ms, repeat, why, body FROM message"
                " WHERE state IN ('planned', 'sending', 'failed', 'lent') ORDER BY planned_at_ms, id"
            )
        )
        stand = None if said is None else msgspec.json.decode(said[0], type=Stand)
        numbered = db.execute("SELECT value FROM meta WHERE name = 'reports'").fetchone()
        first = (begun().ledger, 0)
        ident, last = first if numbered is None else msgspec.json.decode(numbered[0], type=tuple[str, int])
        asked = db.execute("SELECT number, body FROM report ORDER BY number")
        reports = {number: _decode_report(body) for number, body in asked}
        return Found(stand, records, rows, ident, last, reports)

    def _connect(self) -> sqlite3.Connection:
        self.close()
        db = sqlite3.connect(self._path, check_same_thread=False, isolation_level="IMMEDIATE", timeout=2.0)
        self._db = db
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        return db

    def _connect_anew(self) -> None:
        """A new file, with everything that is known."""
        try:
            db = self._connect()
            _prepare(db)
            self._write(db, self._waiting)
        except sqlite3.DatabaseError as fault:
            self.close()
            self.trouble = str(fault)
        else:
            self._waiting = Change()
            self.trouble = ""

    def _write(self, db: sqlite3.Connection, change: Change) -> None:
        if change == Change():
            return
        with db:
            if change.stand is not None:
                db.execute("INSERT OR REPLACE INTO meta VALUES ('stand', ?)", (_encode(change.stand),))
            gone = [(key,) for key, value in change.records.items() if value is None]
            kept = [(key, value) for key, value in change.records.items() if value is not None]
            db.executemany("DELETE FROM record WHERE key = ?", gone)
            db.executemany("INSERT OR REPLACE INTO record VALUES (?, ?)", kept)
            if change.stand is not None:
                self._step("in plan")
            db.executemany(
                "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_columns(row) for row in change.rows.values()],
            )
            if change.reports:
                self._write_reports(db, change.reports)
            db.execute("DELETE FROM report WHERE number <= ?", (change.forgotten,))

    def _write_reports(self, db: sqlite3.Connection, reports: Mapping[int, BoxReport]) -> None:
        self._step("in settle")
        rows = [(number, _encode(report)) for number, report in reports.items()]
        db.executemany("INSERT OR REPLACE INTO report VALUES (?, ?)", rows)
        db.execute("INSERT OR REPLACE INTO meta VALUES ('reports', ?)", (_encode((self._ident, self._last)),))

    def _put_aside(self, why: str) -> str:
        """Move the files out of the way; a disk that refuses leaves them, and memory goes on."""
        self.close()
        number = 1
        while (target := self._path.with_name(f"notify.damaged-{number}.db")).exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(NAME + suffix).replace(target.with_name(target.name + suffix))
        return f"{target.name}: {why}"

    # In memory

    def _remember(self, change: Change) -> None:
        self._stand = change.stand or self._stand
        for key, value in change.records.items():
            if value is None:
                self._records.pop(key, None)
            else:
                self._records[key] = value
        for ident, row in change.rows.items():
            if row.state in OPEN:
                self._open[ident] = row
            else:
                self._open.pop(ident, None)
        self._reports.update(change.reports)
        self._last = max((self._last, *change.reports))
        self._reports = {n: report for n, report in self._reports.items() if n > change.forgotten}

    def _everything(self) -> Change:
        made = Change(self._stand)
        made.records.update(self._records)
        made.rows.update(self._open)
        made.reports.update(self._reports)
        return made


def _prepare(db: sqlite3.Connection) -> None:
    db.executescript(_SCHEMA)
    db.execute(f"PRAGMA user_version = {_VERSION}")


def _columns(row: Row) -> tuple[object, ...]:
    message = row.message
    lane: Lane = message.lane
    return (
        message.id,
        lane.person,
        lane.channel,
        str(message.form),
        row.state,
        row.attempts,
        row.due_ms,
        message.at_ms,
        row.changed_at_ms,
        int(row.repeat),
        row.why,
        _encode(message),
    )


def _cannot_write(fault: Exception) -> bool:
    """Whether it tells of the disk and not of what is in the file."""
    code = getattr(fault, "sqlite_errorcode", 0) & 0xFF
    return code in _CANNOT_WRITE
