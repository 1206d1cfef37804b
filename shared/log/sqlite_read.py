"""Reading a site's log on SQLite: never blocks the writer, never writes.

Rows are fetched in order by the last number they hold, some at a time, each time in a transaction of its own: a reader
of years never keeps the writer's WAL from being moved into the file. Packing only joins rows that are consecutive: so a
record that housekeeping moves meanwhile is seen exactly once. A reader belongs to one thread at a time.
"""

import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from shared.domain.errors import LogDamaged, LogError, WireError
from shared.log.chain import GENESIS, checksum
from shared.log.order import END, check_snapshot, log_id_at, resume_place
from shared.log.port import Cursor, EventRow, Head, InputRow, Snapshot, Stretch
from shared.log.segments import Form, Unpacked, behind, event_row, unpack
from shared.log.sqlite_schema import connect_reader, read_meta, roll_back, translated
from shared.wire.inputs import decode_input
from shared.wire.packing import decode_states

_ROW = "first_seq, last_seq, form, hash, data, count"
_SUM = struct.Struct(">I")
_BATCH = 16
_BATCH_BYTES = 1 << 20
"""So many rows are fetched at once, and no more when they have so many bytes: a row of a flood has a MiB and a half."""


class Span(NamedTuple):
    """A row, or what of it was not given yet: part of the chain with everything that it covers."""

    first_seq: int
    last_seq: int
    hash: bytes
    """Head of the chain after it."""
    folded: bool
    inside: Unpacked


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

    def check_file(self) -> None:
        """Walks the whole file for structure; raises LogDamaged."""
        with self._moment() as at:
            answer = at.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if answer != "ok":
            raise LogDamaged(0, f"integrity_check: {answer}")

    def check(self) -> None:
        with self._moment() as at:
            for name, stored in at.execute("SELECT name, value FROM positions"):
                if unmark(name, stored) is None:
                    raise LogDamaged(0, f"positions: {name!r} is not what was written")
            for digest, letter in at.execute("SELECT sha256, data FROM dead_letters"):
                if sha256(letter).hexdigest() != digest:
                    raise LogDamaged(0, f"dead_letters: {digest} is not what came in")

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
            row = at.execute(f"SELECT {_ROW} FROM rows ORDER BY last_seq DESC LIMIT 1").fetchone()
            if row is None:
                return Head("", self._start_after, 0, 0, self._follows)
            inside = unpack(row[0], row[2], row[4])
            last, seq = inside.inputs[-1:], row[1]
            if not last or last[0].site_seq != seq:
                raise LogDamaged(seq, "the last record is missing")
            log_id = log_id_at(seq, self._log_ids(at))
        try:
            entry = decode_input(last[0].data)
        except WireError as fault:
            raise LogDamaged(seq, str(fault)) from fault
        return Head(log_id, seq, entry.tick_ms, entry.at_ms, bytes(row[3]))

    def first_seq(self) -> int:
        return self._start_after + 1

    def genesis(self) -> bytes:
        return self._follows or GENESIS

    def log_ids(self) -> tuple[tuple[int, str], ...]:
        with self._moment() as at:
            return tuple(self._log_ids(at))

    def _log_ids(self, at: sqlite3.Connection) -> list[tuple[int, str]]:
        return at.execute("SELECT first_seq, log_id FROM log_ids ORDER BY first_seq").fetchall()

    def _rows(self, after_seq: int) -> Iterator[tuple[int, int, int, bytes, bytes, int]]:
        """The columns of ``_ROW`` in order, from the row that holds the first number above."""
        while True:
            with self._moment(after_seq + 1) as at:
                query = f"SELECT {_ROW} FROM rows WHERE last_seq > ? ORDER BY last_seq LIMIT {_BATCH}"
                rows = _some(at.execute(query, (after_seq,)))
            if not rows:
                return
            yield from rows
            after_seq = rows[-1][1]

    def inputs(self, after_seq: int, limit: int = 1000) -> Iterator[InputRow]:
        for first, _, form, _, data, _ in self._rows(after_seq):
            for row in unpack(first, form, data).inputs:
                if row.site_seq <= after_seq:
                    continue
                if limit <= 0:
                    return
                limit -= 1
                after_seq = row.site_seq
                yield row

    def events(self, after: Cursor | None, limit: int = 1000) -> Iterator[tuple[Cursor, EventRow]]:
        place = (0, -1)
        with self._moment() as at:
            log_ids = self._log_ids(at)
        if after is not None:
            place = resume_place(after, log_ids)
        for first, last, form, _, data, _ in self._rows(place[0] - 1):
            found = [row for row in unpack(first, form, data).events if (row[0], row[1]) > place]
            if found and last >= (log_ids[-1][0] if log_ids else 0):
                with self._moment() as at:
                    log_ids = self._log_ids(at)
            for seq, ordinal, record in found:
                if limit <= 0:
                    return
                limit -= 1
                place = (seq, ordinal)
                yield Cursor(log_id_at(seq, log_ids), seq, ordinal), event_row(seq, ordinal, record)

    def position(self, name: str) -> bytes | None:
        return unmark(name, self._one("SELECT value FROM positions WHERE name = ?", name))

    def positions(self) -> dict[str, bytes]:
        """From both ends of the table, so that a broken page costs only what stands on it."""
        found: dict[str, bytes] = {}
        for order in ("ASC", "DESC"):
            with suppress(LogError), self._moment() as at:
                for name, stored in at.execute(f"SELECT name, value FROM positions ORDER BY name {order}"):
                    value = unmark(name, stored)
                    if value is not None:
                        found[name] = value
        return found

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
            last = at.execute(f"SELECT max(last_seq) FROM rows WHERE form = {Form.FOLDED}").fetchone()[0]
        return self._start_after if last is None else int(last)

    def snapshots(self) -> tuple[tuple[int, bytes], ...]:
        with self._moment() as at:
            return tuple(at.execute("SELECT site_seq, hash FROM snapshots ORDER BY site_seq").fetchall())

    def records(self, after_seq: int = 0) -> Iterator[tuple[int, Unpacked]]:
        """(last number, inside) of each row in order, from the one that holds the input after ``after_seq``.

        The events' bytes as they are, for one who decodes them anyway; what they say of themselves is not compared.
        """
        for first, last, form, _, data, _ in self._rows(after_seq):
            yield last, unpack(first, form, data)

    def spans(self, after_seq: int = 0) -> Iterator[Span]:
        """As ``stretches``, with the events' bytes as they are."""
        seen = 0
        for first, last, form, digest, data, count in self._rows(after_seq):
            inside = unpack(first, form, data)
            if not inside.bad:
                _check_row(first, last, form, count, inside)
            if first <= seen and form != Form.FOLDED:
                first, inside = seen + 1, behind(inside, seen)
            seen = last
            yield Span(first, last, bytes(digest), form == Form.FOLDED, inside)

    def last_seq(self) -> int:
        """The number of the head, without a look at the record; 0 before the first."""
        with self._moment() as at:
            last = at.execute("SELECT max(last_seq) FROM rows").fetchone()[0]
        return 0 if last is None else int(last)

    def bytes_an_input(self) -> float:
        """What an input and its events take, by the newest hundred rows; 0 without any."""
        newest = "SELECT count, length(data) AS size FROM rows ORDER BY last_seq DESC LIMIT 100"
        with self._moment() as at:
            size, count = at.execute(f"SELECT sum(size), sum(count) FROM ({newest})").fetchone()
        return size / count if count else 0.0

    def hash_before(self, site_seq: int) -> bytes:
        """Head of the chain before the row that begins with ``site_seq``, whatever numbers are missing before it."""
        with self._moment() as at:
            query = "SELECT hash FROM rows WHERE last_seq < ? ORDER BY last_seq DESC LIMIT 1"
            row = at.execute(query, (site_seq,)).fetchone()
        return self.genesis() if row is None else bytes(row[0])

    def stretches(self, after_seq: int = 0) -> Iterator[Stretch]:
        for first, last, digest, folded, inside in self.spans(after_seq):
            events = () if inside.bad else tuple(event_row(*each) for each in inside.events)
            yield Stretch(
                first_seq=first,
                last_seq=last,
                links=inside.links,
                hash=digest,
                folded=folded,
                inputs=inside.inputs,
                events=events,
                bad=inside.bad,
            )


def _some(found: sqlite3.Cursor) -> list[tuple[int, int, int, bytes, bytes, int]]:
    """The first rows, until they have _BATCH_BYTES."""
    rows, size = [], 0
    for row in found:
        rows.append(row)
        size += len(row[4]) if isinstance(row[4], bytes) else 0
        if size >= _BATCH_BYTES:
            break
    found.close()
    return rows


def _check_row(first: int, last: int, form: int, count: int, inside: Unpacked) -> None:
    """The columns beside the records say what the records say; raises LogDamaged."""
    numbers = [row.site_seq for row in inside.inputs[:1]] + [seq for seq, *_ in inside.events[:1]]
    begins = first if form == Form.FOLDED else min(numbers, default=0)
    if (begins, len(inside.inputs), inside.links[-1:]) != (first, count, (last,)):
        raise LogDamaged(first, f"rows: the row from {first} to {last} holds something else")


def mark(name: str, value: bytes) -> bytes:
    """A position as it is stored: behind the checksum of its name and value."""
    return _SUM.pack(checksum(name.encode() + value)) + value


def unmark(name: str, stored: bytes | None) -> bytes | None:
    """The position again; None when it is not what was written."""
    if stored is None or len(stored) < _SUM.size:
        return None
    value = bytes(stored[_SUM.size :])
    return value if _SUM.pack(checksum(name.encode() + value)) == stored[: _SUM.size] else None


def inflate(data: bytes | None, record: int, what: str) -> bytes | None:
    """Decompressed; raises LogDamaged when it cannot be."""
    if data is None:
        return None
    try:
        return zlib.decompress(data)
    except zlib.error as fault:
        raise LogDamaged(record, f"{what} does not unpack: {fault}") from fault
