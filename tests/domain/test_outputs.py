"""Demands and their proof: run-up, read-back, airflow, standby, silence, trips of guard, tests."""

from dataclasses import replace

from shared.domain import core
from shared.domain.ids import OutputId
from shared.domain.inputs import ReportKind, What
from shared.domain.plan import NONE, CauseKind, CausePlan, LimitRow, OutputKind, OutputPlan, ReportRow, Severity
from shared.domain.units import NoData
from tests.domain.driver import Room, told
from tests.domain.plans import (
    ALARM,
    BUZZER,
    FAN,
    FAN_FAIL,
    HIGH,
    NOT_FALLING,
    PREALARM,
    STANDBY,
    alarm,
    battery_room,
    gas_room,
    limit_room,
)
from tests.domain.timeline import Row, line, report, say, scan, tick

DEMANDED, CONFIRMED, RELEASED, FAILED = (f"output.{x} io1-do0" for x in ("demanded", "confirmed", "released", "failed"))
FAIL, AIR = "io1-do0/fan_fail", "io1-do0/airflow_low"


def _watching(**more: object) -> Room:
    """Start-up is over, nothing runs; airflow, read-back and airflow of the standby fan are read."""
    made = Room(replace(gas_room(**more)))  # type: ignore[arg-type]
    for _ in range(3):
        made.scan("gas1", 0, after_ms=500)
        made.scan("io1", 0, 0, 0)
    assert not made.on()
    return made


def gas_and_io(made: Room, ms: int, gas: int, *io: int | NoData) -> list[str]:
    """Both devices answer, the gas head first."""
    return told(made.scan("gas1", gas, after_ms=ms)) + told(made.scan("io1", *io))


def test_a_demand_is_confirmed_by_read_back_and_airflow() -> None:
    """Both must be seen, within run-up; until then it is pending."""
    made = _watching()
    made.scan("gas1", 10_000, after_ms=500)
    view = core.outputs(made.state)[0]
    assert (view.on, view.read_back, view.proof) == (True, "off", "pending")
    assert view.by == ("detector_1 s/r/gas1-h2", f"alarm {PREALARM}")
    rows: list[Row] = [
        (500, scan("io1", 0, 1, 0), [], "the coil is on, no air yet"),
        (500, scan("io1", 1, 1, 0), [f"{CONFIRMED} on"], "air"),
        (500, scan("io1", 1, 1, 0), [], "once"),
    ]
    line(made, rows)
    assert core.outputs(made.state)[0].proof == "proven"


def test_no_airflow_within_run_up_is_a_fan_fail_and_the_standby_takes_over() -> None:
    """Commanded, but no air after 5 s: failed, alarmed, and the second fan on in the same step."""
    made = _watching()
    made.scan("gas1", 10_000, after_ms=500)
    for _ in range(4):
        assert gas_and_io(made, 1_000, 10_000, 0, 1, 0) == []
    rows: list[Row] = [
        (999, scan("io1", 0, 1, 0), [], "one millisecond before the end of run-up"),
        (
            1,
            tick,
            [f"{FAILED} on", "output.demanded io1-do3 on", f"alarm.raised {FAIL} B"],
            "no air: the reason is said and the standby fan runs",
        ),
        (500, scan("io1", 0, 1, 1), ["output.confirmed io1-do3 on"], "air of the standby fan"),
        (500, scan("io1", 1, 1, 1), [f"{CONFIRMED} on", f"alarm.returned {FAIL} E"], "the first turns after all"),
    ]
    line(made, rows)
    assert [e.reason for e in made.events if e.type.endswith("failed.v1")] == ["no airflow within run-up"]
    assert made.on(1), "the latch holds the standby fan until someone has looked"
    made.command(What.ACK, FAN_FAIL)
    assert "output.released io1-do3 off" in told(made.command(What.RESET, FAN_FAIL))


def test_whichever_of_two_duty_fans_fails_the_standby_takes_over() -> None:
    """The first has no air, the second has: the standby behind the second runs all the same."""
    plan = gas_room()
    first, standby, buzzer = plan.outputs
    second = replace(standby, id=OutputId("s/r/io1-do4"), channel="do4", standby=False)
    last = replace(standby, airflow=NONE)
    made = Room(replace(plan, outputs=(first, second, last, buzzer)))
    for _ in range(3):
        gas_and_io(made, 500, 0, 0, 0, 0)
    for _ in range(5):
        gas_and_io(made, 1_000, 10_000, 0, 1, 1)
        assert not made.on(2)
    gas_and_io(made, 1_000, 10_000, 0, 1, 1)
    assert core.outputs(made.state)[0].proof == "failed"
    assert core.outputs(made.state)[1].proof == "proven"
    assert made.on(2)


def test_a_missing_read_back_is_a_fan_fail() -> None:
    """A read-back that cannot be seen proves nothing."""
    made = _watching()
    made.scan("gas1", 10_000, after_ms=500)
    for _ in range(5):
        gas_and_io(made, 1_000, 10_000, 1, NoData.MALFORMED, 0)
    assert made.letter(FAN_FAIL) == "B"
    assert [e.reason for e in made.events if e.type.endswith("failed.v1")] == ["no read-back within run-up"]


def test_airflow_lost_while_running_is_an_alarm_at_once_and_a_fan_fail_after_run_up() -> None:
    """G2: proof that goes is told, and is a failed fan when it does not come back within run-up."""
    made = _watching()
    gas_and_io(made, 500, 10_000, 0, 0, 0)
    for _ in range(5):
        gas_and_io(made, 1_000, 10_000, 1, 1, 0)
    assert gas_and_io(made, 500, 10_000, 0, 1, 0) == [f"alarm.raised {AIR} B"]
    for _ in range(4):
        assert gas_and_io(made, 1_000, 10_000, 0, 1, 0) == []
    assert f"alarm.raised {FAIL} B" in gas_and_io(made, 1_000, 10_000, 0, 1, 0)


def test_the_air_of_the_demand_before_runs_down_without_an_alarm() -> None:
    """A fan demanded again at once is seen running, then stopped, then running: no airflow was lost."""
    made = _watching()
    for _ in range(6):
        gas_and_io(made, 1_000, 10_000, 1, 1, 0)
    made.scan("gas1", 0, after_ms=500)
    while made.on():
        gas_and_io(made, 500, 0, 1, 1, 0)
    made.scan("gas1", 10_000, after_ms=200)
    assert made.on()
    assert gas_and_io(made, 200, 10_000, 1, 1, 0) == [], "read before the switch: still proven"
    assert gas_and_io(made, 200, 10_000, 0, 0, 0) == []
    assert gas_and_io(made, 1_000, 10_000, 1, 1, 0) == [f"{CONFIRMED} on"]
    for _ in range(4):
        assert gas_and_io(made, 1_000, 10_000, 1, 1, 0) == []
    assert gas_and_io(made, 1_000, 10_000, 0, 1, 0) == [f"alarm.raised {AIR} B"]


def test_an_idle_fan_needs_no_proof() -> None:
    """Nothing is demanded, so nothing fails, whatever the contacts say."""
    made = _watching()
    for _ in range(20):
        assert gas_and_io(made, 1_000, 0, 1, 1, 0) == []


def test_gas_that_does_not_fall_although_the_air_moves_is_an_alarm() -> None:
    """Airflow proven and H2 not lower after the time: raised; lower: nothing."""
    made = Room(replace(gas_room(), outputs=(replace(gas_room().outputs[0], not_falling_ms=30_000),)))
    for second, gas in enumerate((10_000, 12_000, *(12_000,) * 30, *(11_000,) * 30, *(11_000,) * 30)):
        gas_and_io(made, 1_000, gas, 1, 1, 0)
        if second == 40:
            assert made.letter(NOT_FALLING) == "B", "not lower than it was 30 s before"
        if second == 70:
            assert made.letter(NOT_FALLING) == "E", "lower: over, and latched"
    assert made.letter(NOT_FALLING) == "B", "and not lower again"


def _two_causes() -> Room:
    """A buzzer that hears two alarms: the first escalates from warning to alarm, the second is one; it sounds."""
    plan = limit_room()
    rows = (*plan.limits, LimitRow(0, 0, high=True, limit=2_400, deadband=20, severity=Severity.ALARM))
    buzzer = replace(gas_room().outputs[2], causes=(CausePlan(CauseKind.ALARM, 0), CausePlan(CauseKind.ALARM, 1)))
    made = Room(
        replace(
            plan,
            alarms=(*plan.alarms, alarm("s/r/bacs/other", Severity.ALARM)),
            limits=rows,
            reports=(ReportRow(1, "other", "s/r/bacs", Severity.ALARM),),
            outputs=(buzzer,),
        )
    )
    made.report("other", "s/r/bacs")
    assert made.on()
    return made


def test_an_alarm_that_is_shelved_does_not_wake_a_silenced_buzzer() -> None:
    """Shelved, it may come and go unheard; when its shelving ends while it is active, the buzzer sounds again."""
    made = _two_causes()
    made.command(What.SHELVE, HIGH, reason="known", for_ms=60_000)
    made.command(What.SILENCE, BUZZER)
    for voltage in (2_450, 2_200, 2_450):
        made.scan("bacs", voltage, after_ms=500)
    assert (made.letter(HIGH), made.on()) == ("B", False)
    assert "output.demanded io1-do2 on" in told(made.command(What.UNSHELVE, HIGH))


def test_a_warning_does_not_wake_a_silenced_buzzer_and_an_alarm_does() -> None:
    """The buzzer hears from severity alarm on, so only from there on it is the next alarm."""
    made = _two_causes()
    made.command(What.SILENCE, BUZZER)
    made.scan("bacs", 2_350, after_ms=500)
    assert not made.on()
    made.scan("bacs", 2_450, after_ms=500)
    assert made.on()


def test_silence_is_for_the_buzzer_and_until_the_next_alarm() -> None:
    """Silenced while the alarm stands; a new alarm sounds again; the fan is not touched."""
    made = _watching()
    gas_and_io(made, 500, 25_000, 1, 1, 0)
    assert made.on(2)
    silenced: list[Row] = [
        (0, say(What.SILENCE, FAN), ["input.rejected io1-do0"], "a fan is not silenced"),
        (0, say(What.SILENCE, BUZZER), ["output.silenced io1-do2 off"], "quiet"),
        (0, say(What.SILENCE, BUZZER), ["input.rejected io1-do2"], "it is quiet already"),
        (0, scan("io1", 1, 1, 0), [], "and stays so"),
    ]
    line(made, silenced)
    assert made.on(0)
    assert not made.on(2)
    for _ in range(8):
        made.scan("gas1", NoData.TIMEOUT, after_ms=500)
    assert "output.demanded io1-do2 on" in told(made.events[-6:]), "the fault is a new alarm"


def test_a_trip_of_guard_is_a_demand_with_run_on_when_it_was_gas() -> None:
    """guard tripped by itself: the core demands while it lasts, and for run-on after gas."""
    trip = ReportKind.LOCAL_TRIP
    made = _watching()
    rows: list[Row] = [
        (0, report(trip, FAN, "fault"), [f"{DEMANDED} on", "report.recorded io1-do0 on"], "a fault"),
        (500, report(trip, FAN, "fault", on=False), [f"{RELEASED} off", "report.recorded io1-do0 off"], "over"),
        (0, report(trip, FAN, "gas_1"), [f"{DEMANDED} on", "report.recorded io1-do0 on"], "gas"),
        (0, scan("io1", 1, 1, 0), [f"{CONFIRMED} on"], "it turns"),
        (500, report(trip, FAN, "gas_1", on=False), ["report.recorded io1-do0 off"], "over, and run-on"),
    ]
    for row in rows:
        assert sorted(told(row[1](made, row[0]))) == sorted(row[2]), row[3]
    for _ in range(59):
        gas_and_io(made, 1_000, 0, 1, 1, 0)
    assert made.on()
    gas_and_io(made, 1_000, 0, 1, 1, 0)
    assert not made.on()


def test_a_trip_of_a_guard_that_died_ends_unless_it_is_said_again() -> None:
    """A new guard says its trips anew; what it does not say is over after a minute."""
    made = _watching()
    made.report(ReportKind.LOCAL_TRIP, FAN, detail="fault")
    made.report(ReportKind.GUARD_STARTED, "s/r/guard")
    for _ in range(59):
        gas_and_io(made, 1_000, 0, 1, 1, 0)
    assert made.on()
    gas_and_io(made, 1_000, 0, 1, 1, 0)
    assert not made.on()


def test_an_unexplained_trip_latches_and_holds_the_fan() -> None:
    """A pulse is enough: the fan stays on until a person has acked and reset."""
    plan = gas_room()
    unexplained = alarm(f"{FAN}/trip_unexplained", Severity.ALARM, latch=True)
    fan = replace(plan.outputs[0], causes=(*plan.outputs[0].causes, CausePlan(CauseKind.ALARM, len(plan.alarms))))
    made = Room(
        replace(
            plan,
            alarms=(*plan.alarms, unexplained),
            reports=(ReportRow(len(plan.alarms), "trip_unexplained", FAN, Severity.ALARM),),
            outputs=(fan, *plan.outputs[1:]),
        )
    )
    for _ in range(3):
        gas_and_io(made, 500, 0, 0, 0, 0)
    made.report(ReportKind.TRIP_UNEXPLAINED, FAN, pulse=True)
    for _ in range(300):
        gas_and_io(made, 1_000, 0, 1, 1, 0)
    assert made.on()
    made.command(What.ACK, unexplained.id)
    assert f"{RELEASED} off" in told(made.command(What.RESET, unexplained.id))


def test_a_test_demands_for_its_time() -> None:
    """An operator's test of a fan is a demand like any other, proven like any other."""
    made = _watching()
    rows: list[Row] = [
        (0, say(What.TEST, FAN, for_ms=8_000), ["test.requested io1-do0", f"{DEMANDED} on"], "asked for"),
        (2_000, scan("io1", 1, 1, 0), [f"{CONFIRMED} on"], "it turns"),
    ]
    line(made, rows)
    for _ in range(5):
        gas_and_io(made, 1_000, 0, 1, 1, 0)
    assert made.on()
    gas_and_io(made, 1_000, 0, 1, 1, 0)
    assert not made.on()


def test_boost_ventilates_and_runs_on() -> None:
    """Boost demands the fan; after it run-on; an unknown mode demands without run-on."""
    made = Room(battery_room(hold_ms=1_000))
    assert made.on(), "the mode is unknown"
    made.scan("io1", 0)
    made.scan("io1", 0, after_ms=1_000)
    assert not made.on(), "float: start-up leaves no run-on behind"
    made.scan("io1", 1, after_ms=500)
    assert "output.demanded io1-do0 on" in told(made.scan("io1", 1, after_ms=1_000))
    made.scan("io1", 0, after_ms=500)
    made.scan("io1", 0, after_ms=1_000)
    assert made.on(), "run-on after boost"
    for _ in range(59):
        made.scan("io1", 0, after_ms=1_000)
    assert made.on()
    made.scan("io1", 0, after_ms=1_000)
    assert not made.on()


def test_run_on_counts_from_the_last_moment_at_which_boost_could_not_be_excluded() -> None:
    """Boost, then no signal, then float: run-on begins with float."""
    made = Room(battery_room(hold_ms=0))
    made.scan("io1", 1)
    made.scan("io1", NoData.TIMEOUT, after_ms=500)
    for _ in range(100):
        made.scan("io1", NoData.TIMEOUT, after_ms=1_000)
    made.scan("io1", 0, after_ms=1_000)
    for _ in range(59):
        made.scan("io1", 0, after_ms=1_000)
    assert made.on()
    made.scan("io1", 0, after_ms=1_000)
    assert not made.on()


def test_an_output_of_the_matrix_follows_its_alarm_and_nothing_else() -> None:
    """Any alarm may drive any output; ack and shelving do not reach it."""
    plan = limit_room()
    cooler = OutputPlan(
        OutputId("s/r/io1-do5"), OutputKind.OTHER, plan.scans[0].device, "do5", safe_on=False,
        causes=(CausePlan(CauseKind.ALARM, 0),),
    )  # fmt: skip
    made = Room(replace(plan, outputs=(cooler,)))
    made.scan("bacs", 2_310)
    assert made.on()
    made.command(What.ACK, HIGH)
    made.command(What.SHELVE, HIGH, reason="known", for_ms=60_000)
    made.scan("bacs", 2_310, after_ms=500)
    made.command(What.TEST, cooler.id, for_ms=100)
    made.tick(1_000)
    assert made.on()
    made.scan("bacs", 2_200, after_ms=500)
    assert not made.on()


def test_a_latched_alarm_holds_its_output_until_reset() -> None:
    """The condition is over, the latch is not."""
    plan = limit_room(latch=True)
    inhibit = OutputPlan(
        OutputId("s/r/io1-do1"), OutputKind.CHARGER_INHIBIT, plan.scans[0].device, "do1", safe_on=False,
        causes=(CausePlan(CauseKind.ALARM, 0),),
    )  # fmt: skip
    made = Room(replace(plan, outputs=(inhibit,)))
    made.scan("bacs", 2_310)
    made.scan("bacs", 2_200, after_ms=500)
    made.command(What.ACK, HIGH)
    assert made.on()
    made.command(What.RESET, HIGH)
    assert not made.on()


def test_a_contested_output_is_an_event_of_its_own() -> None:
    """Someone else switches it off again and again."""
    made = _watching()
    events = made.report(ReportKind.OUTPUT_CONTESTED, FAN, detail="written 3 times in 10 s")
    assert "output.contested io1-do0 on" in told(events)


def test_what_an_output_is_demanded_by_is_said() -> None:
    """People see every cause, not only that it is on."""
    made = _watching()
    gas_and_io(made, 500, 25_000, 1, 1, 0)
    views = {view.id: view for view in core.outputs(made.state)}
    assert views[FAN].by == ("detector_1 s/r/gas1-h2", "detector_2 s/r/gas1-h2", f"alarm {PREALARM}", f"alarm {ALARM}")
    assert views[STANDBY].by == ()
