"""The devices file: which simulated devices there are, where they answer, what their room does and what happens when.

    devices: {gas1: {modbus_tcp: "127.0.0.1:5020", unit: 1, profile: honeywell-midas, values: {h2: 0.1}, warm_up: 5s},
              io2: {pty: /tmp/line, unit: 2, profile: ./io.yaml}}
    rooms: {r1: {volume_m3: 50, h2: [gas1.h2], fans: [{output: io1.do0, airflow: io1.di2, capacity_m3h: 100}], ...}}
    script: [{at: 5s, say: text, set: {gas1.h2: 1.2}}, {at: 9s, mute: gas1}, {at: 12s, unmute: gas1}]

Several devices may share one port or terminal by different unit ids. Promises: every fault at once, with its place.
Refuses: addresses that are not loopback, names and values that do not exist.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.plantsim.encode import Value, encode
from services.plantsim.room import CELLS, BatterySpec, FanSpec, RoomSpec
from shared.devices.profile import Profile
from shared.domain.errors import ConfigError
from shared.fieldbus.lines import split_address
from shared.runtime.documents import Document, Fault, Place, load_document, validation_faults
from shared.runtime.profile_file import Duration, DurationOrZero, Name
from shared.runtime.profiles import load_profile

Plain = str | int | float | bool
Point = tuple[str, str]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda one: (one,) if isinstance(one, str) else one)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DevicePart(_Part):
    modbus_tcp: str = ""
    pty: str = ""
    unit: Annotated[int, Field(ge=0, le=255)] = 1
    profile: str
    values: dict[str, Plain] = {}
    warm_up: Duration = 0


class FanPart(_Part):
    output: str
    airflow: str = ""
    capacity_m3h: Annotated[float, Field(gt=0, le=1e6)]


class BatteryPart(_Part):
    type: Literal["vented_lead", "vrla", "vented_nicd"]
    cells_per_jar: Annotated[int, Field(ge=1, le=24)] = 1
    capacity_ah: Annotated[float, Field(gt=0, le=1e5)]
    strings: tuple[Annotated[int, Field(ge=1, le=330)], ...] = Field(min_length=1, max_length=10)
    monitor: str = ""
    levels: str = ""
    contact: str = ""
    resistance_mohm: Annotated[float, Field(gt=0, le=600)] = 1.0


class RoomPart(_Part):
    volume_m3: Annotated[float, Field(gt=0, le=1e6)]
    speed: Annotated[float, Field(gt=0, le=1e5)] = 1.0
    mode: Literal["float", "boost", "discharge"] = "float"
    ambient_c: Annotated[float, Field(ge=-40, le=80)] = 22.0
    h2: Names = ()
    contacts: Names = ()
    ambient: Names = ()
    fans: tuple[FanPart, ...] = ()
    charger_inhibit: str = ""
    battery: BatteryPart | None = None


class StepPart(_Part):
    """One moment of the script; all of its keys happen together."""

    at: DurationOrZero
    say: str = ""
    set: dict[str, Plain] = {}
    ramp: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = {}
    over: Duration = 10_000
    release: Names = ()
    mute: Names = ()
    unmute: Names = ()
    freeze: Names = ()
    thaw: Names = ()
    exception: dict[str, Annotated[int, Field(ge=0, le=255)]] = {}
    delay: dict[str, DurationOrZero] = {}
    answer_as: dict[str, Annotated[int, Field(ge=-1, le=255)]] = {}
    stick: dict[str, Plain] = {}
    unstick: Names = ()
    cut: Names = ()
    mend: Names = ()
    fail: Names = ()
    repair: Names = ()
    mode: dict[str, Literal["float", "boost", "discharge"]] = {}


class DevicesPart(_Part):
    devices: dict[Name, DevicePart] = Field(min_length=1)
    rooms: dict[Name, RoomPart] = {}
    script: tuple[StepPart, ...] = ()
    seed: int = 1


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    name: str
    tcp: tuple[str, int] | None
    pty: Path | None
    unit: int
    profile: Profile
    values: tuple[tuple[str, Value], ...]
    warm_up_ms: int


@dataclass(frozen=True, slots=True)
class PlantSpec:
    """A checked devices file."""

    devices: tuple[DeviceSpec, ...]
    rooms: tuple[RoomSpec, ...]
    script: tuple[StepPart, ...]
    seed: int


def load_devices(path: Path, env: Mapping[str, str]) -> tuple[PlantSpec | None, tuple[Fault, ...]]:
    """The plant of a devices file, or every fault of it and of its profiles."""
    document, faults = load_document(path, env)
    if document is None:
        return None, tuple(faults)
    try:
        part = DevicesPart.model_validate(document.data)
    except ValidationError as error:
        return None, (*faults, *validation_faults(document, error, DevicesPart))
    checker = _Checker(document, faults, path.parent, env)
    spec = checker.plant(part)
    return (None if checker.faults else spec), tuple(checker.faults)


class _Checker:
    def __init__(self, document: Document, faults: list[Fault], base: Path, env: Mapping[str, str]) -> None:
        self.document = document
        self.faults = list(faults)
        self.base = base
        self.env = env
        self.profiles: dict[str, Profile] = {}

    def fault(self, place: Place, what: str, allowed: str) -> None:
        self.faults.append(self.document.fault(place, what, allowed))

    def plant(self, part: DevicesPart) -> PlantSpec:
        devices = tuple(spec for name, one in part.devices.items() if (spec := self.device(name, one)) is not None)
        taken: dict[tuple[object, int], str] = {}
        for spec in devices:
            key = ((spec.tcp or spec.pty), spec.unit)
            if taken.setdefault(key, spec.name) != spec.name and (spec.tcp is None or spec.tcp[1]):
                self.fault(("devices", spec.name), f"has the place and unit of {taken[key]}", "another unit")
        rooms = tuple(self.room(name, one) for name, one in part.rooms.items())
        for index, step in enumerate(part.script):
            self.step(step, ("script", index), part)
        return PlantSpec(devices, rooms, tuple(sorted(part.script, key=lambda step: step.at)), part.seed)

    def device(self, name: str, part: DevicePart) -> DeviceSpec | None:
        place: Place = ("devices", name)
        profile, faults = load_profile(part.profile, self.base, self.env)
        for fault in faults:
            if fault.line:
                self.faults.append(fault)
            else:
                self.fault((*place, "profile"), fault.what, fault.allowed)
        if bool(part.modbus_tcp) == bool(part.pty):
            self.fault(place, "needs one place to answer at", "modbus_tcp: host:port or pty: path")
        tcp = self.address(part.modbus_tcp, (*place, "modbus_tcp")) if part.modbus_tcp else None
        if profile is None:
            return None
        self.profiles[name] = profile
        for point, value in part.values.items():
            self.value(f"{name}.{point}", value, (*place, "values", point))
        pty = self.base / part.pty if part.pty else None
        return DeviceSpec(name, tcp, pty, part.unit, profile, tuple(part.values.items()), part.warm_up)

    def address(self, text: str, place: Place) -> tuple[str, int] | None:
        try:
            host, port = split_address(text)
            if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
                self.fault(place, f"{host} is not of this machine", "a loopback address like 127.0.0.1:5020")
            return host, port
        except (ConfigError, ValueError):
            self.fault(place, f"{text[:60]!r} is not an address", "a loopback address like 127.0.0.1:5020")
            return None

    def point(self, text: str, place: Place) -> Point:
        device, _, name = text.partition(".")
        profile = self.profiles.get(device)
        if profile is None and device not in self.document.data["devices"]:
            self.fault(place, f"there is no device {device[:40]!r}", "a name under devices")
        elif profile is not None and profile.channel(name) is None:
            self.fault(place, f"{device} has no point {name[:40]!r}", "a point of its profile")
        return device, name

    def points(self, texts: Iterable[str], place: Place) -> tuple[Point, ...]:
        return tuple(self.point(text, place) for text in texts)

    def output(self, text: str, place: Place) -> Point:
        device, name = self.point(text, place)
        profile = self.profiles.get(device)
        if profile is not None and all(output.channel != name for output in profile.outputs):
            self.fault(place, f"{text} is not an output", "a coil of a relay module")
        return device, name

    def value(self, text: str, value: Value, place: Place) -> None:
        device, name = self.point(text, place)
        channel = self.profiles[device].channel(name) if device in self.profiles else None
        if channel is not None:
            try:
                encode(channel, value)
            except ValueError as error:
                self.fault(place, str(error), f"a value in {channel.unit}")

    def room(self, name: str, part: RoomPart) -> RoomSpec:
        place: Place = ("rooms", name)
        battery = part.battery
        fans = []
        for index, fan in enumerate(part.fans):
            device, output = self.output(fan.output, (*place, "fans", index, "output"))
            airflow = self.point(fan.airflow, (*place, "fans", index, "airflow")) if fan.airflow else None
            fans.append(FanSpec(device, output, airflow, fan.capacity_m3h))
        return RoomSpec(
            name=name,
            volume_m3=part.volume_m3,
            speed=part.speed,
            mode=part.mode,
            ambient_c=part.ambient_c,
            h2_points=self.points(part.h2, (*place, "h2")),
            contact_points=self.points(part.contacts, (*place, "contacts")),
            ambient_points=self.points(part.ambient, (*place, "ambient")),
            fans=tuple(fans),
            inhibit=self.output(part.charger_inhibit, (*place, "charger_inhibit")) if part.charger_inhibit else None,
            battery=None if battery is None else self.battery(battery, (*place, "battery")),
        )

    def battery(self, part: BatteryPart, place: Place) -> BatterySpec:
        modules = sum(part.strings)
        for key, device, point in (("monitor", part.monitor, "voltage"), ("levels", part.levels, "level")):
            if device:
                self.point(f"{device}.module{modules}_{point}", (*place, key))
        if part.monitor:
            self.point(f"{part.monitor}.general_flags", (*place, "monitor"))
        contact = self.point(part.contact, (*place, "contact")) if part.contact else None
        assert part.type in CELLS
        return BatterySpec(
            part.type,
            part.cells_per_jar,
            part.capacity_ah,
            part.strings,
            part.monitor,
            part.levels,
            contact,
            part.resistance_mohm,
        )

    def step(self, step: StepPart, place: Place, part: DevicesPart) -> None:
        for text, value in step.set.items():
            self.value(text, value, (*place, "set", text))
        for text in (*step.ramp, *step.release):
            self.point(text, place)
        for text in (*step.stick, *step.unstick, *step.fail, *step.repair):
            self.output(text, place)
        named = (*step.mute, *step.unmute, *step.freeze, *step.thaw, *step.cut, *step.mend)
        for device in (*named, *step.exception, *step.delay, *step.answer_as):
            if device not in part.devices:
                self.fault(place, f"there is no device {device[:40]!r}", "a name under devices")
        for room in step.mode:
            if room not in part.rooms:
                self.fault(place, f"there is no room {room[:40]!r}", "a name under rooms")
