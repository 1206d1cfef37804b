"""Commissioning: prove each output on the real wires, and write the record behind ``armed``.

For one output after the other: the coil is switched on and off and read back; the air follows (or a person says what
moved); the module's watchdog is left without a word for its time and must bring the coil to the safe value by itself.
At the end, after any failure and when it is broken off, the coil is at its safe value.

Promises: only what was seen is recorded, in words that say who saw it; a proof that fails writes nothing for that
output and takes an older entry away; who breaks it off at a question need not answer it first. Refuses (Busy): while a
guard holds the folder or the module; stop the site first. The room is without Ampward's protection meanwhile, and the
caller is told so. Limits: about 20 s and twice the watchdog's time an output; airflow may take AIR_STOP_MS to end.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import msgspec

from services.actuator.coil import Coil
from services.actuator.gate import GatedBus, Pulse
from services.actuator.watchdog import check_watchdog
from services.guard.armed import RECORD, Proofs, Proven, Record, output_hash, read_record
from services.guard.binding import BoundOutput, bind
from services.guard.engine import OpenLine
from services.guard.locks import Locks, module_names
from shared.devices.decoder import decode_channel
from shared.devices.frame import Block, Frame
from shared.devices.plan import SitePlan
from shared.devices.profile import DevicePlan
from shared.domain.errors import ConfigError
from shared.domain.ids import OutputId
from shared.domain.plan import OutputKind
from shared.domain.units import NoData
from shared.fieldbus.lines import open_line
from shared.fieldbus.port import BusFailure
from shared.runtime import places
from shared.runtime.clocks import Clock

AIR_STOP_MS = 60_000
LOOK_MS = 200
MARGIN = 1.25
"""The watchdog may take so much longer than its nominal time."""

Ask = Callable[[str], bool]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one output: its proofs, or why it is not armed."""

    output: OutputId
    proofs: Proofs | None
    failure: str

    @property
    def is_armed(self) -> bool:
        return self.proofs is not None


class _Unproven(Exception):
    """A proof that failed; the text is for people."""


async def commission(
    site: SitePlan, data: Path, clock: Clock, *, output: str = "", yes: bool = False, by: str, ask: Ask, tell: Tell,
    open_bus: OpenLine = open_line,
) -> tuple[Outcome, ...]:  # fmt: skip
    """Prove all outputs, or the one named; ``yes`` answers every question and is recorded as "nobody looked".

    Raises Busy while a guard runs, ConfigError when there is no such output.
    """
    binding = bind(site)
    bounds = [bound for bound in binding.outputs if output in ("", bound.plan.id)]
    if not bounds:
        raise ConfigError(f"{output}: no such output; there are {', '.join(b.plan.id for b in binding.outputs)}")
    locks = Locks()
    try:
        locks.take_folder(data)
        locks.take_modules(module_names(site))
        tell("While this runs, Ampward does not protect the room. Outputs will be switched on and off.")
        if not yes and not await _answer(ask, "Is the room safe for that now?"):
            return tuple(Outcome(bound.plan.id, None, "not begun") for bound in bounds)
        return await _prove_all(site, data, clock, bounds, _Person(yes, by, ask, tell), open_bus)
    finally:
        locks.close()


async def _answer(ask: Ask, question: str) -> bool:
    """A person's. The thread that waits for it holds up no end of the program."""
    answer: Future[bool] = Future()
    answer.set_running_or_notify_cancel()

    def wait() -> None:
        try:
            answer.set_result(ask(question))
        except Exception as fault:
            answer.set_exception(fault)

    Thread(target=wait, name="question", daemon=True).start()
    waiting = asyncio.wrap_future(answer)
    while not waiting.done():  # A Ctrl-C that comes just as the loop falls asleep is seen when it looks again.
        await asyncio.wait((waiting,), timeout=LOOK_MS / 1000)
    return waiting.result()


@dataclass(frozen=True, slots=True)
class _Person:
    yes: bool
    name: str
    ask: Ask
    tell: Tell


async def _prove_all(
    site: SitePlan, data: Path, clock: Clock, bounds: Sequence[BoundOutput], person: _Person, open_bus: OpenLine
) -> tuple[Outcome, ...]:
    pulse = Pulse((), clock.monotonic_ms)
    buses = {bus.id: GatedBus(open_bus(bus), {}, pulse) for bus in site.buses}
    devices = {device.id: device for device in site.decision.devices}
    outcomes: list[Outcome] = []
    try:
        for bound in bounds:
            rig = _Rig(bound, Coil(bound.plan, bound.channel), buses, devices, person)
            outcomes.append(await _prove(rig))
            _write(data, site, clock, bound, outcomes[-1], person)
    finally:
        for bus in buses.values():
            await bus.close()
    return tuple(outcomes)


async def _prove(rig: "_Rig") -> Outcome:
    bound = rig.bound
    rig.person.tell(f"{bound.plan.id}: begins")
    try:
        proofs = Proofs(
            read_back="the coil read back as written, on and off",
            wiring=await rig.prove_wiring(),
            airflow="" if bound.airflow is None else "the air followed the coil within its times",
            watchdog=await rig.prove_watchdog(),
        )
    except _Unproven as fault:
        outcome = Outcome(bound.plan.id, None, str(fault))
    except BaseException:
        await rig.switch(bound.plan.safe_on)
        raise
    else:
        outcome = Outcome(bound.plan.id, proofs, "")
    failure = await rig.switch(bound.plan.safe_on)
    if failure:
        outcome = Outcome(bound.plan.id, None, outcome.failure or f"its safe value could not be written: {failure}")
    rig.person.tell(f"{bound.plan.id}: {'armed' if outcome.is_armed else 'not armed: ' + outcome.failure}")
    return outcome


def _write(data: Path, site: SitePlan, clock: Clock, bound: BoundOutput, outcome: Outcome, person: _Person) -> None:
    entries = dict(read_record(data).outputs)
    entries.pop(bound.plan.id, None)
    if outcome.proofs is not None:
        at = datetime.fromtimestamp(clock.wall_ms() / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        entries[bound.plan.id] = Proven(output_hash(site, bound), at, person.name, outcome.proofs)
    places.write_file(data, RECORD, msgspec.json.format(msgspec.json.encode(Record(entries)), indent=1) + b"\n")


@dataclass(frozen=True, slots=True)
class _Rig:
    """One output with everything that is needed to prove it."""

    bound: BoundOutput
    coil: Coil
    buses: dict[str, GatedBus]
    devices: dict[str, DevicePlan]
    person: _Person

    @property
    def bus(self) -> GatedBus:
        return self.buses[self.bound.device.bus]

    async def switch(self, on: bool) -> str:
        """Write, once more when the module did not answer, and read back; gives what is wrong."""
        failure = await self.coil.switch(self.bus, self.bound.device.unit, on)
        if failure is not None:
            failure = await self.coil.switch(self.bus, self.bound.device.unit, on)
        if failure is not None:
            return f"{failure.reason.label} {failure.detail}"
        for _ in range(5):
            found = await self.read()
            if found is on:
                return ""
            await asyncio.sleep(LOOK_MS / 1000)
        return f"written {'on' if on else 'off'}, read back {found}"

    async def read(self) -> bool | str:
        found = await self.coil.read(self.bus, self.bound.device.unit)
        return f"{found.reason.label} {found.detail}" if isinstance(found, BusFailure) else found

    async def must_switch(self, on: bool) -> None:
        failure = await self.switch(on)
        if failure:
            raise _Unproven(failure)

    async def prove_wiring(self) -> str:
        """On and off, with the air or a person as the witness."""
        plan = self.bound.plan
        for on in (False, True, False):
            await self.must_switch(on)
            if self.bound.airflow is not None:
                await self._until_air(moves=on, within_ms=plan.run_up_ms if on else AIR_STOP_MS)
            elif not await self._sees(f"Is {plan.id} ({plan.kind}) {'on' if on else 'off'} now?"):
                raise _Unproven(f"it was not {'on' if on else 'off'} when it should have been")
        if self.bound.airflow is not None:
            return "the airflow contact followed the coil: off, on, off"
        return "nobody looked: answered by --yes" if self.person.yes else f"seen by {self.person.name}: off, on, off"

    async def prove_watchdog(self) -> str:
        """Silence for its time must bring the safe value."""
        device, plan = self.bound.device, self.bound.plan
        if device.watchdog is None:
            if plan.kind is OutputKind.FAN and not plan.wiring_safe:
                raise _Unproven("the module has no watchdog and the fan is not wired fan_on_when_deenergised")
            if plan.kind is OutputKind.FAN and not await self._sees(
                f"Does {plan.id} run when the relay module has no power (contactor energised to stop)?"
            ):
                raise _Unproven("the fan does not run when the module is without power")
            return "none: not supervised"
        supervision = await check_watchdog(device, (self.coil,), self.bus)
        if supervision.trouble and await self._sees(f"The watchdog is not as planned ({supervision.trouble}). Set it?"):
            await self._set_watchdog(device)
            supervision = await check_watchdog(device, (self.coil,), self.bus)
        if supervision.trouble or not supervision.was_read:
            raise _Unproven(f"watchdog: {supervision.trouble or 'cannot be read'}")
        await self.must_switch(not plan.safe_on)
        silence_ms = math.ceil(supervision.time_ms * MARGIN) + 2 * LOOK_MS
        self.person.tell(f"{plan.id}: silent for {silence_ms / 1000:.1f} s, the module must act by itself")
        await asyncio.sleep(silence_ms / 1000)
        found = await self.read()
        if found is not plan.safe_on:
            raise _Unproven(f"after {silence_ms} ms of silence the coil was {found}, not at its safe value")
        return f"after {silence_ms} ms of silence the module had switched to the safe value by itself"

    async def _set_watchdog(self, device: DevicePlan) -> None:
        plan = device.watchdog
        assert plan is not None
        values = [(plan.address, plan.value)]
        if plan.enable_address >= 0:
            values.append((plan.enable_address, 1))
        for address, value in values:
            failure = await self.bus.write_register(device.unit, address, value)
            if failure is not None:
                raise _Unproven(f"the watchdog cannot be set: {failure.reason.label} {failure.detail}")

    async def _until_air(self, *, moves: bool, within_ms: int) -> None:
        waited_ms = 0
        while (found := await self._air()) is not moves:
            if waited_ms >= within_ms:
                raise _Unproven(f"airflow is {found} {within_ms} ms after the coil was {'on' if moves else 'off'}")
            await self.read()
            await asyncio.sleep(LOOK_MS / 1000)
            waited_ms += LOOK_MS

    async def _air(self) -> bool | str:
        source = self.bound.airflow
        assert source is not None
        device = self.devices[source.device]
        channel = source.channel
        answer = await self.buses[device.bus].read(device.unit, channel.table, channel.address, channel.words)
        if isinstance(answer, BusFailure):
            return f"{answer.reason.label} {answer.detail}"
        block = Block(channel.table, channel.address, channel.words, answer)
        value = decode_channel(
            channel, Frame(device.id, "", 0, 0, 0, synced=False, outcome=NoData.PRESENT, detail="", blocks=(block,))
        )
        return value.label if isinstance(value, NoData) else value >= 1

    async def _sees(self, question: str) -> bool:
        """A person's answer, while the module's watchdog is kept fed."""
        if self.person.yes:
            return True
        waiting = asyncio.ensure_future(_answer(self.person.ask, question))
        while not waiting.done():
            await self.read()
            await asyncio.wait((waiting,), timeout=LOOK_MS / 1000)
        return waiting.result()
