"""A process that feeds a runner on a folder, to be killed: ``python -m tests.services.processor.driver DIR COUNT``.

Takes up where the log's own position says, as guard does, and prints each number once its group is durable.
"""

import os
import sys
from pathlib import Path

from services.processor import keeping, runner
from services.processor.runner import Runner
from shared.devices.plan import LogLimits
from shared.log import sqlite
from shared.log.store import SqliteStore
from shared.runtime.clocks import ManualClock
from shared.runtime.crashpoints import crash_step
from tests.services.processor.plant import bank, decision, gas

PACE_MS = 2_000
LIMITS = LogLimits(frames_days=1, ballast_mib=0, disk_low_mib=0, keep_around_alarm_ms=4_000)


def small() -> None:
    """Everything that happens once an hour or a day happens within a minute."""
    runner.SNAPSHOT_MS = keeping.AGE_CHECK_MS = 10 * PACE_MS
    keeping.DAY_MS = 20 * PACE_MS
    runner.TIDY_MS = PACE_MS
    sqlite.YOUNG_INPUTS = 16


def main(folder: Path, count: int) -> None:
    """Feeds scans up to number ``count``."""
    small()
    step = crash_step(os.environ)
    clock = ManualClock()
    site = Runner(SqliteStore(folder, ballast_bytes=0, step=step), decision(), clock, limits=LIMITS, step=step)
    clock.advance(_reached(folder))
    site.open("boot")
    done = int(site.position("driver") or b"0")
    for number in range(done + 1, count + 1):
        clock.advance(PACE_MS)
        scans = [gas(number, 250 if 20 <= number < 24 else 20), bank(number, low=frozenset(range(number % 3)))]
        committed = site.commit(scans, {"driver": b"%d" % number})
        assert committed.durable
        print(number, flush=True)
        site.tick()
    site.close()


def _reached(folder: Path) -> int:
    """The machine's clock goes on while the process is away: as far as anything in the folder says, and a bit."""
    stamp = folder / "clock"
    reached = int(stamp.read_text()) + 10 * 60_000 if stamp.exists() else 0
    stamp.write_text(str(reached))
    return reached


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
