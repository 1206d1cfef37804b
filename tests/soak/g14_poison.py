"""G14: a poison record ends as its exact bytes in the dead letters and as an event; its neighbours go on.

A run offers some poison among good frames: bytes that no decoder knows, a frame of a device that the site does not
have, one whose sizes lie, one with a number that cannot be encoded, a Report at which the core itself fails after it
has half changed the state. All good neighbours must be in the log in order, the work for them take less than a second
of processor time, and the log replay to the same events.
"""

import random
import time
from unittest.mock import patch

from services.processor.replay import replay_log
from services.processor.runner import Runner, Unreadable
from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain import core
from shared.domain.events import Event, EventType
from shared.domain.inputs import Entry, Report, Undecodable
from shared.domain.state import RoomState
from shared.log.store import MemoryStore
from shared.runtime.clocks import ManualClock
from shared.wire.inputs import WireBody, decode_input
from tests.soak.outcome import Outcome
from tests.soak.rig import feed, log_ids, open_runner
from tests.soak.world import World

BUG = Report("relay_foreign_write", "demo/r1/io1", on=True, pulse=True, detail="the core fails here")
NEIGHBOURS = 12
DELAY_S_MAX = 1.0
_step = core.step


def run(count: int, seed: int) -> Outcome:
    """``count`` poisons, each on a log of its own that has a history."""
    outcome = Outcome()
    for each in range(seed, seed + count):
        draw = random.Random(each)
        clock, world = ManualClock(), World(each)
        runner = open_runner(MemoryStore(), clock, log_ids())
        feed(runner, clock, world, 100, 8)
        good = [world.frame(draw.choice(world.plan.decision.devices)) for _ in range(NEIGHBOURS)]
        at = draw.randrange(NEIGHBOURS + 1)
        offered: list[WireBody | Unreadable] = [*good[:at], _poison(draw, good[0]), *good[at:]]
        before = time.process_time()
        with patch.object(core, "step", _failing):
            committed = runner.commit(offered)
        if time.process_time() - before > DELAY_S_MAX:
            outcome.faults.append(f"seed {each}: the neighbours waited for more than {DELAY_S_MAX} s of work")
        outcome.runs += 1
        _judge(runner, committed.first_seq, good, at, offered[at], outcome)
        log = runner.reader()
        if log is None or not replay_log(log).equal:
            outcome.faults.append(f"seed {each}: replay gives other events")
        undecodable = [event for event in committed.events if event.type == EventType.INPUT_UNDECODABLE]
        if len(undecodable) != 1:
            outcome.faults.append(f"seed {each}: {len(undecodable)} events tell of the poison")
    return outcome


def _failing(state: RoomState, entry: Entry) -> tuple[RoomState, list[Event]]:
    """The core, with a bug."""
    made = _step(state, entry)
    if entry.body == BUG:
        raise IndexError("a bug of the core")
    return made


def _poison(draw: random.Random, frame: Frame) -> WireBody | Unreadable:
    block = Block(Table.HOLDING, 0, 9, b"\x00\x01")
    return draw.choice(
        (
            Unreadable(draw.randbytes(draw.randrange(1, 300)), "guard", "no newline ends the header"),
            frame._replace(device="nobody"),
            frame._replace(blocks=(block,)),
            frame._replace(device_seq=-1 << 70),
            BUG,
        )
    )


def _judge(
    runner: Runner, first: int, good: list[Frame], at: int, poison: WireBody | Unreadable, outcome: Outcome
) -> None:
    log = runner.reader()
    assert log is not None
    bodies = [decode_input(row.data).body for row in log.inputs(first - 1, NEIGHBOURS + 1)]
    dead = bodies.pop(at) if len(bodies) > at else None
    outcome.lost += len([frame for frame in good if frame not in bodies])
    if bodies != list(good):
        outcome.faults.append("the neighbours are not in the log in their order")
    if not isinstance(dead, Undecodable):
        outcome.faults.append(f"in place of the poison stands {dead}")
        return
    kept = log.dead_letter(dead.sha256)
    if kept is None or len(kept) != dead.size:
        outcome.faults.append(f"the dead letter is not kept: {dead}")
    elif isinstance(poison, Unreadable) and kept != poison.data:
        outcome.faults.append("the dead letter is not the exact bytes")
