"""Taking over from an old history what the log no longer has: names, roll-ups of days, events of other logs."""

import sqlite3

from services.history.database import KEY_BITS, transaction

_NAMES = ("series", "points", "logs")
_RECORDS = ("events", "discharges", "rules")
_DAY = (1 << KEY_BITS) - 1


def copy_earlier(old: sqlite3.Connection, new: sqlite3.Connection, day: int, first_seq: int) -> int:
    """Names, roll-ups up to ``day`` and records before ``first_seq`` into an empty history; gives how many days."""
    with transaction(new):
        for table in _NAMES:
            _copy(old, new, f"SELECT * FROM {table}", table)
        for table in _RECORDS:
            _copy(old, new, f"SELECT * FROM {table} WHERE site_seq < {first_seq}", table)
        for table in ("minutes", "hours"):
            _copy(old, new, f"SELECT * FROM {table} WHERE key & {_DAY} <= {day}", table)
    row = new.execute(f"SELECT count(DISTINCT key & {_DAY}) FROM minutes").fetchone()
    return int(row[0])


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, query: str, table: str) -> None:
    cursor = old.execute(query)
    marks = ", ".join("?" * len(cursor.description))
    while rows := cursor.fetchmany(1000):
        new.executemany(f"INSERT OR REPLACE INTO {table} VALUES({marks})", rows)
