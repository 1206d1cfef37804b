"""The built-in rules: id, severity, delays, limits; what people should know and do stands in shared.domain.guidance.

The site file's ``rules:`` overrides these figures by rule id, the compiler (shared.runtime.site_file) lays the rules
over the site's points, jars, strings, devices and outputs. Rule ids are final. Values are integers scaled as
shared.domain.units says, times are milliseconds. Sources are the figures of the domain: limits for hydrogen by code
(1 % room limit), the rest defaults of ours, to be set from the battery maker's sheet. No conformity with any standard
is claimed.
"""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.guidance import TEXTS
from shared.domain.plan import Severity
from shared.domain.units import Unit

MINUTE = 60_000
HOUR = 60 * MINUTE
SETTLE = 10_000
"""Delay that rides out a load step or a single odd sample."""
MODE_SETTLE = 30_000
"""Delay of the voltage windows: longer than it takes to know that the battery went over to another mode."""


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
    every_ms: int = 0
    """What has to be done again within this time."""
    protects: bool = False
    """Part of the chain from gas to fan: cannot be disabled, delayed (h2_alarm) or unlatched."""

    @property
    def guidance(self) -> str:
        """One text for people: what it means, then what to do."""
        return " ".join(TEXTS[self.id])


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
    ),
    Rule("h2_fault", _A, Scope.DETECTOR, realarm_ms=8 * HOUR, protects=True),
    Rule("h2_contacts_impossible", _A, Scope.DETECTOR, protects=True),
)

_FAN = (
    Rule("fan_fail", _A, Scope.OUTPUT, latch=True, realarm_ms=8 * HOUR, protects=True),
    Rule("airflow_low", _A, Scope.OUTPUT, latch=True, realarm_ms=8 * HOUR, protects=True),
    Rule("h2_not_falling", _A, Scope.OUTPUT, latch=True, protects=True),
)

_LEVELS = (
    Rule("els_level_yellow", _W, Scope.JAR, unit=Unit.STATE, limit=1, deadband=0, off_delay_ms=SETTLE),
    Rule("els_level_red", _A, Scope.JAR, unit=Unit.STATE, limit=2, deadband=0, off_delay_ms=SETTLE),
    Rule(
        "els_temp_warning",
        _W,
        Scope.JAR,
        unit=Unit.CELSIUS,
        limit=35_000,
        deadband=2_000,
        off_delay_ms=SETTLE,
    ),
    Rule(
        "els_temp_alarm",
        _A,
        Scope.JAR,
        unit=Unit.CELSIUS,
        limit=45_000,
        deadband=2_000,
        off_delay_ms=SETTLE,
    ),
    Rule(
        "temp_difference",
        _W,
        Scope.JAR,
        unit=Unit.CELSIUS,
        limit=5_000,
        deadband=1_000,
        off_delay_ms=SETTLE,
    ),
    Rule("els_low_1plus", _W, Scope.STRING, at_least=1, enabled=False),
    Rule("els_low_4plus", _A, Scope.STRING, at_least=4),
)

_JARS = (
    Rule(
        "jar_voltage_high_warning",
        _W,
        Scope.JAR,
        unit=Unit.VOLT,
        deadband=5,
        on_delay_ms=MODE_SETTLE,
        off_delay_ms=SETTLE,
    ),
    Rule(
        "jar_voltage_high_alarm",
        _A,
        Scope.JAR,
        unit=Unit.VOLT,
        deadband=5,
        on_delay_ms=MODE_SETTLE,
        off_delay_ms=SETTLE,
    ),
    Rule(
        "jar_voltage_low_warning",
        _W,
        Scope.JAR,
        unit=Unit.VOLT,
        deadband=5,
        on_delay_ms=MODE_SETTLE,
        off_delay_ms=SETTLE,
    ),
    Rule(
        "jar_voltage_low_alarm", _A, Scope.JAR, unit=Unit.VOLT, deadband=5, on_delay_ms=MODE_SETTLE, off_delay_ms=SETTLE
    ),
    Rule(
        "jar_resistance_warning",
        _W,
        Scope.JAR,
        unit=Unit.MILLIOHM,
        factor_percent=120,
        deadband=0,
        on_delay_ms=SETTLE,
        off_delay_ms=SETTLE,
    ),
    Rule(
        "jar_resistance_alarm",
        _A,
        Scope.JAR,
        unit=Unit.MILLIOHM,
        factor_percent=130,
        deadband=0,
        on_delay_ms=SETTLE,
        off_delay_ms=SETTLE,
    ),
    Rule(
        "jar_temp_warning",
        _W,
        Scope.JAR,
        unit=Unit.CELSIUS,
        limit=35_000,
        deadband=2_000,
        over_ambient=5_000,
        on_delay_ms=SETTLE,
        off_delay_ms=SETTLE,
    ),
    Rule(
        "jar_temp_alarm",
        _A,
        Scope.JAR,
        unit=Unit.CELSIUS,
        limit=45_000,
        deadband=2_000,
        over_ambient=10_000,
        on_delay_ms=SETTLE,
        off_delay_ms=SETTLE,
    ),
    Rule("jar_deviation", _W, Scope.JAR, unit=Unit.VOLT, deadband=5, on_delay_ms=MINUTE, off_delay_ms=SETTLE),
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
    ),
    Rule(
        "string_current_alarm",
        _A,
        Scope.STRING,
        unit=Unit.AMPERE,
        factor_percent=600,
        on_delay_ms=30 * MINUTE,
        off_delay_ms=MINUTE,
    ),
    Rule("string_voltage_high", _A, Scope.STRING, unit=Unit.VOLT, on_delay_ms=MODE_SETTLE, off_delay_ms=SETTLE),
    Rule("string_voltage_low", _A, Scope.STRING, unit=Unit.VOLT, on_delay_ms=MODE_SETTLE, off_delay_ms=SETTLE),
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
    ),
)

_PATHS = (
    Rule("device_lost", _A, Scope.DEVICE, realarm_ms=24 * HOUR),
    Rule("bus_lost", _A, Scope.BUS, realarm_ms=24 * HOUR),
    Rule("module_lost", _A, Scope.JAR, realarm_ms=24 * HOUR),
    Rule("signal_fault", _A, Scope.POINT, realarm_ms=24 * HOUR),
)

_OUTPUTS = (
    Rule("trip_unexplained", _A, Scope.OUTPUT, latch=True, protects=True),
    Rule("output_contested", _A, Scope.OUTPUT, latch=True, protects=True),
    Rule("relay_foreign_write", _A, Scope.OUTPUT, off_delay_ms=MINUTE),
    Rule("output_mismatch", _A, Scope.OUTPUT),
    Rule("watchdog_off", _A, Scope.DEVICE, protects=True),
    Rule("matrix_cause", _W, Scope.ROOM),
)

_UPKEEP = (
    Rule("calibration_overdue", _A, Scope.DETECTOR, every_ms=180 * 24 * HOUR),
    Rule("proof_test_overdue", _A, Scope.OUTPUT, every_ms=365 * 24 * HOUR),
)

_BOX = (
    Rule("log_undurable", _A, Scope.BOX),
    Rule("log_damaged", _A, Scope.BOX),
    Rule("disk_low", _A, Scope.BOX, off_delay_ms=MINUTE),
    Rule("clock_step", _A, Scope.BOX, off_delay_ms=MINUTE),
    Rule("replay_differs", _A, Scope.BOX),
    Rule("delivery_failing", _A, Scope.BOX),
)

RULES: dict[str, Rule] = {
    rule.id: rule for rule in (*_GAS, *_FAN, *_LEVELS, *_JARS, *_STRINGS, *_PATHS, *_OUTPUTS, *_UPKEEP, *_BOX)
}
"""Every built-in rule of a site, by id, in the order in which alarms of one subject are listed."""

_DAY = 24 * HOUR
FLEET_RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("site_lost", _A, Scope.BOX, realarm_ms=_DAY),
        Rule("link_lost", _A, Scope.BOX, realarm_ms=_DAY),
        Rule("service_lost", _A, Scope.BOX, realarm_ms=_DAY),
        Rule("block_differs", _A, Scope.BOX, latch=True, realarm_ms=_DAY),
        Rule("poison", _A, Scope.BOX, latch=True),
        Rule("ruleset_drift", _A, Scope.BOX, realarm_ms=7 * _DAY),
        Rule("certificate_expiring", _A, Scope.BOX, realarm_ms=7 * _DAY),
        Rule("token_expiring", _A, Scope.BOX, realarm_ms=7 * _DAY),
    )
}
"""Those of the pseudo-site _fleet, which watches sites, links and services; no site file may change them."""


def guidance(rule: str) -> str:
    """Text for people about an alarm of this rule; "" for an id that is not built in."""
    entry = RULES.get(rule) or FLEET_RULES.get(rule)
    return entry.guidance if entry is not None else ""
