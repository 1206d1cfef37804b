"""G19: 72 hours of a site that was cut off go up, with a rule change and an upgrade inside; two workers are rolled.

A run is a fleet of three sites, one of them cut off for 72 hours of its own clock, the others live. After a day the cut
site took over other rules, after another it was upgraded to another core version. Its backlog is drained by two workers
that are restarted meanwhile, in the end as programs of the new version. Whoever is asked for its state sends again from
a snapshot, as an uplink does. Meanwhile the live sites show their events on ampward.live.v1 as they come, and the cut
site what it decides now; an operator follows all of them by a gateway of the centre.

Counted by id: every event comes out, in order, with the site's bytes, none in a block that differs; every event has
stood in a block that was found equal, but for those between the upgrade and the first snapshot of the new version; the
live sites' blocks are decided, and their events published, while the backlog is drained; the operator is told of every
event. How long it takes from what a site shows to the operator's stream is printed, the goal being 2 s for 99 of
100, and not judged: that is a machine's figure. So is how many came to him again because memory was over before he
took them (ADR 0086).
"""

import asyncio
import random
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from services.processor.runner import Runner
from shared.bus.registry import COMMANDS, EVENTS
from shared.domain.version import CORE_VERSION
from shared.log.memory import MemoryLog
from shared.log.store import MemoryStore
from shared.runtime.clocks import ManualClock
from shared.wire.batches import Verdict, decode_batch
from shared.wire.blocks import Block
from shared.wire.events import decode_event
from shared.wire.orders import Resend, decode_order
from tests.fleet.centre import Centre, Processor, Told
from tests.services.processor.recorded import Link, block_from, bodies, links_of
from tests.soak.limits import limit
from tests.soak.outcome import Outcome
from tests.soak.rig import log_ids, stored
from tests.soak.shown import Shown
from tests.soak.world import SITE, World, plan_of
from tests.testkit.fleet import KafkaBroker

HOURS, RULES_AFTER_H, UPGRADE_AFTER_H = 72, 24, 48
HOUR_MS = 3_600_000
AN_HOUR, FEW_AN_HOUR = 20, 3
"""Frames; each comes with a Tick of its room. Few where one drill alone is asked for: such a backlog is drained before
anybody could be kept waiting by it, so that the live sites are not judged."""
CUT, LIVE = "cut", ("live0", "live1")
NEXT_CORE = CORE_VERSION + 1
LINKS_IN_BLOCK = 20
LIVE_EVERY_S, SHOWN_EVERY_S = 0.2, 0.1
WITHIN_S = 400
SHOWN_S = 60
FORBIDDEN = {"block_differs", "dead_letter", "site_parked", "state_unreadable"}


@dataclass
class Site:
    """Its log, and what it sends: before the upgrade, and from there on."""

    name: str
    log: MemoryLog
    upgraded_seq: int
    """The last input of the old version."""
    epoch: int = 1
    before: list[list[Link]] = field(default_factory=list)
    after: list[list[Link]] = field(default_factory=list)
    snapshots: tuple[int, ...] = ()
    sent: list[list[Link]] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One sends at a time: what is sent again, or what follows."""
    open: set[int] = field(default_factory=set)
    """Inputs with events that stood in no block that was found equal."""

    def block(self, links: list[Link]) -> Block:
        """As it goes up now."""
        made = block_from(links, site=self.name, names=list(self.log.log_ids()), epoch=self.epoch)
        return replace(made, core_version=CORE_VERSION if made.last_seq <= self.upgraded_seq else NEXT_CORE)

    async def send(self, centre: Centre, parts: list[list[Link]]) -> None:
        """These, for the first time."""
        async with self.turn:
            self.sent += parts
            await centre.send(self.name, [self.block(part) for part in parts])

    async def send_again(self, centre: Centre, order: Resend) -> None:
        """What an uplink answers to the order: from the number that it names, after the upgrade from a snapshot of the
        new version on, with its states."""
        async with self.turn:
            self.epoch = max(self.epoch, order.epoch) + 1
            begin = self.snapshots[0]
            if self.sent[-1][-1][1].last_seq <= self.upgraded_seq:
                parts = [part for part in self.sent if part[-1][1].last_seq >= order.from_seq]
                await centre.send(self.name, [self.block(part) for part in parts])
                return
            later = [part for part in self.after if part[0][2][0].site_seq > begin]
            parts = [part for part in later if part[-1][1].last_seq <= self.sent[-1][-1][1].last_seq] or later[:1]
            snapshot = self.log.snapshot(begin)
            assert snapshot is not None
            blocks = [self.block(part) for part in parts]
            await centre.send(self.name, [replace(blocks[0], states=snapshot.states), *blocks[1:]])


def run(count: int, seed: int) -> Outcome:
    """``count`` drills, each on a broker of its own."""
    outcome = Outcome(runs=count)
    for each in range(seed, seed + count):
        with tempfile.TemporaryDirectory(prefix="ampward-g19-") as folder, KafkaBroker(Path(folder, "kafka")) as broker:
            asyncio.run(_drill(broker, each, AN_HOUR if count > 1 else FEW_AN_HOUR, outcome))
    return outcome


def record(name: str, seed: int, an_hour: int) -> Site:
    """72 hours of a site's log."""
    store, clock, ids, draw = MemoryStore(), ManualClock(), log_ids(f"{name}-{seed}-"), random.Random(seed)
    text = SITE.replace("id: demo,", f"id: {name},")
    plan, other = plan_of(text), plan_of(text + "rules: {h2_prealarm: {limit: 0.8}}\n")
    world = World(seed, plan, boot=f"g{seed}")
    runner = Runner(store, plan.decision, clock, limits=plan.log, new_id=lambda: next(ids))
    runner.open(clock.boot_id)
    upgraded_seq = 0
    for hour in range(HOURS):
        if hour == RULES_AFTER_H:
            runner.change_rules(other.decision, "anna")
        if hour == UPGRADE_AFTER_H:
            runner.close()
            upgraded_seq = store.log.head().site_seq
            decision = replace(other.decision, core_version=NEXT_CORE)
            runner = Runner(store, decision, clock, limits=plan.log, new_id=lambda: next(ids))
            runner.open(clock.boot_id)
            runner.snapshot()
        for _ in range(an_hour):
            clock.advance(HOUR_MS // an_hour)
            runner.tick()
            runner.commit([world.frame(draw.choice(world.plan.decision.devices))])
    site = Site(name, store.log, upgraded_seq)
    snapshots = tuple(seq for seq, _ in store.log.snapshots() if seq > upgraded_seq)
    site.snapshots = snapshots
    part: list[Link] = []
    for each in links_of(store.log):
        part.append(each)
        last = each[1].last_seq
        if len(part) >= LINKS_IN_BLOCK or last == upgraded_seq or last in snapshots:
            (site.before if last <= upgraded_seq else site.after).append(part)
            part = []
    if part:
        site.after.append(part)
    return site


async def _drill(broker: KafkaBroker, seed: int, an_hour: int, outcome: Outcome) -> None:
    phase = Phases(seed)
    cut = record(CUT, seed, an_hour)
    sites = {cut.name: cut} | {name: record(name, seed + n + 1, max(1, an_hour // 5)) for n, name in enumerate(LIVE)}
    phase("recorded")
    async with Centre(broker, partitions=2) as centre, Shown(centre) as shown:
        phase("a gateway answers")
        await centre.register(*sites)
        for site in sites.values():
            await centre.rules(bodies(site.log))
        told = Told(centre, {name: stored(site.log) for name, site in sites.items()})
        beside = [asyncio.create_task(_note(centre, sites)), asyncio.create_task(_answer(centre, sites, phase))]
        following = asyncio.create_task(told.follow(within_s=WITHIN_S))
        try:
            async with asyncio.timeout(WITHIN_S):
                lived = await _go_up(centre, sites, told, shown, phase)
                await following
                phase("all events are there")
                while any(seq > site.snapshots[0] for site in sites.values() for seq in site.open):
                    await asyncio.sleep(0.2)
                phase("all that can be is found equal")
                if not lived and an_hour == AN_HOUR:
                    outcome.faults.append(f"seed {seed}: no live site was served while the backlog was drained")
        except TimeoutError as fault:
            left = {name: len(site.open) for name, site in sites.items()}
            outcome.faults.append(f"seed {seed}: {fault} after '{phase.last}'; inputs not found equal: {left}")
        finally:
            for task in (following, *beside):
                task.cancel()
            await asyncio.gather(following, *beside, return_exceptions=True)
        _judge(seed, centre, sites, told, outcome)
        again = await _judge_shown(seed, shown, told, outcome)
        phase(f"an operator saw of the live sites {shown.figure(*LIVE)}")
        phase(f"an operator saw of what the cut site decides now {shown.figure(CUT)}; {again} came again")


class Phases:
    """Says how long each part of a drill takes."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._began = time.monotonic()
        self.last = ""

    def __call__(self, name: str) -> None:
        self.last = name
        print(f"G19 seed {self._seed}: {time.monotonic() - self._began:6.1f} s  {name}", flush=True)


async def _go_up(centre: Centre, sites: dict[str, Site], told: Told, shown: Shown, phase: Phases) -> int:
    """Sends everything while the workers are rolled; how many live events came while the backlog was drained."""
    workers = [centre.start(), centre.start()]
    cut = sites[CUT]
    await cut.send(centre, cut.before)
    phase("the backlog up to the upgrade is in Kafka")
    old = {name: _events_before(site) for name, site in sites.items()}
    await _reached(told, {CUT: 1})
    phase("its first event is out")
    drained = asyncio.Event()
    async with asyncio.TaskGroup() as beside:
        for name in LIVE:
            beside.create_task(_live(centre, sites[name], shown))
        beside.create_task(_decide(cut, shown, drained))
        await _reached(told, {CUT: old[CUT] // 4})
        lived = -_count(told, LIVE)
        await _roll(centre, workers, CORE_VERSION)
        phase("a worker is rolled")
        await _reached(told, {CUT: old[CUT]})
        lived += _count(told, LIVE)
        drained.set()
        phase(f"the backlog up to the upgrade is drained, and {lived} events of live sites meanwhile")
    await _reached(told, old)
    rest = [(site, part) for site in sites.values() for part in site.after]
    # A site never falls silent for good: what it sends last meets workers of its own version, which ask for its state.
    rest.sort(key=lambda each: (each[1] is each[0].after[-1], each[1][0][1].last_seq))
    for number, (site, part) in enumerate(rest):
        if number in (1, len(rest) // 2):
            await _roll(centre, workers, NEXT_CORE)
            phase("a worker is rolled to the new version")
        if site is not cut:
            await _show(shown, site, part)
        await site.send(centre, [part])
    phase("everything is in Kafka")
    return lived


async def _roll(centre: Centre, workers: list[Processor], core_version: int) -> None:
    """The worker that has run longest leaves in order, another takes its place."""
    gone = workers.pop(0)
    workers.append(centre.start(core_version))
    await asyncio.to_thread(gone.stop)


async def _live(centre: Centre, site: Site, shown: Shown) -> None:
    """What a site sends that is not cut off, up to its own upgrade."""
    for part in site.before:
        await _show(shown, site, part)
        await site.send(centre, [part])
        await asyncio.sleep(LIVE_EVERY_S)


async def _show(shown: Shown, site: Site, part: list[Link]) -> None:
    """The events of each group, as soon as there are some."""
    for link in part:
        await shown.show(site.name, link[3])


async def _decide(cut: Site, shown: Shown, drained: asyncio.Event) -> None:
    """What the cut site decides and shows while its backlog goes up."""
    for link in (link for part in cut.after for link in part if link[3]):
        if drained.is_set():
            return
        await shown.show(cut.name, link[3])
        await asyncio.sleep(SHOWN_EVERY_S)


def _events_before(site: Site) -> int:
    """How many events its old version gave."""
    return sum(len(link[3]) for part in site.before for link in part)


def _count(told: Told, names: tuple[str, ...]) -> int:
    return sum(told.counts[name] for name in names)


async def _reached(told: Told, wanted: dict[str, int]) -> None:
    while any(_count(told, (name,)) < count for name, count in wanted.items()):
        await asyncio.sleep(0.3)


async def _note(centre: Centre, sites: dict[str, Site]) -> None:
    """Which events have been found equal."""
    for site in sites.values():
        parts = [*site.before, *site.after]
        site.open = {row.site_seq for part in parts for each in part for row in each[3]}
    async with centre.reader(EVENTS) as reader:
        while True:
            for record in await reader.take():
                batch = decode_batch(record.value or b"")
                if batch.verdict is Verdict.EQUAL:
                    sites[batch.site].open.difference_update(range(batch.first_seq, batch.last_seq + 1))


async def _answer(centre: Centre, sites: dict[str, Site], phase: Phases) -> None:
    """What the sites' uplinks do when they are asked."""
    async with centre.reader(COMMANDS) as reader:
        while True:
            for record in await reader.take():
                order = decode_order(record.value or b"")
                if isinstance(order, Resend):
                    phase(f"{order.site} is asked from {order.from_seq} on")
                    await sites[order.site].send_again(centre, order)


def _judge(seed: int, centre: Centre, sites: dict[str, Site], told: Told, outcome: Outcome) -> None:
    found = told.by_site()
    for name, events in told.expected.items():
        outcome.lost += len(set(events) - set(found.get(name, [])))
        outcome.doubled += len(set(found.get(name, [])) - set(events))
        if found.get(name, []) != list(events):
            outcome.faults.append(f"seed {seed}: the events of {name} are not in their order")
        site = sites[name]
        far = [seq for seq in site.open if not site.upgraded_seq < seq <= site.snapshots[0]]
        if far:
            outcome.faults.append(
                f"seed {seed}: {len(far)} events of {name} were never found equal, from {min(far)} on"
            )
    outcome.faults += [f"seed {seed}: {wrong}" for wrong in told.wrong]
    if Verdict.DIFFERENT.value in told.verdicts:
        outcome.faults.append(f"seed {seed}: verdicts {told.verdicts}")
    said = {event for processor in centre.processors for event in processor.events()}
    if said & FORBIDDEN:
        outcome.faults.append(f"seed {seed}: a worker told {sorted(said & FORBIDDEN)}")


async def _judge_shown(seed: int, shown: Shown, told: Told, outcome: Outcome) -> int:
    """The operator was told of every event. How many came to him again."""
    wanted = {decode_event(data).id for events in told.expected.values() for data in events}
    heard = await shown.told(wanted, within_s=limit(SHOWN_S))
    missing = wanted - heard.keys()
    outcome.lost += len(missing)
    if missing:
        outcome.faults.append(f"seed {seed}: the operator missed {len(missing)} of {len(wanted)} events")
    return heard.total() - len(heard)
