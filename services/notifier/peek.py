"""A look into the ledger of a site that may be running: what its lanes last answered. Reads only.

Promises: never makes, mends or locks a ledger; one that is missing, of another form or unreadable knows of nothing.
"""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from services.notifier.ledger import NAME
from services.notifier.picture import LANE, LaneState, Picture

WAIT_S = 2.0


def lanes_in(folder: Path) -> dict[str, LaneState]:
    """By lane; empty when nothing is known."""
    path = folder / NAME
    if not path.is_file():
        return {}
    try:
        db = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, timeout=WAIT_S)
        try:
            records = dict(db.execute("SELECT key, value FROM record WHERE key GLOB ?", (f"{LANE}*",)))
        finally:
            db.close()
        return Picture.restore(records).lanes
    except (sqlite3.DatabaseError, ValueError):
        return {}
