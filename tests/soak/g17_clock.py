"""G17: steps of the wall clock by an hour or ten years make no false trip and hide none.

A run is one seeded room lived twice on the same monotonic clock: once with a steady wall clock, once with one that
steps to and fro at random. All that was decided must be the same at the same tick; only stamps and the box's own clock
alarm may differ.
"""

import random

from shared.domain.events import Event
from shared.domain.ids import SITE_ROOM
from shared.log.store import MemoryStore
from shared.runtime.clocks import ManualClock
from tests.soak.outcome import Outcome
from tests.soak.rig import feed, log_ids, open_runner
from tests.soak.world import World

HOUR_MS = 3_600_000
STEPS_MS = (HOUR_MS, -HOUR_MS, 10 * 365 * 24 * HOUR_MS, -10 * 365 * 24 * HOUR_MS, 1_500)
STRETCHES = 8
INPUTS = 60

Decided = tuple[object, ...]


def run(count: int, seed: int) -> Outcome:
    """``count`` rooms, each lived with and without steps of the clock."""
    outcome = Outcome()
    for each in range(seed, seed + count):
        steady, stepping = _live(each, steps=False), _live(each, steps=True)
        outcome.runs += 1
        outcome.lost += len([event for event in steady if event not in stepping])
        outcome.doubled += len([event for event in stepping if event not in steady])
        if steady != stepping:
            outcome.faults.append(f"seed {each}: decisions differ with the wall clock")
        if not steady:
            outcome.faults.append(f"seed {each}: nothing happened")
    return outcome


def _live(seed: int, *, steps: bool) -> list[Decided]:
    draw = random.Random(seed)
    clock, world = ManualClock(), World(seed)
    runner = open_runner(MemoryStore(), clock, log_ids())
    events: list[Event] = []
    for _ in range(STRETCHES):
        events += feed(runner, clock, world, INPUTS, 8)
        step = draw.choice(STEPS_MS)
        if steps:
            clock.wall += step
    return [_decided(event) for event in events if event.room != SITE_ROOM]


def _decided(event: Event) -> Decided:
    """What was decided, without its stamps and the names that hang on the numbering of inputs."""
    return (
        event.tick_ms, event.type, event.room, event.room_no, event.subject, event.rule, event.severity, event.state,
        event.value, event.unit, event.limit, event.quality, event.actor, event.until_ms,
    )  # fmt: skip
