"""G7: an unacked 2 % alarm is told again at least every five minutes and escalated, without end, until it is acked.

A run is twenty minutes of a notifier's time. Nobody acks; in the middle the process is killed and started again. Then
the alarm is acked, and nothing more comes.
"""

import random
import time

from tests.soak.limits import faster, limit
from tests.soak.outcome import Outcome
from tests.soak.telling import ANNA, CARL, Telling, route
from tests.testkit.process import wait_for

SCALE = 30
MINUTE_MS = 60_000
AGAIN_MS = 5 * MINUTE_MS
SLACK_MS = 60_000
"""Two seconds of real time at this scale: what a look, a commit and a send take on a busy machine."""
ESCALATE_MS = 10 * MINUTE_MS
RUN_MS = 20 * MINUTE_MS


def run(count: int, seed: int) -> Outcome:
    """``count`` times twenty minutes."""
    outcome = Outcome()
    for each in range(seed, seed + count):
        outcome.faults += [f"seed {each}: {fault}" for fault in _nobody_acks(random.Random(each))]
        outcome.runs += 1
    return outcome


def _nobody_acks(draw: random.Random) -> list[str]:
    way = route(ANNA, escalate_after_ms=ESCALATE_MS, escalate_to=("carl",))
    with Telling(scale=faster(SCALE), people=(ANNA, CARL), routes=(way,)) as telling:
        telling.start()
        wait_for(telling.is_running, within_s=60, name="the notifier runs")
        raised = telling.put("raised", "r1/gas1/h2_alarm", "critical")
        _until(telling, raised.tick_ms + draw.randrange(4 * MINUTE_MS, 16 * MINUTE_MS))
        telling.kill()
        down_ms = telling.clock.monotonic_ms()
        telling.start()
        wait_for(telling.is_running, within_s=60, name="the notifier runs")
        up_ms = telling.clock.monotonic_ms() + SLACK_MS
        _until(telling, max(raised.tick_ms + RUN_MS, up_ms + 2 * AGAIN_MS))
        end_ms = telling.clock.monotonic_ms()
        faults: list[str] = []
        for person, since_ms in (("anna", raised.tick_ms), ("carl", raised.tick_ms + ESCALATE_MS)):
            for channel in ("email", "webhook"):
                at = [telling.ms(c) for c in telling.copies() if (c.person, c.channel) == (person, channel)]
                faults += _gaps(f"{person}/{channel}", at, since_ms, end_ms, (down_ms, up_ms))
        telling.put("acked", "r1/gas1/h2_alarm", "critical")
        time.sleep(limit(0.5))
        before = len(telling.copies())
        _until(telling, telling.clock.monotonic_ms() + AGAIN_MS + SLACK_MS)
        if len(telling.copies()) != before:
            faults.append("it was told again after its ack")
        telling.stop()
        return faults


def _gaps(lane: str, at: list[int], since_ms: int, end_ms: int, down: tuple[int, int]) -> list[str]:
    """Every pause that is too long; the time that the process was away is not its fault."""
    faults = []
    first_allowed = slack_ms = limit(SLACK_MS)
    for begin, end in zip((since_ms, *at), (*at, end_ms), strict=True):
        allowed = first_allowed
        first_allowed = AGAIN_MS + slack_ms
        if begin < down[1] and end > down[0]:
            allowed += down[1] - down[0]
        if end - begin > allowed:
            faults.append(f"{lane}: nothing for {(end - begin) / 1000:.0f} s, allowed are {allowed / 1000:.0f} s")
    return faults


def _until(telling: Telling, at_ms: int) -> None:
    time.sleep(max(0, at_ms - telling.clock.monotonic_ms()) / faster(SCALE) / 1000)
