"""G5: at power-up the fan runs until warm-up is over and three good samples came; always.

A run is one start of guard on a plant whose fan stands still, under a lease that wants it off. The first write must
turn it on, and none may turn it off before warm-up is over and the head has given three good samples since; with a head
that gives no good value it is never turned off.
"""

import random
import tempfile
import time
from pathlib import Path

from services.guard.planfile import write_plan
from shared.wire.guardlink import Explain, Explained
from tests.services.actuator.plans import BUZZER, CHARGER, FAN, relay_module, room, site
from tests.services.guard.peer import Peer
from tests.services.guard.plant import Plant, running
from tests.soak.limits import limit
from tests.soak.living import seconds_until
from tests.soak.outcome import Outcome
from tests.testkit.process import Running

FAN_COIL = 0
NO_DATA = 65535
WARM_UPS_MS = (0, 800, 1500)
SAMPLES = 3
POLL_S = 0.2
WATCHED_S = 4.0
ON_S = 10.0
ALL_OFF: dict[str, bool] = {FAN: False, CHARGER: False, BUZZER: False}


def run(count: int, seed: int) -> Outcome:
    """``count`` starts."""
    draw = random.Random(seed)
    outcome = Outcome()
    for each in range(count):
        warm_up_ms, is_good = draw.choice(WARM_UPS_MS), each % 3 != 2
        faults = _start(warm_up_ms, is_good=is_good)
        outcome.faults += [f"seed {seed}, start {each}, warm-up {warm_up_ms} ms: {fault}" for fault in faults]
        outcome.runs += 1
    return outcome


def _start(warm_up_ms: int, *, is_good: bool) -> list[str]:
    plant = Plant(watchdog_ms=0, gas=3 if is_good else NO_DATA)
    plant.stored[FAN_COIL] = False
    with tempfile.TemporaryDirectory(prefix="ampward-g5-") as name, running(plant):
        data = Path(name)
        write_plan(data, site(plant.address, room(warm_up_ms=warm_up_ms), relay=relay_module(watchdog_ms=0)))
        began = time.monotonic()
        with Running.python("services.guard", data), Peer(data) as peer:
            peer.say(Explain(60_000, tuple(Explained(n, demanded=True, gas_at_limit=False) for n in ALL_OFF)))
            peer.hold(dict(ALL_OFF))
            if seconds_until(lambda: plant.coil(FAN_COIL), limit(ON_S)) >= limit(ON_S):
                return ["the fan was not turned on"]
            watched_s = limit(WATCHED_S) if is_good else WATCHED_S
            seconds_until(lambda: not plant.coil(FAN_COIL), warm_up_ms / 1000 + watched_s)
    writes = [(at - began, value) for at, coil, value in plant.writes if coil == FAN_COIL]
    faults = [] if writes and writes[0][1] else ["the first write did not turn the fan on"]
    offs = [at for at, value in writes if not value]
    if not is_good:
        return [*faults, *(f"turned off after {at:.2f} s without one good sample" for at in offs[:1])]
    least_s = warm_up_ms / 1000 + (SAMPLES - 1) * POLL_S / 2
    if not offs:
        faults.append("the fan was never released although the head was good")
    elif offs[0] < least_s:
        faults.append(f"turned off after {offs[0]:.2f} s, before {least_s:.2f} s can have shown three good samples")
    return faults
