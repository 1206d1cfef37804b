"""A site for measuring, without a field bus: the real log and core, with frames handed in at a rate.

    python -m tests.bench.fleet.site_at FOLDER SITE RATE SECONDS CHANGING

The wall clock at which a frame is handed to the log's writer stands in it as its time of sampling. Prints ``ready`` and
begins at a line on standard input; ends when all is committed, notes when each commit was (tests.bench.fleet.hops), and
prints the frames a second that it reached and the seconds of processor that went into handing them in.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep, thread_time, time_ns

from services.processor.runner import Runner
from services.site.writer import Item, Writer
from shared.devices.plan import DecisionPlan
from shared.log.store import SqliteStore
from shared.runtime.bell import Rope
from shared.runtime.clocks import SystemClock
from shared.runtime.garbage import settle
from shared.wire.plans import decode_decision, encode_decision
from tests.bench.site import MODULES, decision, frames

END_S = 60.0
COMMITS = "commits.json"
"""Beside a site's log: [last number, when] of each commit."""


def plan_of(site: str) -> DecisionPlan:
    """The plan of the site's benchmark under another name."""
    body = encode_decision(decision(MODULES))
    made = decode_decision(body.replace(b'"bench/', f'"{site}/'.encode()).replace(b'"bench"', f'"{site}"'.encode()))
    return replace(made, site=site)


def main(folder: Path, site: str, rate: float, seconds: float, changing: float) -> None:
    given = frames(MODULES, int(rate * seconds), changing=changing)
    runner = Runner(SqliteStore(folder), plan_of(site), SystemClock())
    runner.open("bench")
    rope = Rope(folder)

    commits: list[tuple[int, float]] = []

    def commit(_items: list[Item]) -> None:
        last = runner.commit().last_seq
        rope.ring()
        commits.append((last, time_ns() / 1e6))

    def idle() -> None:
        runner.tick()

    writer = Writer(lambda item: runner.offer((item.body,)), commit, idle)
    writer.start()
    settle()
    print("ready", flush=True)
    sys.stdin.readline()
    began, busy_s = monotonic(), thread_time()
    for number, frame in enumerate(given):
        sleep(max(0.0, began + number / rate - monotonic()))
        writer.put(Item(frame._replace(sampled_at_ms=time_ns() // 1_000_000)))
    busy_s = thread_time() - busy_s
    writer.end(END_S)
    runner.close()
    (folder / COMMITS).write_text(json.dumps(commits), encoding="utf-8")
    print(f"{len(given) / (monotonic() - began):.0f} {busy_s:.3f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:6]))
