"""One plan at work in one loop: a line that hangs silences what depends on it, and is opened anew."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from services.actuator.tell import Teller
from services.guard import engine as engines
from services.guard.armed import Record
from services.guard.engine import Engine, World
from services.guard.outbox import Outbox
from services.guard.planfile import make_plan, plan_hash
from shared.devices.frame import Frame
from shared.devices.plan import BusPlan
from shared.devices.profile import Table
from shared.domain.ids import DeviceId, OutputId
from shared.domain.inputs import Report, ReportKind
from shared.fieldbus.device_side import Answer, Request
from shared.fieldbus.port import BusFailure, Line
from shared.fieldbus.simulated import SimulatedBus
from shared.runtime.clocks import SystemClock
from shared.wire.plans import encode_site
from tests.services.actuator.plans import CHARGER, FAN, GAS_UNIT, STANDBY, renamed_module, site
from tests.services.guard.plant import Plant


class HangingBus(SimulatedBus):
    """An adapter with a fault of its own: reads of the gas head never end while ``hangs``."""

    hangs = False

    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes | BusFailure:
        while self.hangs and unit == GAS_UNIT:
            await asyncio.sleep(3600)
        return await super().read(unit, table, address, count)


class Bench:
    """Engines over a plant in memory; ``reports`` holds what they tell."""

    def __init__(self) -> None:
        self.plant = Plant()
        self.reports: list[Report] = []
        self.buses: list[HangingBus] = []
        data = encode_site(site())
        self.plan = make_plan(plan_hash(data), data)
        self.world = World("boot", SystemClock(), Outbox(), Teller(self._tell), lambda: None, self._open, Record())

    def _tell(self, report: Report) -> None:
        self.reports.append(report)
        self.world.outbox.add(report, self.world.clock.monotonic_ms())

    def kept(self) -> Iterator[Frame | Report]:
        """What waits for the site, in its order."""
        n = 0
        while (one := self.world.outbox.next_after(n)) is not None:
            n = one.n
            yield one.body

    def _open(self, _plan: BusPlan) -> Line:
        self.buses.append(HangingBus(self._answer))
        return Line(self.buses[-1], self.buses[-1])

    def _answer(self, request: Request) -> Answer:
        return self.plant.answer(request)


async def until(condition: Callable[[], bool], what: str) -> None:
    for _ in range(6_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not within 60 s: {what}")


async def test_a_line_that_hangs_silences_its_modules_and_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """No frames of the gas head, not even bad ones: the relay module hears nothing and falls to its safe value; a new
    engine takes over with new lines and writes nothing of its own accord."""
    monkeypatch.setattr(engines, "STUCK_MS", 500)
    bench = Bench()
    engine = Engine(bench.plan, bench.world)
    await engine.start()
    await until(engine.has_begun, "begun")
    assert engine.not_ready() == ()
    bench.buses[0].hangs = True
    await until(engine.is_stuck, "stuck")
    asked_at = bench.plant.asked_at
    await asyncio.sleep(0.5)
    assert bench.plant.asked_at == asked_at, "not one word to the module"
    assert engine.not_ready() == ("gas1: older than 2 s",)
    assert bench.plant.coil(0), "its own watchdog has acted"
    written = len(bench.plant.writes)
    await engine.stop()
    later = Engine(bench.plan, bench.world)
    await later.start(engine)
    await until(later.has_begun, "begun again")
    await until(lambda: later.not_ready() == (), "ready again")
    assert bench.plant.asked_at > asked_at
    assert len(bench.plant.writes) == written
    assert later.control.outputs[FAN].found is True
    await later.stop_safe()


async def test_a_frame_is_kept_before_the_reports_of_what_it_led_to() -> None:
    """So the log has the crossing before guard's own trip, and a relay's cause in it is the frame."""
    bench = Bench()
    engine = Engine(bench.plan, bench.world)
    await engine.start()
    await until(engine.has_begun, "begun")
    bench.plant.gas = 12
    await until(lambda: any("gas_1" in report.detail for report in bench.reports), "the trip")
    await engine.stop()
    crossing, tripped = -1, -1
    for place, body in enumerate(bench.kept()):
        if isinstance(body, Report):
            tripped = place if tripped < 0 and "gas_1" in body.detail else tripped
        elif crossing < 0 and any(block.words == b"\x00\x0c" for block in body.blocks):
            crossing = place
    assert 0 <= crossing < tripped


async def test_a_clean_stop_leaves_on_what_gas_demands() -> None:
    """At 2 % the charger stays inhibited when guard is stopped, though its safe value is off; else it is released."""
    for gas, charger in ((25, True), (3, False)):
        bench = Bench()
        bench.plant.gas = gas
        bench.plant.watchdog_ms = 60_000
        engine = Engine(bench.plan, bench.world)
        await engine.start()
        await until(lambda engine=engine: engine.has_begun(), "begun")  # type: ignore[misc]
        engine.control.test(CHARGER, 60_000)
        await until(lambda bench=bench: bench.plant.coil(1), "the charger inhibited")  # type: ignore[misc]
        await engine.stop_safe()
        assert (bench.plant.coil(0), bench.plant.coil(1)) == (True, charger)


async def test_a_renamed_module_is_not_met_anew() -> None:
    """Its coils are those that the card under the old name knew: nothing is found, nothing is written."""
    bench = Bench()
    engine = Engine(bench.plan, bench.world)
    await engine.start()
    await until(engine.has_begun, "begun")
    await until(lambda: bool(engine.cards[DeviceId("io1")].watches[FAN].coil), "read")
    await engine.stop()
    written, known = len(bench.plant.writes), engine.cards[DeviceId("io1")].watches
    bench.reports.clear()
    data = encode_site(renamed_module(site(), "io9"))
    later = Engine(make_plan(plan_hash(data), data), bench.world)
    await later.start(engine)
    io9 = OutputId(FAN.replace("io1", "io9"))
    assert later.cards[DeviceId("io9")].watches[io9] == known[FAN]
    await asyncio.sleep(0.3)
    await later.stop()
    assert len(bench.plant.writes) == written
    assert not [report for report in bench.reports if report.kind == ReportKind.COILS_AT_START]


async def test_a_coil_that_leaves_the_plan_gets_its_safe_value() -> None:
    """The inhibit of the charger moves from one coil to another while it is on: the old coil is released, and a fan
    that is kept is not touched."""
    bench = Bench()
    bench.plant.watchdog_ms = 60_000
    bench.plant.gas = 25
    engine = Engine(bench.plan, bench.world)
    await engine.start()
    await until(lambda: bench.plant.coil(0) and bench.plant.coil(1), "fan and inhibit on")
    written = len(bench.plant.writes)
    the_room = site().decision.rooms[0]
    fan, charger, buzzer = the_room.outputs
    moved = replace(charger, id=STANDBY, channel="do3")
    data = encode_site(site(the_room=replace(the_room, outputs=(fan, moved, buzzer))))
    plan = make_plan(plan_hash(data), data)
    await engine.stop_for(plan)
    assert [(coil, on) for _, coil, on in bench.plant.writes[written:]] == [(1, False)]
    later = Engine(plan, bench.world)
    await later.start(engine)
    await until(lambda: bench.plant.coil(3), "the inhibit on at its new coil")
    assert (bench.plant.coil(0), bench.plant.coil(1)) == (True, False)
    await later.stop()


async def test_frames_are_counted_on_over_a_new_plan() -> None:
    """device_seq begins once a boot: a second 1 would be late to the log, and the room blind until it had caught up."""
    bench = Bench()
    seqs: dict[str, list[int]] = {}
    keep = bench.world.outbox.add

    def add(body: Frame | Report, at_ms: int) -> None:
        if isinstance(body, Frame):
            seqs.setdefault(body.device, []).append(body.device_seq)
        keep(body, at_ms)

    bench.world.outbox.add = add  # type: ignore[method-assign]
    before: Engine | None = None
    for _ in range(3):
        engine = Engine(bench.plan, bench.world)
        await engine.start(before)
        await until(engine.has_begun, "begun")
        await engine.stop()
        before = engine
    assert set(seqs) == {"gas1", "io1"}
    for counted in seqs.values():
        assert counted == list(range(1, len(counted) + 1))


async def test_a_part_that_fails_is_told_to_the_owner() -> None:
    """A broken invariant in a card ends guard: its modules fall to their safe values by themselves."""
    bench = Bench()
    engine = Engine(bench.plan, bench.world)
    await engine.start()
    await until(engine.has_begun, "begun")

    def broken() -> None:
        raise AssertionError("broken invariant")

    engine.control.tick = broken  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="broken invariant"):
        await asyncio.wait_for(engine.failed, 60)
    await engine.stop()
