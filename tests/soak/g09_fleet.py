"""G9, G10, G11 for the whole fleet: any process is killed, any server bounced, at any moment, under load.

A run is a kill -9 in one fleet as the launcher runs it (tests.soak.launched): of Kafka, Mosquitto, PostgreSQL, of a
service of the centre, of a site's parent or of one of its children, or of the bridge's. Ten and more leave out no
server and no service. Some come while the one before is not over, some while files are pushed
(tests.soak.pushed_files). At the end, of what each site's log has:

- every input is in ampward.inputs.v1, in order, and in the state that the processors wrote last: the chain says so;
- its events are those of ampward.events.v1, byte for byte, in order, each found equal; nothing is a dead letter;
- its person was told of every alarm: of a critical one by the site itself, of those under the centre's lease by the
  centre; a message came a second time only with its mark, at most once a kill;
- the centre's history answers what the site's own answers;
- a frame that Mosquitto has acknowledged is in the hosted site's log, but for those that died with Mosquitto itself;
- pushed files stand as an undisturbed push would have left them.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.fleet_account import LOOK_S, frames_of, judge_events, judge_history, judge_messages, judge_states
from tests.soak.kept import run_folder
from tests.soak.launched import (
    CRITICAL,
    HOSTED,
    SERVERS,
    SERVICES,
    SITES,
    WARNING,
    Launched,
    draw_victim,
    launched,
)
from tests.soak.outcome import Outcome
from tests.soak.pushed_files import Pushing, judge_pushes

SETTLE_S = 600.0
MIXED_FROM = 10
"""Fewer kills have critical alarms only, of which everybody is told at once: others wait a minute for their group. And
they have one demo site beside the hosted one, and files go to both at once."""
PUSH_EACH = 4
"""Kills: before each of so many a push begins."""
FRAMES_S = 150.0
MQTT, KILLS = "mqtt", "kills.json"
HASTE, PAUSE_S = 0.4, (4.0, 14.0)
"""So often the next kill comes within two seconds, else after a pause."""


@dataclass
class Deeds:
    """What was done, and when by time.monotonic()."""

    names: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    def write(self, file: Path) -> None:
        """For whoever reads the folder: by that clock, by the wall clock of the processes' own lines, and what."""
        ahead_s = time.time() - time.monotonic()
        rows = [(at, at + ahead_s, name) for at, name in zip(self.at, self.names, strict=True)]
        file.write_text(json.dumps(rows, indent=0), encoding="utf-8")


def run(count: int, seed: int) -> Outcome:
    """``count`` kills in one fleet."""
    outcome = Outcome(runs=count)
    draw = random.Random(seed)
    is_mixed = count >= MIXED_FROM
    gases, joined = ((CRITICAL, WARNING), SITES) if is_mixed else ((CRITICAL,), SITES[:1])
    with run_folder("ampward-fleet-", outcome) as folder, launched(folder, *gases, joined=joined) as fleet:
        faults = [f"{name} cannot be killed" for name in sorted({*SERVERS, *SERVICES} - fleet.victims().keys())]
        pushing = Pushing(fleet, in_waves=is_mixed)
        deeds = _kill(fleet, pushing, count, draw)
        deeds.write(folder / KILLS)
        try:
            asyncio.run(_judge(fleet, pushing, deeds, outcome, faults))
        except (TimeoutError, AssertionError) as fault:
            faults.append(str(fault))
        outcome.faults += [f"seed {seed}, after {deeds.names}: {fault}" for fault in faults[:10]]
    return outcome


def _kill(fleet: Launched, pushing: Pushing, count: int, draw: random.Random) -> Deeds:
    deeds = Deeds()
    for number in range(count):
        if number % PUSH_EACH == 0:
            pushing.begin()
        time.sleep(draw.uniform(0.1, 2.0) if draw.random() < HASTE else draw.uniform(*PAUSE_S))
        name, pid = draw_victim(fleet, draw, deeds.names, count - number)
        os.kill(pid, signal.SIGKILL)
        deeds.names.append(name)
        deeds.at.append(time.monotonic())
    pushing.end()
    spared = sorted({*SERVERS, *SERVICES}.difference(deeds.names))
    print(f"killed: {Counter(deeds.names).most_common()}; of servers and services not: {spared}", flush=True)
    return deeds


async def _judge(fleet: Launched, pushing: Pushing, deeds: Deeds, outcome: Outcome, faults: list[str]) -> None:
    """Of what the logs have now: the sites go on meanwhile."""
    async with asyncio.timeout(SETTLE_S):
        await judge_pushes(pushing, fleet, faults)
        await judge_frames(fleet, deeds.names, outcome)
        for site in fleet.sites:
            await judge_events(fleet, site, outcome, faults)
            await judge_states(fleet, site, faults)
            await judge_messages(fleet, site, deeds.at, outcome, faults)
            await judge_history(fleet, site, faults)


async def judge_frames(fleet: Launched, killed: Sequence[str], outcome: Outcome) -> None:
    """What the broker had acknowledged by now is in the hosted site's log, in order, once."""
    taken = fleet.head.taken()
    numbers: list[int] = []
    end = time.monotonic() + FRAMES_S
    while not taken <= set(numbers) and time.monotonic() < end:
        await asyncio.sleep(LOOK_S)
        numbers = frames_of(fleet, HOSTED)
        if MQTT in killed and max(numbers, default=0) >= max(taken, default=0):
            taken &= set(numbers)
    outcome.lost += len(taken - set(numbers))
    outcome.doubled += len(numbers) - len(set(numbers))
