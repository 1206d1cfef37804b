"""Every kind of rule, as a time line."""

from dataclasses import replace

import pytest

from shared.domain import core, medians
from shared.domain.plan import (
    CountRow,
    DeviationRow,
    DifferenceRow,
    LimitRow,
    LostRow,
    MedianFactorRow,
    RateRow,
    ReportRow,
    RoomPlan,
    RunawayRow,
    Severity,
    StaleRow,
)
from shared.domain.state import Histogram
from shared.domain.units import NoData, Unit
from tests.domain.driver import Room, told
from tests.domain.plans import HIGH, alarm, battery_room, limit_room, point, room, scan
from tests.domain.timeline import Act, line, report, tick
from tests.domain.timeline import scan as scanned

RAISED = "alarm.raised bat1/1S1/jar_voltage_high_warning B"
RETURNED = "alarm.returned bat1/1S1/jar_voltage_high_warning D"


def volts(value: int | NoData) -> Act:
    return scanned("bacs", value)


def _ready(plan: RoomPlan) -> Room:
    made = Room(plan)
    made.scan("bacs", 2_200)
    return made


@pytest.mark.parametrize(
    ("high", "values", "states"),
    [
        (True, (2_299, 2_300, 2_281, 2_280, 2_299), "ABBDD"),
        (True, (2_300, 2_299, 2_301, 2_280), "BBBD"),
        (False, (2_301, 2_300, 2_319, 2_320, 2_301), "ABBDD"),
    ],
)
def test_a_limit_holds_at_it_and_ends_the_deadband_inside(high: bool, values: tuple[int, ...], states: str) -> None:
    """At the limit it is TRUE, one short of the deadband still, at the deadband's end no more."""
    made = Room(limit_room(high=high))
    made.scan("bacs", 2_200 if high else 2_400)
    for value, state in zip(values, states, strict=True):
        made.scan("bacs", value, after_ms=1_000)
        assert made.letter(HIGH) == state, f"{value} leads to {made.letter(HIGH)}"


def test_without_a_deadband_one_step_inside_is_inside() -> None:
    """A deadband of nothing still tells the limit itself from what lies inside it."""
    made = _ready(limit_room(deadband=0))
    made.scan("bacs", 2_300, after_ms=1_000)
    assert told(made.scan("bacs", 2_299, after_ms=1_000)) == [RETURNED]


def test_an_on_delay_counts_from_the_first_sample_that_is_true() -> None:
    """It ends in the deadband, and does not fire on a value that is stale."""
    made = _ready(limit_room(on_delay_ms=3_000))
    rows = [
        (1_000, volts(2_310), [], "over the limit: the on-delay begins"),
        (1_000, volts(2_290), [], "in the deadband of a calm row: the on-delay ends"),
        (1_000, volts(2_310), [], "it begins anew"),
        (2_000, volts(2_310), [], "it goes on"),
        (999, tick, [], "one millisecond before its end"),
        (1, tick, [RAISED], "it ends by a tick alone"),
        (1_000, volts(2_310), [], "and fires once"),
    ]
    line(made, rows)


def test_an_on_delay_that_ends_without_a_value_waits_for_one() -> None:
    """It keeps its start over a hole and fires at the next sample that is TRUE."""
    made = _ready(limit_room(on_delay_ms=5_000))
    rows = [
        (1_000, volts(2_310), [], "over the limit"),
        (1_000, volts(NoData.TIMEOUT), [], "the value is missing"),
        (3_000, tick, ["signal.lost bacs"], "nothing comes any more"),
        (5_000, tick, [], "the delay is over, and nothing fires on what is not known"),
        (1_000, volts(2_310), ["signal.restored bacs", RAISED], "the first sample that is TRUE"),
    ]
    line(made, rows)


def test_an_on_delay_over_a_hole_ends_with_a_calm_sample() -> None:
    """A hole keeps the start, but the next sample inside the limit ends it."""
    made = _ready(limit_room(on_delay_ms=5_000))
    made.scan("bacs", 2_310, after_ms=1_000)
    made.scan("bacs", NoData.TIMEOUT, after_ms=1_000)
    assert told(made.scan("bacs", 2_200, after_ms=1_000)) == []
    assert told(made.tick(2_500)) == []


def test_an_off_delay_ends_when_the_value_goes_missing() -> None:
    """Bad quality never clears: the off-delay begins anew with the next good sample."""
    made = _ready(limit_room(off_delay_ms=2_000))
    rows = [
        (1_000, volts(2_310), [RAISED], "no on-delay"),
        (1_000, volts(2_200), [], "back inside: the off-delay begins"),
        (1_000, volts(NoData.MALFORMED), [], "missing"),
        (1_500, volts(2_200), [], "the old end has passed, the delay begins anew"),
        (1_000, volts(2_290), [], "in the deadband of an active row: the off-delay ends"),
        (1_000, volts(2_200), [], "it begins anew"),
        (1_999, volts(2_200), [], "one millisecond before its end"),
        (1, volts(2_200), [RETURNED], "for the whole off-delay inside"),
    ]
    line(made, rows)


def test_rises_inside_the_window_raise_without_the_delay() -> None:
    """Three rises within ten seconds are an alarm, although none lasts for the on-delay."""
    made = _ready(limit_room(on_delay_ms=60_000, rises=3, window_ms=10_000))
    rows = [
        (1_000, volts(2_310), [], "first"),
        (1_000, volts(2_200), [], "back"),
        (10_000 - 1_000, volts(2_310), ["signal.lost bacs", "signal.restored bacs"], "second, the first is too old"),
        (1_000, volts(2_200), [], "back"),
        (1_000, volts(2_310), [], "third"),
        (1_000, volts(2_200), [], "back"),
        (1_000, volts(2_310), [RAISED], "three inside the window"),
        (1_000, volts(2_200), [RETURNED], "and back like any other"),
    ]
    line(made, rows)


def test_a_condition_is_unknown_before_the_first_good_sample() -> None:
    """Unknown is not healthy: it is shown, and the first good sample makes it known."""
    made = Room(limit_room())
    assert made.alarm(HIGH).condition == "unknown"
    made.scan("bacs", NoData.TIMEOUT)
    assert made.alarm(HIGH).condition == "unknown"
    made.scan("bacs", 2_200)
    assert made.letter(HIGH) == "A"
    assert made.state.records == {}


def test_a_first_sample_over_the_limit_raises() -> None:
    """From unknown straight to TRUE."""
    made = Room(limit_room())
    assert told(made.scan("bacs", 2_310)) == [RAISED]


def test_a_timer_fires_once_after_a_pause_of_a_year() -> None:
    """However long nothing came, the delay that was due fires once, in the order in which it was due."""
    plan = limit_room(on_delay_ms=2_000)
    made = _ready(plan)
    made.scan("bacs", 2_310, after_ms=1_000)
    assert told(made.tick(365 * 86_400_000)) == [RAISED, "signal.lost bacs"]
    assert told(made.tick(365 * 86_400_000)) == []


def test_nothing_reported_is_known_to_be_well() -> None:
    """A report row is FALSE from the start on: no Report has come."""
    plan = room(
        alarms=(alarm("s/_site/disk/disk_low", Severity.ALARM),),
        reports=(ReportRow(0, "disk_low", "s/_site/disk", Severity.ALARM),),
    )
    made = Room(plan)
    assert core.alarms(made.state) == ()


def _jars(count: int, **tables: object) -> Room:
    """Jars' voltages on one device."""
    plan = room(
        points=tuple(point(f"bat1/{n + 1}S1/voltage", Unit.VOLT) for n in range(count)), scans=(scan("bacs", 0, count),)
    )
    return Room(replace(plan, **tables))  # type: ignore[arg-type]


def test_a_deviation_is_from_the_median_of_the_good_values() -> None:
    """One jar far from the others raises; with fewer than three good values nothing is known and nothing clears."""
    made = _jars(
        4,
        alarms=(alarm("s/r/bat1/4S1/jar_deviation"),),
        groups=((0, 1, 2, 3),),
        deviations=(DeviationRow(0, 3, 0, 100, 20, Severity.WARNING),),
    )
    bad = NoData.NOT_PRESENT
    rows = [
        (0, scanned("bacs", 2_200, 2_200, 2_210, 2_299), [], "94 from the median of 2205"),
        (1_000, scanned("bacs", 2_200, 2_200, 2_210, 2_305), ["alarm.raised bat1/4S1/jar_deviation B"], "100 from it"),
        (1_000, scanned("bacs", bad, bad, 2_210, 2_210), [], "two good values: unknown, nothing clears"),
        (1_000, scanned("bacs", 2_200, bad, 2_210, 2_291), [], "80 and a step: in the deadband"),
        (
            1_000,
            scanned("bacs", 2_200, bad, 2_210, 2_120),
            ["signal.lost bat1/2S1/voltage", "alarm.returned bat1/4S1/jar_deviation D"],
            "80 below",
        ),
    ]
    line(made, rows)


@pytest.mark.parametrize(
    ("absolute", "values", "raised"), [(False, (30, 20), True), (False, (20, 30), False), (True, (20, 30), True)]
)
def test_a_difference_needs_both_values(absolute: bool, values: tuple[int, int], raised: bool) -> None:
    """a - b or its absolute value, and nothing while one of them is missing."""
    made = _jars(
        2,
        alarms=(alarm("s/r/bat1/1S1/temp_difference"),),
        differences=(DifferenceRow(0, 0, 1, absolute, 10, 0, Severity.WARNING),),
    )
    assert told(made.scan("bacs", 50, NoData.TIMEOUT)) == []
    assert (told(made.scan("bacs", *values, after_ms=500)) != []) is raised


def test_a_rise_over_the_window_raises() -> None:
    """The rate is the rise since the oldest of sixteen buckets."""
    made = _jars(1, alarms=(alarm("s/r/bat1/1S1/rate"),), rates=(RateRow(0, 0, 16_000, 100, 10, Severity.WARNING),))
    for second in range(30):
        made.scan("bacs", 5 * second, after_ms=1_000)
    assert made.letter("s/r/bat1/1S1/rate") == "A"
    for second in range(14):
        made.scan("bacs", 145 + 8 * second, after_ms=1_000)
    assert made.letter("s/r/bat1/1S1/rate") == "B"
    for _ in range(16):
        made.scan("bacs", 250, after_ms=1_000)
    assert made.letter("s/r/bat1/1S1/rate") == "D"


def test_a_count_rule_counts_true_conditions() -> None:
    """Two of three low jars; what is unknown may still become one, so nothing is said to be well."""
    lows = tuple(alarm(f"s/r/bat1/{n + 1}S1/low") for n in range(3))
    made = _jars(
        3,
        alarms=(*lows, alarm("s/r/bat1/s1/low_count", Severity.ALARM)),
        limits=tuple(LimitRow(n, n, high=False, limit=2_000, deadband=0, severity=Severity.WARNING) for n in range(3)),
        counts=(CountRow(3, (0, 1, 2), 2, Severity.ALARM),),
    )
    made.scan("bacs", 2_100, NoData.NEVER, NoData.NEVER)
    assert made.alarm("s/r/bat1/s1/low_count").condition == "unknown"
    made.scan("bacs", 2_100, 2_100, 2_100, after_ms=1_000)
    assert made.letter("s/r/bat1/s1/low_count") == "A"
    assert "alarm.raised bat1/s1/low_count B" in told(made.scan("bacs", 1_900, 2_100, 1_900, after_ms=1_000))
    assert "alarm.returned bat1/s1/low_count D" in told(made.scan("bacs", 2_100, 2_100, 1_900, after_ms=1_000))


def test_a_lost_device_and_its_bus() -> None:
    """One silent device of two is a lost device, both a lost bus, by ticks alone; an answer ends it."""
    plan = room(
        points=(point("a1-v", Unit.VOLT), point("a2-v", Unit.VOLT)),
        scans=(scan("a1", 0, 1), scan("a2", 1, 1)),
        alarms=tuple(alarm(f"s/r/{x}", Severity.ALARM) for x in ("a1/device_lost", "a2/device_lost", "b1/bus_lost")),
        losts=(
            LostRow(0, (0,), 5_000, Severity.ALARM),
            LostRow(1, (1,), 5_000, Severity.ALARM),
            LostRow(2, (0, 1), 5_000, Severity.ALARM),
        ),
    )
    made = Room(plan)
    rows = [
        (0, scanned("a1", 1), [], "a1 answers"),
        (0, scanned("a2", 1), [], "a2 answers"),
        (2_900, scanned("a2", 1), [], "a2 answers again"),
        (100, tick, ["signal.lost a1"], "a1's value is stale"),
        (2_000, tick, ["alarm.raised a1/device_lost B"], "a1 is silent for 5 s"),
        (2_900, tick, ["signal.lost a2", "alarm.raised a2/device_lost B", "alarm.raised b1/bus_lost B"], "both are"),
        (9_000, tick, [], "once"),
        (
            1_000,
            scanned("a2", 1),
            ["signal.restored a2", "alarm.returned a2/device_lost D", "alarm.returned b1/bus_lost D"],
            "an answer of one is an answer of the bus",
        ),
    ]
    line(made, rows)


def test_a_failed_poll_is_no_answer() -> None:
    """Timeouts are recorded and the device is lost all the same."""
    plan = replace(
        limit_room(),
        alarms=(alarm(HIGH), alarm("s/r/bacs/device_lost")),
        losts=(LostRow(1, (0,), 5_000, Severity.ALARM),),
    )
    made = _ready(plan)
    for _ in range(5):
        made.scan("bacs", 0, after_ms=1_000, outcome=NoData.TIMEOUT)
    assert made.letter("s/r/bacs/device_lost") == "B"


def test_a_stale_row_tells_of_a_value_that_stays_away() -> None:
    """The device answers, but this value is never good: TRUE by time alone, FALSE with the next good one."""
    plan = replace(
        limit_room(),
        alarms=(alarm(HIGH), alarm("s/r/bat1/1S1/module_lost", Severity.ALARM)),
        stales=(StaleRow(1, 0, 8_000, Severity.ALARM),),
    )
    made = Room(plan)
    rows = [
        (0, volts(NoData.NOT_PRESENT), [], "never good"),
        (7_999, tick, ["signal.lost bacs"], "not yet"),
        (1, tick, ["alarm.raised bat1/1S1/module_lost B"], "8 s since the start"),
        (1_000, volts(2_200), ["signal.restored bacs", "alarm.returned bat1/1S1/module_lost D"], "good"),
    ]
    line(made, rows)


def test_a_report_row_follows_its_report_and_a_pulse_latches() -> None:
    """On until off; a pulse raises and returns in one step, which a latch keeps."""
    plan = room(
        alarms=(alarm("s/_site/log/log_undurable", Severity.ALARM), alarm("s/r/io1-do0/trip_unexplained", latch=True)),
        reports=(
            ReportRow(0, "log_undurable", "s/_site/log", Severity.ALARM),
            ReportRow(1, "trip_unexplained", "s/r/io1-do0", Severity.ALARM),
        ),
    )
    rows = [
        (0, report("log_undurable", "s/_site/log"), ["alarm.raised log/log_undurable B"], "on"),
        (0, report("log_undurable", "s/_site/log"), [], "on again"),
        (0, report("log_undurable", "s/_site/log", on=False), ["alarm.returned log/log_undurable D"], "off"),
        (
            0,
            report("trip_unexplained", "s/r/io1-do0", pulse=True),
            ["alarm.raised io1-do0/trip_unexplained B", "alarm.returned io1-do0/trip_unexplained E"],
            "a pulse",
        ),
        (0, report("disk_low", "s/_site/disk"), ["report.recorded disk on"], "bound to nothing: recorded"),
    ]
    line(Room(plan), rows)


def _current_room(**more: object) -> RoomPlan:
    plan = battery_room(hold_ms=0)
    return replace(plan, **more)  # type: ignore[arg-type]


def test_a_current_is_held_against_its_own_median() -> None:
    """Three times the seven-day median, at least the floor, and only in float."""
    made = Room(
        _current_room(
            alarms=(alarm("s/r/bat1/s1/string_current_warning"),),
            median_factors=(MedianFactorRow(0, 1, 0, 300, 100, Severity.WARNING),),
        )
    )
    made.scan("io1", 0)
    for _ in range(61):
        made.scan("io1", 0, after_ms=60_000)
        made.scan("bacs", 160, 13_500)
    name = "s/r/bat1/s1/string_current_warning"
    assert made.state.histograms[(1, 0)].median == 160
    made.scan("bacs", 479, 13_500, after_ms=1_000)
    assert made.letter(name) == "A"
    made.scan("bacs", -480, 13_500, after_ms=1_000)
    assert made.letter(name) == "B"
    made.scan("io1", 1, after_ms=1_000)
    made.scan("bacs", 9_000, 13_500, after_ms=1_000)
    assert made.letter(name) == "D", "in boost a high current is no news"


def test_a_current_without_a_median_is_unknown_and_not_three_times_of_it() -> None:
    """In the first hour of float nobody can say what is usual: unknown, never normal and never an alarm; then it is."""
    name = "s/r/bat1/s1/string_current_warning"
    made = Room(
        _current_room(alarms=(alarm(name),), median_factors=(MedianFactorRow(0, 1, 0, 300, 500, Severity.WARNING),))
    )
    made.scan("io1", 0)
    seen = []
    for _ in range(61):
        made.scan("io1", 0, after_ms=60_000)
        made.scan("bacs", 9_000, 13_500)
        made.state = core.state_from_data(made.plan, "v1", core.state_to_data(made.state))
        seen.append(made.alarm(name).condition if core.alarms(made.state) else "false")
    assert seen == ["unknown"] * 59 + ["false"] * 2


def test_the_median_histogram_is_bounded_and_close() -> None:
    """A bucket is exact below 16 and within a sixteenth above; days fall out after a week."""
    for value in (0, 7, 15, 16, 31, 32, 100, 12_345, 2**52 + 12_345):
        low = medians.lowest_of(medians.bucket_of(value))
        assert low <= value
        assert (value - low) * 16 <= value
    histogram = Histogram()
    for minute in range(8 * 1_440):
        medians.record(histogram, 1_000 if minute < 1_440 else 10, minute * 60_000)
    assert len(histogram.days) == 7
    assert sum(sum(day.values()) for day in histogram.days) == 7 * 1_440
    assert 1_000 not in {medians.lowest_of(b) for day in histogram.days for b in day}


@pytest.mark.parametrize(
    ("temperature", "current", "raised"),
    [(34_999, 400, False), (35_000, 299, False), (35_000, 300, True), (50_000, 0, True), (49_999, 0, False)],
)
def test_thermal_runaway_needs_heat_and_current_or_great_heat(temperature: int, current: int, raised: bool) -> None:
    """10 K over ambient with three times the float current, or 50 °C on charge."""
    plan = battery_room(hold_ms=0)
    made = Room(
        replace(
            plan,
            points=(*plan.points, point("bat1/1S1/temperature", Unit.CELSIUS), point("ambient", Unit.CELSIUS)),
            scans=(plan.scans[0], scan("bacs", 1, 4)),
            alarms=(alarm("s/r/bat1/s1/thermal_runaway", Severity.CRITICAL, latch=True),),
            runaways=(RunawayRow(0, (3,), 4, 1, 0, 10_000, 50_000, 300, 100, Severity.CRITICAL),),
        )
    )
    made.scan("io1", 0)
    made.scan("bacs", current, 13_500, temperature, 25_000)
    assert (made.letter("s/r/bat1/s1/thermal_runaway") == "B") is raised


def test_great_heat_in_discharge_is_no_runaway_and_a_missing_value_clears_nothing() -> None:
    """Discharging, 50 °C is not on charge; with a value missing the condition stays as it is."""
    plan = battery_room(hold_ms=0)
    made = Room(
        replace(
            plan,
            points=(*plan.points, point("bat1/1S1/temperature", Unit.CELSIUS), point("ambient", Unit.CELSIUS)),
            scans=(plan.scans[0], scan("bacs", 1, 4)),
            alarms=(alarm("s/r/bat1/s1/thermal_runaway", Severity.CRITICAL),),
            runaways=(RunawayRow(0, (3,), 4, 1, 0, 10_000, 50_000, 300, 100, Severity.CRITICAL),),
        )
    )
    name = "s/r/bat1/s1/thermal_runaway"
    made.scan("io1", 0)
    made.scan("bacs", 0, 13_500, 51_000, 48_000)
    assert made.letter(name) == "B"
    made.scan("bacs", 0, 13_500, NoData.TIMEOUT, 48_000, after_ms=500)
    assert made.letter(name) == "B"
    made.scan("bacs", -600, 13_500, 51_000, 48_000, after_ms=500)
    made.scan("bacs", -600, 13_500, 51_000, 48_000, after_ms=500)
    assert made.letter(name) == "D"
