"""The built-in rules: id, severity, delays, limits, and what an operator should know and do.

The site file's ``rules:`` overrides these figures by rule id; the compiler (shared.runtime.site_file) lays the rules over
the site's points, jars, strings, devices and outputs; the gateway and the terminal show the guidance. Rule ids are final.
Values are integers scaled as shared.domain.units says, times are milliseconds. Sources are DOMAIN figures: limits for
hydrogen by code (1 % room limit), the rest defaults of ours, to be set from the battery maker's sheet. No conformity with
any standard is claimed.
"""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.plan import Severity
from shared.domain.units import Unit

MINUTE = 60_000
HOUR = 60 * MINUTE


class Scope(StrEnum):
    """What one alarm of the rule is about."""

    DETECTOR = "detector"
    OUTPUT = "output"
    JAR = "jar"
    STRING = "string"
    DEVICE = "device"
    BUS = "bus"
    POINT = "point"
    ROOM = "room"
    BOX = "box"


class BatteryType(StrEnum):
    """Cells with free electrolyte gas more than sealed ones and have a level to watch."""

    VENTED_LEAD = "vented_lead"
    VRLA = "vrla"
    VENTED_NICD = "vented_nicd"

    @property
    def is_vented(self) -> bool:
        return self is not BatteryType.VRLA


@dataclass(frozen=True, slots=True)
class BatteryFigures:
    """Defaults for one type of battery. Volts are per cell, in mV; temperatures in m°C."""

    float_mv: int
    boost_mv: int
    compensation_uv_per_k: int
    """Change of the float and boost volts per cell and kelvin above 25 °C, in uV."""
    window_warning_mv: int
    window_alarm_mv: int
    discharge_warning_mv: int
    """Low limit while discharging and recovering."""
    discharge_alarm_mv: int
    deviation_mv: int
    """From the median of the string's jars."""
    gassing_float_ma_per_ah: int
    """I_gas of the airflow formula Q = 0.05 n I_gas C_rt 1e-3 m³/h [EN 50272-2 as quoted]."""
    gassing_boost_ma_per_ah: int


BATTERIES: dict[BatteryType, BatteryFigures] = {
    BatteryType.VENTED_LEAD: BatteryFigures(2230, 2400, 0, 20, 50, 1850, 1750, 40, 5, 20),
    BatteryType.VRLA: BatteryFigures(2270, 2400, -1670, 20, 50, 1850, 1750, 40, 1, 8),
    BatteryType.VENTED_NICD: BatteryFigures(1400, 1550, 0, 20, 50, 1100, 1000, 40, 5, 50),
}

REFERENCE_TEMPERATURE = 25_000
"""m°C at which the volts per cell of a type hold."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One built-in rule with its defaults. ``limit`` and ``deadband`` are None where the rule has none of its own."""

    id: str
    severity: Severity
    scope: Scope
    means: str
    todo: str
    unit: Unit | None = None
    limit: int | None = None
    deadband: int | None = None
    over_ambient: int | None = None
    """Second limit of the temperature rules: kelvin over the battery's ambient point, scaled like its unit."""
    factor_percent: int | None = None
    """Per cent of the value's own seven-day median, or of the jar's own baseline."""
    at_least: int | None = None
    """Count rules: how many jars of the string."""
    on_delay_ms: int = 0
    off_delay_ms: int = 0
    latch: bool = False
    realarm_ms: int = 0
    enabled: bool = True
    protects: bool = False
    """Part of the chain from gas to fan: cannot be disabled, delayed (h2_alarm) or unlatched."""

    @property
    def guidance(self) -> str:
        """One text for people: what it means, then what to do."""
        return f"{self.means} {self.todo}"


_W, _A, _C = Severity.WARNING, Severity.ALARM, Severity.CRITICAL

_GAS = (
    Rule(
        "h2_prealarm",
        _W,
        Scope.DETECTOR,
        unit=Unit.H2_VOL,
        limit=10_000,
        deadband=2_000,
        off_delay_ms=10_000,
        realarm_ms=8 * HOUR,
        protects=True,
        means="Hydrogen is at or over 1 % by volume, a quarter of what can burn. The fan has been started. A room whose "
        "ventilation works stays below this, so fan, charger or cells are not as they should be.",
        todo="Check that air moves, that the charger is not in boost longer than planned, and look for hot or boiling "
        "cells. No sparks, no open flame, no switching of loads in the room.",
    ),
    Rule(
        "h2_alarm",
        _C,
        Scope.DETECTOR,
        unit=Unit.H2_VOL,
        limit=20_000,
        deadband=2_000,
        latch=True,
        realarm_ms=HOUR,
        protects=True,
        means="Hydrogen is at or over 2 % by volume, half of what can burn. The fan runs, boost charge is stopped, the "
        "buzzer sounds.",
        todo="Leave the room and keep others out. Do not switch anything in it. Let it be ventilated until the detector "
        "reads well below 1 %, find the cause, then acknowledge and reset.",
    ),
    Rule(
        "h2_fault",
        _A,
        Scope.DETECTOR,
        realarm_ms=8 * HOUR,
        protects=True,
        means="The hydrogen detector cannot be believed: fault, no answer, no change of its heartbeat, or warm-up that "
        "does not end. The fan runs until three good samples came.",
        todo="Check the detector's supply, its status lamp, its cable and its address. Treat the room as one with gas.",
    ),
    Rule(
        "h2_contacts_impossible",
        _A,
        Scope.DETECTOR,
        protects=True,
        means="The 2 % contact is closed while the 1 % contact is open. That cannot be: a wire is broken, swapped or "
        "shorted. The 2 % contact is believed and the fan runs.",
        todo="Check the wiring of both contacts and their sense (normally open or closed) in the device profile.",
    ),
)

_FAN = (
    Rule(
        "fan_fail",
        _A,
        Scope.OUTPUT,
        latch=True,
        realarm_ms=8 * HOUR,
        protects=True,
        means="The fan was demanded, and within its run-up time the relay did not read back or no airflow was seen.",
        todo="Check contactor, motor protection, belt and damper. Open doors for natural ventilation and stop boost "
        "charge until air moves again, then acknowledge and reset.",
    ),
    Rule(
        "airflow_low",
        _A,
        Scope.OUTPUT,
        latch=True,
        realarm_ms=8 * HOUR,
        protects=True,
        means="Airflow was proven and then was lost while the fan is demanded.",
        todo="Check fan, filter, damper and the airflow switch. Then acknowledge and reset.",
    ),
    Rule(
        "h2_not_falling",
        _A,
        Scope.OUTPUT,
        latch=True,
        protects=True,
        means="Air has moved for half an hour and hydrogen is not lower: the air does not reach the gas, or more gas is "
        "made than the fan can carry away.",
        todo="Stop boost charge, check the inlet, look for cells in thermal runaway. Then acknowledge and reset.",
    ),
)

_LEVELS = (
    Rule(
        "els_level_yellow",
        _W,
        Scope.JAR,
        unit=Unit.STATE,
        limit=1,
        deadband=0,
        on_delay_ms=MINUTE,
        off_delay_ms=MINUTE,
        means="The electrolyte of this cell has fallen to its warning level (sensor shows yellow).",
        todo="Plan to fill up with purified water at the next visit. Never fill with acid.",
    ),
    Rule(
        "els_level_red",
        _A,
        Scope.JAR,
        unit=Unit.STATE,
        limit=2,
        deadband=0,
        on_delay_ms=MINUTE,
        off_delay_ms=MINUTE,
        means="The electrolyte of this cell is at its alarm level (sensor shows red): plates may soon stand dry.",
        todo="Fill up with purified water now; the sensor's red light marks the cell. Fill after charging, not before.",
    ),
    Rule(
        "els_temp_warning",
        _W,
        Scope.JAR,
        unit=Unit.CELSIUS,
        limit=35_000,
        deadband=2_000,
        on_delay_ms=MINUTE,
        off_delay_ms=MINUTE,
        means="The level sensor measures a warm cell.",
        todo="Check room temperature and charging current; compare the neighbours.",
    ),
    Rule(
        "els_temp_alarm",
        _A,
        Scope.JAR,
        unit=Unit.CELSIUS,
        limit=45_000,
        deadband=2_000,
        on_delay_ms=10_000,
        off_delay_ms=MINUTE,
        means="The level sensor measures a hot cell.",
        todo="Reduce or stop charging and find out why; watch for thermal runaway.",
    ),
    Rule(
        "temp_difference",
        _W,
        Scope.JAR,
        unit=Unit.CELSIUS,
        limit=5_000,
        deadband=1_000,
        on_delay_ms=5 * MINUTE,
        off_delay_ms=MINUTE,
        means="The two temperature sensors of this jar differ: one is loose or wrong, or the jar is hot at one place.",
        todo="Check how both sensors are fixed. A hot terminal points to a loose connection.",
    ),
    Rule(
        "els_low_1plus",
        _W,
        Scope.STRING,
        at_least=1,
        enabled=False,
        means="At least one cell of this string has a low electrolyte level.",
        todo="Look for the cells marked red and fill them up with purified water.",
    ),
    Rule(
        "els_low_4plus",
        _A,
        Scope.STRING,
        at_least=4,
        means="Four or more cells of this string have a low electrolyte level: this is not one leaking cell.",
        todo="Check charging voltage and temperature of the whole string, then fill up.",
    ),
)

_JARS = (
    Rule(
        "jar_voltage_high_warning",
        _W,
        Scope.JAR,
        unit=Unit.VOLT,
        deadband=5,
        on_delay_ms=MINUTE,
        off_delay_ms=MINUTE,
        means="This jar's voltage is over its window.",
        todo="Compare the string's other jars: one high jar often means a low one beside it.",
    ),
    Rule(
        "jar_voltage_high_alarm",
        _A,
        Scope.JAR,
        unit=Unit.VOLT,
        deadband=5,
        on_delay_ms=MINUTE,
        off_delay_ms=MINUTE,
        means="This jar's voltage is far over its window: it is overcharged, gasses and dries out.",
        todo="Check the charger's voltage and the jar's connections; look for a shorted jar in the string.",
    ),
    Rule(
        "jar_voltage_low_warning",
        _W,
        Scope.JAR,
        unit=Unit.VOLT,
        deadband=5,
        on_delay_ms=MINUTE,
        off_delay_ms=MINUTE,
        means="This jar's voltage is under its window.",
        todo="Watch it; an equalising charge may be due. A jar that stays low is on its way out.",
    ),
    Rule(
        "jar_voltage_low_alarm",
        _A,
        Scope.JAR,
        unit=Unit.VOLT,
        deadband=5,
        on_delay_ms=MINUTE,
        off_delay_ms=MINUTE,
        means="This jar's voltage is far under its window: a shorted cell, a deep discharge or a broken sense wire.",
        todo="Check connections and sense wires, then measure by hand; prepare a replacement.",
    ),
    Rule(
        "jar_resistance_warning",
        _W,
        Scope.JAR,
        unit=Unit.MILLIOHM,
        factor_percent=120,
        deadband=0,
        on_delay_ms=10 * MINUTE,
        off_delay_ms=10 * MINUTE,
        means="This jar's internal resistance is a fifth over its own baseline: it ages, or a connection is loose.",
        todo="Check the torque of its terminals and plan a capacity test.",
    ),
    Rule(
        "jar_resistance_alarm",
        _A,
        Scope.JAR,
        unit=Unit.MILLIOHM,
        factor_percent=130,
        deadband=0,
        on_delay_ms=10 * MINUTE,
        off_delay_ms=10 * MINUTE,
        means="This jar's internal resistance is 30 % over its own baseline: under load the string may fail here.",
        todo="Check its terminals, then replace the jar.",
    ),
    Rule(
        "jar_temp_warning",
        _W,
        Scope.JAR,
        unit=Unit.CELSIUS,
        limit=35_000,
        deadband=2_000,
        over_ambient=5_000,
        on_delay_ms=MINUTE,
        off_delay_ms=MINUTE,
        means="This jar is warm, or warmer than the room around it. Every 10 K halves its life.",
        todo="Check room cooling and charging current; compare the neighbours.",
    ),
    Rule(
        "jar_temp_alarm",
        _A,
        Scope.JAR,
        unit=Unit.CELSIUS,
        limit=45_000,
        deadband=2_000,
        over_ambient=10_000,
        on_delay_ms=10_000,
        off_delay_ms=MINUTE,
        means="This jar is hot, or much warmer than the room around it.",
        todo="Reduce or stop charging, check its terminals, watch for thermal runaway.",
    ),
    Rule(
        "jar_deviation",
        _W,
        Scope.JAR,
        unit=Unit.VOLT,
        deadband=5,
        on_delay_ms=5 * MINUTE,
        off_delay_ms=MINUTE,
        means="This jar's voltage is away from the median of its string.",
        todo="Watch it over a week; an equalising charge may be due.",
    ),
)

_STRINGS = (
    Rule(
        "string_current_warning",
        _W,
        Scope.STRING,
        unit=Unit.AMPERE,
        factor_percent=300,
        on_delay_ms=30 * MINUTE,
        off_delay_ms=MINUTE,
        means="The float current is three times what it was over the last week: cells short, age or get hot.",
        todo="Look at jar temperatures and voltages of this string.",
    ),
    Rule(
        "string_current_alarm",
        _A,
        Scope.STRING,
        unit=Unit.AMPERE,
        factor_percent=600,
        on_delay_ms=30 * MINUTE,
        off_delay_ms=MINUTE,
        means="The float current is six times what it was over the last week, or over the limit set for this site.",
        todo="Check charging voltage and jar temperatures now; consider to disconnect the string.",
    ),
    Rule(
        "string_voltage_high",
        _A,
        Scope.STRING,
        unit=Unit.VOLT,
        on_delay_ms=MINUTE,
        off_delay_ms=MINUTE,
        means="The string's voltage is over its limit: the charger gives too much, more gas is made.",
        todo="Check the charger's settings and its temperature compensation.",
    ),
    Rule(
        "string_voltage_low",
        _A,
        Scope.STRING,
        unit=Unit.VOLT,
        on_delay_ms=MINUTE,
        off_delay_ms=MINUTE,
        means="The string's voltage is under its limit: no charge, or the end of a discharge is near.",
        todo="Check the charger and the mains; shed load if the battery is carrying it.",
    ),
    Rule(
        "thermal_runaway",
        _C,
        Scope.STRING,
        unit=Unit.CELSIUS,
        limit=50_000,
        over_ambient=10_000,
        factor_percent=300,
        on_delay_ms=MINUTE,
        off_delay_ms=MINUTE,
        latch=True,
        realarm_ms=HOUR,
        protects=True,
        means="A jar heats itself: much warmer than the room while the float current has tripled, or 50 °C on charge. "
        "Stopping the charge has been requested and the fan runs.",
        todo="Make sure that the charge is off. Keep people out. Let it cool; call the fire service when it smokes. Then "
        "acknowledge and reset.",
    ),
)

_PATHS = (
    Rule(
        "device_lost",
        _A,
        Scope.DEVICE,
        realarm_ms=24 * HOUR,
        means="This device does not answer. What hangs on it is unknown, not healthy.",
        todo="Check its supply, its cable and its address; `ampward probe` shows what comes back.",
    ),
    Rule(
        "bus_lost",
        _A,
        Scope.BUS,
        realarm_ms=24 * HOUR,
        means="No device of this line answers. Alarms of what hangs on it are suppressed by this one.",
        todo="Check the converter, the cable and the termination; for a network, the switch.",
    ),
    Rule(
        "module_lost",
        _A,
        Scope.JAR,
        realarm_ms=24 * HOUR,
        means="The module of this jar gives no values, though its manager answers.",
        todo="Check the module's light and its bus cable; a dead repeater takes all modules behind it along.",
    ),
    Rule(
        "signal_fault",
        _A,
        Scope.POINT,
        realarm_ms=24 * HOUR,
        means="This signal has no good value: broken wire, sensor fault or out of its range.",
        todo="Check sensor and wiring; `ampward probe` shows the raw value.",
    ),
)

_OUTPUTS = (
    Rule(
        "trip_unexplained",
        _A,
        Scope.OUTPUT,
        latch=True,
        protects=True,
        means="At start the output was on, and nothing in the log says why. It stays on for its run-on time.",
        todo="Find out who or what switched it: a trip while the box was off, or a wired override. Then reset.",
    ),
    Rule(
        "output_contested",
        _A,
        Scope.OUTPUT,
        latch=True,
        protects=True,
        means="Something else keeps switching this output off while it is demanded.",
        todo="Find the other master of the relay module and take its access away. Then reset.",
    ),
    Rule(
        "relay_foreign_write",
        _A,
        Scope.OUTPUT,
        off_delay_ms=MINUTE,
        means="The relay changed without an order of ours.",
        todo="Find out who wrote to the relay module; only one master may.",
    ),
    Rule(
        "output_mismatch",
        _A,
        Scope.OUTPUT,
        means="The relay does not read back what was written.",
        todo="Check the relay module: supply, write protection, a welded contact.",
    ),
    Rule(
        "watchdog_off",
        _A,
        Scope.DEVICE,
        protects=True,
        means="The relay module's own watchdog is off or set otherwise than the profile says: when this box dies, the fan "
        "may stay off.",
        todo="Switch it on with the time of the profile; `ampward commission` proves it.",
    ),
    Rule(
        "matrix_cause",
        _W,
        Scope.ROOM,
        means="The causes of a line of this site's own matrix are fulfilled.",
        todo="See the causes in the site file under matrix.",
    ),
)

_BOX = (
    Rule(
        "log_undurable",
        _A,
        Scope.BOX,
        means="The log cannot be written. Protection goes on from memory; what comes in may be lost at a power cut.",
        todo="Free space or replace the disk.",
    ),
    Rule(
        "log_damaged",
        _A,
        Scope.BOX,
        means="The log was damaged. It was set aside and a new one began with the state at its last good record.",
        todo="Keep the folder named damaged-...; check the disk; `ampward verify` says which record.",
    ),
    Rule(
        "disk_low",
        _A,
        Scope.BOX,
        off_delay_ms=MINUTE,
        means="Little space is left on the log's disk.",
        todo="Free space, or shorten how long frames are kept.",
    ),
    Rule(
        "clock_step",
        _A,
        Scope.BOX,
        off_delay_ms=MINUTE,
        means="The wall clock jumped. No decision depends on it, but stamps around this moment are not to be trusted.",
        todo="Check the time service of this box.",
    ),
    Rule(
        "replay_differs",
        _A,
        Scope.BOX,
        means="The nightly replay derived other events from the same inputs.",
        todo="Keep the data folder and send the report of `ampward replay` to the maker: this must not happen.",
    ),
)

RULES: dict[str, Rule] = {
    rule.id: rule for rule in (*_GAS, *_FAN, *_LEVELS, *_JARS, *_STRINGS, *_PATHS, *_OUTPUTS, *_BOX)
}
"""Every built-in rule of a site, by id, in the order in which alarms of one subject are listed."""


def guidance(rule: str) -> str:
    """Text for people about an alarm of this rule; "" for an id that is not built in."""
    entry = RULES.get(rule)
    return entry.guidance if entry is not None else ""
