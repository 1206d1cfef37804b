"""The card: reads before it writes, writes the urgent first, tells each trouble once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from services.actuator.card import Card
from services.actuator.coil import Coil
from services.actuator.gate import GatedBus, Pulse
from services.actuator.tell import Teller
from shared.devices.frame import Block, Frame
from shared.devices.profile import DevicePlan, Table
from shared.domain.ids import OutputId
from shared.domain.inputs import Report, ReportKind
from shared.domain.units import NoData
from shared.fieldbus.device_side import Answer, Request
from shared.fieldbus.port import Line
from shared.fieldbus.simulated import SimulatedBus
from shared.runtime.clocks import Clock, ManualClock, SystemClock
from tests.services.actuator.plans import BUZZER, CHARGER, FAN, WATCHDOG_ADDRESS, outputs, relay_module


class Module:
    """A relay module in memory that remembers what was asked of it."""

    def __init__(self) -> None:
        self.coils = {0: 0, 1: 0, 2: 0, 3: 0}
        self.registers = {WATCHDOG_ADDRESS: 10}
        self.heard: list[Request] = []
        self.exception = 0
        self.stuck = False

    def answer(self, request: Request) -> Answer:
        self.heard.append(request)
        if self.exception:
            return Answer(exception=self.exception)
        if request.is_write:
            if not self.stuck:
                self.coils[request.address] = request.values[0]
            return Answer()
        known = self.coils if request.table is Table.COIL else self.registers
        return Answer(tuple(known.get(request.address + place, 0) for place in range(request.size)))

    @property
    def writes(self) -> list[tuple[int, int]]:
        return [(request.address, request.values[0]) for request in self.heard if request.is_write]


class Bench:
    def __init__(self, device: DevicePlan | None = None, clock: Clock | None = None) -> None:
        self.module = Module()
        self.reports: list[Report] = []
        self.found: dict[str, bool] = {}
        device = device or relay_module()
        self.bus = bus = SimulatedBus(self.module.answer)
        clock = clock or SystemClock()
        channels = {channel.name: channel for channel in device.channels}
        self.card = Card(
            device, [Coil(plan, channels[plan.channel]) for plan in outputs()],
            GatedBus(Line(bus, bus), {}, Pulse((), clock.monotonic_ms)), clock, Teller(self.reports.append),
            subjects=["demo/r1/io1"], on_found=self._found,
        )  # fmt: skip

    def _found(self, output: OutputId, on: bool) -> None:
        self.found[output] = on

    def want(self, fan: bool, charger: bool = False, buzzer: bool = False) -> None:
        for output, on in ((FAN, fan), (CHARGER, charger), (BUZZER, buzzer)):
            self.card.want(output, on, override_closed=False)

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(500):
            if condition():
                return
            self.card.tick()
            await asyncio.sleep(0.01)
        raise AssertionError(f"not within 5 s; writes {self.module.writes}, reports {self.reports}")

    def told(self, kind: ReportKind, output: str = FAN) -> list[bool]:
        return [report.on for report in self.reports if (report.kind, report.subject) == (kind, output)]


@asynccontextmanager
async def working(bench: Bench) -> AsyncIterator[Bench]:
    """The card's worker runs for the block."""
    task = asyncio.create_task(bench.card.run())
    try:
        yield bench
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_every_coil_is_read_before_it_is_written() -> None:
    """What is wanted is known from the first moment, and waits for the reads."""
    bench = Bench()
    bench.want(fan=True, charger=True, buzzer=True)
    async with working(bench):
        await asyncio.sleep(0.05)
        assert bench.module.writes == []
        await bench.card.find()
        assert bench.found == {FAN: False, CHARGER: False, BUZZER: False}
        await bench.until(lambda: len(bench.module.writes) == 3)
    for coil in range(3):
        heard = [request for request in bench.module.heard if request.table is Table.COIL]
        asked = [request.is_write for request in heard if request.address == coil]
        assert asked[:2] == [False, True]


async def test_on_goes_before_off_and_the_fan_before_the_rest() -> None:
    """One line, several writes due: what protects goes first."""
    bench = Bench()
    bench.module.coils[2] = 1
    await bench.card.find()
    bench.want(fan=True, charger=True, buzzer=False)
    async with working(bench):
        await bench.until(lambda: len(bench.module.writes) == 3)
    assert bench.module.writes == [(0, 1), (1, 1), (2, 0)]


async def test_a_write_is_read_back_and_told_once() -> None:
    """Write, read-back, Reports: each once, however long it stays so."""
    bench = Bench()
    await bench.card.find()
    bench.want(fan=True)
    async with working(bench):
        await bench.until(lambda: bench.card.watches[FAN].confirmed and bench.card.watches[FAN].coil is True)
        for _ in range(20):
            bench.card.tick()
            await asyncio.sleep(0.01)
    assert bench.told(ReportKind.WRITE) == [True]
    assert bench.told(ReportKind.READ_BACK) == [False, True]
    assert bench.told(ReportKind.OUTPUT_MISMATCH) == [False]


async def test_a_module_that_refuses_to_write_is_told_once_and_tried_on() -> None:
    """An exception to every write: one Report of the failure, then the mismatch."""
    bench = Bench()
    await bench.card.find()
    bench.module.exception = 4
    bench.want(fan=True)
    async with working(bench):
        await bench.until(lambda: bench.told(ReportKind.OUTPUT_MISMATCH) == [False, True])
        bench.module.exception = 0
        await bench.until(lambda: bench.module.coils[0] == 1)
        await bench.until(lambda: bench.told(ReportKind.OUTPUT_MISMATCH) == [False, True, False])
    failures = [report.detail for report in bench.reports if report.kind == ReportKind.WRITE and report.detail]
    assert failures == ["failed: exception: 4 device failure"]


async def test_a_coil_that_no_frame_shows_is_asked_for() -> None:
    """The profile's blocks leave it out: the card reads it itself, and sees somebody else's hand."""
    plain = relay_module()
    bench = Bench(DevicePlan(plain.id, "b1", 2, "test", 200, ("r1",), plain.channels, plain.blocks[1:]))
    await bench.card.find()
    bench.want(fan=False)
    async with working(bench):
        await bench.until(lambda: bench.card.supervision.time_ms == 0)
        bench.module.coils[0] = 1
        await bench.until(lambda: bench.told(ReportKind.RELAY_FOREIGN_WRITE) == [False, True])
    assert bench.module.coils[0] == 1


async def test_the_watchdog_is_read_at_start_and_after_each_loss_of_contact() -> None:
    """Time, enable and safe value as planned; told when they are not."""
    bench = Bench()
    await bench.card.find()
    async with working(bench):
        await bench.until(lambda: bench.card.supervision.was_read)
        assert bench.told(ReportKind.WATCHDOG_OFF, "demo/r1/io1") == [False]
        bench.module.registers[WATCHDOG_ADDRESS] = 0
        frame = Frame("io1", "b", 1, 0, 0, synced=False, outcome=NoData.TIMEOUT, detail="", blocks=())
        bench.card.see(frame)
        assert bench.card.contact == "timeout"
        good = frame._replace(outcome=NoData.PRESENT, blocks=(Block(Table.COIL, 0, 4, b"\0"),))
        await asyncio.sleep(0.01)
        bench.card.see(good)
        await bench.until(lambda: bench.told(ReportKind.WATCHDOG_OFF, "demo/r1/io1") == [False, True])


async def test_the_watchdog_is_read_again_after_a_reconnect_that_cost_no_frame() -> None:
    """The line was made anew between two polls: another module may stand there, or the same one without its setting."""
    bench = Bench()
    await bench.card.find()
    async with working(bench):
        await bench.until(lambda: bench.card.supervision.was_read)
        bench.module.registers[WATCHDOG_ADDRESS] = 0
        bench.bus.connected = False
        bench.bus.connected = True
        await bench.until(lambda: bench.told(ReportKind.WATCHDOG_OFF, "demo/r1/io1") == [False, True])


async def test_a_short_or_foreign_frame_shows_no_coil() -> None:
    """Blocks that do not hold the coil, or not all of it, are not guessed at."""
    bench = Bench()
    await bench.card.find()
    before = dict(bench.card.watches)
    for blocks in ((), (Block(Table.COIL, 0, 4, b""),), (Block(Table.HOLDING, 0, 4, b"\0" * 8),)):
        bench.card.see(Frame("io1", "b", 1, 0, 0, synced=False, outcome=NoData.PRESENT, detail="", blocks=blocks))
    assert bench.card.watches == before


@pytest.mark.parametrize(("silence_ms", "is_foreign"), [(800, True), (950, False), (1_000, False)])
async def test_a_watchdog_that_acts_a_little_early_is_nobodys_foreign_write(silence_ms: int, is_foreign: bool) -> None:
    """The module's clock is not ours: within a tenth of its time the fall-back may have come, and the fan is switched
    off again; well before it somebody else's hand is named and left alone."""
    clock = ManualClock()
    bench = Bench(clock=clock)
    await bench.card.find()
    bench.want(fan=False)
    clock.advance(silence_ms)
    bench.module.coils[0] = 1
    await bench.card.find()
    assert bench.card.watches[OutputId(FAN)].foreign_on is is_foreign
    async with working(bench):
        if is_foreign:
            bench.card.tick()
            await asyncio.sleep(0.05)
            assert bench.module.writes == []
        else:
            await bench.until(lambda: bench.module.writes == [(0, 0)])


async def test_safe_values_are_written_at_a_clean_end() -> None:
    """Each coil once, read back, whatever was wanted."""
    bench = Bench()
    await bench.card.find()
    bench.want(fan=False, charger=True)
    await bench.card.write_safe()
    assert bench.module.coils == {0: 1, 1: 0, 2: 1, 3: 0}
    assert bench.card.watches[FAN].confirmed
