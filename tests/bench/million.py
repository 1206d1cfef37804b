"""Fills a stopped site's log with events, through the runner itself: each Report makes one."""

import time
from collections.abc import Callable
from pathlib import Path

from services.processor.runner import Runner
from shared.domain.ids import SITE_ROOM
from shared.domain.inputs import ReportKind
from shared.log.store import SqliteStore
from shared.runtime import places
from shared.runtime.clocks import ManualClock
from shared.wire.inputs import report
from shared.wire.plans import decode_site

GROUP = 1_000
DAY_MS = 86_400_000


def fill(data: Path, events: int, say: Callable[[str], None]) -> None:
    """About a day's worth of time passes in the log; snapshots and packing happen as they do in life."""
    plan = decode_site((data / places.SITE_PLAN).read_bytes())
    clock = ManualClock(mono=0, wall=int(time.time() * 1000) - DAY_MS, boot_id="bench")
    runner = Runner(SqliteStore(data), plan.decision, clock, limits=plan.log)
    runner.open("bench")
    subject = f"{plan.decision.site}/{SITE_ROOM}/config"
    made = 0
    began = time.monotonic()
    while made < events:
        bodies = [report(ReportKind.CONFIG_REJECTED, subject, pulse=True, detail=str(made + n)) for n in range(GROUP)]
        made += len(runner.commit(bodies).events)
        for _ in range(4):
            clock.advance(DAY_MS * GROUP // events // 4)
            runner.tick()
    runner.close()
    size = sum(path.stat().st_size for path in data.glob("log.db*")) >> 20
    say(f"{made:,} events in {time.monotonic() - began:.0f} s, {size} MiB of log")
