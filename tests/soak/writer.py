"""The process that is killed: a runner on a real log that commits groups of a seeded world and says what was accepted.

    python -m tests.soak.writer DIR SEED LABEL NUMBER

It kills itself with SIGKILL when the log passes the labelled step LABEL for the NUMBER-th time, or at the NUMBER-th
group when LABEL is "anywhere" (then in the middle of whatever comes next, from another thread); its last words, on
stderr, name the step. Each line on stdout is one accepted group: log_id, first and last site_seq, and a hash over its
bodies. Old records are packed a few hundred inputs behind the newest, so that packing happens in each life.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from services.processor import runner as processor
from services.processor.runner import Runner
from shared.devices.frame import Frame
from shared.log import sqlite
from shared.log.store import SqliteStore
from shared.runtime.clocks import SystemClock
from shared.wire.inputs import WireBody, encode_input
from tests.soak.world import World, site_plan

GROUPS_MAX = 60
YOUNG_INPUTS = 64
ANYWHERE = "anywhere"
DYING = "dies at"
BALLAST_BYTES = 1 << 20


def digest(bodies: Sequence[WireBody]) -> str:
    """Hash over the bodies, wherever they stand."""
    return sha256(b"".join(encode_input("", 0, 0, 0, body) for body in bodies)).hexdigest()


def marked(body: WireBody, mark: str) -> WireBody:
    """A frame that can be told from all others."""
    return body._replace(detail=mark) if isinstance(body, Frame) else body


def die(label: str = ANYWHERE) -> None:
    """kill -9, by the own hand."""
    os.write(2, f"{DYING} {label}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(label: str, number: int) -> Callable[[str], None]:
    """Dies when the labelled step is passed for the ``number``-th time."""
    passed = 0

    def step(name: str) -> None:
        nonlocal passed
        if name == label:
            passed += 1
            if passed >= number:
                die(label)

    return step


def main(folder: str, seed: str, label: str, number: str) -> None:
    """Commit until killed, or until all groups are in."""
    sqlite.YOUNG_INPUTS, processor.TIDY_MS = YOUNG_INPUTS, 0
    plan = site_plan()
    step = at_step(label, int(number))
    store = SqliteStore(Path(folder), ballast_bytes=BALLAST_BYTES, step=step)
    runner = Runner(store, plan.decision, SystemClock(), limits=plan.log, step=step)
    runner.open("boot")
    world = World(int(seed), boot=f"guard-{seed}")
    pending = list(world.bodies(GROUPS_MAX * 8))
    for group in range(GROUPS_MAX):
        if label == ANYWHERE and group == int(number):
            threading.Timer(0.002 * (int(seed) % 7), die).start()
        bodies = [marked(body, f"{seed}-{group}-{n}") for n, (_, body) in enumerate(pending[8 * group : 8 * group + 8])]
        committed = runner.commit(bodies)
        if committed.durable:
            print(runner.log_id, committed.first_seq, committed.last_seq, digest(bodies), flush=True)
        if group % 20 == 19:
            runner.snapshot()
        runner.tick()
    runner.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
