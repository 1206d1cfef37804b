"""When a line is lost and when only its devices are: by what a room's own polls show, and never by a guess."""

from shared.domain import core
from shared.domain.inputs import Rules
from shared.domain.plan import LostBy, LostRow, RoomPlan, Severity
from shared.domain.units import NoData, Unit
from tests.domain.driver import Room
from tests.domain.plans import alarm, point, room, scan
from tests.domain.timeline import Act, line, tick

A1, A2, BUS = "s/r/a1/device_lost", "s/r/a2/device_lost", "s/r/b1/bus_lost"
FIVE_S = 5_000


def two_devices(by: LostBy) -> RoomPlan:
    """Two devices on one line; each device's alarm yields to the line's."""
    return room(
        points=(point("a1-v", Unit.VOLT, 60_000), point("a2-v", Unit.VOLT, 60_000)),
        scans=(scan("a1", 0, 1), scan("a2", 1, 1)),
        alarms=(
            alarm(BUS, Severity.ALARM),
            alarm(A1, Severity.ALARM, suppressed_by=(0,)),
            alarm(A2, Severity.ALARM, suppressed_by=(0,)),
        ),
        losts=(
            LostRow(0, (0, 1), FIVE_S, Severity.ALARM, by),
            LostRow(1, (0,), FIVE_S, Severity.ALARM),
            LostRow(2, (1,), FIVE_S, Severity.ALARM),
        ),
    )


def one_device() -> RoomPlan:
    """The only device that this room has on a line."""
    return room(
        points=(point("a1-v", Unit.VOLT, 60_000),),
        scans=(scan("a1", 0, 1),),
        alarms=(alarm(BUS, Severity.ALARM), alarm(A1, Severity.ALARM, suppressed_by=(0,))),
        losts=(
            LostRow(0, (0,), FIVE_S, Severity.ALARM, LostBy.LINK),
            LostRow(1, (0,), FIVE_S, Severity.ALARM),
        ),
    )


def polled(device: str, outcome: NoData) -> Act:
    """A poll that ended so."""
    return lambda made, ms: made.scan(device, outcome, after_ms=ms, outcome=outcome)


def good(device: str) -> Act:
    """A poll with a value."""
    return lambda made, ms: made.scan(device, 1, after_ms=ms)


def poll_for(made: Room, seconds: int, **outcomes: NoData) -> None:
    """Each device is polled once a second and ends so."""
    for _ in range(seconds):
        made.tick()
        for device, outcome in outcomes.items():
            made.scan(device, outcome, outcome=outcome)


def letters(made: Room) -> str:
    """The states of the line's and of the devices' alarms, E for one that the line's suppresses."""
    hidden = {view.id for view in core.alarms(made.state) if view.override == "suppressed"}
    return "".join("E" if alarm.id in hidden else made.letter(alarm.id) for alarm in made.plan.alarms)


def test_exceptions_of_every_device_are_lost_devices_on_a_living_line() -> None:
    """Who answers with an exception has a line: each device is lost, the line is not."""
    made = Room(two_devices(LostBy.ANSWERS))
    poll_for(made, 8, a1=NoData.EXCEPTION, a2=NoData.EXCEPTION)
    assert letters(made) == "ABB"
    assert made.alarm(A1).override == "none"


def test_one_exception_among_silent_devices_keeps_the_line() -> None:
    """A single answer of any kind is the proof."""
    made = Room(two_devices(LostBy.ANSWERS))
    poll_for(made, 8, a1=NoData.TIMEOUT, a2=NoData.IDENTITY)
    assert letters(made) == "ABB"


def test_silence_of_all_devices_is_a_lost_line_until_one_answers_in_any_way() -> None:
    """Timeouts of all: the line's alarm, and its devices' under it; an exception ends the line's alone."""
    made = Room(two_devices(LostBy.ANSWERS))
    poll_for(made, 8, a1=NoData.TIMEOUT, a2=NoData.QUARANTINED)
    assert letters(made) == "BEE"
    made.scan("a1", NoData.EXCEPTION, outcome=NoData.EXCEPTION, after_ms=1_000)
    assert letters(made)[0] == "D"
    assert {made.alarm(A1).override, made.alarm(A2).override} == {"none"}


def test_a_silent_only_device_is_a_lost_device() -> None:
    """Timeouts of the only device say nothing of the line."""
    made = Room(one_device())
    poll_for(made, 9, a1=NoData.TIMEOUT)
    assert letters(made) == "AB"


def test_an_exception_of_the_only_device_is_a_lost_device() -> None:
    """It answers each poll, but never with a value."""
    made = Room(one_device())
    poll_for(made, 9, a1=NoData.EXCEPTION)
    assert letters(made) == "AB"


def test_a_link_that_is_gone_is_a_lost_line_with_one_device_too() -> None:
    """Refused or unplugged is the line's own trouble; that the device then only stays silent ends it."""
    rows = [
        (0, good("a1"), [], "it answers"),
        (1_000, polled("a1", NoData.DISCONNECTED), [], "the link is gone"),
        (3_999, tick, [], "not for its time yet"),
        (
            1,
            tick,
            ["alarm.raised b1/bus_lost B", "alarm.suppressed a1/device_lost B", "alarm.raised a1/device_lost B"],
            "5 s after the last answer",
        ),
        (1_000, polled("a1", NoData.QUARANTINED), [], "it was not asked"),
        (
            1_000,
            polled("a1", NoData.TIMEOUT),
            [
                "alarm.returned b1/bus_lost D",
                "alarm.unsuppressed a1/device_lost B",
                "alarm.reannounced a1/device_lost B",
            ],
            "the link is there, the device is not",
        ),
        (1_000, good("a1"), ["alarm.returned a1/device_lost D"], "it answers again"),
    ]
    line(Room(one_device()), rows)


def test_a_link_that_goes_after_long_silence_is_told_at_once() -> None:
    """The device had been dead for long: what is new is the link."""
    made = Room(one_device())
    poll_for(made, 30, a1=NoData.TIMEOUT)
    assert letters(made) == "AB"
    poll_for(made, 2, a1=NoData.DISCONNECTED)
    assert letters(made) == "BE"


def test_on_a_shared_line_silence_of_this_rooms_devices_proves_nothing() -> None:
    """Other rooms' devices may answer there: only a link that is gone is a lost line, and any sign of it ends that."""
    made = Room(two_devices(LostBy.LINK))
    poll_for(made, 9, a1=NoData.TIMEOUT, a2=NoData.TIMEOUT)
    assert letters(made) == "ABB"
    poll_for(made, 2, a1=NoData.DISCONNECTED, a2=NoData.QUARANTINED)
    assert letters(made)[0] == "B"
    made.scan("a2", NoData.TIMEOUT, outcome=NoData.TIMEOUT, after_ms=1_000)
    assert letters(made)[0] == "D"


def test_a_restart_and_a_rule_set_forget_no_line_and_invent_none() -> None:
    """Silence counts from the start anew; the new rule set's rows go by what was seen."""
    made = Room(one_device())
    poll_for(made, 2, a1=NoData.DISCONNECTED)
    made.start(after_ms=1_000)
    poll_for(made, 8, a1=NoData.TIMEOUT)
    assert letters(made) == "AB"
    poll_for(made, 1, a1=NoData.DISCONNECTED)
    made.put(Rules("v2", made.plan, "anna"))
    made.tick()
    assert letters(made) == "BE"
