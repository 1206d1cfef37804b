"""G3: a sensor that is silent or says nonsense -> its fault alarm and the fan on, within 6 s.

A run is one failure of the gas head of a real site: its process stopped, or its register at a no-data value; and its
return.
"""

import os
import random
import signal

from tests.soak.limits import limit
from tests.soak.living import Living, living, seconds_until
from tests.soak.outcome import Outcome

FAULT_S = 6.0
BACK_S = 15.0
NO_DATA = 65535


def run(count: int, seed: int) -> Outcome:
    """``count`` failures of one sensor."""
    draw = random.Random(seed)
    outcome = Outcome()
    with living() as site:
        pid = site.depot.gas._process.pid
        for each in range(count):
            site.rest()
            kind = draw.choice(("silent", "no data"))
            if kind == "silent":
                os.kill(pid, signal.SIGSTOP)
            else:
                site.depot.h2(NO_DATA)
            seconds = seconds_until(lambda: site.fan_is(on=True) and _is_faulty(site), limit(FAULT_S), every_s=0.05)
            outcome.runs += 1
            if seconds >= limit(FAULT_S):
                fan = "on" if site.fan_is(on=True) else "off"
                outcome.faults.append(f"seed {seed}, failure {each} ({kind}): no fault in {FAULT_S} s, fan {fan}")
            os.kill(pid, signal.SIGCONT)
            site.depot.h2(0)
            if seconds_until(lambda: not _is_faulty(site), limit(BACK_S), every_s=0.05) >= limit(BACK_S):
                outcome.faults.append(f"seed {seed}, failure {each} ({kind}): the fault goes on with a good sensor")
    return outcome


def _is_faulty(site: Living) -> bool:
    return bool(site.site.alarms().get("h2_fault", {}).get("condition") == "true")
