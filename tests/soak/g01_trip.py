"""G1: hydrogen at 1 % at the device -> fan coil written: p99 within 1 s, never over 2 s, whatever else is down or busy.

A run is one crossing of a real site on devices of another make: in calm, with both cores busy, with parent and site
process stopped, or with both of these.
"""

import random
from contextlib import ExitStack

from tests.soak.limits import limit
from tests.soak.living import living, seconds_until
from tests.soak.outcome import Outcome
from tests.testkit.cpu import busy_cores

NEVER_OVER_S = 2.0
P99_S = 1.0
TROUBLES = ("busy", "stopped", "busy and stopped", "calm")
LEVELS = (10, 11, 15, 19)
"""Tenths of a per cent: from the first limit to just under the second, whose latch would hold the fan."""


def run(count: int, seed: int) -> Outcome:
    """``count`` crossings of one site."""
    draw = random.Random(seed)
    outcome = Outcome()
    late = 0
    with living() as site:
        for each in range(count):
            site.rest()
            trouble = TROUBLES[each % len(TROUBLES)]
            level = draw.choice(LEVELS)
            with ExitStack() as troubles:
                if "busy" in trouble:
                    troubles.enter_context(busy_cores())
                if "stopped" in trouble:
                    troubles.callback(site.stop_site())
                site.depot.h2(level)
                seconds = seconds_until(lambda: site.fan_is(on=True), limit(NEVER_OVER_S))
            outcome.runs += 1
            late += seconds > limit(P99_S)
            if seconds >= limit(NEVER_OVER_S):
                outcome.faults.append(f"seed {seed}, crossing {each} to {level / 10} % ({trouble}): no fan in 2 s")
    if late > max(1, count // 100):
        outcome.faults.append(f"seed {seed}: {late} of {count} crossings took over {P99_S} s")
    return outcome
