"""G15: a start does not read a long history again: with a snapshot it takes what came after it, and no more.

The log grows by 50,000 events before each run, so that a batch of twenty ends with a million. A run is one start of a
process on it, that must fold no more inputs than a snapshot interval holds and be done within 10 s of processor time.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from services.processor.runner import SNAPSHOT_INPUTS
from shared.domain.inputs import Tick
from shared.log.port import EventRow, Group, InputRow
from shared.runtime.clocks import ManualClock
from shared.wire.inputs import encode_input
from tests.contract.rows import event
from tests.soak.outcome import Outcome
from tests.soak.rig import feed, log_ids, open_runner, sqlite_store
from tests.soak.world import World

EVENTS_A_RUN = 50_000
EVENTS_AN_INPUT = 50
GROUP_INPUTS = 100
START_S_MAX = 10.0
_START = """import json, sys, time
from pathlib import Path
from services.processor import opening
from shared.log.store import SqliteStore
store = SqliteStore(Path(sys.argv[1]), ballast_bytes=0)
found = opening.look(store.open())
print(json.dumps([found.restored.since_snapshot, len(found.restored.fold.states), time.process_time()]))
store.close()
"""


def run(count: int, seed: int) -> Outcome:
    """``count`` starts on one log that grows between them."""
    outcome = Outcome()
    clock, ids = ManualClock(), log_ids()
    with tempfile.TemporaryDirectory(prefix="ampward-g15-") as name:
        folder = Path(name)
        for each in range(count):
            store = sqlite_store(folder)
            runner = open_runner(store, clock, ids)
            feed(runner, clock, World(seed + each, boot=f"g{each}"), 50, 8)
            runner.close()
            _grow(folder, runner.log_id, clock)
            store = sqlite_store(folder)
            runner = open_runner(store, clock, ids)
            runner.close()
            outcome.runs += 1
            outcome.faults += [f"seed {seed}, start {each}: {fault}" for fault in _start(folder)]
    return outcome


def _grow(folder: Path, log_id: str, clock: ManualClock) -> None:
    """Write ticks with made-up events past the core: only their number matters here."""
    store = sqlite_store(folder)
    opened = store.open()
    assert opened.log is not None
    seq, tick_ms = opened.log.head().site_seq, opened.log.head().tick_ms
    for _ in range(EVENTS_A_RUN // EVENTS_AN_INPUT // GROUP_INPUTS):
        inputs, events = list[InputRow](), list[EventRow]()
        for _ in range(GROUP_INPUTS):
            seq += 1
            data = encode_input(log_id, seq, tick_ms, clock.wall_ms(), Tick("r1"))
            inputs.append(InputRow(seq, "tick", data))
            events += [event(seq, n, seq * EVENTS_AN_INPUT + n) for n in range(EVENTS_AN_INPUT)]
        opened.log.commit(Group(tuple(inputs), tuple(events)))
    while opened.log.tidy():
        continue
    store.close()


def _start(folder: Path) -> list[str]:
    command = [sys.executable, "-c", _START, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"the start failed: {done.stderr[-300:]}"]
    folded, rooms, seconds = json.loads(done.stdout)
    faults = [] if rooms else ["no room was restored"]
    if folded > SNAPSHOT_INPUTS:
        faults.append(f"{folded} inputs were folded, a snapshot interval holds {SNAPSHOT_INPUTS}")
    if seconds > START_S_MAX:
        faults.append(f"{seconds:.1f} s of work, at most {START_S_MAX}")
    return faults
