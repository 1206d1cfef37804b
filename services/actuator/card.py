"""The card: one relay module, all its coils, and the only code that writes to them.

``wants`` is set from outside and read in the moment of sending: whatever waited in between (a slow line, a stopped
process) is decided again, never replayed. One worker a card: writes that switch on come first, then writes that switch
off, read-backs, reads of coils that no frame shows, the check of the module's watchdog.

Promises: no write before the coil was read (unless the module answers reads with an exception); each write is read back
at once; trouble is told once per change. Limits: one card talks to one module; a failed write is tried again every
FAILURE_RETRY_MS.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.actuator import watch as watching
from services.actuator.coil import Coil
from services.actuator.gate import GatedBus
from services.actuator.tell import Teller
from services.actuator.watch import Watch
from services.actuator.watchdog import Supervision, check_watchdog
from shared.devices.frame import Frame
from shared.devices.profile import Channel, DevicePlan
from shared.domain.ids import OutputId
from shared.domain.inputs import ReportKind
from shared.domain.plan import OutputKind
from shared.domain.units import NoData
from shared.fieldbus.port import BusFailure
from shared.log.steps import Step, no_step
from shared.runtime.clocks import Clock

PROBE_MS = 1_000
WATCHDOG_CHECK_MS = 3_600_000
WATCHDOG_RECHECK_MS = 5_000
"""While it is not as planned."""
FOR_EVER_MS = 1 << 60
BEFORE_WRITE = "guard before write"
AFTER_WRITE = "guard after write"


@dataclass(slots=True)
class Want:
    on: bool
    override_closed: bool = False


@dataclass(slots=True)
class _Due:
    """What the worker has to look at when no write is due."""

    read_back: set[OutputId] = field(default_factory=set)
    probe_ms: int = 0
    watchdog_ms: int = 0


class Card:
    """One relay module. ``subjects`` are the paths by which it is told of (one a room); ``on_found`` is told of the
    first read of each coil, before it is judged."""

    def __init__(
        self, device: DevicePlan, coils: Sequence[Coil], bus: GatedBus, clock: Clock, teller: Teller,
        *, subjects: Sequence[str], on_found: Callable[[OutputId, bool], None], step: Step = no_step,
    ) -> None:  # fmt: skip
        self.device = device
        self.coils = {coil.output.id: coil for coil in coils}
        self.watches = {coil.output.id: Watch() for coil in coils}
        self.supervision = Supervision.of(device)
        self.contact = ""
        """Why the module cannot be reached, or empty."""
        self.was_asked = False
        self._wants: dict[OutputId, Want] = {}
        self._bus = bus
        self._clock = clock
        self._teller = teller
        self._subjects = tuple(subjects)
        self._on_found = on_found
        self._step = step
        self._wake = asyncio.Event()
        self._due = _Due()
        self._connections = bus.connections
        self._silence_ms = self.supervision.early_ms or FOR_EVER_MS
        self._uncovered = [coil for coil in coils if not _is_covered(device, coil.channel)]

    def want(self, output: OutputId, on: bool, *, override_closed: bool) -> None:
        """What the output shall be from now on; a change is sent at once."""
        before = self._wants.get(output)
        if before is None or before.on != on or before.override_closed != override_closed:
            self._wants[output] = Want(on, override_closed)
            self._keep(output, watching.settled(self.watches[output], on, self._clock.monotonic_ms()))
            self._wake.set()

    def tick(self) -> None:
        """Time passed: conditions that end by it, retries, checks."""
        now_ms = self._clock.monotonic_ms()
        if self._connections != self._bus.connections:
            self._connections = self._bus.connections
            self._due.watchdog_ms = 0
        for output, want in self._wants.items():
            self._keep(output, watching.settled(self.watches[output], want.on, now_ms))
        if self._next_write(now_ms) is not None or now_ms >= min(self._due.watchdog_ms, self._due.probe_ms):
            self._wake.set()

    def see(self, frame: Frame) -> None:
        """Take a frame of this module: the coils that it shows, or that contact is lost."""
        if frame.outcome is not NoData.PRESENT:
            self._lose(f"{frame.outcome.label}: {frame.detail}" if frame.detail else frame.outcome.label)
            return
        sampled_ms = self._clock.monotonic_ms() - frame.age_ms - 1
        for output, coil in self.coils.items():
            raw = _raw_bit(coil.channel, frame)
            if raw is not None:
                self._see(output, coil.is_on(raw), sampled_ms)

    async def find(self) -> None:
        """Read every coil before anything is written; each that answers is told to ``on_found``."""
        for output in self.coils:
            if await self._read(output) is None and not self.watches[output].blind:
                break
        self.was_asked = True

    async def run(self) -> None:
        """The worker: ends only by being cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while await self._work():
                pass

    async def write_safe(self, held: Collection[OutputId] = ()) -> None:
        """A clean end: every coil at its output's safe value, those that are held on, tried once and read back."""
        for output, coil in self.coils.items():
            on = coil.output.safe_on or output in held
            self._wants[output] = Want(on)
            if self.watches[output].coil != on:
                await self._write(output, on)
                await self._read(output)

    async def let_go(self, outputs: Iterable[OutputId]) -> None:
        """Nobody will say anything for these outputs from now on: their safe values, tried once, on a module that is
        in reach."""
        for output in outputs:
            safe_on = self.coils[output].output.safe_on
            if not self.contact and self.watches[output].coil != safe_on:
                self._wants[output] = Want(safe_on)
                await self._write(output, safe_on)

    def adopt(self, other: "Card", renamed: Mapping[OutputId, OutputId]) -> None:
        """Go on from what another card of the same module knew (a new plan); ``renamed`` has the old ids of outputs."""
        if (self.device.bus, self.device.unit) != (other.device.bus, other.device.unit):
            return
        for output, coil in self.coils.items():
            was = output if output in other.coils else renamed.get(output, output)
            if was in other.coils and coil.channel == other.coils[was].channel:
                self.watches[output] = other.watches[was]
        self.was_asked = other.was_asked
        self.contact = other.contact
        self._due.watchdog_ms = other._due.watchdog_ms
        if self.supervision.time_ms == other.supervision.time_ms:
            self.supervision = other.supervision

    async def _work(self) -> bool:
        """Do the most urgent thing; False when there is nothing to do."""
        now_ms = self._clock.monotonic_ms()
        write = self._next_write(now_ms)
        if write is not None:
            await self._write(*write)
            return True
        if self._due.read_back:
            await self._read(self._due.read_back.pop())
            return True
        if now_ms >= self._due.probe_ms:
            self._due.probe_ms = now_ms + PROBE_MS
            await self._probe()
            return True
        if now_ms >= self._due.watchdog_ms and not self.contact:
            await self._check_watchdog(now_ms)
            return True
        return False

    def _next_write(self, now_ms: int) -> tuple[OutputId, bool] | None:
        due = []
        for output, want in self._wants.items():
            value = watching.next_write(
                self.watches[output], want.on, override_closed=want.override_closed, now_ms=now_ms
            )
            if value is not None:
                due.append((not value, self.coils[output].output.kind is not OutputKind.FAN, output))
        if not due:
            return None
        is_off, _, output = min(due)
        return output, not is_off

    async def _write(self, output: OutputId, on: bool) -> None:
        self._step(BEFORE_WRITE)
        failure = await self.coils[output].switch(self._bus, self.device.unit, on)
        self._step(AFTER_WRITE)
        reason = "" if failure is None else f"{failure.reason.label}: {failure.detail}"
        before = self.watches[output]
        self._keep(output, watching.wrote(before, on, reason, self._clock.monotonic_ms()))
        if not reason:
            self._due.read_back.add(output)
            self._teller.pulse(ReportKind.WRITE, output, on)
        elif reason != before.failure:
            self._teller.pulse(ReportKind.WRITE, output, on, f"failed: {reason}")

    async def _read(self, output: OutputId) -> bool | None:
        sampled_ms = self._clock.monotonic_ms()
        on = await self.coils[output].read(self._bus, self.device.unit)
        if isinstance(on, BusFailure):
            if on.reason is NoData.EXCEPTION:
                self._keep(output, watching.unreadable(self.watches[output]))
                self.contact = ""
            else:
                self._lose(f"{on.reason.label}: {on.detail}")
            return None
        self._see(output, on, sampled_ms)
        return on

    async def _probe(self) -> None:
        """Coils that frames do not show, and a module that answers but whose frames fail."""
        for coil in self._uncovered:
            await self._read(coil.output.id)
        if not self._uncovered and self.contact.startswith((NoData.EXCEPTION.label, NoData.MALFORMED.label)):
            for output in self.coils:
                await self._read(output)

    async def _check_watchdog(self, now_ms: int) -> None:
        self.supervision = await check_watchdog(self.device, tuple(self.coils.values()), self._bus)
        is_off = bool(self.supervision.trouble)
        self._due.watchdog_ms = now_ms + (WATCHDOG_RECHECK_MS if is_off else WATCHDOG_CHECK_MS)
        if self.device.watchdog is not None and self.supervision.was_read:
            for subject in self._subjects:
                self._teller.state(ReportKind.WATCHDOG_OFF, subject, is_off, self.supervision.trouble)

    def _lose(self, why: str) -> None:
        if not self.contact:
            self._due.watchdog_ms = 0
        self.contact = why
        for output, watch in self.watches.items():
            self.watches[output] = watching.lost(watch)

    def _see(self, output: OutputId, on: bool, sampled_ms: int) -> None:
        self.contact = ""
        before = self.watches[output]
        if before.contact_ms == watching.NEVER_MS:
            self._on_found(output, on)
        want = self._wants.get(output)
        wanted = on if want is None else want.on
        after = watching.seen(before, on, wanted=wanted, sampled_ms=sampled_ms, silence_ms=self._silence_ms)
        self._keep(output, watching.settled(after, wanted, self._clock.monotonic_ms()))
        if after.coil != before.coil and after.coil is not None:
            self._teller.state(ReportKind.READ_BACK, output, after.coil)
        if self._next_write(self._clock.monotonic_ms()) is not None:
            self._wake.set()

    def _keep(self, output: OutputId, watch: Watch) -> None:
        self.watches[output] = watch
        if watch.coil is not None:
            foreign = "on" if watch.foreign_on else "off against a demand" if watch.foreign_off else ""
            failure = f"write failed: {watch.failure}" if watch.failure else "read-back is not as written"
            self._teller.state(ReportKind.OUTPUT_MISMATCH, output, watch.mismatch, failure)
            self._teller.state(ReportKind.RELAY_FOREIGN_WRITE, output, watch.is_foreign, foreign)
            self._teller.state(ReportKind.OUTPUT_CONTESTED, output, watch.contested, "switched off again and again")


def _is_covered(device: DevicePlan, channel: Channel) -> bool:
    """Whether the device's frames show this channel."""
    return any(
        block.table is channel.table and block.address <= channel.address < block.address + block.count
        for block in device.blocks
    )


def _raw_bit(channel: Channel, frame: Frame) -> bool | None:
    """The coil's own value in a frame, None when the frame does not hold it whole."""
    for block in frame.blocks:
        offset = channel.address - block.address
        if block.table is not channel.table or not 0 <= offset < block.size:
            continue
        if not channel.table.is_bits:
            return any(block.words[2 * offset : 2 * offset + 2]) if len(block.words) >= 2 * offset + 2 else None
        return bool(block.words[offset >> 3] >> (offset & 7) & 1) if len(block.words) > offset >> 3 else None
    return None
