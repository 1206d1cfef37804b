"""Runs a seeded world against the core and checks the invariants after every step.

``run(seed, steps)`` raises :class:`Broken` with the seed and the step when one does not hold; the same seed does the
same again. Beside the run goes, by the seed's choice, a second core: one that is put to data and taken back again and
again, or one whose wall clock is off by years. Both must say the same.
"""

import json
import random
from dataclasses import dataclass, field
from functools import partial

from shared.domain import core
from shared.domain.events import Event
from shared.domain.inputs import Command, Entry, Start, Tick
from tests.simulation.invariants import Watch
from tests.simulation.plan import build
from tests.simulation.world import World

YEARS_MS = 10 * 365 * 86_400_000


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass(slots=True)
class Told:
    """What a run came to."""

    steps: int = 0
    events: int = 0
    kinds: set[str] = field(default_factory=set)


def run(seed: int, steps: int) -> Told:
    """``steps`` inputs of the world of ``seed``."""
    plan = build()
    world, watch = World(seed, plan), Watch(plan)
    draw = random.Random(seed + 1)
    shift_ms = draw.choice((0, YEARS_MS, -YEARS_MS))
    state, twin = core.initial(plan, "v1", "log0"), core.initial(plan, "v1", "log0")
    log_id, told = "log0", Told()
    for n in range(1, steps + 1):
        before = dict(watch.demanded)
        body = (
            Start("log0", "", 0, clean=True, boot="boot1")
            if n == 1
            else world.next(before, partial(core.alarms, state))
        )
        if isinstance(body, Start):
            log_id = body.log_id
        entry = Entry(log_id, n, world.now, world.now, body)
        try:
            if isinstance(body, Command):
                # What time alone changes comes first, so that only the command's own effect is left to see.
                calm = entry._replace(body=Tick("r"))
                state, events = core.step(state, calm)
                twin, same = _twin(twin, calm, shift_ms, cut=False)
                _compare(events, same)
                watch.check(before, calm, state, events)
                before = dict(watch.demanded)
            state, events = core.step(state, entry)
            twin, same = _twin(twin, entry, shift_ms, cut=shift_ms == 0 and draw.random() < 0.02)
            _compare(events, same)
            watch.check(before, entry, state, events)
        except (AssertionError, KeyError, ValueError, IndexError) as fault:
            raise Broken(f"seed {seed}, step {n} at {world.now} ms, {body}: {fault!r}") from fault
        told.events += len(events)
    told.steps, told.kinds = steps, watch.seen
    _same_state(seed, state, twin, shift_ms)
    return told


def _twin(twin: core.RoomState, entry: Entry, shift_ms: int, *, cut: bool) -> tuple[core.RoomState, list[Event]]:
    """The second core's step; a cut first puts it to bytes and takes it back."""
    if cut:
        data = json.loads(json.dumps(core.state_to_data(twin)))
        twin = core.state_from_data(twin.plan, twin.version, data)
    twin, events = core.step(twin, entry._replace(at_ms=entry.at_ms + shift_ms))
    return twin, [event._replace(at_ms=event.at_ms - shift_ms) for event in events]


def _compare(events: list[Event], same: list[Event]) -> None:
    assert events == same, f"the second core says {same}, the first {events}"


def _same_state(seed: int, state: core.RoomState, twin: core.RoomState, shift_ms: int) -> None:
    """Without a shifted clock both end in the same bytes."""
    if shift_ms == 0 and core.state_to_data(state) != core.state_to_data(twin):
        raise Broken(f"seed {seed}: the state after cuts is another one")
