"""The simulated room's plan: two detectors, two fans, a buzzer, a battery of twelve jars, and every kind of rule."""

from dataclasses import replace

from shared.domain.ids import DeviceId, OutputId, PointId
from shared.domain.plan import (
    NONE,
    AlarmPlan,
    BatteryPlan,
    CauseKind,
    CausePlan,
    CountRow,
    DetectorPlan,
    DeviationRow,
    DifferenceRow,
    LimitRow,
    LostRow,
    MedianFactorRow,
    Mode,
    ModeLimit,
    OutputKind,
    OutputPlan,
    RateRow,
    ReportRow,
    RoomPlan,
    RunawayRow,
    Severity,
    StaleRow,
)
from shared.domain.units import Unit
from tests.domain.plans import alarm, point, room, scan

JARS = 12
H2, STATUS, BEAT, CONTACT_1, CONTACT_2, AIR, BACK, AIR_2, BOOST, CURRENT, AMBIENT = range(11)
JAR = 11
"""First point of the jars: voltage and temperature of each in turn."""
LIMIT_1, LIMIT_2 = 10_000, 20_000
RUN_ON_MS = 30_000
FAN, STANDBY, BUZZER, INHIBIT = (f"s/r/io1-do{n}" for n in range(4))
HEAD, PAIR = "s/r/gas1-h2", "s/r/h2c-di0"

WARNING, ALARM, CRITICAL = Severity.WARNING, Severity.ALARM, Severity.CRITICAL


class _Alarms:
    """Collects alarms and gives each its place."""

    def __init__(self) -> None:
        self.plans: list[AlarmPlan] = []

    def add(self, path: str, severity: Severity = WARNING, **more: object) -> int:
        self.plans.append(alarm(path, severity, **more))
        return len(self.plans) - 1


def build() -> RoomPlan:
    """The room. Delays are short, so that a run of some minutes reaches everything."""
    alarms = _Alarms()
    detectors = tuple(_detector(alarms, n) for n in range(2))
    outputs = _outputs(alarms, detectors)
    lost = [alarms.add(f"s/r/{d}/device_lost", ALARM) for d in ("gas1", "h2c", "io1", "bacs")]
    limits: list[LimitRow] = []
    lows = []
    for n in range(JARS):
        jar, voltage, temperature = f"s/r/bat1/{n + 1}S1", JAR + 2 * n, JAR + 2 * n + 1
        both = alarms.add(f"{jar}/jar_voltage_high", on_delay_ms=3_000, off_delay_ms=2_000, realarm_ms=20_000)
        boost = (ModeLimit(Mode.BOOST, 14_400),)
        limits.append(LimitRow(both, voltage, high=True, limit=13_500, deadband=50, severity=WARNING,
                               battery=0, by_mode=boost))  # fmt: skip
        limits.append(LimitRow(both, voltage, high=True, limit=14_600, deadband=50, severity=ALARM))
        low = alarms.add(f"{jar}/jar_voltage_low", on_delay_ms=5_000, rises=3, window_ms=8_000,
                         suppressed_in=(Mode.DISCHARGE,), battery=0, suppressed_by=(lost[3],))  # fmt: skip
        limits.append(LimitRow(low, voltage, high=False, limit=13_200, deadband=0, severity=WARNING))
        lows.append(low)
        hot = alarms.add(f"{jar}/jar_temp_alarm", ALARM, latch=True)
        limits.append(LimitRow(hot, temperature, high=True, limit=45_000, deadband=1_000, severity=ALARM))
    count = alarms.add("s/r/bat1/s1/jars_low", ALARM)
    deviations = tuple(
        DeviationRow(alarms.add(f"s/r/bat1/{n + 1}S1/jar_deviation"), JAR + 2 * n, 0, 400, 50, WARNING)
        for n in range(JARS)
    )
    difference = alarms.add("s/r/bat1/1S1/temp_difference", off_delay_ms=4_000)
    rate = alarms.add("s/r/gas1-h2/h2_rate")
    factor = alarms.add("s/r/bat1/s1/string_current_warning", on_delay_ms=2_000)
    runaway = alarms.add("s/r/bat1/s1/thermal_runaway", CRITICAL, latch=True)
    stale = alarms.add("s/r/io1-di2/signal_fault", ALARM, suppressed_by=(lost[2],))
    unexplained = alarms.add(f"{FAN}/trip_unexplained", ALARM, latch=True)
    return room(
        points=(
            point("gas1-h2", Unit.H2_VOL, 2_000), point("gas1-status", stale_ms=2_000), point("gas1-beat",
            stale_ms=2_000), point("h2c-di0", stale_ms=2_000), point("h2c-di1", stale_ms=2_000), point("io1-di2",
            stale_ms=2_000), point("io1-rb0", stale_ms=2_000), point("io1-di4", stale_ms=2_000), point("io1-di3",
            stale_ms=2_000), point("bat1/s1/current", Unit.AMPERE, 4_000), point("bacs-t0", Unit.CELSIUS, 4_000),
            *(point(f"bat1/{n + 1}S1/{name}", unit, 4_000)
              for n in range(JARS) for name, unit in (("voltage", Unit.VOLT), ("temperature", Unit.CELSIUS))),
        ),
        scans=(scan("gas1", 0, 3), scan("h2c", 3, 2), scan("io1", 5, 4), scan("bacs", 9, 2 + 2 * JARS)),
        alarms=tuple(alarms.plans),
        limits=tuple(limits),
        groups=(tuple(JAR + 2 * n for n in range(JARS)),),
        deviations=deviations,
        differences=(DifferenceRow(difference, JAR + 1, AMBIENT, absolute=True, limit=9_000, deadband=500,
                                   severity=WARNING),),
        rates=(RateRow(rate, H2, 16_000, 6_000, 500, WARNING),),
        median_factors=(MedianFactorRow(factor, CURRENT, 0, 300, 500, WARNING),),
        counts=(CountRow(count, tuple(lows), 3, ALARM),),
        runaways=(RunawayRow(runaway, tuple(JAR + 2 * n + 1 for n in range(JARS)), AMBIENT, CURRENT, 0,
                             10_000, 50_000, 300, 500, CRITICAL),),
        losts=tuple(LostRow(a, (s,), 5_000, ALARM) for s, a in enumerate(lost)),
        stales=(StaleRow(stale, AIR, 3_000, ALARM),),
        reports=(ReportRow(unexplained, "trip_unexplained", FAN, ALARM),),
        detectors=detectors,
        outputs=_with_causes(outputs, runaway, unexplained),
        batteries=(BatteryPlan("s/r/bat1", flags=NONE, contact=BOOST, current=CURRENT, voltage=NONE, cells=6,
                               boost_mv_per_cell=2_350, idle_ma=500, hold_ms=2_000, recovery_ms=60_000),),
    )  # fmt: skip


def changed(plan: RoomPlan, *, step: int) -> RoomPlan:
    """Another rule set for the room of :func:`build`: other limits and delays; on odd steps the last rule is gone."""
    limits = tuple(replace(x, limit=x.limit + 10 * (step % 4)) for x in plan.limits)
    alarms = tuple(replace(x, on_delay_ms=x.on_delay_ms and x.on_delay_ms + 500 * (step % 3)) for x in plan.alarms)
    if step % 2 == 0:
        return replace(plan, limits=limits, alarms=alarms)
    last = len(alarms) - 1
    outputs = tuple(
        replace(o, causes=tuple(c for c in o.causes if (c.kind, c.index) != (CauseKind.ALARM, last)))
        for o in plan.outputs
    )
    return replace(plan, limits=limits, alarms=alarms[:last], reports=(), outputs=outputs)


def _detector(alarms: _Alarms, n: int) -> DetectorPlan:
    path = (HEAD, PAIR)[n]
    gas_2 = len(alarms.plans) + 1
    own = (
        alarms.add(f"{path}/h2_prealarm", WARNING, off_delay_ms=5_000, suppressed_by=(gas_2,)),
        alarms.add(f"{path}/h2_alarm", CRITICAL, latch=True),
        alarms.add(f"{path}/h2_fault", ALARM),
        alarms.add(f"{path}/h2_contacts_impossible", ALARM) if n else NONE,
    )
    head = DetectorPlan(
        PointId(path), H2, NONE, NONE, STATUS, BEAT, LIMIT_1, LIMIT_2, 2_000,
        status_good=(1,), status_warm_up=(0,), heartbeat_ms=5_000, warm_up_ms=3_000,
    )  # fmt: skip
    pair = DetectorPlan(PointId(path), NONE, CONTACT_1, CONTACT_2, NONE, NONE, LIMIT_1, LIMIT_2, 0)
    plain = pair if n else head
    return DetectorPlan(
        plain.id, plain.h2, plain.contact_1, plain.contact_2, plain.status, plain.heartbeat, plain.limit_1,
        plain.limit_2, plain.deadband, plain.status_good, plain.status_warm_up, plain.heartbeat_ms, plain.warm_up_ms,
        alarm_1=own[0], alarm_2=own[1], alarm_fault=own[2], alarm_impossible=own[3],
    )  # fmt: skip


def _outputs(alarms: _Alarms, detectors: tuple[DetectorPlan, ...]) -> tuple[OutputPlan, ...]:
    own = [alarms.add(f"{FAN}/{rule}", ALARM, latch=True) for rule in ("fan_fail", "airflow_low", "h2_not_falling")]
    fan: list[CausePlan] = [CausePlan(CauseKind.BOOST, 0)]
    inhibit: list[CausePlan] = []
    buzzer: list[CausePlan] = []
    for d, detector in enumerate(detectors):
        fan += [CausePlan(kind, d) for kind in (CauseKind.DETECTOR_1, CauseKind.DETECTOR_2, CauseKind.DETECTOR_FAULT)]
        fan += [CausePlan(CauseKind.ALARM, detector.alarm_1), CausePlan(CauseKind.ALARM, detector.alarm_2)]
        inhibit += [CausePlan(CauseKind.DETECTOR_2, d), CausePlan(CauseKind.ALARM, detector.alarm_2)]
        buzzer += [CausePlan(CauseKind.ALARM, detector.alarm_2), CausePlan(CauseKind.ALARM, detector.alarm_fault)]
    io1 = DeviceId("io1")
    return (
        OutputPlan(
            OutputId(FAN), OutputKind.FAN, io1, "do0", safe_on=True, causes=tuple(fan), run_on_ms=RUN_ON_MS,
            airflow=AIR, read_back=BACK, alarm_fail=own[0], alarm_airflow=own[1], alarm_not_falling=own[2],
            not_falling_ms=20_000,
        ),
        OutputPlan(OutputId(STANDBY), OutputKind.FAN, io1, "do1", safe_on=True, causes=tuple(fan), airflow=AIR_2,
                   standby=True),
        OutputPlan(OutputId(BUZZER), OutputKind.BUZZER, io1, "do2", safe_on=True, causes=tuple(buzzer)),
        OutputPlan(OutputId(INHIBIT), OutputKind.CHARGER_INHIBIT, io1, "do3", safe_on=False, causes=tuple(inhibit),
                   run_on_ms=RUN_ON_MS),
    )  # fmt: skip


def _with_causes(outputs: tuple[OutputPlan, ...], *more: int) -> tuple[OutputPlan, ...]:
    """The fan follows these alarms too."""
    fan = outputs[0]
    causes = (*fan.causes, *(CausePlan(CauseKind.ALARM, a) for a in more))
    changed = OutputPlan(
        fan.id, fan.kind, fan.device, fan.channel, fan.safe_on, causes, fan.run_on_ms, fan.run_up_ms, fan.airflow,
        read_back=fan.read_back, alarm_fail=fan.alarm_fail, alarm_airflow=fan.alarm_airflow,
        alarm_not_falling=fan.alarm_not_falling, not_falling_ms=fan.not_falling_ms,
    )  # fmt: skip
    return (changed, *outputs[1:])
