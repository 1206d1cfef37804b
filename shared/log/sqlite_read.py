"""Reading a site's log on SQLite: never blocks the writer, never writes.

Each answer is one read transaction, so a row that housekeeping moves into a segment meanwhile is seen exactly once.
A reader belongs to one thread at a time. Limits: an answer holds at most one segment and 1,000 rows in memory.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.domain.errors import LogDamaged, WireError
from shared.log.chain import GENESIS, checksum
from shared.log.order import END, check_snapshot, log_id_at, resume_place
from shared.log.port import Cursor, EventRow, Head, InputRow, Snapshot, Stretch
from shared.log.segments import Unpacked, event_row, unpack
from shared.log.sqlite_schema import connect_reader, read_meta, roll_back, translated
from shared.wire.inputs import decode_input
from shared.wire.packing import decode_states

_CHUNK = 1000


class SqliteReader:
    """Reads one log file; see the module."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._meta = meta = read_meta(connection)
        try:
            self._start_after = int(meta["start_after"])
            self._follows = bytes.fromhex(meta["follows"])
        except (KeyError, ValueError) as fault:
            raise LogDamaged(0, f"the log's own description is not readable: {fault}") from fault

    @staticmethod
    def open(path: Path, connect: Callable[[Path], sqlite3.Connection] = connect_reader) -> "SqliteReader":
        """A reader of its own connection; raises LogBroken, LogDamaged, LogNewer."""
        with translated():
            connection = connect(path)
        try:
            return SqliteReader(connection)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        self._connection.close()

    def check(self) -> None:
        """Walks the whole file for structure; raises LogDamaged."""
        with self._moment() as at:
            answer = at.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if answer != "ok":
            raise LogDamaged(0, f"integrity_check: {answer}")

    def meta(self, key: str) -> str:
        """What the file said of itself when it was opened; "" for what it does not say."""
        return self._meta.get(key, "")

    @contextmanager
    def _moment(self, record: int = 0) -> Iterator[sqlite3.Connection]:
        """One read transaction (a part of the writer's own, when this is the writer)."""
        if self._connection.in_transaction:
            with translated(record):
                yield self._connection
            return
        with translated(record):
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                roll_back(self._connection)

    def head(self) -> Head:
        with self._moment() as at:
            row = at.execute("SELECT last_seq, hash FROM chain ORDER BY last_seq DESC LIMIT 1").fetchone()
            if row is None:
                row = at.execute("SELECT last_seq, hash FROM segments ORDER BY last_seq DESC LIMIT 1").fetchone()
            if row is None:
                return Head("", self._start_after, 0, 0, self._follows)
            seq, digest = row
            last = next(self.inputs(seq - 1, 1), None)
            if last is None or last.site_seq != seq:
                raise LogDamaged(seq, "the last record is missing")
            log_id = log_id_at(seq, self._log_ids(at))
        try:
            entry = decode_input(last.data)
        except WireError as fault:
            raise LogDamaged(seq, str(fault)) from fault
        return Head(log_id, seq, entry.tick_ms, entry.at_ms, bytes(digest))

    def first_seq(self) -> int:
        return self._start_after + 1

    def genesis(self) -> bytes:
        return self._follows or GENESIS

    def _log_ids(self, at: sqlite3.Connection) -> list[tuple[int, str]]:
        return at.execute("SELECT first_seq, log_id FROM log_ids ORDER BY first_seq").fetchall()

    def inputs(self, after_seq: int, limit: int = 1000) -> Iterator[InputRow]:
        while limit > 0:
            with self._moment(after_seq + 1) as at:
                segment = self._segment_after(at, after_seq)
                if segment is None:
                    query = "SELECT site_seq, kind, data FROM inputs WHERE site_seq > ? ORDER BY site_seq LIMIT ?"
                    rows = list(map(InputRow._make, at.execute(query, (after_seq, min(limit, _CHUNK)))))
                else:
                    rows = [row for row in segment[1].inputs if row.site_seq > after_seq][:limit]
            if not rows and segment is None:
                return
            yield from rows
            limit -= len(rows)
            after_seq = rows[-1].site_seq if segment is None else segment[0]

    def events(self, after: Cursor | None, limit: int = 1000) -> Iterator[tuple[Cursor, EventRow]]:
        place = (0, -1)
        with self._moment() as at:
            log_ids = self._log_ids(at)
        if after is not None:
            place = resume_place(after, log_ids)
        while limit > 0:
            with self._moment(place[0]) as at:
                segment = self._segment_after(at, place[0] - 1 if place[1] < END else place[0])
                if segment is None:
                    query = (
                        "SELECT site_seq, ordinal, room, room_no, type, data FROM events"
                        " WHERE (site_seq, ordinal) > (?, ?) ORDER BY site_seq, ordinal LIMIT ?"
                    )
                    found = at.execute(query, (*place, min(limit, _CHUNK)))
                    rows = list(map(EventRow._make, found))
                    log_ids = self._log_ids(at)
                else:
                    chosen = [row for row in segment[1].events if (row[0], row[1]) > place][:limit]
                    rows = [event_row(*row) for row in chosen]
            if not rows and segment is None:
                return
            for row in rows:
                yield Cursor(log_id_at(row.site_seq, log_ids), row.site_seq, row.ordinal), row
            limit -= len(rows)
            place = (rows[-1].site_seq, rows[-1].ordinal) if segment is None else (segment[0], END)

    def _segment_after(self, at: sqlite3.Connection, after_seq: int) -> tuple[int, Unpacked] | None:
        """(last_seq, contents) of the segment that holds the first number above ``after_seq``."""
        query = "SELECT first_seq, last_seq, data FROM segments WHERE last_seq > ? ORDER BY last_seq LIMIT 1"
        row = at.execute(query, (after_seq,)).fetchone()
        return None if row is None else (row[1], unpack(row[0], row[2]))

    def position(self, name: str) -> bytes | None:
        return self._one("SELECT value FROM positions WHERE name = ?", name)

    def ruleset(self, version: str) -> bytes | None:
        return inflate(self._one("SELECT data FROM rulesets WHERE version = ?", version), 0, "a rule set")

    def dead_letter(self, sha256: str) -> bytes | None:
        return self._one("SELECT data FROM dead_letters WHERE sha256 = ?", sha256)

    def _one(self, query: str, key: str) -> bytes | None:
        with self._moment() as at:
            row = at.execute(query, (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def snapshot(self, at_or_before: int | None = None) -> Snapshot | None:
        limit = END if at_or_before is None else at_or_before
        query = "SELECT site_seq, log_id, hash, data FROM snapshots WHERE site_seq <= ? ORDER BY site_seq DESC LIMIT 1"
        with self._moment() as at:
            row = at.execute(query, (limit,)).fetchone()
        if row is None:
            return None
        seq, log_id, digest, data = row
        try:
            states = decode_states(inflate(data, seq, "the snapshot after this record") or b"")
        except WireError as fault:
            raise LogDamaged(seq, f"the snapshot after this record: {fault}") from fault
        return check_snapshot(Snapshot(log_id, seq, states), bytes(digest))

    def folded_to(self) -> int:
        with self._moment() as at:
            last = at.execute("SELECT max(last_seq) FROM segments WHERE folded = 1").fetchone()[0]
        return self._start_after if last is None else int(last)

    def snapshots(self) -> tuple[tuple[int, bytes], ...]:
        with self._moment() as at:
            return tuple(at.execute("SELECT site_seq, hash FROM snapshots ORDER BY site_seq").fetchall())

    def stretches(self, after_seq: int = 0) -> Iterator[Stretch]:
        while True:
            with self._moment(after_seq + 1) as at:
                query = (
                    "SELECT first_seq, last_seq, folded, hash, data FROM segments"
                    " WHERE last_seq > ? ORDER BY last_seq LIMIT 1"
                )
                row = at.execute(query, (after_seq,)).fetchone()
                stretch = self._packed(row) if row else self._link_after(at, after_seq)
            if stretch is None:
                return
            yield stretch
            after_seq = stretch.last_seq

    def _packed(self, row: tuple[int, int, int, bytes, bytes]) -> Stretch:
        first, last, folded, digest, data = row
        inside = unpack(first, data)
        links = inside.links or (last,)
        events = () if inside.bad else tuple(event_row(*each) for each in inside.events)
        return Stretch(first, last, links, digest, bool(folded), inside.inputs, events, inside.bad)

    def _link_after(self, at: sqlite3.Connection, after_seq: int) -> Stretch | None:
        query = "SELECT first_seq, last_seq, hash FROM chain WHERE last_seq > ? ORDER BY last_seq LIMIT 1"
        row = at.execute(query, (after_seq,)).fetchone()
        if row is None:
            left = at.execute("SELECT min(site_seq) FROM inputs WHERE site_seq > ?", (after_seq,)).fetchone()[0]
            if left is not None:
                raise LogDamaged(left, "no link of the chain covers this record")
            return None
        first, last, digest = row
        span = (first, last)
        query = "SELECT site_seq, kind, data, sum FROM inputs WHERE site_seq BETWEEN ? AND ? ORDER BY site_seq"
        inputs = at.execute(query, span).fetchall()
        query = (
            "SELECT site_seq, ordinal, data, sum, room, room_no, type FROM events"
            " WHERE site_seq BETWEEN ? AND ? ORDER BY site_seq, ordinal, room"
        )
        events = at.execute(query, span).fetchall()
        bad = min((row[0] for row in (*inputs, *events) if checksum(row[2]) != row[3]), default=0)
        input_rows = tuple(InputRow(seq, kind, data) for seq, kind, data, _ in inputs)
        if bad:
            return Stretch(first, last, (last,), digest, folded=False, inputs=input_rows, events=(), bad=bad)
        event_rows = tuple(event_row(*row[:3]) for row in events)
        for made, row in zip(event_rows, events, strict=True):
            if made[2:5] != row[4:]:
                raise LogDamaged(made.site_seq, f"an event of this record is stored as {row[4:]}")
        return Stretch(first, last, (last,), digest, folded=False, inputs=input_rows, events=event_rows, bad=0)


def inflate(data: bytes | None, record: int, what: str) -> bytes | None:
    """Decompressed; raises LogDamaged when it cannot be."""
    if data is None:
        return None
    try:
        return zlib.decompress(data)
    except zlib.error as fault:
        raise LogDamaged(record, f"{what} does not unpack: {fault}") from fault
