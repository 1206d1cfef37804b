"""The writer of DIR/history.db: one transaction holds a tally's rows and the place in the log that they reach to.

Minutes are written as they are, all points of a device in one row (``young``), and rewritten while they grow. When a
day is over its rows are turned round: one row a point with its minutes, one with its hours. What comes later for such
a day (a guard that kept its frames, a clock that was set) is joined to it the same way.

Limits: a day of 1,320 points takes a second or two, in pieces of 128 points that need some 15 MiB.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from services.history.book import Book
from services.history.database import KEY_BITS, open_writer, transaction, translated
from services.history.earlier import copy_earlier
from services.history.minutes import Minute, young_columns
from services.history.packing import Ints
from services.history.rolls import DAY_MINUTES, Rolls, hours, merged, pack_rolls, unpack_rolls
from services.history.tally import RuleSets, Tally

STATE = "state"
GRACE_MINUTES = 15
"""So long after midnight the day before still grows."""
POINTS_AT_ONCE = 128
_LAYOUTS = 1 << KEY_BITS

_EVENTS = f"INSERT INTO events VALUES(?{', ?' * 19})"
_PLACES = """INSERT INTO places VALUES(?, ?, ?) ON CONFLICT(minute) DO UPDATE
    SET first_seq = min(first_seq, excluded.first_seq), last_seq = max(last_seq, excluded.last_seq)"""
_DISCHARGES = f"INSERT OR REPLACE INTO discharges VALUES(?{', ?' * 8})"
_NAMED = {
    "points": "INSERT OR REPLACE INTO points VALUES(?, ?, ?)",
    "series": "INSERT INTO series VALUES(?, ?)",
    "layouts": "INSERT INTO layouts VALUES(?, ?, ?)",
    "logs": "INSERT INTO logs VALUES(?, ?)",
}
_HOLES = "INSERT OR REPLACE INTO holes VALUES(?, ?, ?, ?, ?)"


class Keeper:
    """Holds the file while it is written. Raises HistoryBroken, HistoryDamaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = open_writer(path)
        self._inode = path.stat().st_ino

    def is_current(self) -> bool:
        """False when somebody took the file away, or put another in its place."""
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def close(self) -> None:
        self._connection.close()

    def tally(self, rulesets: RuleSets) -> Tally:
        """To go on where the file ends."""
        with translated():
            row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (STATE,)).fetchone()
            self._book = self._read_book()
            return Tally(self._book, rulesets, self._stored, row[0] if row else "")

    def _read_book(self) -> Book:
        ask = self._connection.execute
        highest = ask("SELECT coalesce(max(id), 0) FROM series").fetchone()[0]
        points, layouts = ask("SELECT point, unit, series FROM points"), ask("SELECT id, device, series FROM layouts")
        return Book(points, layouts, ask("SELECT no, log_id FROM logs"), highest)

    def _stored(self, minute: int, layout: int) -> Minute | None:
        with translated():
            query = "SELECT data FROM young WHERE key = ?"
            row = self._connection.execute(query, (minute << KEY_BITS | layout,)).fetchone()
            return None if row is None else Minute.from_bytes(row[0])

    def flush(self, tally: Tally) -> None:
        """Rows and place together, or nothing."""
        with translated(), transaction(self._connection):
            write = self._connection.executemany
            for new in self._book.new:
                self._connection.execute(_NAMED[new.table], new.row)
            write(
                "INSERT OR REPLACE INTO young VALUES(?, ?)",
                [(minute << KEY_BITS | no, tally.minutes[minute, no].to_bytes()) for minute, no in sorted(tally.dirty)],
            )
            write(_PLACES, [(minute, *seqs) for minute, seqs in tally.places.items()])
            write(_EVENTS, tally.events)
            write(_HOLES, tally.holes)
            write("INSERT OR REPLACE INTO rules VALUES(?, ?, ?)", tally.rules)
            write(_DISCHARGES, [one.row() for one in (*tally.discharges.ended, *tally.discharges.open.values())])
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (STATE, tally.state()))
        self._book.written()
        tally.flushed()

    def take_over(self, old: sqlite3.Connection, minute: int, first_seq: int) -> int:
        """From an old history: roll-ups before ``minute``, records before ``first_seq``; gives of how many days."""
        with translated():
            return copy_earlier(old, self._connection, minute, first_seq)

    def settle(self) -> None:
        """Everything into the one file."""
        with translated():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def forget_places(self, folded_to: int) -> None:
        """Frames up to here are gone from the log: their minutes are no longer looked for there."""
        with translated(), transaction(self._connection):
            self._connection.execute("DELETE FROM places WHERE last_seq <= ?", (folded_to,))

    def turn_days(self, last_minute: int) -> bool:
        """Turn round the days that are over, seen from this minute; True when there was one."""
        kept = {last_minute // DAY_MINUTES, (last_minute - GRACE_MINUTES) // DAY_MINUTES}
        with translated():
            days = [day for day in self._young_days() if day not in kept]
            for day in days:
                for layout in self._layouts_of(day):
                    with transaction(self._connection):
                        self._turn(day, layout)
        return bool(days)

    def _young_days(self) -> Iterator[int]:
        key = -1
        while True:
            row = self._connection.execute("SELECT min(key) FROM young WHERE key > ?", (key,)).fetchone()
            if row[0] is None:
                return
            day = (row[0] >> KEY_BITS) // DAY_MINUTES
            yield day
            key = ((day + 1) * DAY_MINUTES << KEY_BITS) - 1

    def _layouts_of(self, day: int) -> list[int]:
        query = f"SELECT DISTINCT key & {_LAYOUTS - 1} AS layout FROM young WHERE key BETWEEN ? AND ? ORDER BY layout"
        return [row[0] for row in self._connection.execute(query, _keys(day))]

    def _turn(self, day: int, layout: int) -> None:
        query = f"SELECT key >> {KEY_BITS}, data FROM young WHERE key BETWEEN ? AND ? AND key & {_LAYOUTS - 1} = ?"
        rows = self._connection.execute(f"{query} ORDER BY key", (*_keys(day), layout)).fetchall()
        packed = self._connection.execute("SELECT series FROM layouts WHERE id = ?", (layout,)).fetchone()[0]
        series = np.frombuffer(packed, "<i4").tolist()
        at = np.array([minute for minute, _ in rows], np.int64)
        for first in range(0, len(series), POINTS_AT_ONCE):
            end = min(first + POINTS_AT_ONCE, len(series))
            block = np.empty((7, end - first, len(rows)), np.int64)
            for n, (_, data) in enumerate(rows):
                for column, values in enumerate(young_columns(data)):
                    block[column, :, n] = values[first:end]
            for n in range(end - first):
                self._join(day, series[first + n], _rolls(at, block[:, n]))
        keys = f"key BETWEEN ? AND ? AND key & {_LAYOUTS - 1} = ?"
        self._connection.execute(f"DELETE FROM young WHERE {keys}", (*_keys(day), layout))

    def _join(self, day: int, series: int, found: Rolls) -> None:
        """One point's day, with what is stored of it already."""
        key, base = day << KEY_BITS | series, day * DAY_MINUTES
        row = self._connection.execute("SELECT data FROM minutes WHERE key = ?", (key,)).fetchone()
        if row is not None:
            found = merged([unpack_rolls(row[0], base), found])
        put = self._connection.execute
        put("INSERT OR REPLACE INTO minutes VALUES(?, ?)", (key, pack_rolls(found, base)))
        key = series << KEY_BITS | day
        put("INSERT OR REPLACE INTO hours VALUES(?, ?)", (key, pack_rolls(hours(found), day * 24)))


def _keys(day: int) -> tuple[int, int]:
    return day * DAY_MINUTES << KEY_BITS, ((day + 1) * DAY_MINUTES << KEY_BITS) - 1


def _rolls(at: Ints, block: Ints) -> Rolls:
    good, uncertain, bad, low, high, excess, last = block
    return Rolls(at, good, uncertain, bad, low, high, excess, last)
