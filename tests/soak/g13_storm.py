"""G13 under rebalances: one worker more or less every 15 s, and once ten of them within seconds.

A run is a rebalance. The sites send all the while; half of the rebalances are a kill -9, the others a worker that joins
or leaves in order. In the middle of ten and more rebalances there is a storm: ten workers come and go while nobody has
settled. Counted by id as in G13-fleet: every event of every site, in order, with equal bytes, and the state that is
written last is that of a worker to which nothing happened.
"""

import asyncio
import random
import tempfile
from pathlib import Path

from tests.fleet.centre import Centre, Processor, Told
from tests.services.processor.recorded import blocks_of, bodies, recorded
from tests.soak.g13_fleet import FORBIDDEN, compare, feed, last_states
from tests.soak.outcome import Outcome
from tests.soak.rig import stored
from tests.testkit.fleet import KafkaBroker

SITES = 24
EVERY_S = 15.0
FEW_S = 3.0
"""Between two rebalances where there are fewer than STORM_FROM of them."""
STORM_FROM = 10
STORM = 10
WORKERS = 2
SETTLE_S = 150


def run(count: int, seed: int) -> Outcome:
    """``count`` rebalances of one fleet."""
    outcome = Outcome(runs=count)
    with tempfile.TemporaryDirectory(prefix="ampward-g13-") as folder, KafkaBroker(Path(folder, "kafka")) as broker:
        asyncio.run(_live(broker, count, seed, outcome))
    return outcome


async def _live(broker: KafkaBroker, count: int, seed: int, outcome: Outcome) -> None:
    draw = random.Random(seed)
    every_s = EVERY_S if count >= STORM_FROM else FEW_S
    sites = SITES if count >= STORM_FROM else SITES // 6
    lasts_s = (count + 1) * every_s + (STORM if count >= STORM_FROM else 0)
    logs = {f"site{n}": recorded(n % 3) for n in range(sites)}
    blocks = {site: blocks_of(log, site=site, seed=draw.randrange(1 << 30), most=4) for site, log in logs.items()}
    async with Centre(broker) as centre:
        await centre.register(*logs)
        for log in logs.values():
            await centre.rules(bodies(log))
        told = Told(centre, {site: stored(log) for site, log in logs.items()})
        for _ in range(WORKERS):
            centre.start()
        following = asyncio.create_task(told.follow(within_s=2 * lasts_s + SETTLE_S))
        feeding = [asyncio.create_task(feed(centre, s, made, draw.random(), lasts_s)) for s, made in blocks.items()]
        for number in range(count):
            await asyncio.sleep(every_s)
            _rebalance(centre, draw)
            if number == count // 2 and count >= STORM_FROM:
                await _storm(centre, draw)
        await asyncio.gather(*feeding)
        states = {}
        try:
            await following
            states = await last_states(centre, blocks)
        except TimeoutError as fault:
            outcome.faults.append(f"seed {seed}: {fault}")
        compare(seed, told, logs, states, outcome)
        events = {event for processor in centre.processors for event in processor.events()}
        if events & FORBIDDEN:
            outcome.faults.append(f"seed {seed}: a worker told {sorted(events & FORBIDDEN)}")


def _running(centre: Centre) -> list[Processor]:
    return [each for each in centre.processors if each.is_running()]


def _rebalance(centre: Centre, draw: random.Random) -> None:
    """A worker dies, leaves or joins; one at least stays."""
    running = _running(centre)
    if len(running) <= WORKERS - 1 or (len(running) <= WORKERS and draw.random() < 0.5):
        centre.start()
    elif draw.random() < 0.5:
        draw.choice(running).kill()
    else:
        draw.choice(running).leave()


async def _storm(centre: Centre, draw: random.Random) -> None:
    """Ten that come, and go again before anybody has settled."""
    for _ in range(STORM):
        made = centre.start()
        await asyncio.sleep(0.5 + draw.random())
        if draw.random() < 0.5:
            made.kill()
        else:
            made.leave()
