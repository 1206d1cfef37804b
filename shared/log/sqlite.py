"""The site's log on SQLite: one writer, one transaction a group, durable on return.

Promises: a group is in the file whole or not at all; ``commit`` returns after the fsync. After LogBroken the connection
is of no more use: reopen (shared.log.store) and look what is there, because a commit whose fsync failed may still be.
``tidy`` packs rows older than the young end into segments, a bounded piece at a time.
Limits: 4,096 inputs stay as rows; dead letters at most 1,000 and 16 MiB, the oldest go.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.log.chain import checksum, link, states_hash
from shared.log.order import check_group
from shared.log.port import Cursor, EventRow, Folding, Group, Head, InputRow, Snapshot, Stretch
from shared.log.segments import SEGMENT_BYTES, pack
from shared.log.sqlite_read import SqliteReader
from shared.log.sqlite_schema import as_log_error, roll_back, translated
from shared.wire.inputs import decode_input
from shared.wire.packing import encode_states

YOUNG_INPUTS = 4096
"""So many inputs stay as rows: an hour of a quiet room, some seconds of a storm."""
PACK_INPUTS_MAX = 8192
DEAD_LETTERS_MAX = 1000
DEAD_LETTER_BYTES_MAX = 16 << 20

Step = Callable[[str], None]
"""Told at each labelled step, so that tests can end the process exactly there."""


def no_step(_label: str) -> None:
    """Outside tests nothing listens."""


class SqliteLog:
    """The writer; see the module. Its own reading shares its connection, ``reader()`` opens another."""

    def __init__(self, connection: sqlite3.Connection, path: Path, step: Step = no_step) -> None:
        self._connection = connection
        self._path = path
        self._step = step
        self._read = SqliteReader(connection)
        self._head = self._read.head()
        with translated():
            self._young = connection.execute("SELECT count(*) FROM inputs").fetchone()[0]

    def head(self) -> Head:
        return self._head

    def commit(self, group: Group) -> Head:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            head = self._write(group)
            self._step("before commit")
            self._connection.execute("COMMIT")
        except sqlite3.Error as fault:
            roll_back(self._connection)
            raise as_log_error(fault, self._head.site_seq) from fault
        except BaseException:
            roll_back(self._connection)
            raise
        self._head = head
        self._young += len(group.inputs)
        self._step("after commit")
        return head

    def _write(self, group: Group) -> Head:
        head = self._head
        if group.inputs:
            check_group(head, group)
            head = self._append(head, group)
        execute, many = self._connection.execute, self._connection.executemany
        many("INSERT OR REPLACE INTO positions VALUES(?, ?)", group.positions.items())
        for version, body in group.rulesets.items():
            execute("INSERT OR IGNORE INTO rulesets VALUES(?, ?)", (version, zlib.compress(body)))
        if group.dead_letters:
            many("INSERT OR IGNORE INTO dead_letters(sha256, data) VALUES(?, ?)", group.dead_letters.items())
            self._cap_dead_letters()
        if group.folding is not None:
            self._fold(group.folding)
        return head

    def _append(self, head: Head, group: Group) -> Head:
        execute, many = self._connection.execute, self._connection.executemany
        rows = [(row.site_seq, row.kind, checksum(row.data), row.data) for row in group.inputs]
        many("INSERT INTO inputs VALUES(?, ?, ?, ?)", rows)
        self._step("after inputs")
        events = [(*row[:5], checksum(row.data), row.data) for row in group.events]
        many("INSERT INTO events VALUES(?, ?, ?, ?, ?, ?, ?)", events)
        self._step("after events")
        made = link(head.hash, group.inputs, group.events)
        size = sum(len(row.data) for row in group.inputs) + sum(len(row.data) for row in group.events)
        execute(
            "INSERT INTO chain VALUES(?, ?, ?, ?, ?, ?, ?)",
            (made.last_seq, made.first_seq, made.count, size, made.input_root, made.event_root, made.hash),
        )
        if group.log_id:
            execute("INSERT INTO log_ids VALUES(?, ?)", (made.first_seq, group.log_id))
        if group.snapshots:
            body = zlib.compress(encode_states(group.snapshots), 1)
            row = (made.first_seq - 1, head.log_id, states_hash(group.snapshots), body)
            execute("INSERT INTO snapshots VALUES(?, ?, ?, ?)", row)
            self._step("mid snapshot")
        last = decode_input(group.inputs[-1].data)
        return Head(group.log_id or head.log_id, made.last_seq, last.tick_ms, last.at_ms, made.hash)

    def _cap_dead_letters(self) -> None:
        query = "SELECT number, length(data) FROM dead_letters ORDER BY number DESC"
        size = 0
        for count, (number, length) in enumerate(self._connection.execute(query).fetchall(), 1):
            size += length
            if count > DEAD_LETTERS_MAX or size > DEAD_LETTER_BYTES_MAX:
                self._connection.execute("DELETE FROM dead_letters WHERE number <= ?", (number,))
                return

    def _fold(self, folding: Folding) -> None:
        """The segments of the interval become one that holds what is kept."""
        span = (folding.first_seq, folding.last_seq)
        inputs: list[tuple[int, str, int, bytes]] = []
        events: list[tuple[int, int, int, bytes]] = []
        digest = b""
        for stretch in self.stretches(folding.first_seq - 1):
            if stretch.first_seq > folding.last_seq:
                break
            assert folding.first_seq <= stretch.first_seq and stretch.last_seq <= folding.last_seq
            kept = (row for row in stretch.inputs if row.site_seq in folding.keep)
            inputs += [(row.site_seq, row.kind, checksum(row.data), row.data) for row in kept]
            events += [(row.site_seq, row.ordinal, checksum(row.data), row.data) for row in stretch.events]
            digest = stretch.hash
        execute = self._connection.execute
        execute("DELETE FROM segments WHERE first_seq >= ? AND last_seq <= ?", span)
        self._step("mid retention")
        for table in ("inputs", "events"):
            execute(f"DELETE FROM {table} WHERE site_seq BETWEEN ? AND ?", span)
        execute("DELETE FROM chain WHERE first_seq >= ? AND last_seq <= ?", span)
        data = pack([folding.last_seq], inputs, events)
        execute("INSERT INTO segments VALUES(?, ?, 1, ?, ?)", (folding.last_seq, folding.first_seq, digest, data))
        execute("DELETE FROM snapshots WHERE site_seq < ?", (folding.last_seq,))

    def tidy(self) -> bool:
        """Packs the oldest rows beyond the young end into one segment; True when there is more to pack."""
        if self._young <= YOUNG_INPUTS:
            return False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            packed = self._pack_oldest()
            self._step("mid packing")
            self._connection.execute("COMMIT")
        except sqlite3.Error as fault:
            roll_back(self._connection)
            raise as_log_error(fault) from fault
        self._young -= packed
        return packed > 0 and self._young > YOUNG_INPUTS

    def _pack_oldest(self) -> int:
        execute = self._connection.execute
        links = self._links_to_pack()
        if not links:
            return 0
        span = (links[0][0], links[-1][1])
        query = "SELECT site_seq, kind, sum, data FROM inputs WHERE site_seq BETWEEN ? AND ? ORDER BY site_seq"
        inputs = execute(query, span).fetchall()
        query = (
            "SELECT site_seq, ordinal, sum, data FROM events WHERE site_seq BETWEEN ? AND ? ORDER BY site_seq, ordinal"
        )
        events = execute(query, span).fetchall()
        data = pack([last for _, last, _ in links], inputs, events)
        execute("INSERT INTO segments VALUES(?, ?, 0, ?, ?)", (span[1], span[0], links[-1][2], data))
        for table in ("inputs", "events"):
            execute(f"DELETE FROM {table} WHERE site_seq BETWEEN ? AND ?", span)
        execute("DELETE FROM chain WHERE last_seq BETWEEN ? AND ?", span)
        return len(inputs)

    def _links_to_pack(self) -> list[tuple[int, int, bytes]]:
        """(first_seq, last_seq, hash) of the oldest links, up to a segment's size or the next snapshot."""
        execute = self._connection.execute
        room = min(self._young - YOUNG_INPUTS, PACK_INPUTS_MAX)
        query = "SELECT first_seq, last_seq, hash, count, size FROM chain ORDER BY last_seq LIMIT ?"
        rows = execute(query, (room,)).fetchall()
        query = "SELECT min(site_seq) FROM snapshots WHERE site_seq >= ?"
        border = execute(query, (rows[0][1],)).fetchone()[0] if rows else None
        chosen: list[tuple[int, int, bytes]] = []
        size = 0
        for first, last, digest, count, link_size in rows:
            size += link_size
            room -= count
            if chosen and (size > SEGMENT_BYTES or room < 0):
                break
            chosen.append((first, last, digest))
            if border is not None and last >= border:
                break
        return chosen

    def checkpoint(self) -> None:
        """Moves the whole WAL into the file and syncs it: after a failed fsync only this shows what is on the disk."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def reader(self) -> SqliteReader:
        return SqliteReader.open(self._path)

    def first_seq(self) -> int:
        return self._read.first_seq()

    def genesis(self) -> bytes:
        return self._read.genesis()

    def inputs(self, after_seq: int, limit: int = 1000) -> Iterator[InputRow]:
        return self._read.inputs(after_seq, limit)

    def events(self, after: Cursor | None, limit: int = 1000) -> Iterator[tuple[Cursor, EventRow]]:
        return self._read.events(after, limit)

    def position(self, name: str) -> bytes | None:
        return self._read.position(name)

    def ruleset(self, version: str) -> bytes | None:
        return self._read.ruleset(version)

    def dead_letter(self, sha256: str) -> bytes | None:
        return self._read.dead_letter(sha256)

    def snapshot(self, at_or_before: int | None = None) -> Snapshot | None:
        return self._read.snapshot(at_or_before)

    def folded_to(self) -> int:
        return self._read.folded_to()

    def snapshots(self) -> tuple[tuple[int, bytes], ...]:
        return self._read.snapshots()

    def stretches(self, after_seq: int = 0) -> Iterator[Stretch]:
        return self._read.stretches(after_seq)

    def close(self) -> None:
        self._connection.close()
