"""G9: nothing accepted is lost and nothing doubled, however often the writer is killed; the events are the inputs'.

A run is one kill -9 of a writing process, at a labelled step of the log or in the middle of whatever it does. The
same log lives through all runs of a batch; at the end it is compared with all that was accepted, verified and replayed.
A writer that comes to its end without having reached its label is no kill and not counted: another one is drawn. A
label that was drawn and never reached is a fault.
"""

import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from services.processor.replay import replay
from services.processor.verify import verify
from shared.devices.frame import Frame
from shared.log.sqlite_read import SqliteReader
from shared.wire.inputs import Input, decode_input
from tests.soak.outcome import Outcome
from tests.soak.writer import ANYWHERE, DYING, digest

LABELS = (
    "before append", "after inputs", "mid snapshot", "before commit", "after commit", "before acting",
    "mid packing", ANYWHERE, ANYWHERE,
)  # fmt: skip
ONCE = {"mid snapshot", "mid packing"}
"""Steps that come seldom: the first time is taken."""
CYCLE_S_MAX = 60
WRITERS_A_KILL_MAX = 2
"""So many writers are begun for one kill, on the average, before the batch gives up."""

Accepted = tuple[str, int, int, str]


def run(count: int, seed: int, labels: Sequence[str] = LABELS) -> Outcome:
    """``count`` kills of writers on one log."""
    draw = random.Random(seed)
    outcome = Outcome()
    drawn, reached = Counter[str](), Counter[str]()
    accepted: list[Accepted] = []
    with tempfile.TemporaryDirectory(prefix="ampward-g9-") as name:
        folder = Path(name)
        for cycle in range(WRITERS_A_KILL_MAX * count):
            label = draw.choice(labels)
            number = 1 if label in ONCE else draw.randrange(1, 40)
            arguments = [str(folder), str(seed * 1000 + cycle), label, str(number)]
            told, is_killed = _killed(arguments, outcome)
            accepted += told
            drawn[label] += 1
            reached[label] += is_killed
            outcome.runs += is_killed
            if outcome.runs == count:
                break
        _compare(folder, accepted, outcome)
    never = [label for label in drawn if not reached[label]]
    outcome.faults += [f"the step {label!r} was never reached in {drawn[label]} runs" for label in never]
    outcome.faults = [f"seed {seed}: {fault}" for fault in outcome.faults]
    return outcome


def _killed(arguments: list[str], outcome: Outcome) -> tuple[list[Accepted], bool]:
    """Run one writer to its death: what it said was accepted, and whether it was killed where it was to be."""
    command = [sys.executable, "-m", "tests.soak.writer", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CYCLE_S_MAX, check=False)
    is_killed = done.returncode == -signal.SIGKILL
    if done.returncode != 0 and (not is_killed or not done.stderr.endswith(f"{DYING} {arguments[2]}\n")):
        outcome.faults.append(f"writer {arguments[1:]} ended with {done.returncode}: {done.stderr[-300:]}")
    lines = [line.split() for line in done.stdout.splitlines(keepends=True) if line.endswith("\n")]
    return [(log_id, int(first), int(last), text) for log_id, first, last, text in lines], is_killed


def _compare(folder: Path, accepted: list[Accepted], outcome: Outcome) -> None:
    verified = verify(folder)
    if not verified.ok:
        outcome.faults.append(f"record {verified.bad_record}: {verified.what}")
        return
    replayed = replay(folder)
    if not replayed.equal:
        outcome.faults.append(f"events differ: {replayed.first_difference}")
    inputs = _inputs(folder)
    at = {(entry.log_id, entry.site_seq): entry.body for entry in inputs}
    for log_id, first, last, text in accepted:
        bodies = [at.get((log_id, seq)) for seq in range(first, last + 1)]
        missing = bodies.count(None)
        outcome.lost += missing
        if not missing and digest([body for body in bodies if body is not None]) != text:
            outcome.faults.append(f"inputs {first} to {last} of {log_id} are not what was accepted")
    marks = Counter(entry.body.detail for entry in inputs if isinstance(entry.body, Frame))
    outcome.doubled += sum(times - 1 for times in marks.values())
    names = [log_id for log_id, _ in groupby(inputs, key=lambda entry: entry.log_id)]
    if len(set(names)) != len(names):
        outcome.faults.append("a log_id was used twice: one number means two things")
    if [entry.site_seq for entry in inputs] != list(range(1, len(inputs) + 1)):
        outcome.faults.append("site_seq is not dense")


def _inputs(folder: Path) -> list[Input]:
    reader = SqliteReader.open(folder / "log.db")
    rows: list[Input] = []
    while found := list(reader.inputs(rows[-1].site_seq if rows else 0, 1000)):
        rows += [decode_input(row.data) for row in found]
    reader.close()
    return rows
