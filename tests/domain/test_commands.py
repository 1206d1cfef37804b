"""What people may do, and every reason for which they are refused."""

from dataclasses import replace

import pytest

from shared.domain.commands import MAINTENANCE_MAX_MS, OUT_OF_SERVICE_MAX_MS, SHELVE_MAX_MS, TEST_MAX_MS
from shared.domain.events import Event
from shared.domain.ids import AlarmId
from shared.domain.inputs import Refusal, What
from shared.domain.plan import LimitRow, OutputKind, OutputPlan, Severity
from tests.domain.driver import Room, told
from tests.domain.plans import HIGH, alarm, limit_room, point, room, scan
from tests.domain.timeline import line, say, tick
from tests.domain.timeline import scan as scanned

JAR = "s/r/bat1/1S1"
NAME = "bat1/1S1/jar_voltage_high_warning"
CRITICAL = "s/r/bat1/2S1/hot"
FAN, BUZZER = "s/r/io1-do0", "s/r/io1-do2"
MINUTE_MS = 60_000


def _room() -> Room:
    """A warning that latches on one jar, a critical alarm on another, a fan and a buzzer; both jars are well."""
    plan = limit_room(latch=True)
    outputs = tuple(
        OutputPlan(id_, kind, plan.scans[0].device, "do", safe_on=True, causes=())  # type: ignore[arg-type]
        for id_, kind in ((FAN, OutputKind.FAN), (BUZZER, OutputKind.BUZZER))
    )
    made = Room(
        replace(
            plan,
            points=(*plan.points, point("bat1/2S1/temperature")),
            scans=(scan("bacs", 0, 2),),
            alarms=(*plan.alarms, alarm(CRITICAL, Severity.CRITICAL)),
            limits=(*plan.limits, LimitRow(1, 1, high=True, limit=50, deadband=0, severity=Severity.CRITICAL)),
            outputs=outputs,
        )
    )
    made.scan("bacs", 2_200, 20)
    return made


def _refusal(events: list[Event]) -> str:
    """The reason's name of the one event that a refused command makes."""
    assert [e.type for e in events] == ["ampward.input.rejected.v1"]
    return events[0].reason.partition(":")[0]


@pytest.mark.parametrize(
    ("what", "subject", "given", "refusal"),
    [
        (What.ACK, "s/r/nothing", {}, Refusal.UNKNOWN_SUBJECT),
        (What.ACK, "s/r/bat1/2S1", {}, Refusal.NOT_ACTIVE),
        (What.ACK, CRITICAL, {}, Refusal.NOT_ACTIVE),
        (What.ACK, HIGH, {"occurrence": "0" * 32}, Refusal.OTHER_OCCURRENCE),
        (What.RESET, "s/r/nothing", {}, Refusal.UNKNOWN_SUBJECT),
        (What.RESET, HIGH, {}, Refusal.CONDITION_TRUE),
        (What.RESET, CRITICAL, {}, Refusal.NOT_ACTIVE),
        (What.SHELVE, "s/r/nothing", {"reason": "x", "for_ms": 1}, Refusal.UNKNOWN_SUBJECT),
        (What.SHELVE, HIGH, {"for_ms": MINUTE_MS}, Refusal.REASON_MISSING),
        (What.SHELVE, HIGH, {"reason": " ", "for_ms": MINUTE_MS}, Refusal.REASON_MISSING),
        (What.SHELVE, HIGH, {"reason": "x"}, Refusal.DURATION_MISSING),
        (What.SHELVE, HIGH, {"reason": "x", "for_ms": SHELVE_MAX_MS + 1}, Refusal.DURATION_TOO_LONG),
        (What.UNSHELVE, HIGH, {}, Refusal.NOT_SHELVED),
        (What.OUT_OF_SERVICE, "s/r/nothing", {"reason": "x"}, Refusal.UNKNOWN_SUBJECT),
        (What.OUT_OF_SERVICE, HIGH, {}, Refusal.REASON_MISSING),
        (What.OUT_OF_SERVICE, HIGH, {"reason": "x", "for_ms": OUT_OF_SERVICE_MAX_MS + 1}, Refusal.DURATION_TOO_LONG),
        (What.OUT_OF_SERVICE, CRITICAL, {"reason": "x"}, Refusal.DURATION_MISSING),
        (What.OUT_OF_SERVICE, CRITICAL, {"reason": "x", "for_ms": 1}, Refusal.SECOND_PERSON_MISSING),
        (
            What.OUT_OF_SERVICE,
            CRITICAL,
            {"reason": "x", "for_ms": 1, "second_person": "anna"},
            Refusal.SECOND_PERSON_MISSING,
        ),
        (What.OUT_OF_SERVICE, CRITICAL, {"reason": "x", "for_ms": 1, "second_person": "ben"}, Refusal.MEASURE_MISSING),
        (What.IN_SERVICE, HIGH, {}, Refusal.ALREADY),
        (What.IN_SERVICE, "s/r", {}, Refusal.ALREADY),
        (What.IN_SERVICE, "s/r/nothing", {}, Refusal.UNKNOWN_SUBJECT),
        (What.MAINTENANCE, "s/r/nothing", {"reason": "x", "for_ms": 1}, Refusal.UNKNOWN_SUBJECT),
        (What.MAINTENANCE, "s/r", {"for_ms": 1}, Refusal.REASON_MISSING),
        (What.MAINTENANCE, "s/r", {"reason": "x"}, Refusal.DURATION_MISSING),
        (What.MAINTENANCE, "s/r", {"reason": "x", "for_ms": MAINTENANCE_MAX_MS + 1}, Refusal.DURATION_TOO_LONG),
        (What.SILENCE, "s/r/nothing", {}, Refusal.UNKNOWN_SUBJECT),
        (What.SILENCE, FAN, {}, Refusal.NOT_SUPPORTED),
        (What.SILENCE, BUZZER, {}, Refusal.NOT_ACTIVE),
        (What.SILENCE, "s/r", {}, Refusal.NOT_ACTIVE),
        (What.TEST, "s/r/nothing", {}, Refusal.UNKNOWN_SUBJECT),
        (What.TEST, HIGH, {}, Refusal.NOT_SUPPORTED),
        (What.TEST, FAN, {"for_ms": TEST_MAX_MS + 1}, Refusal.DURATION_TOO_LONG),
        (What.BASELINE, JAR, {}, Refusal.UNKNOWN_SUBJECT),
        (What.REPLACE, JAR, {}, Refusal.UNKNOWN_SUBJECT),
    ],
)
def test_every_refusal_has_its_name_and_changes_nothing(
    what: What, subject: str, given: dict[str, object], refusal: Refusal
) -> None:
    """One rejected event with the reason, and the alarm as it was."""
    made = _room()
    made.scan("bacs", 2_310, 20, after_ms=500)
    before = made.alarm(HIGH)
    assert _refusal(made.command(what, subject, **given)) == refusal.value  # type: ignore[arg-type]
    assert made.alarm(HIGH) == before


def test_a_test_message_may_be_asked_for_by_a_way_that_there_is() -> None:
    """SITE/_site/CHANNEL/PERSON of a channel with an alarm of its own: recorded with who asked, nothing else moves."""
    alarm = replace(limit_room().alarms[0], id=AlarmId("s/_site/email/delivery_failing"))
    plan = limit_room()
    made = Room(replace(plan, alarms=(alarm, *plan.alarms[1:])))
    told_ = made.command(What.TEST, "s/_site/email/anna", reason="test-channel")
    assert [(one.type, one.subject, one.actor) for one in told_] == [
        ("ampward.test.requested.v1", "s/_site/email/anna", "anna")
    ]
    for nothing in ("s/_site/webhook/anna", "s/_site/email", "s/_site/email/", "s/_site/email/anna/x"):
        assert made.command(What.TEST, nothing)[0].type == "ampward.input.rejected.v1"


def test_an_ack_needs_the_severity_that_the_person_saw() -> None:
    """Seen as a warning, it is an alarm now: refused with what it is now."""
    made = Room(
        replace(
            limit_room(),
            limits=(*limit_room().limits, LimitRow(0, 0, high=True, limit=2_400, deadband=0, severity=Severity.ALARM)),
        )
    )
    made.scan("bacs", 2_310)
    seen = made.alarm(HIGH)
    made.scan("bacs", 2_410, after_ms=500)
    rejected = made.command(What.ACK, HIGH, occurrence=seen.occurrence, seen=Severity.WARNING)
    assert _refusal(rejected) == "severity-rose"
    assert (rejected[0].occurrence, rejected[0].severity) == (seen.occurrence, "alarm")
    accepted = made.command(What.ACK, HIGH, occurrence=seen.occurrence, seen=Severity.ALARM, reason="seen")
    assert told(accepted) == [f"alarm.acked {NAME} C"]
    assert (accepted[0].actor, accepted[0].reason) == ("anna", "seen")


def test_an_ack_of_an_old_occurrence_never_acks_the_new_one() -> None:
    """The person saw the first; the second is open now."""
    made = _room()
    made.scan("bacs", 2_310, 20, after_ms=500)
    old = made.alarm(HIGH).occurrence
    made.scan("bacs", 2_200, 20, after_ms=500)
    made.scan("bacs", 2_310, 20, after_ms=500)
    rejected = made.command(What.ACK, HIGH, occurrence=old)
    assert _refusal(rejected) == "other-occurrence"
    assert rejected[0].occurrence == made.alarm(HIGH).occurrence != old


def test_an_ack_of_a_place_needs_exactly_one_open_alarm() -> None:
    """With two open alarms in a battery one must be named; with one it is meant; another's is never acked."""
    made = _room()
    made.scan("bacs", 2_310, 60, after_ms=500)
    assert _refusal(made.command(What.ACK, "s/r/bat1")) == "other-occurrence"
    occurrence = made.alarm(CRITICAL).occurrence
    assert told(made.command(What.ACK, "s/r/bat1", occurrence=occurrence)) == ["alarm.acked bat1/2S1/hot C"]
    assert told(made.command(What.ACK, JAR)) == [f"alarm.acked {NAME} C"]
    assert _refusal(made.command(What.ACK, HIGH)) == "already"


def test_reset_needs_a_latch_that_was_acked() -> None:
    """Unacked it is refused by that name, and so is what does not latch."""
    made = _room()
    made.scan("bacs", 2_310, 60, after_ms=500)
    made.scan("bacs", 2_200, 20, after_ms=500)
    assert _refusal(made.command(What.RESET, HIGH)) == "not-acked"
    assert _refusal(made.command(What.RESET, CRITICAL)) == "not-latched"


def test_a_shelving_has_an_end_and_then_the_alarm_is_announced_again() -> None:
    """Raised in the meantime it is marked, at the end it is announced; twice is once too often."""
    made = _room()
    rows = [
        (0, say(What.SHELVE, HIGH, "known", MINUTE_MS), [f"alarm.shelved {NAME} A"], "before it is raised"),
        (0, say(What.SHELVE, HIGH, "known", MINUTE_MS), [f"input.rejected {NAME}"], "already"),
        (1_000, scanned("bacs", 2_310, 20), [f"alarm.raised {NAME} B"], "raised, and marked as shelved"),
    ]
    line(made, rows)
    assert made.events[-1].reason == "shelved"
    assert (made.alarm(HIGH).override, made.alarm(HIGH).until_ms) == ("shelved", MINUTE_MS)
    ended = told(made.tick(MINUTE_MS - 1_000))
    assert ended[-2:] == [f"alarm.unshelved {NAME} B", f"alarm.reannounced {NAME} B"]
    assert told(made.tick(MINUTE_MS)) == []


def test_unshelving_a_calm_alarm_says_only_that() -> None:
    """Nothing is announced that is not active."""
    made = _room()
    made.command(What.SHELVE, HIGH, reason="known", for_ms=MINUTE_MS)
    assert told(made.command(What.UNSHELVE, HIGH)) == [f"alarm.unshelved {NAME} A"]
    assert made.state.records == {}


def test_a_new_critical_alarm_ends_its_shelving() -> None:
    """A shelving never hides what is new and critical."""
    made = _room()
    made.command(What.SHELVE, CRITICAL, reason="known", for_ms=MINUTE_MS)
    events = made.scan("bacs", 2_200, 60, after_ms=500)
    assert told(events) == ["alarm.unshelved bat1/2S1/hot B", "alarm.raised bat1/2S1/hot B"]
    assert events[1].reason == ""


def test_out_of_service_names_both_people_and_the_measure_and_ends_loudly() -> None:
    """The highest class: who, with whom, what instead, until when; the end raises, never silently returns."""
    made = _room()
    made.scan("bacs", 2_200, 60, after_ms=500)
    event = made.command(
        What.OUT_OF_SERVICE, CRITICAL, reason="sensor", second_person="ben", measure="hand-held", for_ms=2_000
    )[0]
    assert (event.type, event.actor, event.until_ms) == ("ampward.alarm.out_of_service.v1", "anna", 2_500)
    assert event.reason == "sensor; second person ben; measure hand-held"
    assert told(made.tick(2_000)) == ["alarm.in_service bat1/2S1/hot B", "alarm.reannounced bat1/2S1/hot B"]


def test_a_lower_class_may_be_out_of_service_without_an_end() -> None:
    """Until someone puts it back."""
    made = _room()
    made.command(What.OUT_OF_SERVICE, HIGH, reason="module is out")
    assert made.alarm(HIGH).override == "out_of_service"
    assert _refusal(made.command(What.SHELVE, HIGH, reason="x", for_ms=1)) == "already"
    assert _refusal(made.command(What.OUT_OF_SERVICE, HIGH, reason="x")) == "already"
    assert told(made.command(What.IN_SERVICE, HIGH)) == [f"alarm.in_service {NAME} A"]


def test_out_of_service_takes_over_a_shelving() -> None:
    """Of the two the managed one goes on."""
    made = _room()
    made.command(What.SHELVE, HIGH, reason="known", for_ms=1_000)
    made.command(What.OUT_OF_SERVICE, HIGH, reason="module is out", for_ms=MINUTE_MS)
    made.scan("bacs", 2_200, 20, after_ms=1_500)
    assert made.alarm(HIGH).override == "out_of_service"


def test_maintenance_suppresses_what_stands_under_the_place_until_its_end() -> None:
    """A jar in maintenance: its warning is suppressed and said so, a critical alarm is not; the end announces."""
    made = _room()
    made.scan("bacs", 2_310, 20, after_ms=500)
    started = ["maintenance.started bat1", f"alarm.suppressed {NAME} B"]
    ended = ["maintenance.ended bat1", f"alarm.unsuppressed {NAME} B", f"alarm.reannounced {NAME} B"]
    rows = [
        (0, say(What.MAINTENANCE, "s/r/bat1", "work", 2_000), started, "the open alarm too"),
        (0, say(What.MAINTENANCE, "s/r/bat1", "work", 2_000), ["input.rejected bat1"], "already"),
        (500, scanned("bacs", 2_310, 60), ["alarm.raised bat1/2S1/hot B"], "critical: never suppressed"),
        (1_500, tick, ended, "over"),
    ]
    line(made, rows)
    assert next(e.reason for e in made.events if e.type.endswith("raised.v1") and e.subject == CRITICAL) == ""


def test_maintenance_can_be_ended_by_a_person() -> None:
    """in_service of the same place."""
    made = _room()
    made.command(What.MAINTENANCE, JAR, reason="work", for_ms=MINUTE_MS)
    assert told(made.command(What.IN_SERVICE, JAR)) == ["maintenance.ended bat1/1S1"]


@pytest.mark.parametrize(
    ("subject", "covered"),
    [("s", True), ("s/r", True), ("s/r/gas1", True), ("s/r/gas1-h2", True), ("s/r/gas", False), ("s/r2", False)],
)
def test_a_place_covers_what_stands_under_it_and_no_neighbour(subject: str, covered: bool) -> None:
    """The site, the room, the device and the point cover the point's alarm; a name that only begins alike does not."""
    made = Room(
        room(
            points=(point("gas1-h2"),),
            scans=(scan("gas1", 0, 1),),
            alarms=(alarm("s/r/gas1-h2/high"),),
            limits=(LimitRow(0, 0, high=True, limit=1, deadband=0, severity=Severity.WARNING),),
        )
    )
    made.scan("gas1", 1)
    events = made.command(What.ACK, subject)
    assert (told(events) == ["alarm.acked gas1-h2/high C"]) is covered


def test_an_accepted_command_never_makes_a_rejected_event() -> None:
    """Ack, shelve and unshelve of what is open are taken."""
    made = _room()
    made.scan("bacs", 2_310, 20, after_ms=500)
    for what in (What.ACK, What.SHELVE, What.UNSHELVE):
        events = made.command(what, HIGH, reason="known", for_ms=MINUTE_MS)
        assert all(e.type != "ampward.input.rejected.v1" for e in events)
        assert events[0].actor == "anna"


def test_silencing_the_whole_site_is_no_refusal_of_its_quiet_rooms() -> None:
    """Every room gets it; else the person would be told of a refusal though the buzzer is silent."""
    assert _room().command(What.SILENCE, "s") == []
