"""G13: core, site runner and Faust app on the same inputs give equal bytes.

A run is a room of its own with some 1,000 recorded inputs: every other one a seeded room of World (gas, relays,
trouble, people), the others battery rooms whose frames the centre compares together (shared.domain.runs). Its log is
derived again by the core's oracle, one input at a time; then it goes up as signed blocks, cut by a seed and some of
them twice, and a Faust worker on a real broker folds it. A million inputs are a thousand rooms.
"""

import asyncio
import random
import tempfile
from pathlib import Path

from services.processor.runner import Runner
from shared.log.memory import MemoryLog
from shared.log.store import MemoryStore
from shared.runtime.clocks import ManualClock
from shared.wire.blocks import encode_block
from tests.bench.site import decision, frames
from tests.fleet.centre import KEY, Centre, Told
from tests.services.processor.recorded import blocks_of, bodies
from tests.soak.outcome import Outcome
from tests.soak.rig import derived, feed, log_ids, open_runner, stored
from tests.soak.world import World
from tests.testkit.fleet import KafkaBroker

INPUTS = 1_000
LIVES = 3
MODULES = 10
WITHIN_S = 300
FORBIDDEN = {"block_differs", "dead_letter", "site_asked_to_resend", "site_parked", "state_unreadable"}


def run(count: int, seed: int) -> Outcome:
    """``count`` rooms, each a site of one fleet."""
    outcome = Outcome(runs=count)
    logs = {f"room{each}": record(each) for each in range(seed, seed + count)}
    for site, log in logs.items():
        expected, found = derived(log), stored(log)
        if expected != found or not found:
            outcome.faults.append(f"{site}: the runner has {len(found)} events, the core derives {len(expected)}")
    with tempfile.TemporaryDirectory(prefix="ampward-g13-") as folder, KafkaBroker(Path(folder, "kafka")) as broker:
        asyncio.run(_fold(broker, logs, seed, outcome))
    return outcome


def record(seed: int) -> MemoryLog:
    """A room's log over some starts."""
    store, clock, ids, draw = MemoryStore(), ManualClock(), log_ids(f"s{seed}-"), random.Random(seed)
    for life in range(LIVES):
        if seed % 2:
            runner = Runner(store, decision(MODULES), clock, new_id=lambda: next(ids))
            runner.open(clock.boot_id)
            _feed_battery(runner, clock, draw, seed * 10 + life)
        else:
            runner = open_runner(store, clock, ids)
            world = World(seed * 10 + life, boot=f"g{seed}-{life}")
            feed(runner, clock, world, INPUTS // LIVES, draw.choice((1, 7, 40)))
        if life != 1:
            runner.close()
        clock.advance(5_000)
    return store.log


def _feed_battery(runner: Runner, clock: ManualClock, draw: random.Random, seed: int) -> None:
    """Frames of one device: calm and busy stretches, pauses, holes, another boot in each life."""
    changing = draw.choice((0.0, 0.002, 0.02, 0.1))
    given = [frame._replace(boot=f"boot-{seed}") for frame in frames(MODULES, INPUTS // LIVES, changing=changing)]
    at = 0
    while at < len(given):
        clock.advance(draw.choice((50, 50, 50, 400, 900, 40_000)) if draw.random() < 0.5 else 80)
        runner.tick()
        size = draw.randint(1, 20)
        group = given[at : at + size]
        runner.commit(group[: -1 if draw.random() < 0.03 else None])
        at += size


async def _fold(broker: KafkaBroker, logs: dict[str, MemoryLog], seed: int, outcome: Outcome) -> None:
    """All logs through one worker."""
    draw = random.Random(seed)
    async with Centre(broker, hands=2) as centre:
        await centre.register(*logs)
        for site, log in logs.items():
            await centre.rules(bodies(log))
            made = [encode_block(each, KEY, pack=draw.random() < 0.5) for each in blocks_of(log, site=site, seed=seed)]
            for _ in range(3):
                at = draw.randrange(len(made))
                made.insert(at, made[draw.randint(0, at)])
            await centre.send(site, made)
        processor = centre.start()
        told = Told(centre, {site: stored(log) for site, log in logs.items()})
        try:
            await told.follow(within_s=WITHIN_S)
        except TimeoutError as fault:
            outcome.faults.append(f"seed {seed}: {fault}")
        found = told.by_site()
        for site, events in told.expected.items():
            outcome.lost += len(set(events) - set(found.get(site, [])))
            outcome.doubled += len(set(found.get(site, [])) - set(events))
            if found.get(site, []) != list(events):
                outcome.faults.append(f"{site}: the events are not the runner's")
        outcome.faults += told.wrong
        if set(told.verdicts) != {"equal"}:
            outcome.faults.append(f"seed {seed}: verdicts {told.verdicts}")
        if processor.events() & FORBIDDEN:
            outcome.faults.append(f"seed {seed}: the worker told {sorted(processor.events() & FORBIDDEN)}")
