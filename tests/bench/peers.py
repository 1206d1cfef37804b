"""The same kind of work done by the bare engines below us, in the same run: only ratios within one run mean anything.

sqlite_rows_per_s           one thread, WAL, synchronous=FULL, groups of 1,000 rows of 450 bytes, nothing else
numpy_limit_readings_per_s  four limits with deadband on scans of 1,320; no delays, no events
"""

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SECONDS = 3.0
WHAT = {
    "sqlite_rows_per_s": "rows/s",
    "numpy_limit_readings_per_s": "readings/s",
}


def measure(say: Callable[[str], None]) -> dict[str, float]:
    """Run each peer for a few seconds."""
    say("peer: bare sqlite inserts")
    rows = _sqlite()
    say("peer: bare numpy limit compare")
    return {"sqlite_rows_per_s": rows, "numpy_limit_readings_per_s": _numpy()}


def _sqlite() -> float:
    body = os.urandom(450)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        database = sqlite3.connect(Path(folder) / "peer.db", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE inputs (seq INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT")
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            database.execute("BEGIN")
            database.executemany("INSERT INTO inputs VALUES (?, ?)", ((done + n, body) for n in range(1000)))
            database.execute("COMMIT")
            done += 1000
        rate = done / (time.perf_counter() - began)
        database.close()
    return rate


def _numpy() -> float:
    count = 1320
    random = np.random.default_rng(1)
    scans = random.integers(1_900, 2_600, (64, count), dtype=np.int64)
    low_alarm, low_warning, high_warning, high_alarm, deadband = 2_000, 2_100, 2_400, 2_500, 20
    state = np.zeros(count, np.int8)
    done, changed, began = 0, 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        for values in scans:
            now = np.zeros(count, np.int8)
            now[values >= high_warning - deadband * (state >= 1)] = 1
            now[values <= low_warning + deadband * (state <= -1)] = -1
            now[values >= high_alarm - deadband * (state == 2)] = 2
            now[values <= low_alarm + deadband * (state == -2)] = -2
            changed += int(np.count_nonzero(now != state))
            state = now
            done += count
    assert changed > 0
    return done / (time.perf_counter() - began)
