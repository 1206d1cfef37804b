"""G6: from an alarm's event to the first attempt to tell somebody, while one of the two channels hangs.

A run is a notifier in a process of its own, in real time and with its channels' own patience, and twenty critical
alarms one after the other. The mail server takes every connection and says nothing, or the webhook's receiver does;
the other channel must not feel it.
"""

import random
import time

from tests.soak.limits import limit
from tests.soak.outcome import Outcome
from tests.soak.telling import ANNA, BEN, Telling
from tests.testkit.http_sink import Answer
from tests.testkit.process import wait_for
from tests.testkit.smtp_server import Manner

ALARMS = 20
LIMIT_MS = 5_000
CHANNEL_S = 10.0


def run(count: int, seed: int) -> Outcome:
    """``count`` times twenty alarms."""
    outcome = Outcome()
    for each in range(seed, seed + count):
        draw = random.Random(each)
        with Telling(scale=1, people=(ANNA, BEN), timeout_s=CHANNEL_S) as telling:
            telling.start()
            wait_for(telling.is_running, within_s=60, name="the notifier runs")
            told = []
            if each % 2:
                telling.smtp.manner = Manner(hang_at="greeting")
            else:
                telling.sink.manner = Answer(hang_at="head")
            for number in range(ALARMS):
                told.append(telling.put("raised", f"r1/p{number}/h2_alarm", "critical"))
                time.sleep(draw.uniform(0.05, 0.25))
            wait_for(lambda: len(telling.first_arrivals()) == ALARMS, within_s=60, name="everybody told")
            arrived = telling.first_arrivals()
            telling.kill()
        waits = [arrived[event.id] - event.tick_ms for event in told]
        late = [wait for wait in waits if wait > limit(LIMIT_MS)]
        outcome.faults += [f"seed {each}: first attempt after {wait} ms" for wait in late]
        outcome.runs += 1
    return outcome
