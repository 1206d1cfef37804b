"""From a bound site to its plan: one RoomPlan a room, the pseudo-room of the box last.

Promises: the same file makes the same plan; every rule of the catalogue that the plant has a place for is in it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from shared.devices.blocks import plan_device
from shared.devices.plan import BusPlan, DecisionPlan, LogLimits, MqttPlan, SitePlan
from shared.devices.profile import DevicePlan
from shared.domain.ids import SITE_ROOM
from shared.domain.plan import (
    NONE,
    LimitRow,
    LostBy,
    LostRow,
    OutputKind,
    RateRow,
    ReportRow,
    RoomPlan,
    Severity,
    StaleRow,
)
from shared.domain.units import Unit
from shared.domain.upkeep_plan import DueKind, PartKind
from shared.domain.version import CORE_VERSION
from shared.runtime.site_file.batteries import BatteryTables
from shared.runtime.site_file.binding import OwnRule, Room
from shared.runtime.site_file.figures import Figures, Table, built_in, overlay
from shared.runtime.site_file.loading import Source
from shared.runtime.site_file.messages import failing, notify_plan
from shared.runtime.site_file.models import RuleModel
from shared.runtime.site_file.names import Found, Names
from shared.runtime.site_file.outputs import OutputTables, add_detector, judged
from shared.runtime.site_file.tables import Subject, Tables, stale_ms
from shared.runtime.site_file.uplink import uplink_plan
from shared.runtime.site_file.values import scaled

DAY_MS = 86_400_000
BOX_RULES = (
    ("log_undurable", "log"),
    ("log_damaged", "log"),
    ("disk_low", "disk"),
    ("clock_step", "clock"),
    ("replay_differs", "replay"),
)
"""Rules about the box itself and the subject under SITE/_site that they are about."""


def plan_devices(names: Names, rooms: list[Room]) -> tuple[DevicePlan, ...]:
    """The devices with the channels that are used; those of ``room: site`` go to every room."""
    model = names.source.model
    plans = []
    for name, device in model.devices.items():
        profile = names.profiles.get(name)
        if profile is None:
            continue
        where = tuple(room.id for room in rooms) if device.room == "site" else (device.room,)
        extra = sorted(names.used.get(name, {}).values(), key=lambda one: (one.table, one.address, one.name))
        plans.append(
            plan_device(
                profile,
                device_id=name,
                bus=device.bus,
                unit=device.unit,
                every_ms=device.every,
                rooms=where,
                extra=extra,
            )
        )
    return tuple(plans)


def compile_site(names: Names, rooms: list[Room], devices: tuple[DevicePlan, ...]) -> SitePlan:
    """The plan of a site without faults."""
    source, model = names.source, names.source.model
    site = model.site
    plans = tuple(RoomCompiler(names, room, devices).plan() for room in rooms)
    table = overlay(source, built_in(), model.rules, ("rules",))
    return SitePlan(
        name=site.name or site.id,
        time_zone=site.time_zone,
        language=site.language,
        demo=site.demo,
        decision=DecisionPlan(CORE_VERSION, site.id, devices, (*plans, box_room(site.id, table, failing(source)))),
        buses=buses(source),
        mqtt=mqtt(source),
        http=model.http,
        simulate=str((source.base(("simulate",)) / model.simulate).resolve()) if model.simulate else "",
        log=LogLimits(
            frames_days=max(1, model.log.frames // DAY_MS),
            ballast_mib=model.log.ballast_mib,
            keep_around_alarm_ms=model.log.around_alarm,
            disk_low_mib=model.log.disk_low_mib,
        ),
        notify=notify_plan(source),
        uplink=uplink_plan(source),
    )


def buses(source: Source) -> tuple[BusPlan, ...]:
    return tuple(
        BusPlan(
            id=name,
            tcp=bus.modbus_tcp,
            serial=bus.modbus_rtu,
            simulated=bus.simulated,
            timeout_ms=bus.timeout,
            baud=bus.baud,
            parity=bus.parity,
            stop_bits=bus.stop_bits,
        )
        for name, bus in source.model.buses.items()
        if not (bus.snmp or bus.mqtt)
    )


def mqtt(source: Source) -> MqttPlan:
    model = source.model.mqtt
    if model is None:
        return MqttPlan("")
    base = source.base(("mqtt",))

    def path(text: str) -> str:
        return str((base / text).resolve()) if text else ""

    return MqttPlan(
        url=model.url,
        user=model.user,
        password_file=path(model.password_file),
        ca_file=path(model.ca_file),
        cert_file=path(model.cert_file),
        key_file=path(model.key_file),
    )


def box_room(site: str, table: Table, channels: Iterable[str] = ()) -> RoomPlan:
    """The pseudo-room with the alarms of the box itself, and of each channel to the outside, people or a heartbeat."""
    path = f"{site}/{SITE_ROOM}"
    tables = Tables(Subject(path, path))
    for rule, part in (*BOX_RULES, *(("delivery_failing", channel) for channel in channels)):
        subject = tables.room / part
        alarm = tables.alarm(subject, table[rule])
        tables.reports.append(ReportRow(alarm, rule, subject.path, table[rule].severity))
    return tables.plan(SITE_ROOM, site, "")


class RoomCompiler:
    """One room: points first, then lost paths, detectors, batteries, own rules, outputs."""

    def __init__(self, names: Names, room: Room, devices: tuple[DevicePlan, ...]) -> None:
        self.model = names.source.model
        self.room = room
        self.site = self.model.site.id
        path, was = f"{self.site}/{room.id}", f"{self.site}/{room.model.was or room.id}"
        self.tables = Tables(Subject(path, was))
        self.devices = tuple(device for device in devices if room.id in device.rooms)
        self.on_bus = Counter(device.bus for device in devices)
        self.jar_names = jar_names(room)

    def plan(self) -> RoomPlan:
        for device in self.devices:
            self.tables.add_scan(device, self.jar_names)
        self.parts()
        self.lost()
        for detector in self.room.detectors:
            add_detector(self.tables, self.room.table, detector, self.subject(detector.main))
        for battery in self.room.batteries:
            was = battery.model.was or battery.id
            subject = Subject(f"{self.tables.room.path}/{battery.id}", f"{self.tables.room.was}/{was}")
            strings_was = {string.id: string.model.was or string.id for string in battery.strings}
            BatteryTables(self.tables, battery, subject, strings_was).fill()
        self.signals()
        for rule in self.room.own:
            self.own(rule)
        self.outputs()
        return self.tables.plan(self.room.id, self.site, self.room.model.name, self.room.model.was or "")

    def parts(self) -> None:
        """Devices, each in its first room, gas heads, and the sensors that are no jar's; jars come with batteries."""
        tables, held = self.tables, {output.coil.device for output in self.room.outputs}
        for device in self.devices:
            if device.rooms[0] == self.room.id:
                model = self.model.devices[device.id]
                kind = PartKind.RELAY_MODULE if device.id in held else PartKind.DEVICE
                place = f"{device.bus} {device.unit}"
                tables.part(
                    self.device_subject(device.id), kind, serial=model.serial, type=model.profile, position=place
                )
        for detector in self.room.detectors:
            tables.part(self.subject(detector.main), PartKind.GAS_HEAD, serial=detector.model.serial)
        for battery in self.room.batteries:
            for found in (*(string.current for string in battery.strings), battery.ambient):
                if found is not None:
                    tables.part(self.subject(found), PartKind.SENSOR)

    def device_subject(self, device: str) -> Subject:
        was = self.model.devices[device].was or device
        return Subject(f"{self.tables.room.path}/{device}", f"{self.tables.room.was}/{was}")

    def subject(self, found: Found) -> Subject:
        """The path of a point: that of its jar, or device-channel."""
        name = self.jar_names.get((found.device, found.channel.name))
        if name is not None:
            return self.tables.room / name
        device = self.device_subject(found.device)
        return Subject(f"{device.path}-{found.channel.name}", f"{device.was}-{found.channel.name}")

    def lost(self) -> None:
        """device_lost under bus_lost. A room knows of a line what its own devices show: when it has one device alone
        there, or other rooms have some too, only a link that is gone is a lost line."""
        tables, table = self.tables, self.room.table
        by_bus: dict[str, list[int]] = {}
        for index, each in enumerate(tables.scans):
            by_bus.setdefault(each.bus, []).append(index)
        for bus, scans in by_bus.items():
            parent = NONE
            if table["bus_lost"].enabled:
                parent = tables.alarm(tables.room / bus, table["bus_lost"])
                after = max(stale_ms(tables.scans[scan].every_ms) for scan in scans)
                by = LostBy.ANSWERS if self.on_bus[bus] == len(scans) > 1 else LostBy.LINK
                tables.losts.append(LostRow(parent, tuple(scans), after, table["bus_lost"].severity, by))
            if not table["device_lost"].enabled:
                continue
            for scan in scans:
                device = tables.scans[scan].device
                alarm = tables.alarm(self.device_subject(device), table["device_lost"])
                after = stale_ms(tables.scans[scan].every_ms)
                tables.losts.append(LostRow(alarm, (scan,), after, table["device_lost"].severity))
                tables.device_alarms[device] = alarm
                tables.suppress(alarm, parent)

    def signals(self) -> None:
        figures = self.room.table["signal_fault"]
        if not figures.enabled:
            return
        for found in judged(self.room):
            subject = self.subject(found)
            point = self.tables.point(found)
            if f"{subject.path}/{figures.rule}" in self.tables.by_id:
                continue
            alarm = self.tables.alarm(subject, figures, points=(point,))
            after = self.tables.points[point].stale_ms + 1000
            self.tables.stales.append(StaleRow(alarm, point, after, figures.severity))

    def own(self, rule: OwnRule) -> None:
        """A rule of the site's own: its rows feed one alarm, which escalates from high to high_high."""
        figures = own_figures(rule)
        point = self.tables.point(rule.point)
        unit = rule.point.channel.unit
        alarm = self.tables.alarm(self.subject(rule.point), figures, points=(point,))
        for high, limit, severity in own_limits(rule.model, unit, figures.severity):
            self.tables.limits.append(LimitRow(alarm, point, high, limit, figures.deadband, severity))
        if rule.model.rise is not None:
            rise = scaled(rule.model.rise, unit) or 0
            self.tables.rates.append(
                RateRow(alarm, point, rule.model.window or 0, rise, figures.deadband, figures.severity)
            )

    def outputs(self) -> None:
        """Alarms of all outputs first, so that the buzzer hears them; then the outputs with their causes."""
        filler = OutputTables(self.tables, self.room, self.model.matrix)
        paths = [self.subject(output.coil) for output in self.room.outputs]
        alarms = [filler.alarms(output, path) for output, path in zip(self.room.outputs, paths, strict=True)]
        for detector in self.room.detectors:
            self.tables.due(self.subject(detector.main), DueKind.CALIBRATION, self.room.table["calibration_overdue"])
        for path in paths:
            self.tables.due(path, DueKind.PROOF_TEST, self.room.table["proof_test_overdue"])
        for device in dict.fromkeys(output.coil.device for output in self.room.outputs):
            plan = next(one for one in self.devices if one.id == device)
            if plan.watchdog is not None:
                filler.watchdog(device, self.device_subject(device))
        lines = {}
        for output in self.room.outputs:
            line = self.model.matrix.get(output.matrix) if output.kind is OutputKind.OTHER else None
            if line is not None and (line.at_least or line.on_delay or line.latch):
                figures = matrix_figures(self.room.table["matrix_cause"], line.on_delay, latch=line.latch)
                lines[output.matrix] = filler.matrix_alarm(output.matrix, line, self.tables.room, figures)
        for output, path, own in zip(self.room.outputs, paths, alarms, strict=True):
            filler.add(output, path.path, own, filler.causes(output, lines.get(output.matrix, NONE)))


def matrix_figures(figures: Figures, on_delay_ms: int, *, latch: bool) -> Figures:
    """The rule matrix_cause with a line's own delay and latch."""
    return replace(figures, on_delay_ms=on_delay_ms, latch=latch)


def own_figures(rule: OwnRule) -> Figures:
    """Delays and severity of a site's own rule: warning when nothing is said."""
    model = rule.model
    severity = Severity.WARNING if model.severity is None else Severity[model.severity.upper()]
    deadband = 0 if model.deadband is None else scaled(model.deadband, rule.point.channel.unit) or 0
    return Figures(
        rule=rule.id,
        severity=severity,
        enabled=True,
        limit=None,
        deadband=deadband,
        on_delay_ms=model.on_delay or 0,
        off_delay_ms=model.off_delay or 0,
        latch=bool(model.latch),
        realarm_ms=model.realarm or 0,
        rises=model.rises or 0,
        window_ms=0 if model.rises is None else model.window or 0,
    )


def own_limits(model: RuleModel, unit: Unit, severity: Severity) -> list[tuple[bool, int, Severity]]:
    """(is high, limit, severity) of each limit of a site's own rule; high_high and low_low are one step graver."""
    graver = Severity(min(severity + 1, Severity.CRITICAL))
    rows = []
    for is_high, given, grade in (
        (True, model.high_high, graver),
        (True, model.high, severity),
        (False, model.low, severity),
        (False, model.low_low, graver),
    ):
        if given is not None:
            rows.append((is_high, scaled(given, unit) or 0, grade))
    if model.closed is not None:
        rows.append((model.closed, 1 if model.closed else 0, severity))
    return rows


def jar_names(room: Room) -> dict[tuple[str, str], str]:
    """Names of points that belong to jars, by device and channel: bat1/2S4/voltage."""
    return {
        (found.device, found.channel.name): f"{battery.id}/{jar.jar.address}/{name}"
        for battery in room.batteries
        for string in battery.strings
        for jar in string.jars
        for name, found in jar.points.items()
    }
