"""How large a year of history is, and how long a year's trend of one point takes.

330 modules of four values polled every ten seconds. A day is really lived: frames through the runner into the log, and
the history grown from it. Each value flickers by a few counts, temperatures and voltages drift over the day. Its rows
are then put into the file for each day of a year, so that sizes and times are those of a whole year in one file; the
alarms' events of a year (150 a day with three events each) are put beside. ``year_full_gb`` is that and the log's year.
"""

import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from services.history.answers import Step
from services.history.database import FILE, KEY_BITS
from services.history.growing import Growing
from services.history.queries import Queries
from services.processor.runner import Runner
from shared.devices.frame import Block, Frame
from shared.devices.plan import LogLimits
from shared.devices.profile import Table
from shared.domain.units import NoData
from shared.log.store import SqliteStore
from shared.runtime.clocks import ManualClock
from tests.bench import year
from tests.bench.site import BLOCK, decision

MODULES = 330
EVERY_MS = 10_000
DAY_MS = 86_400_000
DAYS = 365
EVENTS_A_DAY = 450
BEGIN_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""
ASKED = 40
COUNTS = np.array((1_338, 310, 250, 0) * MODULES)
FLICKER = np.array((2, 3, 1, 0) * MODULES)
"""10 mV, 10 uOhm and 0.1 °C are a count."""
DRIFT = np.array((4, 0, 50, 0) * MODULES)


def measure(say: Callable[[str], None]) -> dict[str, float]:
    """See the module."""
    with tempfile.TemporaryDirectory(prefix="ampward-history-") as name:
        folder = Path(name)
        per_frame_us = _live(folder)
        say(f"330 modules: {per_frame_us:.0f} us of one processor a frame of 1,320 values")
        _to_a_year(folder / FILE)
        size = (folder / FILE).stat().st_size
        say(f"a year of roll-ups and events: {size / 1e9:.2f} GB")
        times_ms = [_ask_ms(folder, n) for n in range(ASKED)]
        say(f"a year's trend: median {statistics.median(times_ms):.0f} ms, longest {max(times_ms):.0f} ms")
    log_gb = year.measure(say)["year_gb"]
    return {
        "year_history_gb": size / 1e9,
        "year_full_gb": size / 1e9 + log_gb,
        "year_trend_ms": max(times_ms),
    }


def frames() -> Iterator[Frame]:
    """A day and a bit, so that the day is over."""
    chance = np.random.default_rng(7)
    for n in range((DAY_MS + 1_200_000) // EVERY_MS):
        swing = np.sin(2 * np.pi * n * EVERY_MS / DAY_MS)
        shake = chance.integers(-FLICKER, FLICKER + 1)
        words = (COUNTS + shake + np.rint(DRIFT * swing).astype(np.int64)).astype(">u2").tobytes()
        blocks = tuple(
            Block(Table.HOLDING, at, min(BLOCK, 4 * MODULES - at), words[2 * at : 2 * (at + BLOCK)])
            for at in range(0, 4 * MODULES, BLOCK)
        )
        at_ms = BEGIN_MS + n * EVERY_MS
        yield Frame("bacs", "b" * 16, n + 1, at_ms, 5, synced=True, outcome=NoData.PRESENT, detail="", blocks=blocks)


def _live(folder: Path) -> float:
    """Microseconds of the processor that the history took for a frame."""
    clock = ManualClock()
    plan = decision(MODULES, EVERY_MS)
    runner = Runner(SqliteStore(folder, ballast_bytes=0), plan, clock, limits=LogLimits(disk_low_mib=0))
    runner.open("bench")
    count = 0
    for frame in frames():
        runner.commit([frame])
        clock.advance(EVERY_MS)
        count += 1
        if count % 100 == 0:
            runner.tick()
    runner.close()
    began = time.process_time()
    growing = Growing(folder, folder / FILE)
    growing.step()
    growing.flush()
    growing.close()
    return (time.process_time() - began) / count * 1e6


def _to_a_year(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    (day,) = connection.execute(f"SELECT min(key >> {KEY_BITS}) FROM minutes").fetchone()
    connection.execute("BEGIN")
    for n in range(1, DAYS):
        connection.execute(
            f"INSERT INTO minutes SELECT key + ({n} << {KEY_BITS}), data FROM minutes WHERE key < {day + 1 << KEY_BITS}"
        )
        connection.execute(
            f"INSERT INTO hours SELECT key + {n}, data FROM hours WHERE key & {(1 << KEY_BITS) - 1} = {day}"
        )
    rule = "jar_voltage_high_warning"
    place = (1, 1, "r1", "ampward.alarm.raised.v1", 1, 1, 1, BEGIN_MS, f"bench/r1/bat1/101S1/{rule}", "0" * 32)
    columns = (*place, rule, "warning", "B", "13.61", "V", "13.5", "good", "", "cli:anna", 0)
    row = (columns for _ in range(EVENTS_A_DAY * DAYS))
    connection.executemany(f"INSERT INTO events VALUES(?{', ?' * 19})", row)
    minutes = ((BEGIN_MS // 60_000 + n, n, n + 6) for n in range(DAYS * 1440))
    connection.executemany("INSERT OR REPLACE INTO places VALUES(?, ?, ?)", minutes)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _ask_ms(folder: Path, n: int) -> float:
    """From opening the file to all rows, with nothing of the file in memory."""
    descriptor = os.open(folder / FILE, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    kind = ("voltage", "resistance", "temperature", "level")[n % 4]
    began = time.perf_counter()
    with Queries(folder) as queries:
        point = f"bench/r1/bat1/{n * 8 + 1}S1/{kind}"
        trend = queries.trend(point, BEGIN_MS, BEGIN_MS + DAYS * DAY_MS, Step.HOUR)
    took_ms = (time.perf_counter() - began) * 1000
    assert len(trend.rows) == DAYS * 24, len(trend.rows)
    return took_ms
