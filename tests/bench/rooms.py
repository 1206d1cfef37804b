"""Rooms for measuring the core: so many battery modules with four values and eleven rows each, and their scans."""

import random
from collections.abc import Iterator

import numpy as np

from shared.domain.ids import AlarmId, DeviceId, PointId, RoomId, RuleId
from shared.domain.inputs import Scan
from shared.domain.plan import (
    AlarmPlan,
    DeviationRow,
    LimitRow,
    PointPlan,
    RoomPlan,
    ScanPlan,
    Severity,
)
from shared.domain.units import NoData, Unit

KINDS = (("voltage", Unit.VOLT), ("resistance", Unit.MILLIOHM), ("temperature", Unit.CELSIUS), ("level", Unit.STATE))
CALM = (13_380, 3_100, 25_000, 0)
"""mV, uOhm, m°C and green: no rule is touched."""
LIMITS = (
    ("jar_voltage_high_warning", 0, True, 13_500, 20, Severity.WARNING),
    ("jar_voltage_high_alarm", 0, True, 13_680, 20, Severity.ALARM),
    ("jar_voltage_low_warning", 0, False, 13_260, 20, Severity.WARNING),
    ("jar_voltage_low_alarm", 0, False, 13_080, 20, Severity.ALARM),
    ("jar_resistance_warning", 1, True, 3_720, 50, Severity.WARNING),
    ("jar_resistance_alarm", 1, True, 4_030, 50, Severity.ALARM),
    ("jar_temp_warning", 2, True, 35_000, 1_000, Severity.WARNING),
    ("jar_temp_alarm", 2, True, 45_000, 1_000, Severity.ALARM),
    ("els_level_yellow", 3, True, 1, 1, Severity.WARNING),
    ("els_level_red", 3, True, 2, 1, Severity.ALARM),
)


def room(modules: int, *, on_delay_ms: int = 0) -> RoomPlan:
    """One battery on one device: four points, ten limit rows and one deviation a module."""
    jars = [f"bench/r1/bat1/{n + 1}S1" for n in range(modules)]
    alarms: list[AlarmPlan] = []
    limits: list[LimitRow] = []
    deviations: list[DeviationRow] = []
    for n, jar in enumerate(jars):
        for rule, kind, high, limit, deadband, severity in LIMITS:
            limits.append(LimitRow(len(alarms), 4 * n + kind, high, limit, deadband, severity))
            alarms.append(_alarm(jar, rule, severity, on_delay_ms))
        deviations.append(DeviationRow(len(alarms), 4 * n, 0, 400, 50, Severity.WARNING))
        alarms.append(_alarm(jar, "jar_deviation", Severity.WARNING, on_delay_ms))
    return RoomPlan(
        id=RoomId("r1"),
        site="bench",
        name="Bench",
        points=tuple(PointPlan(PointId(f"{jar}/{name}"), unit, 30_000) for jar in jars for name, unit in KINDS),
        scans=(ScanPlan(DeviceId("bacs"), "b1", 0, 4 * modules, 1_000),),
        alarms=tuple(alarms),
        limits=tuple(limits),
        groups=(tuple(4 * n for n in range(modules)),),
        deviations=tuple(deviations),
    )


def _alarm(jar: str, rule: str, severity: Severity, on_delay_ms: int) -> AlarmPlan:
    return AlarmPlan(AlarmId(f"{jar}/{rule}"), RuleId(rule), jar, severity, on_delay_ms=on_delay_ms)


def scans(modules: int, count: int, *, changing: float, seed: int = 1) -> Iterator[Scan]:
    """Scans in which noise moves every value, and this share of the values changes its alarm's state in each scan."""
    draw = random.Random(seed)
    noise = np.random.default_rng(seed)
    base = np.array(CALM * modules, np.int64)
    high = np.array((13_600, 3_800, 40_000, 1) * modules, np.int64)
    shake = np.array((20, 10, 200, 0) * modules, np.int64)
    is_high = np.zeros(4 * modules, np.bool_)
    reasons = np.zeros(4 * modules, np.int8)
    each, rest = divmod(round(4_000 * modules * changing), 1_000)
    for n in range(count):
        flips = each + ((n + 1) * rest // 1_000 - n * rest // 1_000)
        for at in draw.sample(range(4 * modules), flips):
            is_high[at] = not is_high[at]
        values = np.where(is_high, high, base + noise.integers(-1, 2, 4 * modules) * shake)
        yield Scan("bacs", "boot", n + 1, 0, 5, NoData.PRESENT, values, reasons)
