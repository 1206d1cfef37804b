"""Battery rules laid over jars and strings: limits by type and mode, window by window.

Volts per cell are micro-volts until the last multiplication. A VRLA battery's float and boost volts are compensated for
the battery's usual temperature (``temperature_c``) here, and from there on by the core for the jar's own temperature,
else for the battery's ambient point (strings: always that). A limit that the site gives, and the limits of a discharge,
stand as they are. Low limits are those of the discharge while discharging and recovering, high limits those of boost in
boost and recovery; in float and in unknown mode the float window holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from shared.domain.catalogue import BATTERIES, REFERENCE_TEMPERATURE, BatteryFigures
from shared.domain.plan import (
    NONE,
    BatteryPlan,
    CompensationRow,
    CountRow,
    DeviationRow,
    DifferenceRow,
    LimitRow,
    MedianFactorRow,
    Mode,
    ModeLimit,
    RunawayRow,
    StaleRow,
)
from shared.domain.units import Unit, round_div
from shared.domain.upkeep_plan import NO_LIMIT, BaselinePlan, FactorRow, PartKind
from shared.runtime.site_file.binding import JAR_CHANNELS, Battery, BoundJar, BoundString
from shared.runtime.site_file.figures import Figures
from shared.runtime.site_file.models import BatteryModel, StringModel
from shared.runtime.site_file.tables import Subject, Tables
from shared.runtime.site_file.values import scaled

FLOAT_CURRENT_FLOOR_MA = 500
"""Below this a Hall sensor of ±500 A shows noise."""
MEASURED_HOLD_MS = 10_000
"""Current and volts move with every load step."""
TOLD_HOLD_MIN_MS = 2_000
"""Flags and contacts say what the charger means; one missed poll is not another mode."""
LOW_MODES = (Mode.DISCHARGE, Mode.RECOVERY)
HIGH_MODES = (Mode.BOOST, Mode.RECOVERY)
DEVIATION_MEMBERS_MIN = 3


@dataclass(frozen=True, slots=True)
class Windows:
    """Limit of each voltage rule in uV per cell: (in float and unknown, in its other modes)."""

    limits: dict[str, tuple[int, tuple[tuple[Mode, int], ...]]]
    compensated: dict[str, tuple[Mode, ...]]
    """Modes in which the rule's limit is a window about float or boost volts."""

    def at(self, rule: str, cells: int) -> tuple[int, tuple[ModeLimit, ...]]:
        """The same for ``cells`` in series, in mV."""
        base, modes = self.limits[rule]
        return round_div(base * cells, 1000), tuple(ModeLimit(mode, round_div(uv * cells, 1000)) for mode, uv in modes)


def volts(model: BatteryModel) -> tuple[int, int]:
    """Float and boost in uV per cell, compensated for the usual temperature."""
    figures = BATTERIES[model.type]

    def base(given: Decimal | None, default_mv: int) -> int:
        return default_mv * 1000 if given is None else int(given.scaleb(6))

    kelvin = (scaled(model.temperature_c, Unit.CELSIUS) or 0) - REFERENCE_TEMPERATURE
    shift = round_div(figures.compensation_uv_per_k * kelvin, 1000)
    return base(model.float_v_per_cell, figures.float_mv) + shift, base(
        model.boost_v_per_cell, figures.boost_mv
    ) + shift


def windows(battery: Battery) -> Windows:
    """The voltage limits of a battery: the type's windows about float and boost, or the site's figures."""
    figures, table = BATTERIES[battery.model.type], battery.table
    floating, boosting = volts(battery.model)
    warning, alarm = figures.window_warning_mv * 1000, figures.window_alarm_mv * 1000
    limits, compensated = {}, {}
    for rule, window in (
        ("jar_voltage_high_warning", warning),
        ("jar_voltage_high_alarm", alarm),
        ("string_voltage_high", alarm),
    ):
        limits[rule] = _high(table[rule], floating + window, boosting + window)
        compensated[rule] = _compensated(table[rule], limits[rule], boosting + window, HIGH_MODES)
    for rule, window, low_mv in (
        ("jar_voltage_low_warning", warning, figures.discharge_warning_mv),
        ("jar_voltage_low_alarm", alarm, figures.discharge_alarm_mv),
        ("string_voltage_low", alarm, figures.discharge_warning_mv),
    ):
        limits[rule] = _low(table[rule], floating - window, low_mv * 1000)
        compensated[rule] = _compensated(table[rule], limits[rule], NONE, LOW_MODES)
    return Windows(limits, compensated)


def _compensated(
    figures: Figures, limit: tuple[int, tuple[tuple[Mode, int], ...]], boost: int, others: tuple[Mode, ...]
) -> tuple[Mode, ...]:
    """Modes whose limit follows the temperature: not those that the site gives, nor those of a discharge."""
    base, modes = limit[0], dict(limit[1])
    given = dict(figures.by_mode)
    by_base = figures.limit is None
    return tuple(
        mode
        for mode in Mode
        if mode not in given and (by_base if mode not in others or modes[mode] == base else modes[mode] == boost)
    )


def _high(figures: Figures, base: int, boost: int) -> tuple[int, tuple[tuple[Mode, int], ...]]:
    base = base if figures.limit is None else figures.limit * 1000
    modes = {mode: max(boost, base) for mode in HIGH_MODES}
    return base, _modes(modes, figures)


def _low(figures: Figures, base: int, discharge: int) -> tuple[int, tuple[tuple[Mode, int], ...]]:
    base = base if figures.limit is None else figures.limit * 1000
    modes = {mode: min(discharge, base) for mode in LOW_MODES}
    return base, _modes(modes, figures)


def _modes(modes: dict[Mode, int], figures: Figures) -> tuple[tuple[Mode, int], ...]:
    modes.update({mode: limit * 1000 for mode, limit in figures.by_mode})
    return tuple(sorted(modes.items()))


def hold_ms(battery: Battery, every_ms: Mapping[str, int]) -> int:
    """How long a new mode must be seen; ``every_ms`` has the poll period of each device."""
    told = battery.flags or battery.contact
    if battery.model.mode.hold is not None:
        return battery.model.mode.hold
    return MEASURED_HOLD_MS if told is None else max(TOLD_HOLD_MIN_MS, 2 * every_ms[told.device])


class BatteryTables:
    """Fills the tables for one battery."""

    def __init__(self, tables: Tables, battery: Battery, subject: Subject, strings_was: dict[str, str]) -> None:
        self.tables = tables
        self.battery = battery
        self.subject = subject
        self.strings_was = strings_was
        self.figures: BatteryFigures = BATTERIES[battery.model.type]
        self.windows = windows(battery)
        self.index = len(tables.batteries)
        self.ambient = tables.point(battery.ambient)
        self.cells = battery.model.cells_per_jar

    def rule(self, name: str) -> Figures | None:
        """The figures of a rule, None when it is switched off."""
        figures = self.battery.table[name]
        return figures if figures.enabled else None

    def fill(self) -> None:
        self.plan()
        for string in self.battery.strings:
            was = self.strings_was.get(string.id, string.id)
            subject = Subject(f"{self.subject.path}/{string.id}", f"{self.subject.was}/{was}")
            for jar in string.jars:
                self.jar(jar, self.subject / jar.jar.address, subject.path)
                self.parts(jar, self.subject / jar.jar.address, string.model)
            self.deviations(string)
            self.string(string, subject)

    def plan(self) -> None:
        model, tables = self.battery.model, self.tables
        first = self.battery.strings[0]
        given, idle = model.mode.boost_v_per_cell, model.mode.idle_a
        threshold = sum(volts(model)) // 2 if given is None else int(given.scaleb(6))
        default = max(FLOAT_CURRENT_FLOOR_MA, int(model.capacity_ah * 10))
        tables.batteries.append(
            BatteryPlan(
                id=self.subject.path,
                flags=tables.point(self.battery.flags),
                contact=tables.point(self.battery.contact),
                current=tables.point(self.battery.current),
                voltage=tables.point(self.battery.voltage),
                cells=max(1, len(first.jars)) * self.cells,
                boost_mv_per_cell=round_div(threshold, 1000),
                idle_ma=default if idle is None else int(idle.scaleb(3)),
                hold_ms=hold_ms(self.battery, {scan.device: scan.every_ms for scan in tables.scans}),
                recovery_ms=model.recovery,
            )
        )

    def limit(self, alarm: int, point: int, figures: Figures, *, high: bool, limit: int, cells: int = 1) -> None:
        self.tables.limits.append(
            LimitRow(alarm, point, high, limit, figures.deadband * cells, figures.severity, self.index)
        )

    def parts(self, bound: BoundJar, subject: Subject, model: StringModel) -> None:
        """The jar, the module that measures it and its level sensor."""
        jar, tables = bound.jar, self.tables
        about = {"type": jar.type, "made": jar.made, "installed": jar.installed, "position": jar.position}
        tables.part(subject, PartKind.JAR, serial=jar.serial, **about)
        if bound.points.keys() & JAR_CHANNELS.keys():
            place = f"{model.device} {jar.module}"
            tables.part(subject / "module", PartKind.MODULE, serial=jar.module_serial, position=place)
        if bound.points.keys() & {"level", "level_temperature"}:
            place = f"{model.levels} {jar.module}"
            tables.part(subject / "sensor", PartKind.SENSOR, serial=jar.sensor_serial, position=place)

    def jar(self, bound: BoundJar, subject: Subject, string: str) -> None:
        tables = self.tables
        points = {name: tables.point(found) for name, found in bound.points.items()}
        lost = self.module(points, bound, subject)
        first = len(tables.alarms)
        if "voltage" in points:
            own = points.get("temperature", points.get("level_temperature", self.ambient))
            self.jar_voltage(points["voltage"], subject, own)
        if "resistance" in points:
            self.jar_resistance(points["resistance"], bound, subject, string)
        if "temperature" in points:
            self.temperature(points["temperature"], subject, "jar_temp")
        for alarm in range(first, len(tables.alarms)):
            tables.suppress(alarm, lost)
        if "level" in points and self.battery.model.type.is_vented:
            self.level(points["level"], bound, subject)
        if "level_temperature" in points:
            self.temperature(points["level_temperature"], subject, "els_temp")
            self.difference(points, subject)

    def module(self, points: dict[str, int], bound: BoundJar, subject: Subject) -> int:
        """module_lost: its voltage (else the first value it has) stays away, or the manager says that it is lost."""
        figures = self.rule("module_lost")
        main = next((points[name] for name in ("voltage", "temperature", "resistance") if name in points), NONE)
        if figures is None or main == NONE:
            return NONE
        tables = self.tables
        alarm = tables.alarm(subject, figures, points=(main,))
        tables.stales.append(StaleRow(alarm, main, tables.points[main].stale_ms + 1000, figures.severity))
        if "state" in points:
            lost = [value for value, label in bound.points["state"].channel.labels if label == "lost"]
            if lost:
                self.limit(alarm, points["state"], figures, high=True, limit=min(lost))
        return alarm

    def jar_voltage(self, point: int, subject: Subject, warmth: int) -> None:
        for high in (True, False):
            side = "high" if high else "low"
            grave = self.window(point, subject, f"jar_voltage_{side}_alarm", high=high, warmth=warmth)
            light = self.window(point, subject, f"jar_voltage_{side}_warning", high=high, warmth=warmth)
            self.tables.suppress(light, grave)

    def window(self, point: int, subject: Subject, rule: str, *, high: bool, warmth: int, jars: int = 1) -> int:
        """A voltage rule of one jar, or of ``jars`` in series; ``warmth`` is the point of its temperature."""
        figures, cells = self.rule(rule), jars * self.cells
        if figures is None:
            return NONE
        limit, modes = self.windows.at(rule, cells)
        alarm = self.tables.alarm(subject, figures, points=(point,), battery=self.index)
        self.tables.limits.append(
            LimitRow(alarm, point, high, limit, figures.deadband * cells, figures.severity, self.index, modes)
        )
        per_k, compensated = self.figures.compensation_uv_per_k * cells, self.windows.compensated[rule]
        if per_k and warmth != NONE and compensated:
            usual = scaled(self.battery.model.temperature_c, Unit.CELSIUS) or 0
            row = CompensationRow(len(self.tables.limits) - 1, warmth, usual, per_k, compensated)
            self.tables.compensations.append(row)
        return alarm

    def jar_resistance(self, point: int, bound: BoundJar, subject: Subject, string: str) -> None:
        """So many per cent of the baseline, which the core moves when another one is recorded; or a limit as given."""
        given, tables = baseline_of(self.battery, bound) or 0, self.tables
        was = "" if subject.was == subject.path else subject.was
        tables.baselines.append(BaselinePlan(subject.path, string, point, self.index, given, was))
        grave = NONE
        for rule in ("jar_resistance_alarm", "jar_resistance_warning"):
            figures = self.rule(rule)
            if figures is None:
                continue
            limit, percent = figures.limit, figures.factor_percent or 0
            if limit is None:
                limit = round_div(given * percent, 100) if given else NO_LIMIT
                tables.factors.append(
                    FactorRow(len(tables.limits), len(tables.baselines) - 1, percent, figures.deadband)
                )
            deadband = figures.deadband or (limit // 50 if limit != NO_LIMIT else 1)
            alarm = tables.alarm(subject, figures, points=(point,), battery=self.index, suppressed_in=(Mode.DISCHARGE,))
            self.limit(alarm, point, replace(figures, deadband=deadband), high=True, limit=limit)
            tables.suppress(alarm, grave)
            grave = alarm

    def temperature(self, point: int, subject: Subject, kind: str) -> None:
        grave = NONE
        for rule in (f"{kind}_alarm", f"{kind}_warning"):
            figures = self.rule(rule)
            if figures is None or figures.limit is None:
                continue
            alarm = self.tables.alarm(subject, figures, points=(point,))
            self.limit(alarm, point, figures, high=True, limit=figures.limit)
            if self.ambient != NONE and figures.over_ambient is not None:
                self.tables.differences.append(
                    DifferenceRow(
                        alarm,
                        point,
                        self.ambient,
                        absolute=False,
                        limit=figures.over_ambient,
                        deadband=min(figures.deadband, figures.over_ambient // 2),
                        severity=figures.severity,
                    )
                )
            self.tables.suppress(alarm, grave)
            grave = alarm

    def level(self, point: int, bound: BoundJar, subject: Subject) -> None:
        labels = {label: value for value, label in bound.points["level"].channel.labels}
        figures = self.rule("signal_fault")
        fault = NONE
        if figures is not None:
            fault = self.tables.alarm(subject, figures, points=(point,))
            after = self.tables.points[point].stale_ms + 1000
            self.tables.stales.append(StaleRow(fault, point, after, figures.severity))
        grave = NONE
        for rule, label in (("els_level_red", "red"), ("els_level_yellow", "yellow")):
            figures = self.rule(rule)
            if figures is None or figures.limit is None:
                continue
            alarm = self.tables.alarm(subject, figures, points=(point,))
            self.limit(alarm, point, figures, high=True, limit=labels.get(label, figures.limit))
            self.tables.suppress(alarm, grave)
            self.tables.suppress(alarm, fault)
            grave = alarm

    def difference(self, points: dict[str, int], subject: Subject) -> None:
        figures = self.rule("temp_difference")
        if figures is None or figures.limit is None or "temperature" not in points:
            return
        a, b = points["level_temperature"], points["temperature"]
        alarm = self.tables.alarm(subject, figures, points=(a, b))
        self.tables.differences.append(
            DifferenceRow(
                alarm, a, b, absolute=True, limit=figures.limit, deadband=figures.deadband, severity=figures.severity
            )
        )

    def deviations(self, string: BoundString) -> None:
        figures = self.rule("jar_deviation")
        bound = [jar for jar in string.jars if "voltage" in jar.points]
        if figures is None or len(bound) < DEVIATION_MEMBERS_MIN:
            return
        tables = self.tables
        points = tuple(tables.point(jar.points["voltage"]) for jar in bound)
        group = len(tables.groups)
        tables.groups.append(points)
        limit = (self.figures.deviation_mv if figures.limit is None else figures.limit) * self.cells
        for jar, point in zip(bound, points, strict=True):
            subject = self.subject / jar.jar.address
            alarm = tables.alarm(subject, figures, points=(point,), battery=self.index, suppressed_in=LOW_MODES)
            deadband = min(figures.deadband * self.cells, limit // 2)
            tables.deviations.append(DeviationRow(alarm, point, group, limit, deadband, figures.severity))
            for other in ("module_lost", "jar_voltage_high_alarm", "jar_voltage_low_alarm"):
                tables.suppress(alarm, tables.by_id.get(f"{subject.path}/{other}", NONE))

    def string(self, string: BoundString, subject: Subject) -> None:
        tables = self.tables
        current, voltage = tables.point(string.current), tables.point(string.voltage)
        jars = len(string.jars)
        if voltage != NONE and jars:
            self.window(voltage, subject, "string_voltage_high", high=True, warmth=self.ambient, jars=jars)
            self.window(voltage, subject, "string_voltage_low", high=False, warmth=self.ambient, jars=jars)
        if current != NONE:
            self.current(current, subject)
        self.runaway(string, current, subject)
        self.levels_low(string, subject)

    def floor(self, figures: Figures) -> int:
        gassing = int(self.battery.model.capacity_ah * self.figures.gassing_float_ma_per_ah)
        return max(FLOAT_CURRENT_FLOOR_MA, gassing) if figures.floor is None else figures.floor

    def current(self, point: int, subject: Subject) -> None:
        grave = NONE
        for rule in ("string_current_alarm", "string_current_warning"):
            figures = self.rule(rule)
            if figures is None:
                continue
            alarm = self.tables.alarm(subject, figures, points=(point,), battery=self.index)
            self.tables.median_factors.append(
                MedianFactorRow(
                    alarm, point, self.index, figures.factor_percent or 0, self.floor(figures), figures.severity
                )
            )
            if figures.limit is not None:
                self.limit(alarm, point, figures, high=True, limit=figures.limit)
            self.tables.suppress(alarm, grave)
            grave = alarm

    def runaway(self, string: BoundString, current: int, subject: Subject) -> None:
        figures = self.battery.table["thermal_runaway"]
        names = ("temperature", "level_temperature")
        found = [jar.points[name] for jar in string.jars for name in names if name in jar.points]
        if not found:
            return
        alarm = self.tables.alarm(subject, figures, battery=self.index)
        self.tables.runaways.append(
            RunawayRow(
                alarm=alarm,
                temperatures=tuple(self.tables.point(one) for one in found),
                ambient=self.ambient,
                current=current,
                battery=self.index,
                rise=figures.over_ambient or 0,
                hot=figures.limit or 0,
                factor_percent=figures.factor_percent or 0,
                floor=self.floor(figures),
                severity=figures.severity,
            )
        )

    def levels_low(self, string: BoundString, subject: Subject) -> None:
        """ "4+ low" and "1+ low": so many jars of the string are red."""
        red = [
            self.tables.by_id[path]
            for jar in string.jars
            if (path := f"{(self.subject / jar.jar.address).path}/els_level_red") in self.tables.by_id
        ]
        grave = NONE
        for rule in ("els_low_4plus", "els_low_1plus"):
            figures = self.rule(rule)
            if figures is None or len(red) < figures.at_least:
                continue
            alarm = self.tables.alarm(subject, figures)
            self.tables.counts.append(CountRow(alarm, tuple(red), figures.at_least, figures.severity))
            self.tables.suppress(alarm, grave)
            grave = alarm


def baseline_of(battery: Battery, bound: BoundJar) -> int | None:
    """Resistance of the jar when new, in uOhm."""
    given = battery.model.baseline_mohm
    if bound.jar.baseline is not None or given is None:
        return bound.jar.baseline
    return scaled(given, Unit.MILLIOHM)
