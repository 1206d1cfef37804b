"""Plants with less to measure, signals that come and go: nothing is taken from another point, nothing is forgotten."""

from dataclasses import replace

import pytest

from shared.domain.inputs import ReportKind
from shared.domain.plan import (
    NONE,
    CauseKind,
    CausePlan,
    LimitRow,
    Mode,
    ReportRow,
    RoomPlan,
    RunawayRow,
    Severity,
)
from shared.domain.units import NoData, Unit
from tests.domain.driver import Room, told
from tests.domain.plans import (
    FAN,
    HIGH,
    NOT_FALLING,
    alarm,
    battery_room,
    gas_room,
    limit_room,
    point,
    scan,
)

RUNAWAY = "s/r/bat1/s1/thermal_runaway"


def _runaway_room(*, ambient: int, current: int) -> RoomPlan:
    """A string of one jar; its points are current, volts, the jar's temperature and something that stands last."""
    plan = battery_room(hold_ms=0)
    return replace(
        plan,
        points=(*plan.points, point("bat1/1S1/temperature", Unit.CELSIUS), point("last")),
        scans=(plan.scans[0], scan("bacs", 1, 4)),
        alarms=(alarm(RUNAWAY, Severity.CRITICAL, latch=True),),
        runaways=(RunawayRow(0, (3,), ambient, current, 0, 10_000, 50_000, 300, 100, Severity.CRITICAL),),
    )


@pytest.mark.parametrize("last", [0, 60_000])
def test_runaway_without_an_ambient_point_looks_at_great_heat_only(last: int) -> None:
    """25 °C with a high current is no runaway, whatever the room's last point says; 50 °C is."""
    made = Room(_runaway_room(ambient=NONE, current=1))
    made.scan("io1", 0)
    made.scan("bacs", 30_000, 13_500, 25_000, last)
    assert made.letter(RUNAWAY) == "A"
    made.scan("bacs", 30_000, 13_500, 50_000, last, after_ms=500)
    assert made.letter(RUNAWAY) == "B"


@pytest.mark.parametrize("last", [0, 1_000_000])
def test_runaway_without_a_current_looks_at_great_heat_only(last: int) -> None:
    """Without a current nothing is three times its median; no histogram is kept of another point."""
    made = Room(_runaway_room(ambient=2, current=NONE))
    made.scan("io1", 0)
    made.scan("bacs", 0, 13_500, 45_000, last)
    assert made.letter(RUNAWAY) == "A"
    assert made.state.histograms == {}
    made.scan("bacs", 0, 13_500, 50_000, last, after_ms=500)
    assert made.letter(RUNAWAY) == "B"


def test_runaway_of_great_heat_returns_only_when_every_temperature_is_seen() -> None:
    """A missing ambient point is no missing value; a missing temperature is."""
    made = Room(_runaway_room(ambient=NONE, current=NONE))
    made.scan("io1", 0)
    made.scan("bacs", 0, 0, 51_000, 0)
    made.scan("bacs", 0, 0, NoData.TIMEOUT, 0, after_ms=500)
    assert made.letter(RUNAWAY) == "B"
    made.scan("bacs", 0, 0, 30_000, 0, after_ms=500)
    assert made.letter(RUNAWAY) == "E"


def test_a_signal_that_comes_and_goes_ends_in_ventilation() -> None:
    """Boost and no signal by turns, each shorter than the hold: both ask for the fan, so it runs."""
    made = Room(battery_room(hold_ms=10_000))
    for _ in range(21):
        made.scan("io1", 0, after_ms=500)
    assert not made.on()
    for n in range(30):
        made.scan("io1", 1 if n % 2 else NoData.TIMEOUT, after_ms=500)
    assert made.on()
    changes = [e for e in made.events if e.type == "ampward.mode.changed.v1"]
    assert len(changes) == 2, "and the mode does not change with each poll"


def test_a_signal_that_comes_back_to_float_needs_no_ventilation() -> None:
    """Lost polls between float ones make nothing of it."""
    made = Room(battery_room(hold_ms=2_000))
    for n in range(40):
        made.scan("io1", 0 if n % 3 else NoData.TIMEOUT, after_ms=500)
    assert made.state.batteries[0].mode is Mode.UNKNOWN, "never float for its hold time"
    for _ in range(5):
        made.scan("io1", 0, after_ms=500)
    for n in range(40):
        made.scan("io1", 0 if n % 3 else NoData.TIMEOUT, after_ms=500)
    assert not made.on()


def test_gas_whose_value_is_missing_when_the_air_is_proven_is_looked_at_later() -> None:
    """The look at its fall begins with a value; a missing one is not zero."""
    plan = gas_room()
    made = Room(replace(plan, outputs=(replace(plan.outputs[0], not_falling_ms=30_000),)))
    for gas in (15_000, NoData.TIMEOUT):
        made.scan("gas1", gas, after_ms=500)
    made.scan("io1", 1, 1, 0)
    for _ in range(30):
        made.scan("gas1", 12_000, after_ms=1_000)
        made.scan("io1", 1, 1, 0)
    assert made.letter(NOT_FALLING) == "A", "it is watched for 29 s only"
    made.scan("gas1", 12_000, after_ms=1_000)
    assert made.letter(NOT_FALLING) == "B", "30 s at the same value"


@pytest.mark.parametrize(
    "detail",
    [
        "gas_1",
        "gas_2 s/r/gas1-h2",
        "gas_1 s/r/gas1-h2; not armed: never commissioned",
        "fault s/r/h2c-di0, gas_1 s/r/gas1-h2, start",
    ],
)
def test_a_local_trip_of_gas_holds_run_on_in_guards_own_words(detail: str) -> None:
    """guard names the detectors, and what else there is; gas anywhere among it holds run-on."""
    made = Room(gas_room(run_on_ms=60_000))
    for _ in range(3):
        made.scan("gas1", 0, after_ms=500)
    made.report(ReportKind.LOCAL_TRIP, FAN, detail=detail)
    made.report(ReportKind.LOCAL_TRIP, FAN, on=False, after_ms=500)
    for _ in range(59):
        made.scan("gas1", 0, after_ms=1_000)
    assert made.on()
    made.scan("gas1", 0, after_ms=1_000)
    assert not made.on()


@pytest.mark.parametrize("detail", ["fault s/r/gas1-h2", "stale gas_1", "start", "", "unexplained; not armed: gas_1"])
def test_a_local_trip_of_anything_else_holds_no_run_on(detail: str) -> None:
    """Only the cause counts, not a name that looks like one."""
    made = Room(gas_room(run_on_ms=60_000))
    for _ in range(3):
        made.scan("gas1", 0, after_ms=500)
    made.report(ReportKind.LOCAL_TRIP, FAN, detail=detail)
    assert made.on()
    made.report(ReportKind.LOCAL_TRIP, FAN, on=False, after_ms=500)
    assert not made.on()


def test_a_pulse_is_told_whatever_delay_the_rule_has() -> None:
    """What happened at one moment cannot last for an on-delay: it is an alarm at once."""
    unexplained = alarm(f"{FAN}/trip_unexplained", Severity.ALARM, latch=True, on_delay_ms=10_000)
    plan = replace(
        limit_room(), alarms=(unexplained,), limits=(), reports=(ReportRow(0, "trip_unexplained", FAN, Severity.ALARM),)
    )
    made = Room(plan)
    made.report(ReportKind.TRIP_UNEXPLAINED, FAN, pulse=True)
    assert made.letter(unexplained.id) == "E"


def _horn_room(*, latch: bool) -> RoomPlan:
    """One alarm that escalates from warning to alarm, and a buzzer that hears it."""
    plan = limit_room(latch=latch)
    graver = LimitRow(0, 0, high=True, limit=2_400, deadband=20, severity=Severity.ALARM)
    buzzer = replace(gas_room().outputs[2], causes=(CausePlan(CauseKind.ALARM, 0),))
    return replace(plan, limits=(*plan.limits, graver), outputs=(buzzer,))


def test_the_buzzer_hears_an_alarm_that_escalates_and_no_warning() -> None:
    """A warning is quiet; from alarm on it sounds, and is quiet again when it is a warning again."""
    made = Room(_horn_room(latch=False))
    made.scan("bacs", 2_310)
    assert not made.on()
    assert "output.demanded io1-do2 on" in told(made.scan("bacs", 2_400, after_ms=500))
    assert "output.released io1-do2 off" in told(made.scan("bacs", 2_350, after_ms=500))
    assert (made.letter(HIGH), made.alarm(HIGH).severity) == ("B", "warning")


def test_a_latch_keeps_the_gravest_severity_and_its_demand() -> None:
    """On its way down a latching alarm is no lighter than it was: it latches as an alarm, and the buzzer with it."""
    made = Room(_horn_room(latch=True))
    for voltage in (2_310, 2_400, 2_350, 2_200):
        made.scan("bacs", voltage, after_ms=500)
    assert (made.letter(HIGH), made.alarm(HIGH).severity) == ("E", "alarm")
    assert made.on()
