"""What FAULTS.md asks of the core as properties over random time lines of one room and its fan."""

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.inputs import What
from shared.domain.plan import NONE, CausePlan, DetectorPlan, OutputPlan, RoomPlan
from shared.domain.units import NoData
from tests.domain.driver import Room, Value, told
from tests.domain.plans import ALARM, FAULT, PREALARM, gas_room

LIMIT_1 = 10_000
VALUES = st.one_of(
    st.integers(-6_000, 30_000),
    st.sampled_from((0, 0, 7_999, 8_000, 9_999, 10_000, 18_000, 20_000)),
    st.sampled_from((NoData.TIMEOUT, NoData.OUT_OF_RANGE, NoData.WARM_UP)),
)
PAUSES = st.sampled_from((0, 100, 500, 500, 1_000, 3_999, 4_000, 70_000))
LINES = st.lists(st.tuples(PAUSES, VALUES), max_size=30)
Line = list[tuple[int, Value]]


def _bare(plan: RoomPlan) -> OutputPlan:
    """The room's fan without any proof: only what demands it is looked at."""
    return replace(
        plan.outputs[0], airflow=NONE, read_back=NONE, alarm_fail=NONE, alarm_airflow=NONE, alarm_not_falling=NONE
    )


def _plan(detectors: int = 1) -> RoomPlan:
    """One fan; the second detector has its point on the other device and no alarms of its own."""
    plan = gas_room(run_on_ms=5_000)
    second = DetectorPlan(plan.points[1].id, 1, NONE, NONE, NONE, NONE, LIMIT_1, 2 * LIMIT_1, 2_000)
    fan = _bare(plan)
    causes = (*fan.causes, *(CausePlan(cause.kind, 1) for cause in fan.causes[:3] if detectors > 1))
    heads = (plan.detectors[0], second)[:detectors]
    return replace(plan, detectors=heads, outputs=(replace(fan, causes=causes),))


def _demands(plan: RoomPlan, line: Line, other: Line | None = None) -> list[bool]:
    """Whether the fan is demanded after each scan of the line; ``other`` are scans of the second device, in between."""
    made = Room(plan)
    result = []
    for n, (ms, gas) in enumerate(line):
        if other and n < len(other):
            made.scan("io1", other[n][1], 0, 0)
        made.scan("gas1", gas, after_ms=ms)
        result.append(made.on())
    return result


@given(LINES)
def test_a_good_sample_at_its_limit_demands_the_fan_in_the_same_step(line: Line) -> None:
    """Whatever came before."""
    for (_, gas), on in zip(line, _demands(_plan(), line), strict=True):
        assert on or isinstance(gas, NoData) or gas < LIMIT_1


@given(LINES, st.integers(0, 29), st.integers(1, 30_000))
def test_raising_a_reading_never_turns_the_fan_off(line: Line, place: int, more: int) -> None:
    """The same line with one reading raised demands wherever it did before; under zero a reading is no reading."""
    raised = [
        (ms, gas + more if i == place and not isinstance(gas, NoData) and gas >= 0 else gas)
        for i, (ms, gas) in enumerate(line)
    ]
    for low, high in zip(_demands(_plan(), line), _demands(_plan(), raised), strict=True):
        assert high >= low


@given(LINES, st.integers(0, 29), st.sampled_from((NoData.TIMEOUT, NoData.MALFORMED, NoData.HEARTBEAT)))
def test_worsening_a_quality_never_turns_the_fan_off(line: Line, place: int, reason: NoData) -> None:
    """The same line with a reading under the limit made bad demands wherever it did before."""
    worse = [(ms, reason if i == place and int(gas) < LIMIT_1 else gas) for i, (ms, gas) in enumerate(line)]
    for good, bad in zip(_demands(_plan(), line), _demands(_plan(), worse), strict=True):
        assert bad >= good


@given(LINES, LINES)
def test_another_sensor_never_makes_detection_later(line: Line, other: Line) -> None:
    """One of n: with a second detector, whatever it says, the fan is on wherever it was without."""
    for alone, together in zip(_demands(_plan(), line), _demands(_plan(2), line, other), strict=True):
        assert together >= alone


@given(LINES, st.sampled_from((4_000, 4_001, 60_000, 3_600_000, 10 * 86_400_000)))
@example([(500, 0), (500, 0), (500, 0)], 10 * 86_400_000)
def test_silence_leads_to_fan_and_fault_once_after_a_pause_of_any_length(line: Line, pause_ms: int) -> None:
    """By one tick after the pause, and nothing is told twice by the next ones."""
    made = Room(_plan())
    for ms, gas in line:
        made.scan("gas1", gas, after_ms=ms)
    open_before = made.letter(FAULT) in "BC"
    events = told(made.tick(pause_ms))
    for _ in range(3):
        events += told(made.tick(1_000))
    assert made.on()
    assert made.letter(FAULT) in "BC"
    assert events.count("alarm.raised gas1-h2/h2_fault B") == (not open_before)
    assert len(set(events)) == len(events)


@given(LINES, st.sampled_from(list(What)), st.integers(0, 29))
def test_no_command_lowers_the_fan_or_hides_two_percent(line: Line, what: What, place: int) -> None:
    """A person's act changes nothing about the demand in its own step, and a new 2 % alarm is raised openly after it;
    a reset may end a latch, which is what it is for."""
    made = Room(_plan())
    for n, (ms, gas) in enumerate(line):
        made.scan("gas1", gas, after_ms=ms)
        before = made.on()
        if n == place:
            for subject in (ALARM, FAULT, "s/r"):
                made.command(what, subject, reason="work", for_ms=60_000, second_person="ben", measure="hand-held")
                assert made.on() >= before or what is What.RESET
    for event in made.scan("gas1", 20_000, after_ms=100):
        if event.type.endswith("alarm.raised.v1") and event.subject == ALARM:
            assert event.reason == ""
    assert made.letter(ALARM) in "BC"
    assert made.on()


STARTS = st.lists(st.tuples(st.integers(0, 29), st.sampled_from((0, 100, 1_000, 5_000, 600_000))), max_size=6)


@given(LINES, STARTS)
def test_no_start_lowers_the_fan_or_hides_two_percent(line: Line, starts: list[tuple[int, int]]) -> None:
    """Killed anywhere, for any time, again and again: the fan stays demanded, and a 2 % sample is an open alarm."""
    made = Room(_plan())
    for n, (ms, gas) in enumerate(line):
        made.scan("gas1", gas, after_ms=ms)
        before = made.on()
        for place, away_ms in starts:
            if place == n:
                made.tick(away_ms)
                before = before and made.on()
                made.start()
                assert made.on() >= before
        made.scan("gas1", gas, after_ms=100)
        if not isinstance(gas, NoData) and gas >= 2 * LIMIT_1:
            assert made.letter(ALARM) in "BC"
            assert made.on()
    raised = [e for e in made.events if e.type.endswith("alarm.raised.v1") and e.subject == ALARM]
    assert all(e.reason == "" for e in raised)


@given(st.lists(st.tuples(st.sampled_from((0, 500, 1_000, 2_999)), st.integers(20_000, 30_000)), max_size=20), STARTS)
def test_starts_between_polls_announce_nothing_that_was_hidden(line: Line, starts: list[tuple[int, int]]) -> None:
    """While 2 % stands and a sample comes within the stale time, no number of starts tells of the pre-alarm."""
    made = Room(_plan())
    for gas in (0, 0, 0, 20_000):
        made.scan("gas1", gas, after_ms=500)
    for n, (ms, gas) in enumerate(line):
        for place, _ in starts:
            if place == n:
                made.start(after_ms=0)
        made.scan("gas1", gas, after_ms=ms)
    told_of = [e.type for e in made.events if e.subject == PREALARM]
    assert told_of == ["ampward.alarm.suppressed.v1", "ampward.alarm.raised.v1"]


@given(st.lists(st.sampled_from((0, 500, 1_000, 2_999, 3_000)), min_size=1, max_size=12))
def test_what_is_not_seen_after_a_start_hides_nothing_past_its_stale_time(pauses: list[int]) -> None:
    """However many starts come: three seconds after the first, the pre-alarm is announced and no more hidden."""
    made = Room(_plan())
    for gas in (0, 0, 0, 20_000):
        made.scan("gas1", gas, after_ms=500)
    made.start()
    first = made.now
    for ms in pauses:
        made.start(after_ms=ms)
        is_hidden = made.alarm(PREALARM).override == "suppressed"
        assert is_hidden == (made.now < first + 3_000)
