"""Gas in a room: from a sample to the alarm, the fan and back, in time lines."""

from dataclasses import replace

import pytest

from shared.domain import core
from shared.domain.ids import PointId
from shared.domain.inputs import What
from shared.domain.plan import NONE, RoomPlan, Severity
from shared.domain.units import NoData, Unit
from tests.domain.driver import Room, Value, told
from tests.domain.plans import (
    ALARM,
    BUZZER,
    FAN,
    FAULT,
    GAS,
    PREALARM,
    contact_room,
    gas_room,
)
from tests.domain.timeline import Act, line, say, scan, tick

PRE, TWO, FAULTY = "gas1-h2/h2_prealarm", "gas1-h2/h2_alarm", "gas1-h2/h2_fault"


def gas(value: Value) -> Act:
    return scan("gas1", value)


def _plan() -> RoomPlan:
    """The gas room without proof of airflow: only gas and demands."""
    plan = gas_room()
    fan = replace(
        plan.outputs[0], airflow=NONE, read_back=NONE, alarm_fail=NONE, alarm_airflow=NONE, alarm_not_falling=NONE
    )
    return replace(plan, points=plan.points[:1], scans=plan.scans[:1], outputs=(fan, plan.outputs[2]))


def _watching() -> Room:
    """Start-up is over."""
    room = Room(_plan())
    for _ in range(3):
        room.scan("gas1", 0, after_ms=500)
    assert not room.on()
    return room


def test_power_up_holds_the_fan_until_three_good_samples() -> None:
    """The fan is on from the first input and off with the third good sample; nothing is raised."""
    room = Room(_plan(), started=False)
    rows = [
        (0, lambda made, ms: made.start(after_ms=ms), ["log.started r", "output.demanded io1-do0 on"], "start"),
        (500, gas(0), [], "first"),
        (500, gas(NoData.TIMEOUT), [], "a bad one starts the count again"),
        (500, gas(0), [], "first"),
        (500, gas(0), [], "second"),
        (500, gas(0), ["output.released io1-do0 off"], "third"),
    ]
    line(room, rows)


def test_one_percent_runs_the_fan_at_once_and_for_run_on() -> None:
    """The pre-alarm returns after its off-delay, the fan runs on after the last sample over the deadband."""
    rows = [
        (500, gas(9_999), [], "just under"),
        (500, gas(10_000), [f"alarm.raised {PRE} B", "output.demanded io1-do0 on"], "at the limit"),
        (500, gas(8_001), [], "in the deadband"),
        (500, gas(8_000), [], "inside: off-delay and run-on begin"),
        *(((1_000, gas(0), [], "inside"),) * 9),
        (1_000, gas(0), [f"alarm.returned {PRE} D"], "for 10 s"),
        *(((1_000, gas(0), [], "run-on"),) * 49),
        (999, gas(0), [], "one millisecond before its end"),
        (1, tick, ["output.released io1-do0 off"], "run-on is over, by a tick alone"),
    ]
    line(_watching(), rows)


def test_two_percent_is_critical_latches_and_hides_the_pre_alarm() -> None:
    """One announcement; the latch holds the fan and the buzzer until ack and reset."""
    room = _watching()
    events = room.scan("gas1", 25_000, after_ms=500)
    assert told(events) == [
        f"alarm.raised {TWO} B",
        f"alarm.suppressed {PRE} B",
        f"alarm.raised {PRE} B",
        "output.demanded io1-do0 on",
        "output.demanded io1-do2 on",
    ]
    assert [e.reason for e in events[:3]] == ["", f"suppressed by {ALARM}", f"suppressed by {ALARM}"]
    rows = [
        (500, gas(0), [f"alarm.returned {TWO} E", f"alarm.unsuppressed {PRE} B", f"alarm.reannounced {PRE} B"], "gone"),
        (10_000, tick, ["signal.lost gas1", f"alarm.raised {FAULTY} B"], "silence"),
        (0, say(What.ACK, ALARM), [f"alarm.acked {TWO} F"], "acked"),
        (0, say(What.RESET, ALARM), ["input.rejected gas1-h2/h2_alarm"], "the value is missing: no reset"),
    ]
    line(room, rows)
    for _ in range(200):
        room.scan("gas1", 0, after_ms=1_000)
    assert room.on(), "the latch holds the fan for as long as it stands"
    assert "output.released io1-do0 off" in told(room.command(What.RESET, ALARM))


def test_the_alarm_of_two_percent_does_not_clear_on_a_bad_sample() -> None:
    """Over the limit, then no value: active, and the fault beside it."""
    room = _watching()
    room.scan("gas1", 25_000, after_ms=500)
    for _ in range(9):
        room.scan("gas1", NoData.TIMEOUT, after_ms=500)
    assert (room.letter(ALARM), room.letter(FAULT)) == ("B", "B")
    assert core.points(room.state)[0] == core.PointView(GAS, None, "%vol", "bad", "timeout", 0)


def test_silence_leads_to_fault_and_fan_by_ticks_alone() -> None:
    """Four seconds after the last sample, without any input but ticks; three good samples end both."""
    rows = [
        (3_000, tick, ["signal.lost gas1"], "stale"),
        (999, tick, [], "one millisecond before"),
        (1, tick, [f"alarm.raised {FAULTY} B", "output.demanded io1-do0 on", "output.demanded io1-do2 on"], "4 s"),
        (60_000, tick, [], "once"),
        (500, gas(0), ["signal.restored gas1"], "first"),
        (500, gas(0), [], "second"),
        (
            500,
            gas(0),
            [f"alarm.returned {FAULTY} D", "output.released io1-do0 off", "output.released io1-do2 off"],
            "third",
        ),
    ]
    line(_watching(), rows)


@pytest.mark.parametrize(
    ("contacts", "letters"),
    [((0, 0), "AAA"), ((1, 0), "BAA"), ((1, 1), "BBA"), ((0, 1), "BBB")],
)
def test_the_truth_table_of_two_contacts(contacts: tuple[int, int], letters: str) -> None:
    """Contact 1 is the pre-alarm, contact 2 the alarm, contact 2 alone impossible and an alarm all the same."""
    room = Room(contact_room())
    for _ in range(3):
        room.scan("io1", 0, 0, after_ms=500)
    room.scan("io1", *contacts, after_ms=500)
    names = [a.id for a in room.plan.alarms]
    assert "".join(room.letter(names[i]) for i in (0, 1, 3)) == letters
    assert room.on() is (contacts != (0, 0))


def test_an_unknown_first_contact_is_not_impossible() -> None:
    """Only a contact that is seen open contradicts the second."""
    room = Room(contact_room())
    room.scan("io1", NoData.MALFORMED, 1)
    assert room.letter(room.plan.alarms[1].id) == "B"
    assert room.alarm(room.plan.alarms[3].id).condition == "unknown"


def _two_detectors() -> Room:
    plan = gas_room()
    second = replace(plan.detectors[0], h2=1, alarm_1=NONE, alarm_2=NONE, alarm_fault=NONE)
    causes = tuple(replace(c, index=1) for c in plan.outputs[0].causes[:3])
    fan = replace(
        plan.outputs[0], airflow=NONE, read_back=NONE, alarm_fail=NONE, alarm_airflow=NONE, alarm_not_falling=NONE,
        causes=(*plan.outputs[0].causes, *causes),
    )  # fmt: skip
    room = Room(replace(plan, detectors=(plan.detectors[0], second), outputs=(fan,)))
    for _ in range(3):
        room.scan("gas1", 0, after_ms=500)
        room.scan("io1", 0, 0, 0)
    assert not room.on()
    return room


@pytest.mark.parametrize("first", [0, 10_000, NoData.TIMEOUT])
@pytest.mark.parametrize("second", [0, 10_000, NoData.TIMEOUT])
def test_detection_is_one_of_n_and_a_failed_sensor_votes_on(first: Value, second: Value) -> None:
    """The fan is on when either sees gas or either has failed, and another sensor makes neither later."""
    room = _two_detectors()
    for _ in range(9):
        room.scan("gas1", first, after_ms=500)
        room.scan("io1", second, 0, 0)
    assert room.on() is not (first == 0 and second == 0)


def test_gas_is_seen_in_the_same_step_whatever_the_other_sensor_does() -> None:
    """One scan over the limit, one demand, in that step."""
    room = _two_detectors()
    room.scan("io1", NoData.TIMEOUT, 0, 0, after_ms=100)
    assert "output.demanded io1-do0 on" in told(room.scan("gas1", 10_000, after_ms=100))


def test_a_restart_of_the_box_starts_detectors_up_again_and_keeps_gas() -> None:
    """After a new boot the fan runs until three good samples; a site process that comes back changes nothing."""
    room = _watching()
    assert told(room.start(boot="boot1", after_ms=300)) == ["log.started r"]
    assert told(room.start(boot="boot2", after_ms=300)) == ["log.started r", "output.demanded io1-do0 on"]
    for _ in range(3):
        room.scan("gas1", 0, after_ms=500)
    assert not room.on()
    room.scan("gas1", 12_000, after_ms=500)
    room.start(boot="boot3", after_ms=20_000)
    for _ in range(4):
        room.scan("gas1", 0, after_ms=500)
    assert room.on(), "run-on goes on over a restart"


def test_a_restart_after_an_hour_raises_no_alarm_for_the_hour() -> None:
    """The time without a log is not a silence of the sensors; what was known is stale until the next frame."""
    room = _watching()
    assert told(room.start(boot="boot1", after_ms=3_600_000)) == ["log.started r"]
    assert core.points(room.state)[0].no_data == "stale"
    assert "signal.restored gas1" not in told(room.scan("gas1", 0, after_ms=500))


@pytest.mark.parametrize(
    "what", [What.ACK, What.SHELVE, What.OUT_OF_SERVICE, What.MAINTENANCE, What.SILENCE, What.UNSHELVE, What.TEST]
)
def test_no_command_lowers_the_fan(what: What) -> None:
    """Whatever a person does about the alarms of a gas, the fan stays on."""
    room = _watching()
    room.scan("gas1", 25_000, after_ms=500)
    for subject in (PREALARM, ALARM, FAULT, FAN, BUZZER, "s/r", "s/r/gas1"):
        room.command(what, subject, reason="work", for_ms=60_000, second_person="ben", measure="hand-held")
        assert room.on(), f"{what} of {subject} lowered the fan"


@pytest.mark.parametrize("what", [What.SHELVE, What.OUT_OF_SERVICE, What.MAINTENANCE])
def test_a_new_alarm_of_two_percent_is_never_hidden(what: What) -> None:
    """Shelved, out of service or in maintenance: the raised event says so openly, with nothing that hides it."""
    room = _watching()
    for subject in (ALARM, "s/r"):
        room.command(what, subject, reason="work", for_ms=600_000, second_person="ben", measure="hand-held")
    raised = [e for e in room.scan("gas1", 25_000, after_ms=500) if e.type.endswith("raised.v1") and e.subject == ALARM]
    assert [(e.severity, e.reason) for e in raised] == [(Severity.CRITICAL.label, "")]
    assert room.on(1), "and the buzzer sounds"


def test_two_percent_shown_in_a_warm_up_is_told_at_once_but_empties_no_building() -> None:
    """The trouble alarm and the buzzer, the fan runs anyway; the alarm itself when the head says that it measures."""
    plan = _plan()
    detector = replace(plan.detectors[0], status=1, status_good=(1,), status_warm_up=(0,))
    status = replace(plan.points[0], id=PointId("s/r/gas1-state"), unit=Unit.STATE)
    made = Room(
        replace(plan, points=(*plan.points, status), scans=(replace(plan.scans[0], count=2),), detectors=(detector,))
    )
    rows = [
        (500, scan("gas1", 19_999, 0), [], "warming up, under 2 %"),
        (500, scan("gas1", 40_000, 0), [f"alarm.raised {FAULTY} B", "output.demanded io1-do2 on"], "full scale"),
        (500, scan("gas1", 0, 0), [], "and back"),
    ]
    line(made, rows)
    assert made.on()
    events = told(made.scan("gas1", 21_000, 1, after_ms=500))
    assert events[0] == f"alarm.raised {TWO} B"
