"""G4: guard killed, hung, or cut off -> the relay at its safe value by the module's own watchdog, within 10 s.

A run is one guard on a real plant with a live lease that holds the fan off; then guard is killed, stopped, or its line
is cut both ways. The fan must run, and after a stop no write of the past may come when it goes on.
"""

import random
import signal
import tempfile
from pathlib import Path

from services.guard.planfile import write_plan
from shared.wire.guardlink import Explain, Explained
from tests.services.actuator.plans import BUZZER, CHARGER, FAN, relay_module, site
from tests.services.guard.peer import Peer
from tests.services.guard.plant import Plant, running
from tests.soak.limits import limit
from tests.soak.living import seconds_until
from tests.soak.outcome import Outcome
from tests.testkit.process import Running, wait_for
from tests.testkit.proxy import FaultProxy

SAFE_S = 10.0
WATCHDOG_MS = 2_000
FAN_COIL = 0
DEATHS = ("killed", "stopped", "cut")
ALL_OFF: dict[str, bool] = {FAN: False, CHARGER: False, BUZZER: False}


def run(count: int, seed: int) -> Outcome:
    """``count`` deaths, each of a guard of its own."""
    draw = random.Random(seed)
    outcome = Outcome()
    for each in range(count):
        death = DEATHS[each % len(DEATHS)] if count >= len(DEATHS) else draw.choice(DEATHS)
        outcome.faults += [f"seed {seed}, guard {each} {death}: {fault}" for fault in _die(death)]
        outcome.runs += 1
    return outcome


def _die(death: str) -> list[str]:
    with (
        tempfile.TemporaryDirectory(prefix="ampward-g4-") as name,
        running(Plant(watchdog_ms=WATCHDOG_MS)) as plant,
        FaultProxy("127.0.0.1", plant.port) as proxy,
    ):
        data = Path(name)
        write_plan(data, site(f"127.0.0.1:{proxy.port}", relay=relay_module(watchdog_ms=WATCHDOG_MS)))
        with Running.python("services.guard", data) as guard, Peer(data) as peer:
            peer.say(Explain(60_000, tuple(Explained(n, demanded=True, gas_at_limit=False) for n in ALL_OFF)))
            peer.hold(dict(ALL_OFF))
            wait_for(lambda: not plant.coil(FAN_COIL), within_s=60, name="the fan to stop under the lease")
            if death == "killed":
                guard.kill()
            elif death == "stopped":
                guard.signal(signal.SIGSTOP)
            else:
                proxy.cut()
            seconds = seconds_until(lambda: plant.coil(FAN_COIL), limit(SAFE_S), every_s=0.02)
            if seconds >= limit(SAFE_S):
                return [f"the fan does not run after {SAFE_S} s"]
            if death == "stopped":
                writes = len(plant.writes)
                peer.close()
                guard.signal(signal.SIGCONT)
                wait_for(lambda: plant.coil(FAN_COIL), within_s=60, name="the fan after the pause")
                offs = [value for _, coil, value in plant.writes[writes:] if coil == FAN_COIL and not value]
                return ["a write of before the pause turned the fan off"] if offs else []
    return []
