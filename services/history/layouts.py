"""What a device's frames are about under one rule set: its points in the order of its channels, and its batteries.

A point keeps its series (a number) as long as its id and unit stay. A renamed one goes on under the new id, and is
found under each id that it had: ``was:`` of a room is in its plan, that of a device or a battery in its alarms.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.devices.plan import DecisionPlan
from shared.domain.plan import NONE, RoomPlan
from shared.domain.units import Unit

JAR_VOLTAGE = "/voltage"


@dataclass(frozen=True, slots=True)
class PointName:
    """One channel of a device: its id in each room that sees the device."""

    ids: tuple[str, ...]
    unit: Unit


@dataclass(frozen=True, slots=True)
class StringOf:
    id: str
    device: str
    channel: int
    """Of its current."""


@dataclass(frozen=True, slots=True)
class BatteryOf:
    """Where a battery's currents and jar voltages stand in the frames of its devices."""

    id: str
    strings: tuple[StringOf, ...]
    jars: Mapping[str, tuple[tuple[str, int], ...]]
    """By device: (jar's id, channel of its voltage)."""

    @property
    def devices(self) -> frozenset[str]:
        return frozenset((*self.jars, *(string.device for string in self.strings)))


def points_of(decision: DecisionPlan) -> dict[str, tuple[PointName, ...]]:
    """By device, in channel order."""
    rooms = {str(room.id): room for room in decision.rooms}
    found: dict[str, tuple[PointName, ...]] = {}
    for device in decision.devices:
        ids: list[list[str]] = [[] for _ in device.channels]
        for room in (rooms[name] for name in device.rooms if name in rooms):
            for scan in (scan for scan in room.scans if scan.device == device.id):
                for n, point in enumerate(room.points[scan.first : scan.first + len(ids)]):
                    ids[n].append(str(point.id))
        found[device.id] = tuple(
            PointName(tuple(names), channel.unit) for names, channel in zip(ids, device.channels, strict=True)
        )
    return found


def late_ms_of(decision: DecisionPlan) -> dict[str, int]:
    """By device: an older frame is recorded, but nothing is decided by it (as shared.domain.index has it)."""
    late: dict[str, int] = {}
    for room in decision.rooms:
        for scan in room.scans:
            points = room.points[scan.first : scan.first + scan.count]
            ms = min((point.stale_ms for point in points), default=3 * scan.every_ms)
            late[scan.device] = min(ms, late.get(scan.device, ms))
    return late


def renames(decision: DecisionPlan, known: frozenset[str]) -> dict[str, str]:
    """From the id of a point that is not ``known`` to the known one that it had before."""
    pairs = {}
    for room in decision.rooms:
        pairs.update(_pairs(room))
    found = {}
    for names in points_of(decision).values():
        for name in (name for point in names for name in point.ids if name not in known):
            before = next((old for old in _earlier(name, pairs) if old in known), "")
            if before:
                found[name] = before
    return found


def _pairs(room: RoomPlan) -> dict[str, str]:
    """From the path of a thing to the path that it had: rooms, devices, batteries, strings and points."""
    pairs = {}
    if room.was:
        pairs[f"{room.site}/{room.id}"] = f"{room.site}/{room.was}"
    for alarm in room.alarms:
        was = alarm.was.removesuffix(f"/{alarm.rule}")
        if was and was != alarm.subject:
            pairs[alarm.subject] = was
    return pairs


def _earlier(name: str, pairs: Mapping[str, str]) -> list[str]:
    """Ids that a point may have had, the most exact first: ``path``, ``path-channel`` or ``path/jar/what``."""
    cuts = [name, *(name[:n] for n in range(len(name) - 1, 0, -1) if name[n] in "/-")]
    return [pairs[cut] + name[len(cut) :] for cut in cuts if cut in pairs]


def batteries_of(decision: DecisionPlan) -> dict[str, BatteryOf]:
    """By the battery's path."""
    return {
        battery.id: _battery(room, b, battery.id, battery.current)
        for room in decision.rooms
        for b, battery in enumerate(room.batteries)
    }


def _battery(room: RoomPlan, b: int, path: str, current: int) -> BatteryOf:
    places = {
        scan.first + n: (str(scan.device), n) for scan in room.scans for n in range(scan.count)
    }  # fmt: skip
    currents: dict[int, str] = {}
    rows = [(row.alarm, row.point) for row in room.limits if row.battery == b]
    rows += [(row.alarm, row.point) for row in room.median_factors if row.battery == b]
    for alarm, point in rows:
        if room.alarms[alarm].rule.startswith("string_current") and room.points[point].unit is Unit.AMPERE:
            currents.setdefault(point, room.alarms[alarm].subject)
    if not currents and current != NONE:
        currents[current] = path
    jars: dict[str, list[tuple[str, int]]] = {}
    for p, measured in enumerate(room.points):
        inside = str(measured.id).removeprefix(f"{path}/")
        if measured.unit is Unit.VOLT and inside.endswith(JAR_VOLTAGE) and inside.count("/") == 1 and p in places:
            device, n = places[p]
            jars.setdefault(device, []).append((str(measured.id).removesuffix(JAR_VOLTAGE), n))
    strings = tuple(StringOf(name, *places[point]) for point, name in currents.items() if point in places)
    return BatteryOf(path, strings, {device: tuple(found) for device, found in jars.items()})
