"""G9, G10, G11 for the whole fleet: any process is killed, any server bounced, at any moment, under load.

A run is a kill -9 in one fleet as the launcher runs it (tests.soak.launched): of Kafka, Mosquitto, PostgreSQL, of a
service of the centre, of a site's parent or of one of its children. Some come while the one before is not over. At the
end, of what each site's log has:

- every input is in ampward.inputs.v1, in order, and in the state that the processors wrote last: the chain says so;
- its events are those of ampward.events.v1, byte for byte, in order, each found equal; nothing is a dead letter;
- its person was told of every alarm: of a critical one by the site itself, of those under the centre's lease by the
  centre; a message came a second time only with its mark, at most once a kill;
- the centre's history answers what the site's own answers.
"""

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass, field

from tests.soak.fleet_account import judge_events, judge_history, judge_messages, judge_states
from tests.soak.launched import CRITICAL, SITES, WARNING, Launched, draw_victim, launched
from tests.soak.outcome import Outcome

SETTLE_S = 600.0
MIXED_FROM = 10
"""Fewer kills have critical alarms only, of which everybody is told at once: others wait a minute for their group."""
HASTE, PAUSE_S = 0.4, (4.0, 14.0)
"""So often the next kill comes within two seconds, else after a pause."""


@dataclass
class Deeds:
    """What was done, and when by time.monotonic()."""

    names: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)


def run(count: int, seed: int) -> Outcome:
    """``count`` kills in one fleet."""
    outcome = Outcome(runs=count)
    draw = random.Random(seed)
    with launched(*((CRITICAL,) if count < MIXED_FROM else (CRITICAL, WARNING))) as fleet:
        deeds = _kill(fleet, count, draw)
        faults: list[str] = []
        try:
            asyncio.run(_judge(fleet, deeds, outcome, faults))
        except (TimeoutError, AssertionError) as fault:
            faults.append(str(fault))
        outcome.faults += [f"seed {seed}, after {deeds.names}: {fault}" for fault in faults[:10]]
    return outcome


def _kill(fleet: Launched, count: int, draw: random.Random) -> Deeds:
    deeds = Deeds()
    for _ in range(count):
        time.sleep(draw.uniform(0.1, 2.0) if draw.random() < HASTE else draw.uniform(*PAUSE_S))
        name, pid = draw_victim(fleet, draw)
        os.kill(pid, signal.SIGKILL)
        deeds.names.append(name)
        deeds.at.append(time.monotonic())
    return deeds


async def _judge(fleet: Launched, deeds: Deeds, outcome: Outcome, faults: list[str]) -> None:
    """Of what the logs have now: the sites go on meanwhile."""
    async with asyncio.timeout(SETTLE_S):
        for site in SITES:
            await judge_events(fleet, site, outcome, faults)
            await judge_states(fleet, site, faults)
            await judge_messages(fleet, site, deeds.at, outcome, faults)
            await judge_history(fleet, site, faults)
