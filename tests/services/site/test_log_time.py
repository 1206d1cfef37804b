"""The log's clock over a pause: what guard kept is gone through at its own time, silence shows as silence."""

import pytest

from services.site.log_time import BEHIND_MS, QUIET_MS, LogTime
from shared.runtime.clocks import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(mono=10_000)


@pytest.fixture
def time(clock: ManualClock) -> LogTime:
    return LogTime(clock)


def test_without_a_pause_it_is_the_machines_clock(clock: ManualClock, time: LogTime) -> None:
    """Whatever the frames say of their making."""
    for made in (9_000, 10_200, 0, -1):
        clock.advance(250)
        assert time.take(made) == clock.mono == time.monotonic_ms()
        assert time.wall_ms() == clock.wall
    assert not time.is_behind


def test_after_a_pause_each_input_has_its_own_time(clock: ManualClock, time: LogTime) -> None:
    """Nine seconds are gone through frame by frame; the first that was made after the pause ends it."""
    clock.advance(9_000)
    assert time.monotonic_ms() == 10_000
    assert [time.take(made) for made in (10_500, 11_000, 18_900)] == [10_500, 11_000, 18_900]
    assert time.is_behind
    clock.advance(100)
    assert time.take(19_050) == 19_100
    assert not time.is_behind


def test_it_begins_with_guard_and_goes_through_what_guard_kept(clock: ManualClock) -> None:
    """The site process comes five seconds after guard: the first frames count when they were made, wall clock too."""
    offset = clock.wall - clock.mono
    time = LogTime(clock, begins_ms=5_000)
    assert (time.monotonic_ms(), time.wall_ms()) == (5_000, 5_000 + offset)
    assert [time.take(made) for made in (5_500, 6_000, 9_900)] == [5_500, 6_000, 9_900]
    clock.advance(100)
    assert time.take(10_050) == 10_100
    assert not time.is_behind


def test_the_wall_clock_moves_with_it(clock: ManualClock, time: LogTime) -> None:
    """The log watches one clock against the other: a pause must not look like a step."""
    offset = clock.wall - clock.mono
    clock.advance(9_000)
    assert time.wall_ms() - time.monotonic_ms() == offset
    time.take(12_000)
    assert time.wall_ms() - time.monotonic_ms() == offset


def test_it_never_falls(clock: ManualClock, time: LogTime) -> None:
    """A frame that took long is older than the one before it."""
    clock.advance(9_000)
    assert time.take(12_000) == 12_000
    assert time.take(11_700) == 12_000


def test_silence_of_guard_ends_the_wait(clock: ManualClock, time: LogTime) -> None:
    """Guard stood still too: nothing comes, and time goes on to now, where everything is stale."""
    clock.advance(9_000)
    assert time.monotonic_ms() == 10_000
    for _ in range(QUIET_MS // 500):
        assert time.is_behind
        clock.advance(500)
        time.monotonic_ms()
    assert time.monotonic_ms() == clock.mono
    assert not time.is_behind


def test_the_wait_has_an_end_whatever_comes(clock: ManualClock, time: LogTime) -> None:
    """Old inputs without end do not hold the log in the past."""
    clock.advance(60_000)
    time.monotonic_ms()
    for turn in range(BEHIND_MS // 500):
        clock.advance(500)
        time.take(10_000 + turn)
    assert time.monotonic_ms() == clock.mono


def test_an_input_of_an_unknown_time_ends_nothing(clock: ManualClock, time: LogTime) -> None:
    """It counts at the time where the log stands."""
    clock.advance(9_000)
    assert time.take(-1) == 10_000
    assert time.is_behind
