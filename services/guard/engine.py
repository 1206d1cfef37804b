"""One plan at work: its lines, its collector, its cards and its control, in one event loop.

    collector --frame--> control (trip, at once) --> card --> relay
                  '----> card (read-back)   '----> outbox

The loop itself is the only sender: every read and write of a supervised relay module passes the gate, and the gate asks
the pulse, which the frames of each detector's device and the decision tick keep beating. Promises: a frame is decided
upon in the call that brought it; a new plan takes over its coils as they are, without a write of its own, and a coil
that it does not have gets its safe value before. Limits: the decision tick is TICK_MS; a task that ends by an error
ends guard (the modules fall to their safe values, the parent starts another).
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from services.actuator.card import AFTER_WRITE, BEFORE_WRITE, Card
from services.actuator.coil import Coil
from services.actuator.gate import GatedBus, Pulse
from services.actuator.tell import Teller
from services.collector.collector import Collector
from services.guard.armed import Record, unarmed
from services.guard.control import Control, detector_devices
from services.guard.locks import bus_address
from services.guard.outbox import Outbox
from services.guard.planfile import GuardPlan
from shared.devices.frame import Frame
from shared.devices.plan import BusPlan
from shared.domain.ids import DeviceId, OutputId
from shared.fieldbus.port import Line
from shared.log.steps import Step, no_step
from shared.runtime.clocks import Clock
from shared.wire.guardlink import OutputSeen

TICK_MS = 100
DECIDE = "decide"
STUCK_MS = 20_000
CLOSE_S = 2.0
LET_GO_S = 1.0
BEFORE_KEEPING = "guard before keeping"
MID_CHANGE = "guard mid change"
LABELS = (BEFORE_KEEPING, BEFORE_WRITE, AFTER_WRITE, MID_CHANGE)
"""Steps at which a test may end guard: shared.runtime.crashpoints."""
OpenLine = Callable[[BusPlan], Line]


@dataclass(frozen=True, slots=True)
class World:
    """What every engine of this process shares."""

    boot: str
    clock: Clock
    outbox: Outbox
    teller: Teller
    notify: Callable[[], None]
    open_line: OpenLine
    record: Record
    step: Step = no_step
    seqs: dict[str, int] = field(default_factory=dict)
    """Last device_seq of each device in this boot: it goes on over a reload, or the log would take frames for late."""


def coils_of(plan: GuardPlan) -> dict[OutputId, tuple[str, int, int]]:
    """Where each output is switched: line, unit and coil, whatever their names."""
    buses = {bus.id: bus_address(bus) or bus.id for bus in plan.site.buses}
    return {
        bound.plan.id: (buses[bound.device.bus], bound.device.unit, bound.channel.address)
        for bound in plan.binding.outputs
    }


class Engine:
    """Made for one plan; ``start`` takes over from the one before."""

    def __init__(self, plan: GuardPlan, world: World) -> None:
        self.plan = plan
        self._world = world
        self.unarmed = unarmed(plan.site, plan.binding, world.record)
        self.pulse = Pulse((DECIDE, *detector_devices(plan.binding.detectors)), world.clock.monotonic_ms)
        self._buses: dict[str, GatedBus] = {}
        self.cards: dict[DeviceId, Card] = {}
        self._card_of: dict[OutputId, Card] = {}
        self.control = Control(plan.binding, world.clock, world.teller, self.unarmed, want=self._want, coil=self._coil)
        self._unheard = set(detector_devices(plan.binding.detectors))
        self._tasks: list[asyncio.Task[None]] = []
        self._late_ticks = 0
        """Decision ticks in a row that found a detector's frames late."""
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done, with its error, when a part of the engine has ended by itself."""

    async def start(self, before: "Engine | None" = None) -> None:
        """Open the lines and begin. ``before`` has been stopped; its knowledge is taken over."""
        devices = self.plan.site.decision.devices
        parts = self._parts_by_module()
        for bus in self.plan.site.buses:
            supervised = {
                device.unit: parts[device.id]
                for device in devices
                if device.bus == bus.id and device.id in parts and device.watchdog is not None
            }
            self._buses[bus.id] = GatedBus(self._world.open_line(bus), supervised, self.pulse)
        for device in devices:
            if device.id in parts:
                self._make_card(DeviceId(device.id))
        if before is not None:
            self.control.adopt(before.control)
            for name, card in self.cards.items():
                renamed = {
                    bound.plan.id: OutputId(bound.was)
                    for bound in self.plan.binding.outputs
                    if bound.plan.device == name and OutputId(bound.was) in before._card_of
                }
                known = before.cards.get(name) or next((before._card_of[was] for was in renamed.values()), None)
                if known is not None:
                    card.adopt(known, renamed)
        self.control.decide()
        if any(device.blocks for device in devices):
            timeouts_ms = {bus.id: bus.timeout_ms for bus in self.plan.site.buses}
            world = self._world
            collector = Collector(
                devices, self._buses, self._see, world.clock, world.boot, timeouts_ms=timeouts_ms, seqs=world.seqs
            )
            self._spawn(collector.run(), "collector")
        self._spawn(self._tick(), "tick")
        for card in self.cards.values():
            self._spawn(self._work(card), f"card-{card.device.id}")

    async def stop(self) -> None:
        """End all parts and give the lines back; nothing is written."""
        await self._end_tasks()
        closing = [asyncio.create_task(bus.close()) for bus in self._buses.values()]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_S)
        self._buses = {}

    async def stop_safe(self) -> None:
        """A clean end: every output at its safe value, but on while a local trip holds it on; then the lines are given
        back."""
        await self._end_tasks()
        for part in (DECIDE, *detector_devices(self.plan.binding.detectors)):
            self.pulse.beat(part)
        self.control.decide()
        held = self.control.held_at_stop()
        await asyncio.gather(*(card.write_safe(held) for card in self.cards.values()))
        await self.stop()

    async def stop_for(self, plan: GuardPlan) -> None:
        """The end before another plan: a coil that it does not have gets its safe value, within LET_GO_S; nothing else
        is written."""
        kept = coils_of(plan)
        gone = [output for output, coil in coils_of(self.plan).items() if coil not in kept.values()]
        await self._end_tasks()
        for part in (DECIDE, *detector_devices(self.plan.binding.detectors)):
            self.pulse.beat(part)
        with suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_S):
                for card in self.cards.values():
                    await card.let_go([output for output in gone if self._card_of[output] is card])
        await self.stop()

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def is_stuck(self) -> bool:
        """A detector's frames have stayed away for long while this loop went round: its line has to be opened anew."""
        return self._late_ticks * TICK_MS >= STUCK_MS

    def not_ready(self) -> tuple[str, ...]:
        """What the trip lacks now. A module that cannot be reached is an alarm, not unreadiness."""
        return (
            *(f"{device}: not polled yet" for device in sorted(self._unheard)),
            *(f"{name}: coils not read yet" for name, card in self.cards.items() if not card.was_asked),
            *(f"{part}: older than 2 s" for part in self.pulse.late_parts()),
        )

    def unreachable(self) -> tuple[str, ...]:
        """Relay modules that do not answer, and why."""
        return tuple(f"{name}: {card.contact}" for name, card in self.cards.items() if card.contact)

    def has_begun(self) -> bool:
        """Every detector was polled and every relay module asked at least once, whatever they answered."""
        return not self._unheard and all(card.was_asked for card in self.cards.values())

    def outputs(self) -> tuple[OutputSeen, ...]:
        """Each output as it is held now."""
        return tuple(self._seen(output) for output in self.control.outputs)

    def _parts_by_module(self) -> dict[str, frozenset[str]]:
        """What each relay module depends on: the decisions, and the devices of the detectors that trip its outputs."""
        parts: dict[str, frozenset[str]] = {}
        for bound in self.plan.binding.outputs:
            detectors = [self.plan.binding.detectors[index] for _, index in bound.detectors]
            own = detector_devices(detectors) | {DECIDE}
            parts[bound.device.id] = parts.get(bound.device.id, frozenset()) | own
        return parts

    def _make_card(self, name: DeviceId) -> None:
        bounds = [bound for bound in self.plan.binding.outputs if bound.plan.device == name]
        device = bounds[0].device
        card = Card(
            device,
            [Coil(bound.plan, bound.channel) for bound in bounds],
            self._buses[device.bus],
            self._world.clock,
            self._world.teller,
            subjects=sorted({f"{self.plan.binding.site}/{bound.room}/{device.id}" for bound in bounds}),
            on_found=lambda output, on: self.control.find(output, on),
            step=self._world.step,
        )
        self.cards[name] = card
        self._card_of |= {bound.plan.id: card for bound in bounds}

    def _want(self, output: OutputId, on: bool, override_closed: bool) -> None:
        card = self._card_of.get(output)
        if card is not None:
            card.want(output, on, override_closed=override_closed)

    def _coil(self, output: OutputId) -> bool | None:
        card = self._card_of.get(output)
        return None if card is None else card.watches[output].coil

    def _see(self, frame: Frame) -> None:
        """A frame from the collector: decide first, then everything else. It is kept before the Reports of what it led
        to, so that in the log too nothing stands before its cause."""
        self.pulse.beat(frame.device)
        with self._world.teller.held():
            self.control.see(frame)
            self._unheard.discard(frame.device)
            card = self.cards.get(DeviceId(frame.device))
            if card is not None:
                card.see(frame)
            self._world.step(BEFORE_KEEPING)
            self._world.outbox.add(frame, self._world.clock.monotonic_ms() - frame.age_ms)
        self._world.notify()

    async def _tick(self) -> None:
        while True:
            self.control.tick()
            for card in self.cards.values():
                card.tick()
            self.pulse.beat(DECIDE)
            self._late_ticks = self._late_ticks + 1 if self.pulse.late_parts() else 0
            await asyncio.sleep(TICK_MS / 1000)

    async def _work(self, card: Card) -> None:
        if not card.was_asked:
            await card.find()
        await card.run()

    def _spawn(self, work: Awaitable[None], name: str) -> None:
        async def run() -> None:
            await work
            raise RuntimeError(f"{name} ended by itself")

        task = asyncio.create_task(run(), name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and not self.failed.done():
            fault = task.exception()
            if fault is not None:
                self.failed.set_exception(fault)

    def _seen(self, output: OutputId) -> OutputSeen:
        state = self.control.outputs[output]
        card = self._card_of[output]
        watch = card.watches[output]
        trouble = [
            "contested" if watch.contested else "",
            "read-back is not as written" if watch.mismatch else "",
            "switched on by somebody else" if watch.foreign_on else "",
            "switched off by somebody else" if watch.foreign_off else "",
            watch.failure,
            card.contact,
            card.supervision.trouble,
        ]
        reason = self.unarmed.get(output, "")
        return OutputSeen(
            id=output,
            wanted=state.wanted.on,
            by=state.wanted.by,
            coil="unknown" if watch.coil is None else "on" if watch.coil else "off",
            proof=str(state.proof.proof) if state.bound.airflow is not None else "none",
            armed=not reason,
            armed_reason=reason,
            supervision=card.supervision.label,
            trouble="; ".join(part for part in trouble if part),
        )
