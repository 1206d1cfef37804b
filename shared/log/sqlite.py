"""The site's log on SQLite: one writer, one transaction a group, durable on return.

Promises: a group is in the file whole or not at all; ``commit`` returns after the fsync. After LogBroken the connection
is of no more use: reopen (shared.log.store) and look what is there, because a commit whose fsync failed may still be.
``tidy`` packs what is older than the young end, a bounded piece at a time.
Limits: 4,096 inputs stay young; dead letters at most 1,000 and 16 MiB, the oldest go.
"""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shared.domain.errors import LogDamaged, LogFull, WireError
from shared.log.chain import link, states_hash
from shared.log.order import check_group
from shared.log.port import Cursor, EventRow, Folding, Group, Head, InputRow, Snapshot, Stretch
from shared.log.segments import SEGMENT_BYTES, Form, compress, encode, join
from shared.log.sqlite_read import SqliteReader, mark
from shared.log.sqlite_schema import as_log_error, roll_back, translated
from shared.log.steps import Step, no_step
from shared.wire.inputs import decode_input
from shared.wire.packing import encode_states

YOUNG_INPUTS = 4096
"""So many inputs are not packed: an hour of a quiet room, some seconds of a storm."""
PACK_ROWS_MAX = 8192
DEAD_LETTERS_MAX = 1000
DEAD_LETTER_BYTES_MAX = 16 << 20


class SqliteLog:
    """The writer; see the module. Its own reading shares its connection, ``reader()`` opens another."""

    def __init__(self, connection: sqlite3.Connection, path: Path, step: Step = no_step) -> None:
        self._connection = connection
        self._path = path
        self._step = step
        self._read = SqliteReader(connection)
        self._head = self._read.head()
        with translated():
            self._young = self._count_young()
        self._is_packing = False

    def head(self) -> Head:
        return self._head

    def commit(self, group: Group) -> Head:
        try:
            head = self._transact(group)
        except LogFull:
            if not self._begin_wal_anew():
                raise
            head = self._transact(group)
        self._head = head
        self._young += len(group.inputs)
        self._step("after commit")
        return head

    def _transact(self, group: Group) -> Head:
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
        return head

    def _begin_wal_anew(self) -> bool:
        """On a full disk: the WAL's pages into the file, so that the next group goes over them and needs no new ones.

        True when they could be moved: not when the file itself would have to grow for it.
        """
        with suppress(sqlite3.Error):
            busy, pages, moved = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            return not busy and pages > 0 and pages == moved
        return False

    def spare_bytes(self) -> int:
        """The file's free pages: they are filled before it grows."""
        with translated():
            pages = self._connection.execute("PRAGMA freelist_count").fetchone()[0]
            size = self._connection.execute("PRAGMA page_size").fetchone()[0]
        return int(pages) * int(size)

    def _write(self, group: Group) -> Head:
        head = self._head
        if group.inputs:
            check_group(head, group)
            head = self._append(head, group)
        execute, many = self._connection.execute, self._connection.executemany
        marked = ((name, mark(name, value)) for name, value in group.positions.items())
        many("INSERT OR REPLACE INTO positions VALUES(?, ?)", marked)
        for version, body in group.rulesets.items():
            execute("INSERT OR IGNORE INTO rulesets VALUES(?, ?)", (version, zlib.compress(body)))
        if group.dead_letters:
            many("INSERT OR IGNORE INTO dead_letters(sha256, data) VALUES(?, ?)", group.dead_letters.items())
            self._cap_dead_letters()
        if group.folding is not None:
            self._fold(group.folding)
        return head

    def _append(self, head: Head, group: Group) -> Head:
        execute = self._connection.execute
        made = link(head.hash, group.inputs, group.events)
        data = encode([made.last_seq], group.inputs, group.events)
        row = (made.last_seq, made.first_seq, Form.YOUNG, made.count, made.hash, data)
        execute("INSERT INTO rows VALUES(?, ?, ?, ?, ?, ?)", row)
        self._step("after inputs")
        if group.log_id:
            execute("INSERT INTO log_ids VALUES(?, ?)", (made.first_seq, group.log_id))
        if group.snapshots:
            body = zlib.compress(encode_states(group.snapshots), 1)
            kept = (made.first_seq - 1, head.log_id, states_hash(group.snapshots), body)
            execute("INSERT INTO snapshots VALUES(?, ?, ?, ?)", kept)
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
        """The rows of the interval become one that holds what is kept."""
        inputs: list[InputRow] = []
        events: list[EventRow] = []
        digest = b""
        for stretch in self.stretches(folding.first_seq - 1):
            if stretch.first_seq > folding.last_seq:
                break
            assert folding.first_seq <= stretch.first_seq and stretch.last_seq <= folding.last_seq
            inputs += [row for row in stretch.inputs if row.site_seq in folding.keep]
            events += stretch.events
            digest = stretch.hash
        execute = self._connection.execute
        execute("DELETE FROM rows WHERE last_seq BETWEEN ? AND ?", folding[:2])
        self._step("mid retention")
        data = compress(encode([folding.last_seq], inputs, events))
        row = (folding.last_seq, folding.first_seq, Form.FOLDED, len(inputs), digest, data)
        execute("INSERT INTO rows VALUES(?, ?, ?, ?, ?, ?)", row)
        execute("DELETE FROM snapshots WHERE site_seq < ?", (folding.last_seq,))
        self._young = self._count_young()

    def _count_young(self) -> int:
        return int(self._connection.execute("SELECT total(count) FROM rows WHERE form = 0").fetchone()[0])

    def tidy(self) -> bool:
        """Packs the oldest young rows into one; True when there is more to pack.

        It begins when twice as many as stay young are there, so that a packed row is never made of a handful.
        """
        self._is_packing = self._young > (YOUNG_INPUTS if self._is_packing else 2 * YOUNG_INPUTS)
        if not self._is_packing:
            return False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            packed = self._pack_oldest()
            self._step("mid packing")
            self._connection.execute("COMMIT")
        except sqlite3.Error as fault:
            roll_back(self._connection)
            raise as_log_error(fault) from fault
        except BaseException:
            roll_back(self._connection)
            raise
        self._young -= packed
        self._is_packing = packed > 0 and self._young > YOUNG_INPUTS
        return self._is_packing

    def _pack_oldest(self) -> int:
        chosen = self._to_pack()
        if not chosen:
            return 0
        execute = self._connection.execute
        span = (chosen[0], chosen[-1])
        query = "SELECT first_seq, count, hash, data FROM rows WHERE last_seq BETWEEN ? AND ? ORDER BY last_seq"
        rows = execute(query, span).fetchall()
        count = sum(row[1] for row in rows)
        try:
            data = join([row[3] for row in rows])
        except WireError as fault:
            raise LogDamaged(rows[0][0], str(fault)) from fault
        execute("DELETE FROM rows WHERE last_seq BETWEEN ? AND ?", span)
        row = (span[1], rows[0][0], Form.PACKED, count, rows[-1][2], data)
        execute("INSERT INTO rows VALUES(?, ?, ?, ?, ?, ?)", row)
        return int(count)

    def _to_pack(self) -> list[int]:
        """last_seq of the oldest young rows, up to a packed row's size or the next snapshot."""
        execute = self._connection.execute
        spare = self._young - YOUNG_INPUTS
        query = "SELECT last_seq, count, length(data) FROM rows WHERE form = 0 ORDER BY last_seq LIMIT ?"
        rows = execute(query, (min(spare, PACK_ROWS_MAX),)).fetchall()
        query = "SELECT min(site_seq) FROM snapshots WHERE site_seq >= ?"
        border = execute(query, (rows[0][0],)).fetchone()[0] if rows else None
        chosen: list[int] = []
        total = 0
        for last, count, size in rows:
            total += size
            spare -= count
            if chosen and (total > SEGMENT_BYTES or spare < 0):
                break
            chosen.append(last)
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

    def positions(self) -> dict[str, bytes]:
        return self._read.positions()

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

    def log_ids(self) -> tuple[tuple[int, str], ...]:
        return self._read.log_ids()

    def check(self) -> None:
        self._read.check()

    def close(self) -> None:
        self._connection.close()
