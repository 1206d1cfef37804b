"""The ledger of a backup on the box that it was restored to: what it had planned is another box's to send.

``settle_ledger`` is done to the file before anything reads it: open messages become ``restored`` and are never sent,
and the record ``restored`` has the id of this restore. ``take_over`` is done by the notifier's first look at it:
everything that is open now is one summary for each person and channel, and the record goes with the same transaction,
so that a crash neither loses the summary nor sends it twice. What is sent from then on has ids of its own: the box that
was backed up went on counting its reminders, and a receiver drops a message whose id came before.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from services.notifier import pipeline
from services.notifier.feed import OpenAlarm
from services.notifier.ledger_port import OPEN
from services.notifier.messages import Item, Kind, lane_of
from services.notifier.picture import RESTORED, LaneState
from services.notifier.turn import Turn


def settle_ledger(path: Path, backup: str, restore: str) -> None:
    """Raises sqlite3.DatabaseError when the file is no ledger. ``backup`` is its id; ``restore`` is hexadecimal and by
    chance: two boxes that are restored from one backup tell their summaries and reminders under different ids."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        marks = ", ".join("?" * len(OPEN))
        why = f"planned before backup {backup}: the box that was backed up sends it"
        db.execute(f"UPDATE message SET state = 'restored', why = ? WHERE state IN ({marks})", (why, *OPEN))
        db.execute("INSERT OR REPLACE INTO record VALUES (?, ?)", (RESTORED, restore.encode()))
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        db.close()
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)


def take_over(turn: Turn, alarms: Iterable[OpenAlarm]) -> None:
    """``alarms`` are those that are open at the log's head. What was held back at the backup is not told any more."""
    picture = turn.picture
    number = int(picture.restored, 16) & 0x7FFF_FFFF
    for key in list(picture.lanes):
        lane = picture.lane(lane_of(key))
        lane.pending, lane.last_ms = "", LaneState().last_ms
    for key in list(picture.held):
        picture.release(lane_of(key), list(picture.held[key]))
    for occurrence, found in picture.open.items():
        for told in found.told.values():
            told.pending = ""
        found.reminders += number
        picture.touch(occurrence)
    known = set(picture.open)
    for alarm in alarms:
        known.discard(alarm.event.occurrence)
        pipeline.find_again(turn, Item(Kind.OPEN, alarm.event, number, late=True), alarm.hidden)
    for occurrence in known:
        pipeline.find_gone(turn, occurrence)
    picture.is_taken_over()
