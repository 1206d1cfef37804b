"""Limits that follow a temperature: of a sealed jar by its own sensor, through holes, snapshots and new rule sets."""

from dataclasses import replace

import pytest

from shared.domain import core
from shared.domain.inputs import Rules
from shared.domain.plan import BatteryPlan, CompensationRow, LimitRow, Mode, ModeLimit, RoomPlan, Severity
from shared.domain.units import NoData, Unit
from tests.domain.driver import Room, Value
from tests.domain.plans import alarm, point, room, scan

HIGH, LOW = "s/r/bat1/1S1/high", "s/r/bat1/1S1/low"
ALL = tuple(Mode)
BOOST = (ModeLimit(Mode.BOOST, 14_700),)


def _jar(*, usual: int = 25_000, modes: tuple[Mode, ...] = ALL) -> RoomPlan:
    """Six sealed cells: 13.92 V high, 13.32 V low at 25 °C, -10.02 mV a kelvin; the temperature is another device's."""
    limits = (
        LimitRow(0, 0, high=True, limit=13_920, deadband=30, severity=Severity.ALARM, battery=0, by_mode=BOOST),
        LimitRow(1, 0, high=False, limit=13_320, deadband=30, severity=Severity.ALARM, battery=0),
    )
    return room(
        points=(point("v", Unit.VOLT), point("t", Unit.CELSIUS), point("contact", stale_ms=10**9)),
        scans=(scan("bacs", 0, 1), scan("warm", 1, 1), scan("io1", 2, 1)),
        alarms=(alarm(HIGH, Severity.ALARM), alarm(LOW, Severity.ALARM)),
        limits=limits,
        batteries=(BatteryPlan("s/r/bat1", -1, 2, -1, -1, 6, 2_350, 500, hold_ms=0),),
        compensations=tuple(CompensationRow(at, 1, usual, -10_020, modes) for at in (0, 1)),
    )


def _limits(made: Room) -> tuple[int, int]:
    columns = made.state.columns
    return columns.limit(0), columns.limit(1)


@pytest.mark.parametrize(
    ("temperature", "limits"),
    [
        (25_000, (13_920, 13_320)),
        (35_000, (13_820, 13_220)),
        (15_000, (14_020, 13_420)),
        (25_050, (13_919, 13_319)),  # -0.501 mV
        (25_049, (13_920, 13_320)),  # -0.491 mV
        (90_000, (13_670, 13_070)),  # counts as 50 °C
        (-40_000, (14_171, 13_571)),  # counts as 0 °C: 250.5 mV, half up
        (NoData.OUT_OF_RANGE, (13_920, 13_320)),
    ],
)
def test_a_limit_follows_its_temperature(temperature: Value, limits: tuple[int, int]) -> None:
    """Both sides of the window move together, by whole millivolts, between 0 and 50 °C; unknown moves nothing."""
    made = Room(_jar())
    made.scan("warm", temperature)
    assert _limits(made) == limits


def test_a_hot_jar_is_too_high_at_a_voltage_that_is_well_at_25_degrees() -> None:
    """13.85 V is inside at 25 °C and over the limit at 35 °C; the event names the limit that held."""
    made = Room(_jar())
    made.scan("warm", 25_000)
    assert made.scan("bacs", 13_850, after_ms=500) == []
    made.scan("warm", 35_000, after_ms=500)
    (event,) = made.scan("bacs", 13_850, after_ms=500)
    assert (event.subject, event.value, event.limit) == (HIGH, "13.85", "13.82")


def test_a_temperature_that_goes_bad_clears_nothing() -> None:
    """The last good one counts on: an alarm of a hot jar stays when its sensor is lost, and over a start."""
    made = Room(_jar())
    made.scan("warm", 35_000)
    made.scan("bacs", 13_850, after_ms=500)
    for _ in range(10):
        made.scan("warm", NoData.TIMEOUT, after_ms=500)
        made.scan("bacs", 13_850)
    made.start(boot="boot2")
    made.scan("bacs", 13_850)
    assert (made.letter(HIGH), _limits(made)) == ("B", (13_820, 13_220))


def test_a_limit_follows_only_in_its_modes() -> None:
    """In boost this limit is the site's own figure; back in float the temperature counts again."""
    made = Room(_jar(modes=(Mode.FLOAT, Mode.UNKNOWN)))
    made.scan("warm", 35_000)
    seen = []
    for contact in (0, 1, 0):
        made.scan("io1", contact, after_ms=500)
        seen.append(_limits(made))
    assert seen == [(13_820, 13_220), (14_700, 13_320), (13_820, 13_220)]


def test_a_snapshot_and_a_new_rule_set_keep_the_temperature() -> None:
    """A value that is missing at that moment is not forgotten, and the usual temperature may be another from now on."""
    made = Room(_jar())
    made.scan("warm", 35_000)
    made.scan("warm", NoData.TIMEOUT, after_ms=500)
    made.state = core.state_from_data(made.plan, "v1", core.state_to_data(made.state))
    assert _limits(made) == (13_820, 13_220)
    made.put(Rules("v2", replace(_jar(usual=20_000), alarms=made.plan.alarms), "anna"))
    assert _limits(made) == (13_770, 13_170), "15 K over the new usual temperature"
