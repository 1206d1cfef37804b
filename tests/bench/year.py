"""How large the log of one device with 330 modules of four values is after a year, at the default retention.

Hours of a day are really written: a scan each ten seconds with noise in every value, a Tick each second, seven alarms
an hour (150 a day, the most that operators should bear) with their returns and acknowledgements. What the site has
packed by then is measured as it stands in the file. Frames and Ticks stay for 90 days, but for 15 minutes around each
alarm for ever, which at this rate is nearly all of them: so the rest of the year is measured folded, too.
"""

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from services.processor.runner import Runner
from shared.devices.plan import LogLimits
from shared.domain.inputs import Command, What
from shared.log.segments import Form
from shared.log.store import DATABASE, SqliteStore
from shared.runtime.clocks import ManualClock
from tests.bench.site import decision, frames

MODULES = 330
EVERY_S = 10
HOURS = 4
"""An hour of a day is like any other."""
ROW_BYTES = 100
"""Numbers, hash and header of a row."""
PAGE_SHARE = 1.05
"""Overflow pages of 4 KiB are not quite full."""
ALARMS_AN_HOUR = 7
FRAME_DAYS = 90
YEAR_DAYS = 365
NO_DAYS = LogLimits(disk_low_mib=0, frames_days=0, keep_around_alarm_ms=900_000)


def measure(say: Callable[[str], None]) -> dict[str, float]:
    """Bytes of a day of everything times 90, and of a folded day times the rest of the year."""
    with tempfile.TemporaryDirectory(prefix="ampward-year-") as name:
        folder, clock = Path(name), ManualClock()
        plan = decision(MODULES, EVERY_S * 1000)
        runner = Runner(SqliteStore(folder, ballast_bytes=0), plan, clock, limits=LogLimits(disk_low_mib=0))
        runner.open("bench")
        _live(runner, clock)
        inputs = runner.head.site_seq * 24 / HOURS
        whole = _bytes_an_input(folder, Form.PACKED) * inputs + _beside(folder) * 24 / HOURS
        say(f"a day of frames, Ticks, events, Reports and snapshots: {whole / 1e6:.1f} MB")
        runner.close()
        runner = Runner(SqliteStore(folder, ballast_bytes=0), plan, clock, limits=NO_DAYS)
        runner.open("bench")
        for _ in range(100):
            clock.advance(60_000)
            runner.tick()
        kept = _bytes_an_input(folder, Form.FOLDED) * inputs
        runner.close()
        say(f"what stays of it after {FRAME_DAYS} days, with 15 minutes around each alarm: {kept / 1e6:.1f} MB")
    return {"year_gb": (whole * FRAME_DAYS + kept * (YEAR_DAYS - FRAME_DAYS)) / 1e9}


def _live(runner: Runner, clock: ManualClock) -> None:
    """So many hours of scans, Ticks, alarms and their acknowledgements."""
    count = HOURS * 3600 // EVERY_S
    between = 3600 // EVERY_S // ALARMS_AN_HOUR
    hot = frames(MODULES, count // between + 1, changing=0.001)
    calm = frames(MODULES, count, changing=0.0, wall_ms=clock.wall, every_ms=EVERY_S * 1000)
    for n, frame in enumerate(calm):
        is_hot = n % between == 0
        runner.commit([frame._replace(blocks=hot[n // between].blocks) if is_hot else frame])
        if is_hot:
            runner.commit([_acknowledgement(n)])
        for _ in range(EVERY_S):
            clock.advance(1000)
            runner.tick()


def _acknowledgement(n: int) -> Command:
    return Command(f"c{n}", What.ACK, "bench/r1/bat1/1S1/jar_voltage_high_warning", "", None, "seen", "cli:anna", 0)


def _bytes_an_input(folder: Path, form: Form) -> float:
    """What the rows of this form take in the file for each input they were made of, with SQLite's own share."""
    connection = sqlite3.connect(folder / DATABASE)
    query = "SELECT sum(last_seq - first_seq + 1), sum(length(data) + ?) FROM rows WHERE form = ?"
    inputs, size = connection.execute(query, (ROW_BYTES, form)).fetchone()
    connection.close()
    return float(size / inputs * PAGE_SHARE)


def _beside(folder: Path) -> float:
    """Bytes of the snapshots and of what commands leave."""
    connection = sqlite3.connect(folder / DATABASE)
    queries = ("SELECT total(length(data)) FROM snapshots", "SELECT total(length(value) + length(name)) FROM positions")
    size = sum(connection.execute(query).fetchone()[0] for query in queries)
    connection.close()
    return float(size * PAGE_SHARE)
