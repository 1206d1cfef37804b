"""Small rooms for tests: each shows one part of the core with as little else as possible."""

from dataclasses import replace

from shared.domain.ids import AlarmId, DeviceId, OutputId, PointId, RoomId, RuleId
from shared.domain.plan import (
    NONE,
    AlarmPlan,
    BatteryPlan,
    CauseKind,
    CausePlan,
    DetectorPlan,
    LimitRow,
    OutputKind,
    OutputPlan,
    PointPlan,
    RoomPlan,
    ScanPlan,
    Severity,
)
from shared.domain.units import Unit

GAS = "s/r/gas1-h2"
FAN = "s/r/io1-do0"
BUZZER = "s/r/io1-do2"
STANDBY = "s/r/io1-do3"
PREALARM, ALARM, FAULT = f"{GAS}/h2_prealarm", f"{GAS}/h2_alarm", f"{GAS}/h2_fault"
FAN_FAIL, AIRFLOW_LOW, NOT_FALLING = f"{FAN}/fan_fail", f"{FAN}/airflow_low", f"{FAN}/h2_not_falling"
VOLTAGE = "s/r/bat1/1S1/voltage"
HIGH = "s/r/bat1/1S1/jar_voltage_high_warning"

PPM = 10_000
"""1 %vol in the unit of the plan."""


def point(path: str, unit: Unit = Unit.STATE, stale_ms: int = 3_000) -> PointPlan:
    return PointPlan(PointId(f"s/r/{path}"), unit, stale_ms)


def alarm(path: str, severity: Severity = Severity.WARNING, **more: object) -> AlarmPlan:
    subject, _, rule = path.rpartition("/")
    return replace(AlarmPlan(AlarmId(path), RuleId(rule), subject, severity), **more)  # type: ignore[arg-type]


def scan(device: str, first: int, count: int, every_ms: int = 500) -> ScanPlan:
    return ScanPlan(DeviceId(device), "b1", first, count, every_ms)


def room(**tables: object) -> RoomPlan:
    return replace(RoomPlan(RoomId("r"), "s", "Room"), **tables)  # type: ignore[arg-type]


def limit_room(*, high: bool = True, limit: int = 2_300, deadband: int = 20, **more: object) -> RoomPlan:
    """One jar's voltage with one limit; ``more`` goes to its alarm."""
    return room(
        points=(point("bat1/1S1/voltage", Unit.VOLT),),
        scans=(scan("bacs", 0, 1),),
        alarms=(alarm(HIGH, **more),),  # type: ignore[arg-type]
        limits=(LimitRow(0, 0, high, limit, deadband, Severity.WARNING),),
    )


def gas_room(*, persist_ms: int = 4_000, warm_up_ms: int = 0, run_on_ms: int = 60_000) -> RoomPlan:
    """A gas head with concentration and a fan with airflow and read-back, a buzzer and a standby fan.

    Points: h2; airflow, read-back of the fan, airflow of the standby fan. Alarms in the order of their names here.
    """
    detector = DetectorPlan(
        PointId(GAS), 0, NONE, NONE, NONE, NONE, 1 * PPM, 2 * PPM, 2_000,
        warm_up_ms=warm_up_ms, persist_ms=persist_ms, alarm_1=0, alarm_2=1, alarm_fault=2,
    )  # fmt: skip
    causes = (
        CausePlan(CauseKind.DETECTOR_1, 0),
        CausePlan(CauseKind.DETECTOR_2, 0),
        CausePlan(CauseKind.DETECTOR_FAULT, 0),
        CausePlan(CauseKind.ALARM, 0),
        CausePlan(CauseKind.ALARM, 1),
    )
    io1 = DeviceId("io1")
    return room(
        points=(point("gas1-h2", Unit.H2_VOL), point("io1-di2"), point("io1-rb0"), point("io1-di3")),
        scans=(scan("gas1", 0, 1), scan("io1", 1, 3, 200)),
        alarms=(
            alarm(PREALARM, off_delay_ms=10_000, suppressed_by=(1,)),
            alarm(ALARM, Severity.CRITICAL, latch=True),
            alarm(FAULT, Severity.ALARM),
            alarm(FAN_FAIL, Severity.ALARM, latch=True),
            alarm(AIRFLOW_LOW, Severity.ALARM, latch=True),
            alarm(NOT_FALLING, Severity.ALARM, latch=True),
        ),
        detectors=(detector,),
        outputs=(
            OutputPlan(
                OutputId(FAN), OutputKind.FAN, io1, "do0", safe_on=True, causes=causes,
                run_on_ms=run_on_ms, airflow=1, read_back=2, alarm_fail=3, alarm_airflow=4, alarm_not_falling=5,
            ),
            OutputPlan(
                OutputId(STANDBY), OutputKind.FAN, io1, "do3", safe_on=True, causes=causes, airflow=3, standby=True
            ),
            OutputPlan(
                OutputId(BUZZER), OutputKind.BUZZER, io1, "do2", safe_on=False,
                causes=(CausePlan(CauseKind.ALARM, 1), CausePlan(CauseKind.ALARM, 2)),
            ),
        ),
    )  # fmt: skip


def contact_room() -> RoomPlan:
    """Two contacts of a hydrogen sensor instead of a concentration."""
    plan = gas_room()
    detector = replace(
        plan.detectors[0], id=PointId("s/r/io1-di0"), h2=NONE, contact_1=0, contact_2=1, alarm_impossible=3
    )
    return room(
        points=(point("io1-di0"), point("io1-di1")),
        scans=(scan("io1", 0, 2, 200),),
        alarms=(*plan.alarms[:3], alarm("s/r/io1-di0/h2_contacts_impossible", Severity.ALARM)),
        detectors=(detector,),
        outputs=(replace(plan.outputs[0], airflow=NONE, read_back=NONE, alarm_fail=NONE, alarm_airflow=NONE,
                         alarm_not_falling=NONE),),
    )  # fmt: skip


def battery_room(**more: object) -> RoomPlan:
    """A battery whose contact says boost, with string current, and a fan that follows boost. ``more``: BatteryPlan."""
    battery = replace(
        BatteryPlan(
            "s/r/bat1", flags=NONE, contact=0, current=1, voltage=NONE, cells=6, boost_mv_per_cell=2_350, idle_ma=500
        ),
        **more,  # type: ignore[arg-type]
    )
    return room(
        points=(point("io1-di3"), point("bat1/s1/current", Unit.AMPERE), point("bat1/s1/voltage", Unit.VOLT)),
        scans=(scan("io1", 0, 1), scan("bacs", 1, 2)),
        batteries=(battery,),
        outputs=(
            OutputPlan(
                OutputId(FAN), OutputKind.FAN, DeviceId("io1"), "do0", safe_on=True,
                causes=(CausePlan(CauseKind.BOOST, 0),), run_on_ms=60_000,
            ),
        ),
    )  # fmt: skip
