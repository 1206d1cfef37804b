"""The site file: read, checked, compiled. ``check_site`` is all that other rooms need.

Promises: every fault of a file is told at once, with file, line, column, key, what is wrong and what is allowed; a file
without faults makes one plan, and the same file the same plan; warnings never stop a plan. Nothing raises on bad input.
Refuses: what this version cannot do is a fault that says so, never a silent key.
Limits: 4 MiB a file, 1,000 jars a string; 330 jars with four values each compile in well under a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.devices.plan import BusPlan, LogLimits, SitePlan
from shared.devices.profile import DevicePlan
from shared.domain.units import round_div
from shared.runtime.documents import Fault
from shared.runtime.durations import format_duration
from shared.runtime.site_file.binding import Binder, Room
from shared.runtime.site_file.capacity import (
    EMPTY,
    LOAD_MAX_PERCENT,
    LOAD_WARN_PERCENT,
    CapacitySheet,
    LineTime,
    line_time,
    sheet,
)
from shared.runtime.site_file.changes import PlanChanges, plan_changes
from shared.runtime.site_file.compiling import buses, compile_site, plan_devices
from shared.runtime.site_file.loading import Source, load_source
from shared.runtime.site_file.names import load_profiles
from shared.runtime.site_file.room_checks import RoomChecks, check_matrix
from shared.runtime.site_file.site_checks import check_site_wide

__all__ = ["CapacitySheet", "Checked", "PlanChanges", "check_site", "json_schema", "plan_changes"]

TRIP_MAX_US = 2_000_000
"""From gas at the device to the coil, whatever the line [G1]."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A site file that was read: its plan when it has no faults, and everything found."""

    plan: SitePlan | None
    faults: tuple[Fault, ...]
    """Errors and warnings, in the order of files and lines."""
    capacity: CapacitySheet
    sources: tuple[Path, ...] = ()
    """Every file that was read: site file, included files, profiles, CSV files."""

    @property
    def errors(self) -> tuple[Fault, ...]:
        """The faults that stop a plan."""
        return tuple(fault for fault in self.faults if fault.severity == "error")


def json_schema() -> dict[str, Any]:
    """JSON Schema of the site file, for editors."""
    from shared.runtime.site_file.schema import json_schema as make

    return make()


def check_site(path: Path, env: Mapping[str, str], free_bytes: int = 0) -> Checked:
    """Read, check and compile the site file at ``path``; ``env`` fills its ${VARIABLES}.

    ``free_bytes`` is the free space where the log will be, for the capacity sheet; 0 when not known.
    """
    source, faults = load_source(path, env)
    if source is None:
        return Checked(None, tuple(faults), EMPTY, (path,))
    names = load_profiles(source, env)
    binder = Binder(names)
    rooms = binder.site()
    check_site_wide(names, rooms)
    for room in rooms:
        RoomChecks(names, room).check()
    check_matrix(names, rooms)
    devices = plan_devices(names, rooms)
    _assumed(source, devices)
    _lines(source, rooms, devices)
    plan = None
    capacity = EMPTY
    if not any(fault.severity == "error" for fault in source.faults):
        plan = compile_site(names, rooms, devices)
        capacity = sheet(plan.buses, devices, plan.decision.rooms, plan.log, free_bytes, plan.uplink)
        _disk(source, capacity, plan.log)
        _uplink(source, capacity)
    return Checked(plan, _sorted(source), capacity, tuple(dict.fromkeys(source.files)))


def _sorted(source: Source) -> tuple[Fault, ...]:
    """Each fault once, by file in the order of reading, then by line."""
    order: dict[str, int] = {source.root.file: 0}
    for fault in source.faults:
        order.setdefault(fault.file, len(order))
    unique = dict.fromkeys(source.faults)
    return tuple(sorted(unique, key=lambda fault: (order[fault.file], fault.line, fault.col)))


def _assumed(source: Source, devices: tuple[DevicePlan, ...]) -> None:
    """Addresses that are not the vendor's are said for each device that uses them."""
    for device in devices:
        names = [channel.name for channel in device.channels if channel.assumed]
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            what = f"{device.profile}: the address of {names[0]}{more} is assumed, not the vendor's"
            source.warn(
                ("devices", device.id, "profile"), what, "compare with `ampward probe`, or a profile of your own"
            )


def _lines(source: Source, rooms: list[Room], devices: tuple[DevicePlan, ...]) -> None:
    """The time that each line has, and that gas may have to wait on it."""
    gas = {found.device for room in rooms for one in room.detectors for found in one.points.values()}
    for bus in buses(source):
        if source.is_broken(("buses", bus.id)):
            continue
        line = line_time(bus, [device for device in devices if device.bus == bus.id])
        percent = round_div(line.load_per_mille, 10)
        what = f"its devices need {percent} % of its time"
        if percent > LOAD_MAX_PERCENT:
            source.fault(
                ("buses", bus.id), what, f"at most {LOAD_MAX_PERCENT} %: slower polls, a faster or second line"
            )
        elif percent > LOAD_WARN_PERCENT:
            source.warn(("buses", bus.id), what, f"up to {LOAD_WARN_PERCENT} % is advised")
        if percent <= LOAD_MAX_PERCENT:
            _gas_wait(source, bus, line, [device for device in devices if device.bus == bus.id and device.id in gas])


def _gas_wait(source: Source, bus: BusPlan, line: LineTime, devices: list[DevicePlan]) -> None:
    """Gas behind a full round of its line, and behind a device that does not answer."""
    slowest = max((device.every_ms for device in devices), default=0)
    wait_us = slowest * 1000 + line.round_us
    if devices and wait_us <= TRIP_MAX_US < wait_us + bus.timeout_ms * 1000 and line.devices > 1:
        what = f"a dead device on {bus.id} would hold up gas for {format_duration(bus.timeout_ms)}"
        most = format_duration((TRIP_MAX_US - wait_us) // 1000)
        source.warn(("buses", bus.id, "timeout"), what, f"a timeout of at most {most}, or gas on a line of its own")
    for device in devices:
        wait_us = device.every_ms * 1000 + line.round_us
        if wait_us > TRIP_MAX_US:
            what = f"gas may be seen only after {format_duration(round_div(wait_us, 1000))} on the line {line.bus}"
            source.fault(("devices", device.id, "bus"), what, "2s at most: a faster line, or slow devices on another")


def _uplink(source: Source, capacity: CapacitySheet) -> None:
    ways = 2 if capacity.mqtt_bytes_a_day_max else 1
    for what_goes, need_a_day, most_a_day in (
        ("frames alone", capacity.uplink_bytes_a_day, capacity.uplink_bytes_a_day_max),
        ("frames and points by MQTT", capacity.mqtt_bytes_a_day, capacity.mqtt_bytes_a_day_max),
    ):
        if 2 * need_a_day > most_a_day:
            need = -(-need_a_day // (86_400 << 10))
            what = f"{what_goes} may need {need} KiB a second: a backlog hardly gets up beside them"
            source.warn(("uplink", "kib_per_s"), what, f"{2 * ways * need} or more, or slower polls")


def _disk(source: Source, capacity: CapacitySheet, log: LogLimits) -> None:
    if 0 <= capacity.days_of_disk < log.frames_days:
        what = f"the disk holds {capacity.days_of_disk} days of frames, {log.frames_days} are to be kept"
        source.warn(("log", "frames"), what, "a shorter time, slower polls or a larger disk")
