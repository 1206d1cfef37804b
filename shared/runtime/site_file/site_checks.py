"""Checks of the site as a whole: its lines, devices, files and names, and what this version does not do yet."""

import ipaddress
from collections.abc import Iterator
from zoneinfo import ZoneInfo, available_timezones

from shared.domain.ids import is_id
from shared.runtime.documents import Place
from shared.runtime.durations import format_duration
from shared.runtime.site_file.binding import Room
from shared.runtime.site_file.loading import Source
from shared.runtime.site_file.messages import check_file, check_people
from shared.runtime.site_file.models import BusModel, DeviceModel
from shared.runtime.site_file.names import Found, Names, listing, near
from shared.runtime.site_file.uplink import check_uplink
from shared.runtime.site_file.values import split_address

BAUDS = (1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200)
TIMEOUT_ADVISED_MS = (100, 2_000)
EVERY_ADVISED_MAX_MS = 60_000
KINDS = ("modbus_tcp", "modbus_rtu", "simulated", "mqtt", "snmp")
LATER = "comes with a later version: it does nothing in this one"


def check_site_wide(names: Names, rooms: list[Room]) -> None:
    """All checks of this module."""
    source = names.source
    _site(source)
    for name, bus in source.model.buses.items():
        _bus(source, name, bus)
    _devices(source)
    check_people(source)
    if not source.model.rooms and not source.is_broken(("rooms",)) and not source.is_partial:
        source.fault(("rooms",), "the site has no rooms", "at least one room")
    for room in rooms:
        _collisions(names, room)
    _hosted(source, rooms)
    _renames(source)


def _site(source: Source) -> None:
    model = source.model
    check_zone(source)
    address = split_address(model.http)
    if address is None:
        source.fault(("http",), f"{model.http[:60]!r} is no address", "host:port, as in 127.0.0.1:8080")
    elif not _is_loopback(address[0]):
        what = f"{address[0]} can be reached from outside; that comes with a later version"
        source.fault(("http",), what, "127.0.0.1, localhost or [::1]")
    if model.northbound is not None:
        source.warn(("northbound",), LATER, "keep it for a later version")
    check_uplink(source)
    if model.simulate:
        _simulate(source)
    if model.mqtt is not None:
        for key in ("password_file", "ca_file", "cert_file", "key_file"):
            check_file(source, ("mqtt", key), getattr(model.mqtt, key))


def check_zone(source: Source) -> None:
    """The site's time zone is one that there is."""
    zone = source.model.site.time_zone
    place: Place = ("site", "time_zone")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        zones = available_timezones()
        if not zones:
            what = f"no time zones are installed on this machine: {zone[:60]!r} is not checked"
            source.warn(place, what, "install the package tzdata")
            return
        what = f"{zone[:60]!r} is no time zone{near(zone, zones)}"
        source.fault(place, what, "a name of the IANA list, as in Europe/Berlin")


def _simulate(source: Source) -> None:
    place: Place = ("simulate",)
    if not source.model.site.demo:
        needs = [("site", "demo")]
        source.fault(
            place, "only a demo site has simulated devices", "site: {demo: true}, or leave it out", needs=needs
        )
    else:
        check_file(source, place, source.model.simulate)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _bus(source: Source, name: str, bus: BusModel) -> None:
    place: Place = ("buses", name)
    _timeout(source, name, bus)
    if any(source.is_broken((*place, kind)) for kind in KINDS):
        return
    given = [kind for kind in KINDS if getattr(bus, kind)]
    if len(given) != 1:
        what = f"names {' and '.join(given)}" if given else "names no line"
        source.fault(place, what, f"exactly one of {', '.join(KINDS)}", needs=())
        return
    if bus.simulated and not source.model.site.demo:
        source.fault(
            (*place, "simulated"),
            "only a demo site has simulated buses",
            "site: {demo: true}, or a real line",
            needs=[("site", "demo")],
        )
    if bus.modbus_tcp and split_address(bus.modbus_tcp) is None:
        what = f"{bus.modbus_tcp[:60]!r} is no address"
        source.fault((*place, "modbus_tcp"), what, "host:port, as in 10.0.0.7:502")
    if bus.modbus_rtu and bus.baud not in BAUDS:
        source.fault((*place, "baud"), f"{bus.baud} is no usual speed", listing(str(baud) for baud in BAUDS))
    for kind, keys in (("modbus_rtu", ("baud", "parity", "stop_bits")), ("snmp", ("version", "user_file"))):
        for key in keys:
            if key in bus.model_fields_set and not getattr(bus, kind):
                source.fault((*place, key), f"means nothing for {given[0]}", f"only with {kind}")
    if bus.snmp:
        source.warn((*place, "snmp"), f"an SNMP bus {LATER}", "modbus_tcp or modbus_rtu for what must be seen now")


def _hosted(source: Source, rooms: list[Room]) -> None:
    """A site is hosted whole or not at all, and nothing is switched over a broker: a lease and a trip need a line."""
    buses = source.model.buses
    if not any(bus.mqtt for bus in buses.values()):
        return
    for name, bus in buses.items():
        if not bus.mqtt and any(getattr(bus, kind) for kind in KINDS):
            what = "the other devices come by MQTT, which makes this a hosted site: nothing there reaches a line"
            source.fault(("buses", name), what, "mqtt buses alone, or a site of its own for the lines", needs=())
    for room in rooms:
        for output in room.outputs:
            device = source.model.devices[output.coil.device]
            if device.bus in buses and buses[device.bus].mqtt:
                what = f"{output.coil.device} speaks MQTT only: nothing could switch it in time"
                source.fault((*output.place, "output"), what, "an output of a site's own box", needs=())


def _timeout(source: Source, name: str, bus: BusModel) -> None:
    low, high = TIMEOUT_ADVISED_MS
    if not low <= bus.timeout <= high:
        advised = f"{format_duration(low)} to {format_duration(high)} is advised"
        source.warn(("buses", name, "timeout"), f"{format_duration(bus.timeout)} is unusual", advised)


def _line(bus: BusModel) -> str:
    """What tells two buses apart: the same line twice is one line."""
    return bus.modbus_tcp.lower() or bus.modbus_rtu or bus.simulated or bus.snmp


def _devices(source: Source) -> None:
    model = source.model
    lines: dict[str, str] = {}
    for name, bus in model.buses.items():
        other = lines.setdefault(_line(bus), name)
        if other != name and bus.modbus_rtu:
            what = f"{bus.modbus_rtu} is the line of {other} already"
            source.fault(("buses", name, "modbus_rtu"), what, "one bus for each line")
    units: dict[tuple[str, int], str] = {}
    for name, device in model.devices.items():
        _device(source, name, device)
        found = model.buses.get(device.bus)
        if found is None or not _line(found):
            continue
        other = units.setdefault((_line(found), device.unit), name)
        if other != name:
            what = f"unit {device.unit} of {device.bus} is {other} already"
            source.fault(("devices", name, "unit"), what, "each unit of a line once")
    for name in model.buses:
        used = model.buses[name].snmp or any(device.bus == name for device in model.devices.values())
        if not used and not _devices_lost(source):
            source.warn(("buses", name), "no device is on this line", "a device, or leave it out", needs=())


def _devices_lost(source: Source) -> bool:
    """True when a device was left out: it may have been on any line."""
    lost = any(len(place) <= 2 and place[:1] == ("devices",) for gaps in source.gaps.values() for place in gaps.broken)
    return lost or source.is_partial


def _device(source: Source, name: str, device: DeviceModel) -> None:
    place: Place = ("devices", name)
    buses, rooms = source.model.buses, source.model.rooms
    if device.bus not in buses:
        if not source.is_gone(("buses", device.bus)):
            what = f"there is no bus {device.bus}{near(device.bus, buses)}"
            source.fault((*place, "bus"), what, listing(buses, "a bus under buses:"))
    elif buses[device.bus].snmp:
        what = f"{device.bus} is an SNMP bus, which comes with a later version: nothing would watch this device"
        source.fault((*place, "bus"), what, "a device on modbus_tcp or modbus_rtu")
    elif buses[device.bus].modbus_rtu and not 1 <= device.unit <= 247:
        source.fault((*place, "unit"), f"{device.unit} is no address on a serial line", "1 to 247")
    if device.room != "site" and device.room not in rooms and not source.is_gone(("rooms", device.room)):
        what = f"there is no room {device.room}{near(device.room, rooms)}"
        source.fault((*place, "room"), what, f"{listing(rooms, 'a room under rooms:')}, or site for every room")
    if device.every > EVERY_ADVISED_MAX_MS:
        source.warn((*place, "every"), f"{format_duration(device.every)} is long", "up to 60s is advised")


def _paths(names: Names, room: Room) -> Iterator[tuple[str, str, Place]]:
    """(path within the room, what it is, where it stands) of everything that has a name there."""
    devices = names.devices_of(room.id)
    for bus in dict.fromkeys(device.bus for device in devices.values()):
        yield bus, f"bus {bus}", ("buses", bus)
    for device in devices:
        yield device, f"device {device}", ("devices", device)
    for battery in room.batteries:
        yield battery.id, f"battery {battery.id}", battery.place
        for string in battery.strings:
            yield f"{battery.id}/{string.id}", f"string {string.id}", string.place
            for jar in string.jars if string.is_numbered else ():
                name = f"{battery.id}/{jar.jar.address}"
                yield name, f"jar {jar.jar.address} of {string.id}", (*string.place, "jars")
    for output in room.outputs:
        if output.matrix:
            yield output.matrix, f"matrix line {output.matrix}", output.place
    taken = {(found.device, found.channel.name) for found in _jar_points(room)}
    for device in devices:
        profile = names.profiles.get(device)
        own = profile.channels if profile is not None else ()
        for channel in {one.name: None for one in (*own, *names.used.get(device, {}).values())}:
            if (device, channel) not in taken:
                yield f"{device}-{channel}", f"point {device}.{channel}", ("devices", device)


def _jar_points(room: Room) -> Iterator[Found]:
    return (
        found for battery in room.batteries for s in battery.strings for jar in s.jars for found in jar.points.values()
    )


def _collisions(names: Names, room: Room) -> None:
    seen: dict[str, str] = {}
    told: set[Place] = set()
    for path, what, place in _paths(names, room):
        other = seen.setdefault(path, what)
        if other != what and place not in told:
            told.add(place)
            text = f"{what} and {other} would both be {names.source.model.site.id}/{room.id}/{path}"
            names.source.fault(place, text, "ids that stay apart", value=False, needs=())


def _renames(source: Source) -> None:
    """``was:`` names an id that is gone, and each only once."""
    sections: list[tuple[Place, dict[str, object]]] = [
        (("devices",), dict(source.model.devices)),
        (("rooms",), dict(source.model.rooms)),
    ]
    for name, room in source.model.rooms.items():
        sections.append((("rooms", name, "batteries"), dict(room.batteries)))
        for battery, model in room.batteries.items():
            sections.append((("rooms", name, "batteries", battery, "strings"), dict(model.strings)))
    for place, entries in sections:
        seen: dict[str, str] = {}
        for key, entry in entries.items():
            was = getattr(entry, "was", None)
            if was is None:
                continue
            at = (*place, key, "was")
            if was in entries:
                source.fault(at, f"{was} is still there", "an id that is gone")
            other = seen.setdefault(was, key)
            if other != key:
                source.fault(at, f"{other} was {was} already", "each old id once")


def is_rule_name(name: str) -> bool:
    """True for an id that a site's own rule may have."""
    return is_id(name)
