"""Runs of late scans: two events a run, each late scan named once, whatever comes between."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.domain import core
from shared.domain.events import Event, EventType
from shared.domain.inputs import Rules
from tests.domain.driver import Room, make_scan, told
from tests.domain.plans import limit_room

LATE = ["input.late bacs"]
OLD = 20_000


def _ready() -> Room:
    """One jar, in time so far."""
    made = Room(limit_room())
    made.scan("bacs", 2_200)
    return made


def _reasons(events: list[Event]) -> list[str]:
    return [e.reason for e in events if e.type == EventType.INPUT_LATE]


def test_what_guard_kept_over_a_pause_is_told_twice_and_not_once_a_frame() -> None:
    """Sixty frames that are too old, then one in time: the first is told with its reason, the end with their count."""
    made = _ready()
    for n in range(60):
        made.scan("bacs", 2_400, age_ms=OLD - 100 * n)
    made.scan("bacs", 2_200, age_ms=20)
    assert _reasons(made.events) == [
        "device_seq 2: age 20000 ms is over 3000 ms",
        "59 more late, device_seq 3 to 61",
    ]
    assert made.letter(made.plan.alarms[0].id) == "A", "and none of them was evaluated"


def test_a_single_late_scan_is_told_once() -> None:
    """Its event has said everything: the next scan in time adds nothing."""
    made = _ready()
    assert told(made.scan("bacs", 2_200, age_ms=OLD)) == LATE
    assert told(made.scan("bacs", 2_200)) == []


def test_a_run_that_does_not_end_is_told_of_once_a_minute() -> None:
    """A device whose scans are always late is no silence: one event a minute, each with what came since."""
    made = _ready()
    for _ in range(360):
        made.scan("bacs", 2_200, after_ms=500, age_ms=OLD)
    assert _reasons(made.events) == [
        "device_seq 2: age 20000 ms is over 3000 ms",
        "119 more late, device_seq 3 to 121",
        "120 more late, device_seq 122 to 241",
    ]


def test_late_scans_and_then_silence_are_told_by_time_alone() -> None:
    """Nothing comes any more: after a minute the run is told, and after another it is over."""
    made = _ready()
    for _ in range(3):
        made.scan("bacs", 2_200, age_ms=OLD)
    assert "2 more late, device_seq 3 to 4" in _reasons(made.tick(60_000))
    assert _reasons(made.tick(60_000)) == []
    assert _reasons(made.scan("bacs", 2_200, age_ms=OLD))[0].startswith("device_seq 5: "), "a run of its own"


def test_a_new_guard_ends_the_run_of_the_old_one() -> None:
    """device_seq of two boots are no range."""
    made = _ready()
    for _ in range(3):
        made.scan("bacs", 2_200, age_ms=OLD)
    again = make_scan("bacs", 1, [2_200], age_ms=OLD)._replace(boot="guard2")
    assert _reasons(made.put(again)) == [
        "2 more late, device_seq 3 to 4",
        "device_seq 1: age 20000 ms is over 3000 ms",
    ]


def test_a_device_that_leaves_the_plan_takes_no_count_with_it() -> None:
    """Late scans that were counted are told when nobody would tell of them any more."""
    made = _ready()
    for _ in range(3):
        made.scan("bacs", 2_200, age_ms=OLD)
    events = made.put(Rules("v2", replace(made.plan, scans=(), points=(), limits=()), "anna"))
    assert _reasons(events) == ["2 more late, device_seq 3 to 4"]


def _named(reasons: list[str]) -> int:
    """How many late scans these events name."""
    return sum(int(m[1]) if (m := re.match(r"(\d+) more late", reason)) else 1 for reason in reasons)


@given(st.lists(st.tuples(st.sampled_from([0, 100, OLD, -1]), st.sampled_from([0, 500, 7_000, 61_000])), max_size=60))
def test_each_late_scan_is_named_once_whatever_comes_between(polls: list[tuple[int, int]]) -> None:
    """Late and in time by turns, pauses, a snapshot after each step: the counters add up, and twins agree."""
    made, twin = _ready(), _ready()
    late = 0
    for age_ms, after_ms in polls:
        made.scan("bacs", 2_200, after_ms=after_ms, age_ms=age_ms)
        twin.scan("bacs", 2_200, after_ms=after_ms, age_ms=age_ms)
        twin.state = core.state_from_data(twin.plan, "v1", core.state_to_data(twin.state))
        late += age_ms not in (0, 100)
    for room in (made, twin):
        room.tick(60_000)
    assert made.events == twin.events
    assert _named(_reasons(made.events)) == late
