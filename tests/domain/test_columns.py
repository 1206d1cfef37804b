"""The columns say what the plain version says, scan after scan, whatever comes."""

import random

import pytest

from shared.domain import core
from shared.domain.conditions import FALSE, TRUE, RowKind
from shared.domain.events import EventType
from shared.domain.inputs import Command, Entry, Start, Tick, What
from shared.domain.oracle import Oracle
from shared.domain.plan import (
    BatteryPlan,
    CompensationRow,
    DeviationRow,
    DifferenceRow,
    LimitRow,
    Mode,
    ModeLimit,
    RoomPlan,
    Severity,
)
from shared.domain.state import RoomState
from shared.domain.units import NoData, Unit
from shared.domain.upkeep_plan import NO_LIMIT, BaselinePlan, FactorRow, PartKind, PartPlan
from tests.domain.driver import make_scan
from tests.domain.plans import alarm, point, room, scan

DELAYS = (0, 0, 1_000, 2_500, 7_000)


def _plan(draw: random.Random) -> RoomPlan:
    """Three devices, a battery's mode, temperatures, and every kind of column row with random limits and delays."""
    points = tuple(point(f"p{i}", Unit.VOLT, draw.choice((1_500, 4_000, 9_000))) for i in range(8))
    contact = point("contact", Unit.STATE, 10**9)
    alarms = tuple(
        alarm(
            f"s/r/p/a{i}",
            on_delay_ms=draw.choice(DELAYS),
            off_delay_ms=draw.choice(DELAYS),
            rises=draw.choice((0, 0, 2, 3)),
            window_ms=6_000,
        )
        for i in range(18)
    )
    rows = iter(range(18))

    def limit(p: int) -> LimitRow:
        by_mode = (ModeLimit(Mode.BOOST, draw.randrange(-5, 6)),) if draw.random() < 0.4 else ()
        return LimitRow(
            next(rows), p, draw.random() < 0.5, draw.randrange(-5, 6), draw.randrange(4), Severity.WARNING, 0, by_mode
        )

    group = (0, 1, 2, 3, 6, 7)
    return room(
        points=(*points, contact, point("t0", Unit.CELSIUS, 4_000), point("t1", Unit.CELSIUS, 9_000)),
        scans=(scan("one", 0, 5), scan("two", 5, 5), scan("three", 10, 1)),
        alarms=alarms,
        limits=(
            *(limit(draw.randrange(8)) for _ in range(8)),
            LimitRow(16, 0, high=True, limit=4, deadband=1, severity=Severity.WARNING, battery=0),
            LimitRow(17, 5, high=True, limit=NO_LIMIT, deadband=1, severity=Severity.ALARM, battery=0),
        ),
        parts=(PartPlan("s/r/p", PartKind.JAR),),
        baselines=(BaselinePlan("s/r/p", "s/r/s1", 0, 0, 3), BaselinePlan("s/r/q", "s/r/s1", 5, 0)),
        factors=(FactorRow(8, 0, 130, 1), FactorRow(9, 1, draw.choice((110, 150)), 0)),
        groups=(group,),
        deviations=tuple(
            DeviationRow(next(rows), p, 0, draw.randrange(1, 5), draw.randrange(2), Severity.WARNING)
            for p in draw.sample(group, 4)
        ),
        differences=tuple(
            DifferenceRow(
                next(rows), a, b, draw.random() < 0.5, draw.randrange(1, 6), draw.randrange(3), Severity.ALARM
            )
            for a, b in ((0, 5), (1, 2), (6, 7), (4, 8))
        ),
        batteries=(BatteryPlan("s/r/bat1", -1, 8, -1, -1, 6, 2_350, 500, hold_ms=0),),
        compensations=tuple(
            CompensationRow(
                at, draw.choice((9, 10)), draw.randrange(20_000, 30_001, 500), draw.choice((-300, -1, 250)),
                draw.choice(((Mode.UNKNOWN, Mode.FLOAT), tuple(Mode), (Mode.BOOST,))),
            )
            for at in draw.sample(range(8), 5)
        ),
    )  # fmt: skip


def _upkeep(draw: random.Random, oracle: Oracle, now: int, serial: str) -> Command:
    """A baseline that is given, or a jar that is replaced with one; told to the plain version too."""
    value = draw.randrange(1, 6)
    if draw.random() < 0.3:
        oracle.forget("s/r/p/")
        oracle.set_baseline(0, 0, now)
        oracle.set_baseline(0, value, now)
        serials = (serial, f"{serial}x")
        return Command("c", What.REPLACE, "s/r/p", "", None, "why", "a", 0, "", "", *serials, value)
    oracle.set_baseline(1, value, now)
    return Command("c", What.BASELINE, "s/r/q", "", None, "", "a", 0, value=value)


def _conditions(state: RoomState) -> list[bool | None]:
    """Of the limits, deviations and differences, in the order of the plan."""
    rows = sorted(
        (row.kind, row.at, state.columns.cond[r])
        for r, row in enumerate(state.index.rows)
        if row.kind in (RowKind.LIMIT, RowKind.DEVIATION, RowKind.DIFFERENCE)
    )
    return [True if cond == TRUE else False if cond == FALSE else None for _, _, cond in rows]


@pytest.mark.parametrize("seed", range(12))
def test_columns_equal_the_plain_version_over_random_scans_and_pauses(seed: int) -> None:
    """Random values, holes, failed polls, pauses and mode changes: each condition is the oracle's after each input."""
    draw = random.Random(seed)
    plan = _plan(draw)
    state, now, seq = core.initial(plan, "v", "log"), 0, 0
    oracle = Oracle(plan, 0)
    state, _ = core.step(state, Entry("log", 1, 0, 0, Start("log", "", 0, clean=True, boot="b")))
    seen: set[bool | None] = set()
    for n in range(2, 300):
        now += draw.choice((0, 100, 500, 1_000, 1_000, 2_000, 12_000))
        oracle.advance(now)
        mode = state.batteries[0].mode
        device = draw.choice(("one", "one", "two", "two", "three", ""))
        if device:
            seq += 1
            values = [
                NoData.OUT_OF_RANGE if draw.random() < 0.08 else draw.randrange(-8, 9)
                for _ in range({"one": 5, "two": 4, "three": 0}[device])
            ]
            if device == "two":
                values[3] = int(draw.random() < 0.5 and n % 80 > 40)
            if device != "one":
                values.append(NoData.TIMEOUT if draw.random() < 0.2 else draw.randrange(-20_000, 80_001, 500))
            if n % 50 == 0:
                state = core.state_from_data(plan, "v", core.state_to_data(state))
            outcome = NoData.TIMEOUT if draw.random() < 0.05 else NoData.PRESENT
            body = make_scan(device, seq, values, outcome=outcome)
            state, _ = core.step(state, Entry("log", n, now, now, body))
            oracle.take(body, now)
        elif n % 3 == 0:
            serial = state.parts[0].serial if state.parts else ""
            act = _upkeep(draw, oracle, now, serial)
            state, made = core.step(state, Entry("log", n, now, now, act))
            assert EventType.BASELINE_SET in [event.type for event in made]
        else:
            state, _ = core.step(state, Entry("log", n, now, now, Tick("r")))
        if state.batteries[0].mode is not mode:
            oracle.set_mode(0, state.batteries[0].mode, now)
        assert _conditions(state) == oracle.conditions(), f"seed {seed}, input {n} at {now} ms"
        seen.update(oracle.conditions())
    assert seen == {True, False, None}, "the scenario must reach every condition"


@pytest.mark.parametrize(
    ("values", "median"), [((1, 2, 3), 2), ((1, 2), 2), ((-3, -2), -2), ((5,), 5), ((4, 1, 3, 2), 3)]
)
def test_the_median_of_an_even_count_is_rounded_half_up(values: tuple[int, ...], median: int) -> None:
    """Two values in the middle give their mean, half up, as integers."""
    plan = room(
        points=tuple(point(f"p{i}", Unit.VOLT) for i in range(len(values))),
        scans=(scan("one", 0, len(values)),),
        groups=(tuple(range(len(values))),),
    )
    state = core.initial(plan, "v", "log")
    state, _ = core.step(state, Entry("log", 1, 0, 0, make_scan("one", 1, values)))
    assert state.columns.median(0) == (median, len(values))
