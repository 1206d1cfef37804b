"""What each name in a room means: detectors, outputs, batteries and jars bound to channels of devices.

Everything that can be wrong with a reference is told here; what is built from a binding needs no further questions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.devices.profile import Profile
from shared.domain.plan import OutputKind
from shared.domain.units import Unit
from shared.runtime.documents import Place
from shared.runtime.site_file.figures import Table, built_in, overlay, own_rules
from shared.runtime.site_file.jars import Jar, Trouble, numbered, read_csv
from shared.runtime.site_file.models import BatteryModel, GasModel, RoomModel, RuleModel, StringModel, SwitchModel
from shared.runtime.site_file.names import Found, Names, group_with, listing
from shared.runtime.site_file.values import ChannelRef

JAR_CHANNELS = {"voltage": Unit.VOLT, "resistance": Unit.MILLIOHM, "temperature": Unit.CELSIUS, "state": Unit.STATE}
TELLERS = ("device", "current")
"""Keys of a string that may tell its battery's mode."""
FLAGS_CHANNEL = "general_flags"
"""The name under which a profile offers the BACS general flags."""


@dataclass
class Detector:
    model: GasModel
    place: Place
    points: dict[str, Found]
    """h2, contact_1, contact_2, status, heartbeat: those that there are."""
    status_good: tuple[int, ...] = ()
    status_warm_up: tuple[int, ...] = ()
    heartbeat_ms: int = 0

    @property
    def main(self) -> Found:
        """The point that names the detector."""
        return next(self.points[key] for key in ("h2", "contact_1", "contact_2") if key in self.points)


@dataclass
class Output:
    kind: OutputKind
    place: Place
    coil: Found
    safe_on: bool
    read_back: Found | None = None
    airflow: Found | None = None
    override: Found | None = None
    run_on_ms: int = 0
    run_up_ms: int = 5000
    not_falling_ms: int = 1_800_000
    standby: bool = False
    wiring_safe: bool = False
    capacity_known: bool = False
    airflow_named: bool = False
    """True when an airflow contact is named, be it a good one or not."""
    matrix: str = ""
    """The line of the site's own matrix that it belongs to."""


@dataclass
class BoundJar:
    jar: Jar
    points: dict[str, Found] = field(default_factory=dict)
    """voltage, resistance, temperature, state, level, level_temperature: those that there are."""


@dataclass
class BoundString:
    id: str
    model: StringModel
    place: Place
    number: int
    current: Found | None
    voltage: Found | None
    jars: list[BoundJar]
    is_numbered: bool = True
    """False when its number was left out for a fault: its jars' names are not known."""


@dataclass
class Battery:
    id: str
    model: BatteryModel
    place: Place
    strings: list[BoundString]
    table: Table
    ambient: Found | None = None
    flags: Found | None = None
    contact: Found | None = None
    current: Found | None = None
    voltage: Found | None = None


@dataclass
class OwnRule:
    """A rule of the site's own at one point."""

    id: str
    model: RuleModel
    place: Place
    point: Found


@dataclass
class Room:
    id: str
    model: RoomModel
    place: Place
    table: Table
    detectors: list[Detector] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    batteries: list[Battery] = field(default_factory=list)
    own: list[OwnRule] = field(default_factory=list)


class Binder:
    """Binds one site; faults go to ``names.source``."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.source = names.source
        self.coils: dict[tuple[str, str], Place] = {}
        self.modules: dict[tuple[str, str], Place] = {}
        self.next_module: dict[str, int] = {}
        self.told: set[tuple[Place, str]] = set()
        """What was said about a string is not said again for each of its jars."""

    def site(self) -> list[Room]:
        model = self.source.model
        table = overlay(self.source, built_in(), model.rules, ("rules",))
        rooms = [self.room(name, room, table) for name, room in model.rooms.items()]
        self.matrix({room.id: room for room in rooms})
        for name, rule, place in own_rules(model.rules, ("rules",)):
            for index, ref in enumerate(rule.point or ()):
                self.site_rule(rooms, name, rule, (*place, "point", index), ref)
        return rooms

    def site_rule(self, rooms: list[Room], name: str, rule: RuleModel, place: Place, ref: ChannelRef) -> None:
        """A rule under the site's ``rules:`` goes to the room of its point; of a shared device, to every room."""
        device = self.source.model.devices.get(ref.device)
        where = [room for room in rooms if device is not None and device.room in (room.id, "site")]
        if not where:
            if device is None:
                self.names.device("", ref.device, place)
            return
        for room in where:
            found = self.names.find(room.id, ref, place)
            if found is not None:
                room.own.append(OwnRule(name, rule, place, found))

    def room(self, name: str, model: RoomModel, table: Table) -> Room:
        place: Place = ("rooms", name)
        room = Room(name, model, place, overlay(self.source, table, model.rules, (*place, "rules")))
        for index, gas in enumerate(model.gas):
            detector = self.detector(name, gas, (*place, "gas", index))
            if detector is not None:
                room.detectors.append(detector)
        self.fans(room)
        self.switches(room, OutputKind.CHARGER_INHIBIT, "charger_inhibit", model.charger_inhibit)
        self.switches(room, OutputKind.BUZZER, "buzzer", model.buzzer)
        for battery, spec in model.batteries.items():
            room.batteries.append(self.battery(room, battery, spec))
        for rule_name, rule, at in own_rules(model.rules, (*place, "rules")):
            for index, ref in enumerate(rule.point or ()):
                found = self.names.find(name, ref, (*at, "point", index))
                if found is not None:
                    room.own.append(OwnRule(rule_name, rule, (*at, "point", index), found))
        return room

    def measured(self, room: str, ref: ChannelRef | None, place: Place, unit: Unit) -> Found | None:
        """The channel, which must be in ``unit``."""
        found = self.names.find(room, ref, place)
        if found is None or found.channel.unit is unit:
            return found
        if self.names.is_doubtful(found.device, "points", found.channel.name):
            return None
        kind = "a contact or state" if unit is Unit.STATE else unit.value
        self.source.fault(place, f"{ref} is measured in {found.channel.unit.value}", f"a point in {kind}")
        return None

    def detector(self, room: str, model: GasModel, place: Place) -> Detector | None:
        contacts = (model.contact_1pct, model.contact_2pct)
        if model.h2 is None and None in contacts:
            needs = [(*place, key) for key in ("h2", "contact_1pct", "contact_2pct")]
            self.source.fault(place, "is no detector", "h2, or both of contact_1pct and contact_2pct", needs=needs)
            return None
        keys = (
            ("h2", model.h2, "h2", Unit.H2_VOL),
            ("contact_1", model.contact_1pct, "contact_1pct", Unit.STATE),
            ("contact_2", model.contact_2pct, "contact_2pct", Unit.STATE),
            ("status", model.status, "status", Unit.STATE),
            ("heartbeat", model.heartbeat, "heartbeat", Unit.STATE),
        )
        points = {}
        for key, ref, name, unit in keys:
            found = self.measured(room, ref, (*place, name), unit)
            if found is not None:
                points[key] = found
        if not points.keys() & {"h2", "contact_1", "contact_2"}:
            return None
        detector = Detector(model, place, points)
        profile = self.names.profiles.get(detector.main.device)
        if profile is not None:
            self.health(detector, profile)
        return detector

    def health(self, detector: Detector, profile: Profile) -> None:
        """Status word and heartbeat as the profile offers them."""
        device = detector.main.device
        if profile.status is not None and "status" not in detector.points:
            channel = profile.channel(profile.status.channel)
            if channel is not None:
                detector.points["status"] = Found(device, channel)
        status = detector.points.get("status")
        if status is not None:
            owner = self.names.profiles[status.device].status
            if owner is None and self.names.is_doubtful(status.device, "status"):
                return
            if owner is None or owner.channel != status.channel.name:
                what = f"the profile of {status.device} does not say which values of {status.channel.name} are good"
                self.source.fault((*detector.place, "status"), what, "status: {point, good, warm_up} in the profile")
            else:
                detector.status_good, detector.status_warm_up = owner.good, owner.warm_up
        beat = profile.heartbeat
        if beat is not None and "heartbeat" not in detector.points:
            channel = profile.channel(beat.channel)
            if channel is not None:
                detector.points["heartbeat"] = Found(device, channel)
        if "heartbeat" in detector.points:
            owner_beat = self.names.profiles[detector.points["heartbeat"].device].heartbeat
            detector.heartbeat_ms = 2 * owner_beat.period_ms if owner_beat is not None else detector.model.persist

    def output(self, room: str, kind: OutputKind, ref: ChannelRef, place: Place, safe: bool | None) -> Output | None:
        """The coil behind an output, with its safe value and its read-back."""
        at = (*place, "output")
        found = self.names.find(room, ref, at)
        if found is None:
            return None
        profile = self.names.profiles[found.device]
        offered = next((one for one in profile.outputs if one.channel == found.channel.name), None)
        if offered is None and self.names.is_doubtful(found.device, "points", found.channel.name):
            return None
        if offered is None:
            known = [f"{found.device}.{one.channel}" for one in profile.outputs]
            self.source.fault(at, f"{ref} cannot be switched", listing(known, "a coil with safe: in its profile"))
            return None
        key = (found.device, found.channel.name)
        if key in self.coils:
            self.source.fault(at, f"{ref} has a task already", "another output")
            return None
        self.coils[key] = at
        read_back = profile.channel(offered.read_back)
        return Output(
            kind,
            place,
            found,
            offered.safe_on if safe is None else safe,
            None if read_back is None else Found(found.device, read_back),
        )

    def fans(self, room: Room) -> None:
        for index, model in enumerate(room.model.fan):
            place = (*room.place, "fan", index)
            output = self.output(room.id, OutputKind.FAN, model.output, place, model.safe)
            airflow = self.measured(room.id, model.airflow, (*place, "airflow"), Unit.STATE)
            override = self.measured(room.id, model.override, (*place, "override"), Unit.STATE)
            if output is None:
                continue
            output.airflow, output.override = airflow, override
            output.airflow_named = model.airflow is not None
            output.run_on_ms, output.run_up_ms = model.run_on, model.run_up
            output.not_falling_ms = model.not_falling
            output.standby = model.standby
            output.wiring_safe = model.wiring is not None
            output.capacity_known = model.capacity_m3h is not None
            room.outputs.append(output)

    def switches(self, room: Room, kind: OutputKind, key: str, models: list[SwitchModel]) -> None:
        for index, model in enumerate(models):
            output = self.output(room.id, kind, model.output, (*room.place, key, index), model.safe)
            if output is not None:
                output.run_on_ms = model.run_on
                output.wiring_safe = model.wiring is not None
                room.outputs.append(output)

    def matrix(self, rooms: Mapping[str, Room]) -> None:
        """Outputs of the site's own matrix, in the room of their device."""
        for name, line in self.source.model.matrix.items():
            place: Place = ("matrix", name)
            device = self.source.model.devices.get(line.output.device)
            if device is None:
                self.names.device("", line.output.device, (*place, "output"))
                continue
            if device.room == "site" and len(rooms) != 1:
                what = f"{line.output.device} stands in every room"
                self.source.fault((*place, "output"), what, "an output of a device with one room")
                continue
            room = next(iter(rooms.values()), None) if device.room == "site" else rooms.get(device.room)
            if room is None:
                continue
            output = self.output(room.id, OutputKind.OTHER, line.output, place, line.safe)
            if output is not None:
                output.matrix, output.run_on_ms = name, line.run_on
                output.wiring_safe = line.wiring is not None
                room.outputs.append(output)

    def battery(self, room: Room, name: str, model: BatteryModel) -> Battery:
        place = (*room.place, "batteries", name)
        strings = [
            self.string(room.id, string, spec, (*place, "strings", string), index + 1)
            for index, (string, spec) in enumerate(model.strings.items())
        ]
        battery = Battery(name, model, place, strings, overlay(self.source, room.table, model.rules, (*place, "rules")))
        for rule, spec, at in own_rules(model.rules, (*place, "rules")):
            if spec.point is not None:
                self.source.fault((*at, "point"), f"{rule} belongs to the room", "under rules: of the room or the site")
        battery.ambient = self.measured(room.id, model.ambient, (*place, "ambient"), Unit.CELSIUS)
        mode, at = model.mode, (*place, "mode")
        battery.flags = self.measured(room.id, mode.flags, (*at, "flags"), Unit.STATE) or self.own_flags(
            strings, mode.contact
        )
        battery.contact = self.measured(room.id, mode.contact, (*at, "contact"), Unit.STATE)
        battery.current = self.measured(room.id, mode.current, (*at, "current"), Unit.AMPERE) or next(
            (string.current for string in strings if string.current is not None), None
        )
        battery.voltage = self.measured(room.id, mode.voltage, (*at, "voltage"), Unit.VOLT) or next(
            (string.voltage for string in strings if string.voltage is not None), None
        )
        named = (mode.flags, mode.contact, mode.current, *(spec.current for spec in model.strings.values()))
        unknown = any(spec.device is not None and not self.knows(spec.device) for spec in model.strings.values())
        if battery.flags is battery.contact is battery.current is None and not any(named) and not unknown:
            what = "nothing tells its mode: the stricter limits and boost ventilation hold for ever"
            needs: list[Place] = [at, *((*place, "strings", one, key) for one in model.strings for key in TELLERS)]
            self.source.warn(at, what, "mode: {contact: device.point}, or a string's current", needs=needs)
        return battery

    def knows(self, device: str) -> bool:
        """True when all that the profile of the device offers is known."""
        return device in self.names.profiles and not self.names.is_doubtful(device, "points")

    def own_flags(self, strings: list[BoundString], contact: ChannelRef | None) -> Found | None:
        """General flags of the strings' manager; a contact that the site names is believed instead."""
        for string in strings:
            profile = self.names.profiles.get(string.model.device or "")
            channel = profile.channel(FLAGS_CHANNEL) if profile is not None and contact is None else None
            if channel is not None and string.model.device is not None:
                return Found(string.model.device, channel)
        return None

    def string(self, room: str, name: str, model: StringModel, place: Place, ordinal: int) -> BoundString:
        digits = name.lstrip("abcdefghijklmnopqrstuvwxyz_-")
        number = model.number or (int(digits) if digits.isdecimal() and 1 <= int(digits) <= 99 else ordinal)
        current = self.measured(room, model.current, (*place, "current"), Unit.AMPERE)
        voltage = self.measured(room, model.voltage, (*place, "voltage"), Unit.VOLT) or self.beside(current)
        numbered = not self.source.is_broken((*place, "number"))
        string = BoundString(name, model, place, number, current, voltage, [], numbered)
        profile = self.names.device(room, model.device, (*place, "device")) if model.device else None
        levels = self.names.device(room, model.levels, (*place, "levels")) if model.levels else None
        for jar in self.jars(string):
            bound = BoundJar(jar)
            if profile is not None and model.device:
                self.bind_jar(bound, model.device, profile, tuple(JAR_CHANNELS), (*place, "device"))
            if levels is not None and model.levels:
                self.bind_jar(bound, model.levels, levels, ("level", "level_temperature"), (*place, "levels"))
            string.jars.append(bound)
        return string

    def beside(self, current: Found | None) -> Found | None:
        """The string's voltage that stands beside its current: s1_voltage beside s1_current."""
        if current is None or not current.channel.name.endswith("_current"):
            return None
        profile = self.names.profiles[current.device]
        channel = profile.channel(current.channel.name.removesuffix("current") + "voltage")
        if channel is None or channel.unit is not Unit.VOLT:
            return None
        self.names.use(current.device, channel)
        return Found(current.device, channel)

    def jars(self, string: BoundString) -> tuple[Jar, ...]:
        text, place = string.model.jars, (*string.place, "jars")
        key = string.model.device or string.model.levels or ""
        if not text:
            tell = self.source.fault if key else self.source.warn
            needs: list[Place] = [(*string.place, one) for one in ("jars", "device", "levels")]
            what = "names no jars" if key else "names no jars: airflow cannot be sized for its cells"
            tell(string.place, what, "jars: a number, a range or a CSV file", needs=needs)
            return ()
        if text.lower().endswith(".csv"):
            path = self.source.base(place) / text
            jars, faults = read_csv(path, string.number if string.is_numbered else None)
            self.source.files.append(path)
            if len(faults) == 1 and "cannot be read" in faults[0].what:
                self.source.fault(place, f"{text} {faults[0].what}", faults[0].allowed)
            else:
                self.source.faults += faults
        else:
            found = numbered(text, string.number, self.next_module.get(key, 1))
            if isinstance(found, Trouble):
                self.source.fault(place, found.what, found.allowed)
                return ()
            jars = found
        self.next_module[key] = max([self.next_module.get(key, 1), *(jar.module + 1 for jar in jars)])
        return jars

    def bind_jar(self, bound: BoundJar, device: str, profile: Profile, names: tuple[str, ...], place: Place) -> None:
        """The jar's channels in the repeating group of ``profile`` that measures one of ``names``."""
        group = group_with(profile, names)
        jars = (*place[:-1], "jars")
        if group is None and self.names.is_doubtful(device, "groups"):
            return
        if group is None:
            what = f"the profile of {device} has no group with {' or '.join(names[:2])}"
            self.once(place, what, "a profile with a group of modules")
            return
        if bound.jar.module > group.count:
            if (jars, device) not in self.told:
                what = f"jar {bound.jar.address} is module {bound.jar.module}, {device} has {group.count}"
                self.source.fault(jars, what, f"modules 1 to {group.count}")
            self.told.add((jars, device))
            return
        key = (device, f"{group.name}{bound.jar.module}_{names[0]}")
        if key in self.modules:
            if (jars, f"{device} twice") not in self.told:
                what = f"module {bound.jar.module} of {device} is a jar already"
                self.source.fault(jars, what, "each module once")
            self.told.add((jars, f"{device} twice"))
            return
        self.modules[key] = place
        offered = [one.name for one in group.channels]
        short = {"temperature": "level_temperature"} if "level" in names and names[1] not in offered else {}
        for channel_name in offered:
            name = short.get(channel_name, channel_name)
            channel = group.channel(bound.jar.module, channel_name)
            if channel is None or name not in names:
                continue
            if name in JAR_CHANNELS and channel.unit is not JAR_CHANNELS[name]:
                self.once(place, f"{name} of {device} is in {channel.unit.value}", JAR_CHANNELS[name].value)
                continue
            self.names.use(device, channel)
            bound.points[name] = Found(device, channel)

    def once(self, place: Place, what: str, allowed: str) -> None:
        """A fault of the string that each of its jars would tell again."""
        if (place, what) not in self.told:
            self.told.add((place, what))
            self.source.fault(place, what, allowed)
