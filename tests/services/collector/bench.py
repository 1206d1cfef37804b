"""A bus on a clock that only moves when somebody waits: hours of polling in a moment, to the millisecond."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from services.collector.collector import Collector
from shared.devices.blocks import plan_blocks
from shared.devices.frame import Frame
from shared.devices.profile import Channel, DevicePlan, Identity, Table, ValueType
from shared.domain.units import NoData, Unit
from shared.fieldbus.port import BusFailure
from shared.runtime.clocks import ManualClock

TIMEOUT_MS = 300


def device(name: str, unit: int, every_ms: int, registers: int = 2, identity: Identity | None = None) -> DevicePlan:
    """A device with so many registers from 0 on."""
    channels = tuple(Channel(f"r{n}", Table.HOLDING, n, ValueType.U16, Unit.STATE) for n in range(registers))
    return DevicePlan(name, "b1", unit, "p", every_ms, ("r1",), channels, plan_blocks(channels), identity)


class TimedBus:
    """A Reader whose requests take their time on the clock. Registers hold the unit's number."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.connections = 1
        self.connected = True
        self.silent: set[int] = set()
        self.request_ms = 5
        self.log: list[tuple[int, int, int]] = []
        """Time, unit and address of each request."""
        self.flaky: list[int] = []
        """Units whose next request is not answered, in order."""
        self.end_ms = 1 << 60

    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes | BusFailure:  # noqa: ARG002
        """Answers as told, after the time it takes."""
        await asyncio.sleep(0)
        if self.clock.monotonic_ms() >= self.end_ms:
            raise asyncio.CancelledError
        self.log.append((self.clock.monotonic_ms(), unit, address))
        if not self.connected:
            return BusFailure(NoData.DISCONNECTED, "unplugged")
        if unit in self.silent or unit in self.flaky:
            if unit in self.flaky:
                self.flaky.remove(unit)
            self.clock.advance(TIMEOUT_MS)
            return BusFailure(NoData.TIMEOUT, "no answer")
        self.clock.advance(self.request_ms)
        return unit.to_bytes(2, "big") * count

    async def close(self) -> None:
        """Nothing to give back."""

    def plug(self) -> None:
        """The line comes back as a new connection."""
        self.connected = True
        self.connections += 1


class Bench:
    """A collector over a TimedBus; ``run`` polls for so long and keeps the frames with the time they came."""

    def __init__(self, *devices: DevicePlan) -> None:
        self.clock = ManualClock()
        self.bus = TimedBus(self.clock)
        self.frames: list[tuple[int, Frame]] = []
        self.at: dict[int, Callable[[], None]] = {}
        """What happens when."""
        self.collector = Collector(
            devices,
            {"b1": self.bus},
            self._keep,
            self.clock,
            "boot-1",
            timeouts_ms={"b1": TIMEOUT_MS},
            pause=self._pause,
        )

    def run(self, ms: int) -> None:
        """Polls until so much time has passed since the start."""
        self.bus.end_ms = ms

        async def go() -> None:
            with suppress(asyncio.CancelledError):
                await self.collector.run()

        asyncio.run(go())

    def of(self, name: str) -> list[Frame]:
        """The frames of one device."""
        return [frame for _, frame in self.frames if frame.device == name]

    def outcomes(self, name: str) -> list[NoData]:
        """How each poll of a device ended."""
        return [frame.outcome for frame in self.of(name)]

    def requests(self, unit: int) -> list[int]:
        """When a unit was asked."""
        return [at for at, asked, _ in self.bus.log if asked == unit]

    def _keep(self, frame: Frame) -> None:
        self.frames.append((self.clock.monotonic_ms(), frame))

    async def _pause(self, ms: int) -> None:
        for at in sorted(self.at):
            if at <= self.clock.monotonic_ms() + ms:
                self.at.pop(at)()
        if self.clock.monotonic_ms() >= self.bus.end_ms:
            raise asyncio.CancelledError
        self.clock.advance(ms)
        await asyncio.sleep(0)
