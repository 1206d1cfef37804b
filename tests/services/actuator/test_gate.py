"""The gate: a guard that no longer polls or decides says nothing to a supervised module."""

from services.actuator.gate import HELD_BACK, PULSE_MS, GatedBus, Pulse
from shared.devices.profile import Table
from shared.fieldbus.device_side import Answer, Request
from shared.fieldbus.port import Line
from shared.fieldbus.simulated import SimulatedBus
from shared.runtime.clocks import ManualClock

RELAY, GAS = 2, 1


class Bench:
    """A bus that counts what reaches it."""

    def __init__(self) -> None:
        self.heard: list[Request] = []
        self.clock = ManualClock()
        self.pulse = Pulse(("decide", "gas1", "gas2"), self.clock.monotonic_ms)
        bus = SimulatedBus(self._answer)
        self.bus = GatedBus(Line(bus, bus), {RELAY: frozenset({"decide", "gas1"})}, self.pulse)

    def _answer(self, request: Request) -> Answer:
        self.heard.append(request)
        return Answer() if request.is_write else Answer((0,) * request.size)


async def test_a_beating_pulse_lets_everything_through() -> None:
    """Reads and writes, as long as both parts came round within two seconds."""
    bench = Bench()
    bench.clock.advance(PULSE_MS)
    assert await bench.bus.read(RELAY, Table.COIL, 0, 1) == b"\0"
    assert await bench.bus.write_coil(RELAY, 0, value=True) is None
    assert len(bench.heard) == 2


async def test_one_part_that_stands_still_closes_the_gate() -> None:
    """Decisions go round, the detector's frames do not: the module hears nothing, not even a read."""
    bench = Bench()
    for _ in range(21):
        bench.clock.advance(100)
        bench.pulse.beat("decide")
        bench.pulse.beat("gas2")
    assert bench.pulse.late_parts() == ("gas1",)
    assert await bench.bus.read(RELAY, Table.COIL, 0, 1) == HELD_BACK
    assert await bench.bus.write_coil(RELAY, 0, value=False) == HELD_BACK
    assert await bench.bus.write_register(RELAY, 0, 1) == HELD_BACK
    assert bench.heard == []


async def test_devices_without_a_watchdog_are_not_gated() -> None:
    """The gas head must be asked, or the pulse could never come back."""
    bench = Bench()
    bench.clock.advance(60_000)
    assert await bench.bus.read(GAS, Table.HOLDING, 0, 1) == b"\0\0"


async def test_the_gate_opens_with_the_next_round() -> None:
    """After a stop of any length: poll and decide first, then speak."""
    bench = Bench()
    bench.clock.advance(60_000)
    bench.pulse.beat("gas1")
    assert await bench.bus.write_coil(RELAY, 0, value=True) == HELD_BACK
    bench.pulse.beat("decide")
    assert await bench.bus.write_coil(RELAY, 0, value=True) is None


async def test_a_detector_of_another_room_does_not_silence_a_module() -> None:
    """Only what trips the module counts for it."""
    bench = Bench()
    for _ in range(30):
        bench.clock.advance(100)
        bench.pulse.beat("decide")
        bench.pulse.beat("gas1")
    assert bench.pulse.late_parts() == ("gas2",)
    assert await bench.bus.write_coil(RELAY, 0, value=True) is None
