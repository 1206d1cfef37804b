"""G13 in the fleet: workers killed, paused, joining and leaving, the broker bounced: events equal, nothing lost.

A run is some sites that send their recorded logs over a minute, some blocks twice, while two workers and the broker are
treated by a seed. Counted by id: every event of every site comes out, in order, with equal bytes; every acknowledged
input is in the state that is written last, which is the state of a worker to which nothing happened.
What kills cost Faust the usual way, its Tables, is shown beside (tests.bench.fleet.usual), on a broker of its own.
"""

import asyncio
import os
import random
import signal
import tempfile
from functools import cache
from pathlib import Path

from services.processor.block_fold import SiteFold
from shared.bus.registry import STATE
from shared.log.memory import MemoryLog
from shared.wire.blocks import Block
from shared.wire.site_state import SiteState, decode_site_state, peek_site_state
from tests.bench.fleet import usual
from tests.fleet.centre import Centre, Told
from tests.services.processor.recorded import blocks_of, bodies, recorded
from tests.soak.outcome import Outcome
from tests.soak.rig import stored
from tests.testkit.fleet import KafkaBroker

SITES = 32
"""With some 670 inputs each."""
ACTIONS = 5
FEED_S = 20
SETTLE_S = 150
PAUSED_S = 13
"""Longer than the session: the paused worker's sites have gone elsewhere when it wakes up."""
FORBIDDEN = {"block_differs", "dead_letter", "site_asked_to_resend", "site_parked", "state_unreadable"}


def run(count: int, seed: int) -> Outcome:
    """``count`` runs, each on a broker of its own; then the usual way."""
    outcome = Outcome()
    for each in range(seed, seed + count):
        with tempfile.TemporaryDirectory(prefix="ampward-g13-") as folder, KafkaBroker(Path(folder, "kafka")) as broker:
            asyncio.run(_live(broker, each, outcome))
        outcome.runs += 1
    with tempfile.TemporaryDirectory(prefix="ampward-g13-") as folder, KafkaBroker(Path(folder, "kafka")) as broker:
        lost, doubled = asyncio.run(usual.miscounted(broker))
    sent, kills = usual.READINGS_MAX, usual.KILLS
    outcome.shown.append(f"Faust the usual way, {kills} kills: of {sent} readings {lost} lost, {doubled} counted twice")
    return outcome


async def _live(broker: KafkaBroker, seed: int, outcome: Outcome) -> None:
    draw = random.Random(seed)
    logs = {f"site{n}": recorded(n % 3) for n in range(SITES)}
    blocks = {site: blocks_of(log, site=site, seed=draw.randrange(1 << 30)) for site, log in logs.items()}
    async with Centre(broker, hands=draw.choice((0, 2))) as centre:
        await centre.register(*logs)
        for log in logs.values():
            await centre.rules(bodies(log))
        told = Told(centre, {site: stored(log) for site, log in logs.items()})
        centre.start()
        centre.start()
        following = asyncio.create_task(told.follow(within_s=FEED_S * 4 + SETTLE_S))
        feeding = [
            asyncio.create_task(feed(centre, site, made, draw.random(), FEED_S)) for site, made in blocks.items()
        ]
        done = [await _act(centre, draw) for _ in range(ACTIONS)]
        await asyncio.gather(*feeding)
        try:
            await following
            states = await last_states(centre, blocks)
        except TimeoutError as fault:
            outcome.faults.append(f"seed {seed}: {fault} after {done}")
            states = {}
        compare(seed, told, logs, states, outcome)
        events = {event for processor in centre.processors for event in processor.events()}
        if events & FORBIDDEN:
            outcome.faults.append(f"seed {seed}: a worker told {sorted(events & FORBIDDEN)} after {done}")


async def feed(centre: Centre, site: str, blocks: list[Block], luck: float, lasts_s: float) -> None:
    """Sends a site's blocks in order, as an uplink does: acknowledged before the next, some of them twice."""
    draw = random.Random(luck)
    pause = lasts_s / len(blocks)
    for number, block in enumerate(blocks):
        await centre.send(site, [block])
        if draw.random() < 0.1:
            await centre.send(site, [draw.choice(blocks[: number + 1])])
        await asyncio.sleep(2 * pause * draw.random())


async def _act(centre: Centre, draw: random.Random) -> str:
    """One thing that happens to the fleet, and a pause."""
    running = [each for each in centre.processors if each.is_running()]
    deed = draw.choice(("kill", "kill", "leave", "join", "pause", "bounce", "storm"))
    if deed in ("kill", "leave") and running:
        victim = draw.choice(running)
        (victim.kill if deed == "kill" else victim.stop)()
        if len(running) < 3:
            centre.start()
    elif deed == "pause" and running:
        victim = draw.choice(running)
        os.kill(victim.pid, signal.SIGSTOP)
        await asyncio.sleep(PAUSED_S)
        os.kill(victim.pid, signal.SIGCONT)
    elif deed == "bounce":
        if draw.random() < 0.5:
            centre.broker.kill()
        else:
            centre.broker.stop()
        centre.broker.start()
    elif deed == "storm":
        for _ in range(3):
            centre.start()
            await asyncio.sleep(draw.random() * 2)
        for victim in [each for each in centre.processors if each.is_running()][2:]:
            victim.kill()
    elif len(running) < 4:
        centre.start()
    await asyncio.sleep(2 + 4 * draw.random())
    return deed


async def last_states(centre: Centre, blocks: dict[str, list[Block]]) -> dict[str, SiteState]:
    """The newest state of each site, once all stand at their last block."""
    newest: dict[str, tuple[tuple[int, int], bytes]] = {}
    heads = {site: made[-1].last_seq for site, made in blocks.items()}
    async with asyncio.timeout(SETTLE_S), centre.reader(STATE) as reader:
        while {site: place[1] for site, (place, _) in newest.items()} != heads:
            for record in await reader.take():
                site, place, _ = peek_site_state(record.value or b"")
                if site not in newest or place >= newest[site][0]:
                    newest[site] = place, record.value or b""
    return {site: decode_site_state(data) for site, (_, data) in newest.items()}


def compare(seed: int, told: Told, logs: dict[str, MemoryLog], states: dict[str, SiteState], outcome: Outcome) -> None:
    """Every event once, in order, with the site's bytes; the last states are those of the undisturbed fold."""
    found = told.by_site()
    for site, events in told.expected.items():
        outcome.lost += len(set(events) - set(found.get(site, [])))
        outcome.doubled += len(set(found.get(site, [])) - set(events))
        if found.get(site, []) != list(events):
            outcome.faults.append(f"seed {seed}: the events of {site} are not in their order")
    outcome.faults += [f"seed {seed}: {wrong}" for wrong in told.wrong]
    if set(told.verdicts) != {"equal"}:
        outcome.faults.append(f"seed {seed}: verdicts {told.verdicts}")
    for site, state in states.items():
        head, rooms = _undisturbed(site, logs[site])
        if (state.hash, state.states) != (head, rooms):
            outcome.faults.append(f"seed {seed}: the state of {site} is not the fold of its inputs")


@cache
def _undisturbed(site: str, log: MemoryLog) -> tuple[bytes, dict[str, bytes]]:
    fold = SiteFold(site, log.ruleset)
    for block in blocks_of(log, site=site):
        fold.take(block)
    return fold.hash, fold.fold.snapshot()
