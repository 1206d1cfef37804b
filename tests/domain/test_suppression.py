"""What a mode and a suppression by design do to alarms, as time lines."""

from dataclasses import replace

import pytest

from shared.domain import core
from shared.domain.events import EventType
from shared.domain.inputs import What
from shared.domain.plan import LimitRow, Mode, ModeLimit, ReportRow, Severity
from shared.domain.units import NoData
from tests.domain.driver import Room, told
from tests.domain.plans import HIGH, PREALARM, alarm, battery_room, contact_room, limit_room, point, room, scan
from tests.domain.timeline import Act, Row, line, say, tick
from tests.domain.timeline import scan as scanned


def test_limits_switch_with_the_mode_at_once() -> None:
    """In boost the higher limit holds; back in float the float limit does, without waiting for a scan."""
    plan = battery_room(hold_ms=1_000)
    boost = LimitRow(0, 2, high=True, limit=13_500, deadband=50, severity=Severity.WARNING, battery=0,
                     by_mode=(ModeLimit(Mode.BOOST, 14_400),))  # fmt: skip
    made = Room(replace(plan, alarms=(alarm("s/r/bat1/s1/high"),), limits=(boost,)))
    rows = [
        (0, scanned("io1", 1), [], "the contact says boost"),
        (1_000, scanned("io1", 1), ["mode.changed bat1 boost"], "for the hold time"),
        (0, scanned("bacs", 100, 14_000), [], "over the float limit, under the boost limit"),
        (1_000, scanned("io1", 0), [], "the contact says float"),
        (1_000, tick, ["mode.changed bat1 float", "alarm.raised bat1/s1/high B"], "the float limit holds"),
    ]
    line(made, rows)


def test_suppression_in_a_mode_is_said_with_its_reason() -> None:
    """Low voltage in discharge is no news; when discharge ends and it stays, it is announced."""
    plan = battery_room(hold_ms=0)
    low = LimitRow(0, 2, high=False, limit=12_000, deadband=50, severity=Severity.WARNING)
    made = Room(
        replace(plan, alarms=(alarm("s/r/bat1/s1/low", suppressed_in=(Mode.DISCHARGE,), battery=0),), limits=(low,))
    )
    made.scan("io1", 0)
    made.scan("bacs", -9_000, 12_500, after_ms=100)
    events = made.scan("bacs", -9_000, 11_900, after_ms=100)
    assert told(events) == ["alarm.suppressed bat1/s1/low B", "alarm.raised bat1/s1/low B"]
    assert [e.reason for e in events] == ["suppressed in mode discharge"] * 2
    assert made.alarm("s/r/bat1/s1/low").override == "suppressed"
    after = told(made.scan("bacs", 500, 11_950, after_ms=100))
    assert after == [
        "mode.changed bat1 recovery",
        "alarm.unsuppressed bat1/s1/low B",
        "alarm.reannounced bat1/s1/low B",
    ]


def _hidden() -> Room:
    """A room whose high voltage is active and suppressed by a report that stands."""
    plan = limit_room(suppressed_by=(1,))
    made = Room(
        replace(
            plan,
            alarms=(*plan.alarms, alarm("s/r/bacs/other")),
            reports=(ReportRow(1, "other", "s/r/bacs", Severity.ALARM),),
        )
    )
    made.report("other", "s/r/bacs")
    made.scan("bacs", 2_310)
    return made


def test_an_alarm_acked_while_suppressed_stays_acked() -> None:
    """The process region runs on under an override."""
    made = _hidden()
    line(made, [(0, say(What.ACK, HIGH), ["alarm.acked bat1/1S1/jar_voltage_high_warning C"], "acked")])
    made.report("other", "s/r/bacs", on=False)
    assert (made.letter(HIGH), made.alarm(HIGH).override) == ("C", "none")


def test_a_suppression_that_goes_on_for_another_reason_says_so() -> None:
    """The cause is over and the room is in maintenance: the alarm stays hidden, by what hides it now."""
    made = _hidden()
    made.command(What.MAINTENANCE, "s/r", reason="cleaning", for_ms=60_000)
    events = made.report("other", "s/r/bacs", on=False)
    assert [(e.type, e.reason) for e in events if e.subject == HIGH] == [
        (EventType.ALARM_SUPPRESSED, "suppressed by maintenance of s/r")
    ]
    assert made.alarm(HIGH).override == "suppressed"


def test_what_is_suppressed_is_not_announced_when_it_is_over_in_the_same_scan() -> None:
    """Red goes and yellow with it: yellow is unsuppressed and returned, and nobody is told of it again."""
    plan = room(
        points=(point("bat1/1S1/level"),),
        scans=(scan("els", 0, 1),),
        alarms=(alarm("s/r/bat1/1S1/yellow", suppressed_by=(1,)), alarm("s/r/bat1/1S1/red", Severity.ALARM)),
        limits=(
            LimitRow(0, 0, high=True, limit=1, deadband=1, severity=Severity.WARNING),
            LimitRow(1, 0, high=True, limit=2, deadband=1, severity=Severity.ALARM),
        ),
    )
    yellow, red = "bat1/1S1/yellow", "bat1/1S1/red"
    rows = [
        (0, scanned("els", 1), [f"alarm.raised {yellow} B"], "yellow"),
        (500, scanned("els", 2), [f"alarm.raised {red} B", f"alarm.suppressed {yellow} B"], "red"),
        (
            500,
            scanned("els", 1),
            [f"alarm.returned {red} D", f"alarm.unsuppressed {yellow} B", f"alarm.reannounced {yellow} B"],
            "yellow again",
        ),
        (
            500,
            scanned("els", 2),
            [f"alarm.superseded {red} D", f"alarm.raised {red} B", f"alarm.suppressed {yellow} B"],
            "red again",
        ),
        (
            500,
            scanned("els", 0),
            [f"alarm.returned {red} D", f"alarm.returned {yellow} D", f"alarm.unsuppressed {yellow} D"],
            "green",
        ),
    ]
    line(Room(plan), rows)


def test_two_delays_that_end_in_the_same_moment_announce_nothing() -> None:
    """Red and yellow go green for their off-delay, which ends for both by one tick: yellow is not announced for it."""
    plan = room(
        points=(point("bat1/1S1/level"),),
        scans=(scan("els", 0, 1),),
        alarms=(
            replace(alarm("s/r/bat1/1S1/yellow", suppressed_by=(1,)), off_delay_ms=1_000),
            replace(alarm("s/r/bat1/1S1/red", Severity.ALARM), off_delay_ms=1_000),
        ),
        limits=(
            LimitRow(0, 0, high=True, limit=1, deadband=1, severity=Severity.WARNING),
            LimitRow(1, 0, high=True, limit=2, deadband=1, severity=Severity.ALARM),
        ),
    )
    yellow, red = "bat1/1S1/yellow", "bat1/1S1/red"
    made = Room(plan)
    made.scan("els", 2)
    assert (made.letter(plan.alarms[0].id), made.letter(plan.alarms[1].id)) == ("B", "B")
    assert made.scan("els", 0, after_ms=500) == []
    over = told(made.tick(1_000))
    assert {f"alarm.returned {red} D", f"alarm.returned {yellow} D"} <= set(over)
    assert not [event for event in over if "reannounced" in event]


LEVELS = room(
    points=(point("bat1/1S1/level"),),
    scans=(scan("els", 0, 1),),
    alarms=(alarm("s/r/bat1/1S1/yellow", suppressed_by=(1,)), alarm("s/r/bat1/1S1/red", Severity.ALARM)),
    limits=(
        LimitRow(0, 0, high=True, limit=1, deadband=1, severity=Severity.WARNING),
        LimitRow(1, 0, high=True, limit=2, deadband=1, severity=Severity.ALARM),
    ),
)
"""One electrolyte level: while it is red, yellow is suppressed."""
HIDDEN = "alarm.suppressed bat1/1S1/yellow B"
SHOWN = ["alarm.unsuppressed bat1/1S1/yellow B", "alarm.reannounced bat1/1S1/yellow B"]


def test_a_suppression_whose_own_input_is_unknown_is_off() -> None:
    """Red cannot be seen any more, so nobody knows that it still explains yellow: yellow is announced, and says why."""
    made = Room(LEVELS)
    made.scan("els", 2)
    events = made.scan("els", NoData.TIMEOUT, after_ms=500)
    assert told(events) == SHOWN
    assert events[0].reason == "s/r/bat1/1S1/red is unknown"
    assert made.alarm("s/r/bat1/1S1/yellow").override == "none"


def test_a_signal_that_flips_announces_once_and_hides_again_after_a_quiet_minute() -> None:
    """Each third poll fails for five minutes: one announcement; hidden again a minute after the last failed one."""
    made = Room(LEVELS)
    made.scan("els", 2)
    for n in range(600):
        made.scan("els", 2 if n % 3 else NoData.TIMEOUT, after_ms=500)
    assert told(made.events)[-2:] == SHOWN, "and nothing since"
    assert told(made.events).count(SHOWN[1]) == 1
    rows: list[Row] = [(500, scanned("els", 2), [], "seen")] * 118
    rows += [(500, scanned("els", 2), [HIDDEN], "seen for a minute")]
    line(made, rows)


def _restart(boot: str = "boot1") -> Act:
    return lambda made, ms: made.start(boot=boot, after_ms=ms)


@pytest.mark.parametrize("boot", ["boot1", "boot2"])
def test_a_start_announces_nothing_of_what_is_seen_again_in_time(boot: str) -> None:
    """The site process was killed; guard polled on, and the cause is there in the first scan after."""
    made = Room(LEVELS)
    made.scan("els", 2)
    rows: list[Row] = [
        (500, _restart(boot), ["log.started r"], "killed"),
        (2_999, scanned("els", 2), [], "the cause stands"),
        (0, say(What.ACK, "s/r/bat1/1S1/yellow"), ["alarm.acked bat1/1S1/yellow C"], "and goes on hiding"),
        *[(1_000, scanned("els", 2), [], "nothing is told later either")] * 90,
    ]
    line(made, rows)
    assert made.alarm("s/r/bat1/1S1/yellow").override == "suppressed"


def test_a_start_after_which_the_cause_stays_unknown_lets_go_when_its_value_would_be_stale() -> None:
    """Nothing comes: three seconds after the start the values are as stale as if there had been none."""
    made = Room(LEVELS)
    made.scan("els", 2)
    rows: list[Row] = [
        (500, _restart(), ["log.started r"], "killed"),
        (2_999, tick, [], "not yet stale"),
        (1, tick, ["signal.lost els", *SHOWN], "stale"),
    ]
    line(made, rows)
    assert made.events[-2].reason == "s/r/bat1/1S1/red is unknown"


def test_a_second_start_before_anything_was_seen_adds_no_time() -> None:
    """A process that is killed each second hides nothing for longer than one that is killed once."""
    made = Room(LEVELS)
    made.scan("els", 2)
    rows: list[Row] = [(1_000, _restart(), ["log.started r"], "killed")] * 3
    line(made, [*rows, (1_000, _restart(), ["log.started r", *SHOWN], "three seconds after the first")])


def test_a_bad_value_after_a_start_ends_the_time() -> None:
    """The device was asked and does not answer: that is known at once."""
    made = Room(LEVELS)
    made.scan("els", 2)
    rows: list[Row] = [
        (500, _restart(), ["log.started r"], "killed"),
        (500, scanned("els", NoData.TIMEOUT), SHOWN, "asked, and no answer"),
    ]
    line(made, rows)


def test_a_start_gives_no_time_to_a_suppression_that_was_doubted_before_it() -> None:
    """What was announced stays announced until its cause could be seen for a minute."""
    made = Room(LEVELS)
    for value in (2, NoData.TIMEOUT, 2):
        made.scan("els", value, after_ms=500)
    made.start(after_ms=500)
    rows: list[Row] = [(500, scanned("els", 2), [], "seen")] * 120
    line(made, [*rows, (500, scanned("els", 2), [HIDDEN], "seen for a minute since the start")])


def test_a_start_lets_an_unseen_cause_hide_nothing_new() -> None:
    """Yellow by a second sensor comes up while red is not seen again yet: announced, and hidden when red is seen."""
    plan = replace(
        LEVELS,
        points=(*LEVELS.points, point("bat1/1S1/second")),
        scans=(*LEVELS.scans, scan("els2", 1, 1)),
        limits=(
            LimitRow(0, 1, high=True, limit=1, deadband=1, severity=Severity.WARNING),
            *LEVELS.limits[1:],
        ),
    )
    rows: list[Row] = [
        (0, scanned("els2", 0), [], "no yellow"),
        (0, scanned("els", 2), ["alarm.raised bat1/1S1/red B"], "red"),
        (500, _restart(), ["log.started r"], "killed"),
        (500, scanned("els2", 1), ["alarm.raised bat1/1S1/yellow B"], "new"),
        (500, scanned("els", 2), [HIDDEN], "red is seen"),
    ]
    made = Room(plan)
    line(made, rows)
    assert [e.reason for e in made.events if e.type == EventType.ALARM_RAISED] == ["", ""]


def test_a_snapshot_after_a_start_keeps_its_time() -> None:
    """What the start left in force ends at the same moment, whether or not the state was put to data meanwhile."""
    made = Room(LEVELS)
    made.scan("els", 2)
    made.start(after_ms=500)
    made.state = core.state_from_data(LEVELS, "v1", core.state_to_data(made.state))
    assert told(made.tick(2_999)) == []
    assert told(made.tick(1)) == ["signal.lost els", *SHOWN]


def test_two_percent_that_stands_over_a_start_goes_on_hiding_the_pre_alarm() -> None:
    """Contacts of 1 % and 2 %, the site process killed three times: told once, and the fan never released."""
    made = Room(contact_room())
    for contact in (0, 0, 0, 1):
        made.scan("io1", contact, contact, after_ms=200)
    before = len(made.events)
    for _ in range(3):
        made.start(after_ms=200)
        assert made.on()
        for _ in range(20):
            made.scan("io1", 1, 1, after_ms=200)
    assert told(made.events[before:]) == ["log.started r"] * 3
    assert made.alarm(PREALARM).override == "suppressed"


def test_silence_shows_what_was_hidden() -> None:
    """A value that goes stale by time alone is as unknown as one that is bad."""
    made = Room(LEVELS)
    made.scan("els", 2)
    assert told(made.tick(3_000)) == ["signal.lost els", *SHOWN]


def test_one_value_that_is_seen_is_enough_to_suppress() -> None:
    """Red by two sensors, one of them lost: the other still shows it, and yellow stays hidden."""
    plan = replace(
        LEVELS,
        points=(*LEVELS.points, point("bat1/1S1/second")),
        scans=(*LEVELS.scans, scan("els2", 1, 1)),
        limits=(*LEVELS.limits, LimitRow(1, 1, high=True, limit=2, deadband=1, severity=Severity.ALARM)),
    )
    made = Room(plan)
    made.scan("els2", 2)
    made.scan("els", 2)
    assert made.scan("els", NoData.TIMEOUT, after_ms=500) == []
    assert told(made.scan("els2", NoData.TIMEOUT, after_ms=500)) == SHOWN
    assert told(made.scan("els2", 0, after_ms=500)) == [], "back, and the first is still red as far as anybody knows"


def test_a_new_occurrence_of_the_cause_suppresses_at_once() -> None:
    """What was unknown is seen to be over; when it comes anew nothing is doubtful about it."""
    made = Room(LEVELS)
    made.scan("els", 2)
    made.scan("els", NoData.TIMEOUT, after_ms=500)
    made.scan("els", 1, after_ms=500)
    assert HIDDEN in told(made.scan("els", 2, after_ms=500))


def test_a_snapshot_in_doubt_goes_on_as_if_there_had_been_none() -> None:
    """The minute until a cause is believed again runs through a snapshot."""
    made = Room(LEVELS)
    for value in (2, NoData.TIMEOUT):
        made.scan("els", value, after_ms=500)
    made.state = core.state_from_data(LEVELS, "v1", core.state_to_data(made.state))
    made.scan("els", 2, after_ms=500)
    made.state = core.state_from_data(LEVELS, "v1", core.state_to_data(made.state))
    line(made, [(500, scanned("els", 2), [], "seen")] * 119 + [(500, scanned("els", 2), [HIDDEN], "for a minute")])


def test_an_unknown_mode_shows_what_it_hid() -> None:
    """Nobody knows that it still discharges."""
    plan = battery_room(hold_ms=0)
    low = LimitRow(0, 2, high=False, limit=12_000, deadband=50, severity=Severity.WARNING)
    made = Room(
        replace(plan, alarms=(alarm("s/r/bat1/s1/low", suppressed_in=(Mode.DISCHARGE,), battery=0),), limits=(low,))
    )
    made.scan("io1", 0)
    made.scan("bacs", -9_000, 11_900, after_ms=100)
    made.scan("io1", NoData.TIMEOUT, after_ms=100)
    ended = next(e for e in made.events if e.type == "ampward.alarm.unsuppressed.v1")
    assert ended.reason == "the mode is unknown"
