"""The whole simulated plant: its devices on real lines, its rooms, and the script that runs over them.

``simulate`` opens everything and runs until it is cancelled. What it has to tell goes to ``tell``, line by line: one
address a line, then ``ready``, then what the script says. Loopback and pseudo-terminals only.
Limits: rooms advance every 100 ms of real time; script times count from ``ready``.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.plantsim.device import SimulatedDevice
from services.plantsim.devices_file import DeviceSpec, PlantSpec, StepPart
from services.plantsim.room import SimulatedRoom
from shared.domain.errors import Busy
from shared.fieldbus.device_side import Answer, Handler, PtyServer, Request, TcpServer

STEP_S = 0.1
NO_SUCH_UNIT = 11
"""Gateway target does not respond: what a TCP gateway says of a unit that is not there."""
STATES_ON = ("on", "closed", "true", "1")

Tell = Callable[[str], None]
Place = tuple[str, int] | Path


@dataclass(slots=True)
class _Ramp:
    point: tuple[str, str]
    first: float
    last: float
    begin_s: float
    over_s: float


class Plant:
    """Devices, rooms and script, without lines: also what an in-process bus can stand on."""

    def __init__(self, spec: PlantSpec, clock: Callable[[], float]) -> None:
        self.spec = spec
        self._clock = clock
        self._start_s = clock()
        self._last_s = self._start_s
        self.devices = {one.name: SimulatedDevice(one.name, one.profile, clock) for one in spec.devices}
        self.held: set[tuple[str, str]] = set()
        dice = random.Random(spec.seed)
        self.rooms = {room.name: SimulatedRoom(room, self.devices, self.held, dice) for room in spec.rooms}
        self._ramps: list[_Ramp] = []
        self._steps = list(spec.script)
        self._warm: list[tuple[float, DeviceSpec]] = []
        for one in spec.devices:
            self._power_up(one)

    def handler(self, place: Place) -> Handler:
        """Answers for all devices at one place, by unit."""
        units = {one.unit: self.devices[one.name] for one in self.spec.devices if (one.tcp or one.pty) == place}
        is_line = isinstance(place, Path)

        def handle(request: Request) -> Answer:
            device = units.get(request.unit)
            if device is None:
                return Answer(silent=is_line, exception=NO_SUCH_UNIT)
            return device.handle(request)

        return handle

    def advance(self) -> list[StepPart]:
        """Up to now: rooms, ramps, devices. Gives the steps of the script that fell due and were done."""
        now_s = self._clock()
        dt_s, self._last_s = now_s - self._last_s, now_s
        done: list[StepPart] = []
        while self._steps and now_s - self._start_s >= self._steps[0].at / 1000:
            done.append(self._steps.pop(0))
            self._do(done[-1], now_s)
        for at_s, one in [warm for warm in self._warm if now_s >= warm[0]]:
            self._warm.remove((at_s, one))
            self._show_status(one, ready=True)
        for ramp in self._ramps:
            share = min(1.0, (now_s - ramp.begin_s) / ramp.over_s)
            self.devices[ramp.point[0]].put(ramp.point[1], round(ramp.first + share * (ramp.last - ramp.first), 4))
        self._ramps = [ramp for ramp in self._ramps if now_s < ramp.begin_s + ramp.over_s]
        for room in self.rooms.values():
            room.step(dt_s)
        for device in self.devices.values():
            device.tick()
        return done

    def restart_clock(self) -> None:
        """The script's times count from now."""
        self._start_s = self._last_s = self._clock()

    def _power_up(self, spec: DeviceSpec) -> None:
        device = self.devices[spec.name]
        if spec.profile.status is not None:
            self._show_status(spec, ready=not spec.warm_up_ms)
            if spec.warm_up_ms:
                self._warm.append((self._start_s + spec.warm_up_ms / 1000, spec))
        for point, value in spec.values:
            device.put(point, value)
            self.held.add((spec.name, point))
        if not self.rooms:
            return
        for room in self.rooms.values():
            room.step(0.0)

    def _show_status(self, spec: DeviceSpec, *, ready: bool) -> None:
        status = spec.profile.status
        assert status is not None
        codes = status.good if ready or not status.warm_up else status.warm_up
        if (spec.name, status.channel) not in self.held:
            self.devices[spec.name].put(status.channel, codes[0])

    def _do(self, step: StepPart, now_s: float) -> None:
        for text, value in step.set.items():
            point = _point(text)
            self._ramps = [ramp for ramp in self._ramps if ramp.point != point]
            self.devices[point[0]].put(point[1], value)
            self.held.add(point)
        for text, target in step.ramp.items():
            point = _point(text)
            first = self.devices[point[0]].get(point[1])
            self._ramps.append(_Ramp(point, first, target, now_s, step.over / 1000))
            self.held.add(point)
        for text in step.release:
            self.held.discard(_point(text))
        self._break(step)
        for room, mode in step.mode.items():
            self.rooms[room].mode = mode
        for text, failing in [*((t, True) for t in step.fail), *((t, False) for t in step.repair)]:
            for one in self.rooms.values():
                for fan in one.fans:
                    if (fan.spec.device, fan.spec.output) == _point(text):
                        fan.is_failing = failing

    def _break(self, step: StepPart) -> None:
        faults = {name: device.faults for name, device in self.devices.items()}
        for name in step.mute:
            faults[name].is_mute = True
        for name in step.unmute:
            faults[name].is_mute = False
        for name in step.freeze:
            faults[name].is_frozen = True
        for name in step.thaw:
            faults[name].is_frozen = False
        for name, code in step.exception.items():
            faults[name].exception = code
        for name, delay_ms in step.delay.items():
            faults[name].delay_s = delay_ms / 1000
        for name, unit in step.answer_as.items():
            faults[name].answers_as = unit
        for text, state in step.stick.items():
            device, output = _point(text)
            faults[device].stuck[output] = str(state).lower() in STATES_ON
        for text in step.unstick:
            device, output = _point(text)
            faults[device].stuck.pop(output, None)


def _point(text: str) -> tuple[str, str]:
    device, _, name = text.partition(".")
    return device, name


class _Lines:
    """The servers of a plant, by place and by device."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._servers: dict[Place, TcpServer | PtyServer] = {}
        self._places = {one.name: place for one in plant.spec.devices if (place := one.tcp or one.pty) is not None}

    async def open(self) -> list[str]:
        """Opens every place and gives the addresses. Raises Busy when one is taken."""
        addresses = []
        for place in dict.fromkeys(self._places.values()):
            handler = self._plant.handler(place)
            try:
                if isinstance(place, Path):
                    line = PtyServer(handler)
                    line.open(place)
                    self._servers[place] = line
                    addresses.append(str(place))
                else:
                    server = TcpServer(handler)
                    port = await server.open(*place)
                    self._servers[place] = server
                    addresses.append(f"{place[0]}:{port}")
            except OSError as error:
                await self.close()
                where = str(place) if isinstance(place, Path) else f"{place[0]}:{place[1]}"
                raise Busy(f"{where}: {error.strerror or error}") from error
        return addresses

    async def follow(self, step: StepPart) -> None:
        for device in step.cut:
            await self._servers[self._places[device]].cut()
        for device in step.mend:
            await self._servers[self._places[device]].mend()

    async def close(self) -> None:
        for server in self._servers.values():
            await server.close()


async def simulate(spec: PlantSpec, tell: Tell) -> None:
    """Runs the plant until cancelled. Raises Busy when a port or path is taken."""
    plant = Plant(spec, asyncio.get_running_loop().time)
    lines = _Lines(plant)
    try:
        for address in await lines.open():
            tell(address)
        tell("ready")
        plant.restart_clock()
        while True:
            for step in plant.advance():
                await lines.follow(step)
                if step.say:
                    tell(step.say)
            await asyncio.sleep(STEP_S)
    finally:
        await lines.close()
