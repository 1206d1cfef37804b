"""G10: no alarm transition is missed and none invented, against the core as the oracle.

A run is a seeded room on a real log: random groups, clean stops and cut-off ones, reboots, snapshots. Its stored events
are then compared byte for byte with those that the oracle derives from the stored inputs: one at a time, from nothing,
every register decoded in plain Python.
"""

import random
import tempfile
from pathlib import Path

from shared.log.sqlite_read import SqliteReader
from shared.runtime.clocks import ManualClock
from tests.soak.outcome import Outcome
from tests.soak.rig import derived, feed, log_ids, lost_and_doubled, open_runner, sqlite_store, stored
from tests.soak.world import World

LIVES = 4
INPUTS = 400


def run(count: int, seed: int) -> Outcome:
    """``count`` rooms, each lived through and compared."""
    outcome = Outcome()
    for each in range(seed, seed + count):
        _live(each, outcome)
        outcome.runs += 1
    return outcome


def _live(seed: int, outcome: Outcome) -> None:
    draw = random.Random(seed)
    clock, ids = ManualClock(), log_ids()
    with tempfile.TemporaryDirectory(prefix="ampward-g10-") as name:
        folder = Path(name)
        for life in range(LIVES):
            store = sqlite_store(folder)
            runner = open_runner(store, clock, ids)
            feed(runner, clock, World(seed * 10 + life, boot=f"g{seed}-{life}"), INPUTS, draw.choice((1, 7, 64)))
            if draw.random() < 0.5:
                runner.snapshot()
            if draw.random() < 0.5:
                runner.close()
            else:
                store.close()
            if draw.random() < 0.5:
                clock.reboot(draw.choice((5_000, 86_400_000)), f"boot-{life}")
            else:
                clock.advance(draw.choice((10, 20_000)))
        log = SqliteReader.open(folder / "log.db")
        expected, found = derived(log), stored(log)
        log.close()
    lost, doubled = lost_and_doubled(expected, found)
    outcome.lost += lost
    outcome.doubled += doubled
    if expected != found:
        first = next((n for n, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b), len(expected))
        outcome.faults.append(
            f"seed {seed}: event {first} differs: {expected[first : first + 1]} {found[first : first + 1]}"
        )
    if not expected:
        outcome.faults.append(f"seed {seed}: nothing happened")
