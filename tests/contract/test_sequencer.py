"""The log's own time: never falling, and honest about what it cannot know."""

import pytest

from shared.log.sequencer import GAP_SANE_MS, Anchor, Moment, Sequencer

WALL = 1_767_225_600_000
HOUR = 3_600_000
YEAR = 365 * 24 * HOUR
SYNCED = True


def _now(mono: int, wall: int, boot: str = "b1", *, synced: bool = SYNCED) -> Moment:
    return Moment(mono, wall, synced, boot)


def test_within_a_boot_time_follows_the_monotonic_clock() -> None:
    """Whatever the wall clock does, and over a restart of the process too."""
    sequencer = Sequencer.resume(0, Anchor(0, 0, 0, ""), _now(1000, WALL))
    given = [sequencer.mint(_now(1000 + ms, WALL + jump)) for ms, jump in ((0, 0), (50, -HOUR), (50, YEAR), (90, 0))]
    assert [each.site_seq for each in given] == [1, 2, 3, 4]
    assert [each.tick_ms for each in given] == [0, 50, 50, 90]
    assert given[1].at_ms == WALL - HOUR
    again = Sequencer.resume(4, Anchor(90, WALL, 1090, "b1"), _now(1500, WALL - YEAR))
    assert again.mint(_now(1510, WALL))[:2] == (5, 510)
    assert again.clock_fault == ""


@pytest.mark.parametrize(
    ("gap", "synced", "counted", "says"),
    [
        (HOUR, True, HOUR, ""),
        (0, True, 0, ""),
        (GAP_SANE_MS, True, GAP_SANE_MS, ""),
        (GAP_SANE_MS + 1, True, 0, "ms from the last record"),
        (-1, True, 0, "-1 ms from the last record"),
        (10 * YEAR, True, 0, "ms from the last record"),
        (HOUR, False, 0, "not synchronised"),
    ],
)
def test_over_a_boot_the_wall_clock_counts_when_it_is_sane(gap: int, synced: bool, counted: int, says: str) -> None:
    """Else the time away counts as nothing, and the log says so."""
    anchor = Anchor(5_000, WALL, 99_000, "b1")
    sequencer = Sequencer.resume(7, anchor, _now(10, WALL + gap, "b2", synced=synced))
    assert sequencer.mint(_now(10, WALL)).tick_ms == 5_000 + counted
    assert says in sequencer.clock_fault
    assert bool(says) == bool(sequencer.clock_fault)


def test_a_step_of_the_wall_clock_is_told_once() -> None:
    """NTP's slewing is not a step; an hour is, in both directions."""
    sequencer = Sequencer.resume(0, Anchor(0, 0, 0, ""), _now(0, WALL))
    assert sequencer.wall_step(_now(1000, WALL + 1500)) == 0
    assert sequencer.wall_step(_now(2000, WALL + 2000 + HOUR)) == HOUR
    assert sequencer.wall_step(_now(3000, WALL + 3000 + HOUR)) == 0
    assert sequencer.wall_step(_now(4000, WALL + 4000)) == -HOUR
