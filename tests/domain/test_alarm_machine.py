"""Each arrow of the alarm machine, as it is drawn and as a room goes through it."""

import re
from dataclasses import replace

import pytest

from shared.domain import alarm_machine
from shared.domain.alarm_machine import LETTERS, OVERRIDES, TABLE, Override, State, Trigger, after, override_after
from shared.domain.inputs import What
from shared.domain.plan import LimitRow, Severity
from tests.domain.driver import Room, told
from tests.domain.plans import HIGH, limit_room

ARROW = re.compile(r"(?=\b([A-Z]+) --([a-z_]+)--> ([A-Z]+))")
LOW, OVER = 2_200, 2_310


def _drawn() -> set[tuple[str, str, str]]:
    """The arrows of the module's drawings."""
    return {(a, trigger, b) for a, trigger, b in ARROW.findall(alarm_machine.__doc__ or "")}


def test_the_drawing_and_the_tables_have_the_same_arrows() -> None:
    """What is drawn is what is done, in both regions."""
    process = {(a.value, trigger.value, b.value) for (a, trigger), b in TABLE.items()}
    override = {(LETTERS[a], trigger.value, LETTERS[b]) for (a, trigger), b in OVERRIDES.items()}
    assert _drawn() == process | override


def test_no_arrow_means_none() -> None:
    """A pair that is not drawn has no answer, rather than a wrong one."""
    assert after(State.A, Trigger.ACK) is None
    assert after(State.D, Trigger.RESET) is None
    assert override_after(Override.NONE, alarm_machine.OverrideTrigger.UNSHELVE) is None


def _room(**alarm: object) -> Room:
    room = Room(limit_room(**alarm))  # type: ignore[arg-type]
    room.scan("bacs", LOW)
    return room


TO_STATE = {
    "A": (),
    "B": ("true",),
    "C": ("true", "ack"),
    "D": ("true", "false"),
    "E": ("true", "false"),
    "F": ("true", "ack", "false"),
}


def _do(room: Room, act: str) -> list[str]:
    if act == "true":
        return told(room.scan("bacs", OVER, after_ms=1_000))
    if act == "false":
        return told(room.scan("bacs", LOW, after_ms=1_000))
    return told(room.command(What(act), HIGH, after_ms=1_000))


NAME = HIGH.split("/", 2)[2]


@pytest.mark.parametrize(
    ("start", "latch", "act", "events"),
    [
        ("A", False, "true", ["alarm.raised B"]),
        ("B", False, "ack", ["alarm.acked C"]),
        ("B", False, "false", ["alarm.returned D"]),
        ("B", True, "false", ["alarm.returned E"]),
        ("C", False, "false", ["alarm.returned A", "alarm.cleared A"]),
        ("C", True, "false", ["alarm.returned F"]),
        ("D", False, "ack", ["alarm.acked A", "alarm.cleared A"]),
        ("D", False, "true", ["alarm.superseded D", "alarm.raised B"]),
        ("E", True, "ack", ["alarm.acked F"]),
        ("E", True, "true", ["alarm.superseded E", "alarm.raised B"]),
        ("F", True, "reset", ["alarm.reset A", "alarm.cleared A"]),
        ("F", True, "true", ["alarm.superseded F", "alarm.raised B"]),
        ("B", False, "reset", ["input.rejected"]),
        ("C", True, "reset", ["input.rejected"]),
        ("E", True, "reset", ["input.rejected"]),
        ("A", False, "ack", ["input.rejected"]),
        ("C", False, "ack", ["input.rejected"]),
        ("F", True, "ack", ["input.rejected"]),
    ],
)
def test_each_arrow_of_the_process_region(start: str, latch: bool, act: str, events: list[str]) -> None:
    """From a state, one act makes exactly these events and leaves the alarm in the state of the last."""
    room = _room(latch=latch)
    for step in TO_STATE[start]:
        _do(room, step)
    assert room.letter(HIGH) == start
    assert [line.replace(f" {NAME}", "") for line in _do(room, act)] == events
    assert room.letter(HIGH) == (start if events == ["input.rejected"] else events[-1].split()[-1])


def _two_limits() -> Room:
    plan = limit_room()
    higher = LimitRow(0, 0, high=True, limit=2_400, deadband=20, severity=Severity.ALARM)
    room = Room(replace(plan, limits=(*plan.limits, higher)))
    room.scan("bacs", LOW)
    return room


def test_a_higher_limit_escalates_the_same_occurrence_and_withdraws_the_ack() -> None:
    """H then HH of one alarm: C goes back to B, with the same occurrence and the higher severity."""
    room = _two_limits()
    room.scan("bacs", OVER, after_ms=1_000)
    occurrence = room.alarm(HIGH).occurrence
    room.command(What.ACK, HIGH)
    assert told(room.scan("bacs", 2_400, after_ms=1_000)) == [f"alarm.escalated {NAME} B"]
    assert (room.alarm(HIGH).occurrence, room.alarm(HIGH).severity) == (occurrence, "alarm")


def test_a_jump_over_both_limits_raises_once_with_the_higher_severity() -> None:
    """H and HH in one scan are one RAISED, not a RAISED and an ESCALATED."""
    room = _two_limits()
    events = room.scan("bacs", 2_500, after_ms=1_000)
    assert [(e.type, e.severity, e.limit) for e in events] == [("ampward.alarm.raised.v1", "alarm", "2.4")]


def test_a_severity_that_falls_stays_quiet_and_rises_loudly_again() -> None:
    """Back under HH and over H says nothing; over HH again is an escalation."""
    room = _two_limits()
    room.scan("bacs", 2_500, after_ms=1_000)
    assert told(room.scan("bacs", 2_350, after_ms=1_000)) == []
    assert told(room.scan("bacs", 2_500, after_ms=1_000)) == [f"alarm.escalated {NAME} B"]


def test_an_acked_alarm_that_stays_is_announced_again() -> None:
    """The re-alarm timer takes C back to B, once, with the same occurrence."""
    room = _room(realarm_ms=2_000)
    room.scan("bacs", OVER, after_ms=1_000)
    room.command(What.ACK, HIGH)
    assert told(room.scan("bacs", OVER, after_ms=1_999)) == []
    assert told(room.scan("bacs", OVER, after_ms=1)) == [f"alarm.reannounced {NAME} B"]
    assert told(room.scan("bacs", OVER, after_ms=2_500)) == []


def test_a_raised_alarm_carries_what_people_need() -> None:
    """Value, unit, limit, quality, severity, occurrence and the id of the causing input."""
    room = _room()
    event = room.scan("bacs", OVER, after_ms=1_000)[0]
    assert (event.value, event.unit, event.limit, event.quality) == ("2.31", "V", "2.3", "good")
    assert (event.severity, event.rule, event.subject) == ("warning", "jar_voltage_high_warning", HIGH)
    assert (event.site_seq, event.log_id) == (len(room.entries), room.log_id)
    assert len(event.occurrence) == 32


def test_reset_is_refused_while_the_condition_cannot_be_seen() -> None:
    """A latch is not reset on a value that is missing."""
    room = _room(latch=True)
    for act in ("true", "ack", "false"):
        _do(room, act)
    room.tick(4_000)
    rejected = room.command(What.RESET, HIGH)[0]
    assert rejected.reason.startswith("condition-true")
    assert room.letter(HIGH) == "F"


def test_two_alarms_never_share_an_occurrence() -> None:
    """Each occurrence is of one alarm and one input."""
    room = _room()
    first = room.scan("bacs", OVER, after_ms=1_000)[0].occurrence
    room.scan("bacs", LOW, after_ms=1_000)
    second = room.scan("bacs", OVER, after_ms=1_000)[-1].occurrence
    assert first != second
