"""guard is killed at every labelled step: the fan runs all the same, and the next guard knows what to do."""

import signal

import pytest

from services.actuator.card import AFTER_WRITE, BEFORE_WRITE
from services.guard.engine import BEFORE_KEEPING, LABELS, MID_CHANGE
from shared.domain.inputs import ReportKind
from shared.runtime.crashpoints import VARIABLE
from shared.wire.guardlink import Explain
from tests.services.actuator.plans import BUZZER, CHARGER, FAN, room, site
from tests.services.guard.conftest import StartGuard, StartPeer, until_coil
from tests.services.guard.plant import Plant
from tests.testkit.process import wait_for

FAN_COIL = 0
TIMES = {BEFORE_KEEPING: 80, BEFORE_WRITE: 3, AFTER_WRITE: 3, MID_CHANGE: 1}
"""Which time round it is killed: after the fan was switched off once (fan, buzzer, then the fan's on)."""


@pytest.mark.parametrize("label", LABELS)
def test_a_guard_killed_at_any_step_leaves_the_fan_running(
    label: str, plant: Plant, start_guard: StartGuard, start_peer: StartPeer
) -> None:
    """Gas over its limit while it dies: the fan is on within the module's watchdog time, stays on under the next guard,
    and when the gas has gone the fan runs on because nobody can explain it."""
    guard = start_guard(site(plant.address, room(run_on_ms=600_000)), env={VARIABLE: f"{label}:{TIMES[label]}"})
    peer = start_peer()
    peer.say(Explain(60_000, ()))
    peer.hold({FAN: False, CHARGER: False, BUZZER: False})
    until_coil(plant, FAN_COIL, on=False)
    until_coil(plant, 2, on=False)
    if label == MID_CHANGE:
        peer.change(site(plant.address, room(limit_1=15_000)))
    plant.gas = 12
    assert guard.wait(within_s=60) == -signal.SIGKILL, guard.output
    until_coil(plant, FAN_COIL, on=True, within_s=60)
    start_guard(None)
    again = start_peer()
    again.report(ReportKind.LOCAL_TRIP, FAN, saying="gas_1")
    written = len(plant.writes)
    plant.gas = 3
    again.say(Explain(200, ()))
    again.hold({FAN: False, CHARGER: False, BUZZER: False})
    again.report(ReportKind.TRIP_UNEXPLAINED, FAN)
    seen = plant.requests
    wait_for(lambda: plant.requests > seen + 20, within_s=60)
    assert plant.coil(FAN_COIL)
    assert (FAN_COIL, False) not in [(coil, on) for _, coil, on in plant.writes[written:]]
