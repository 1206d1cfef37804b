"""G12: replay sends nothing and moves nothing.

A run is a log of a seeded room, replayed and verified in a process of its own under strace: it must open no network
connection, write to no device and change no byte of the log's folder, and it must find the log equal.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from shared.runtime.clocks import ManualClock
from tests.soak.outcome import Outcome
from tests.soak.rig import feed, log_ids, open_runner, sqlite_store
from tests.soak.world import World
from tests.testkit import kernel

INPUTS = 600
_CODE = """import sys
from pathlib import Path
from services.processor.replay import replay
from services.processor.verify import verify
assert verify(Path(sys.argv[1])).ok
assert replay(Path(sys.argv[1])).equal
"""
SENDING = "connect,sendto,sendmsg,sendmmsg,bind,listen,ioctl"
_HARMLESS = ("TCGETS", "FIOCLEX", "TIOCGWINSZ")
"""What opening a file as text asks of it."""


def run(count: int, seed: int) -> Outcome:
    """``count`` logs, each replayed once under strace."""
    kernel.need(kernel.Feature.TRACE)
    outcome = Outcome()
    for each in range(seed, seed + count):
        with tempfile.TemporaryDirectory(prefix="ampward-g12-") as name:
            folder = Path(name)
            clock = ManualClock()
            store = sqlite_store(folder)
            runner = open_runner(store, clock, log_ids())
            feed(runner, clock, World(each), INPUTS, 16)
            runner.close()
            before = _contents(folder)
            outcome.faults += [f"seed {each}: {fault}" for fault in _replayed(folder)]
            changed = [path for path, text in _contents(folder).items() if before.get(path) != text]
            outcome.faults += [f"seed {each}: {path} changed" for path in changed]
        outcome.runs += 1
    return outcome


def _contents(folder: Path) -> dict[str, str]:
    """Hash of every file but SQLite's shared-memory index, which a reader may make."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith("-shm"))
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files if path.stat().st_size}


def _replayed(folder: Path) -> Sequence[str]:
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as trace:
        command = ["strace", "-f", "-qq", "-o", trace.name, "-e", f"trace={SENDING}", "-e", "signal=none"]
        done = subprocess.run(
            [*command, sys.executable, "-c", _CODE, str(folder)], capture_output=True, text=True, check=False
        )
        calls = [line.strip() for line in trace if not any(word in line for word in _HARMLESS)]
    faults = [f"a call that could send: {call[:120]}" for call in calls]
    return faults if done.returncode == 0 else [*faults, f"replay failed: {done.stderr[-300:]}"]
