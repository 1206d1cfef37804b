"""Taking over from an old history what the log no longer has: names, roll-ups and records of other logs."""

import sqlite3

from services.history.database import KEY_BITS, transaction
from services.history.rolls import DAY_MINUTES, hours, pack_rolls, unpack_rolls

_NAMES = ("series", "points", "logs", "layouts")
_RECORDS = ("events", "discharges", "rules")
_LOW = (1 << KEY_BITS) - 1


def first_minute(old: sqlite3.Connection, begin: int) -> int:
    """The first minute all of whose frames the log has from record ``begin`` on; 0 when none is known."""
    row = old.execute("SELECT min(minute) FROM places WHERE first_seq >= ?", (begin,)).fetchone()
    return row[0] or 0


def copy_earlier(old: sqlite3.Connection, new: sqlite3.Connection, minute: int, first_seq: int) -> int:
    """Into an empty history; gives how many days have something of it."""
    day = minute // DAY_MINUTES
    with transaction(new):
        for table in _NAMES:
            _copy(old, new, f"SELECT * FROM {table}", table)
        for table in _RECORDS:
            _copy(old, new, f"SELECT * FROM {table} WHERE site_seq < {first_seq}", table)
        _copy(old, new, f"SELECT * FROM minutes WHERE key < {day << KEY_BITS}", "minutes")
        _copy(old, new, f"SELECT * FROM hours WHERE key & {_LOW} < {day}", "hours")
        _copy(old, new, f"SELECT * FROM young WHERE key < {minute << KEY_BITS}", "young")
        _copy_part(old, new, day, minute)
    turned = f"SELECT key >> {KEY_BITS} FROM minutes"
    young = f"SELECT (key >> {KEY_BITS}) / {DAY_MINUTES} FROM young"
    row = new.execute(f"SELECT count(*) FROM (SELECT DISTINCT * FROM ({turned} UNION {young}))").fetchone()
    return int(row[0])


def _copy_part(old: sqlite3.Connection, new: sqlite3.Connection, day: int, minute: int) -> None:
    """Of a day that was turned round, the minutes before ``minute``."""
    base = day * DAY_MINUTES
    keys = (day << KEY_BITS, (day + 1) << KEY_BITS)
    for key, data in old.execute("SELECT key, data FROM minutes WHERE key >= ? AND key < ?", keys):
        found = unpack_rolls(data, base).between(base, minute)
        if found.rows:
            new.execute("INSERT INTO minutes VALUES(?, ?)", (key, pack_rolls(found, base)))
            key = (key & _LOW) << KEY_BITS | day
            new.execute("INSERT INTO hours VALUES(?, ?)", (key, pack_rolls(hours(found), day * 24)))


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, query: str, table: str) -> None:
    cursor = old.execute(query)
    marks = ", ".join("?" * len(cursor.description))
    while rows := cursor.fetchmany(1000):
        new.executemany(f"INSERT OR REPLACE INTO {table} VALUES({marks})", rows)
