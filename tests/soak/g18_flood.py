"""G18: a thousand alarms in ten seconds: one message a minute for each person and channel, but each 2 % on its own.

A run is such a flood at a notifier in a process of its own, which is killed once while it is at it. Everybody is told
of each alarm in exactly one message; what is grouped comes at most once a minute, counted over the run.
"""

import random
import time

from services.notifier.stages import MINUTE_MS
from tests.soak.account import read_messages
from tests.soak.outcome import Outcome
from tests.soak.telling import ANNA, BEN, Telling

SCALE = 60
ALARMS = 1000
GAS = 10
"""Of the thousand."""


def run(count: int, seed: int) -> Outcome:
    """``count`` floods."""
    outcome = Outcome()
    for each in range(seed, seed + count):
        with Telling(scale=SCALE, people=(ANNA, BEN), timeout_s=5.0) as telling:
            _flood(telling, random.Random(each))
            account = telling.account()
            outcome.lost += len(account.missed)
            outcome.doubled += len(account.doubled)
            found = account.all + _groups(telling)
            outcome.faults += [f"seed {each}: {fault}" for fault in found[:5]]
        outcome.runs += 1
    return outcome


def _flood(telling: Telling, draw: random.Random) -> None:
    telling.begin()
    gas = set(draw.sample(range(ALARMS), GAS))
    for number in range(ALARMS):
        rule, severity = ("h2_alarm", "critical") if number in gas else draw.choice(
            (("jar_voltage_low_alarm", "alarm"), ("jar_temp_warning", "warning"), ("device_lost", "alarm"))
        )  # fmt: skip
        telling.put("raised", f"r1/p{number}/{rule}", severity)
    time.sleep(draw.uniform(0.1, 1.5))
    telling.kill()
    telling.start()
    telling.ack_all()
    telling.settled()
    telling.stop()


def _groups(telling: Telling) -> list[str]:
    """Lanes that were told too often, and gas alarms that shared a message."""
    faults = []
    messages = read_messages(telling.folder)
    arrived = {copy.id for copy in telling.copies()}
    lanes: dict[str, list[int]] = {}
    for ident, (message, _) in messages.items():
        rules = [item.event.rule for item in message.items]
        if "h2_alarm" in rules and len(rules) > 1:
            faults.append(f"{message.lane.key}: a 2 % alarm among {len(rules)}")
        if "h2_alarm" not in rules and ident in arrived:
            lanes.setdefault(message.lane.key, []).append(message.at_ms)
    for lane, at in lanes.items():
        minutes = (max(at) - min(at)) / MINUTE_MS
        if len(at) > minutes + 1:
            faults.append(f"{lane}: {len(at)} messages in {minutes:.1f} minutes")
    return faults
