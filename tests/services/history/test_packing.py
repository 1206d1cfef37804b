"""Columns of integers come back as they were, and roll-ups add up, whatever they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.history.minutes import FRAMES_MAX, Minute, young_columns
from services.history.packing import pack, unpack
from services.history.rolls import NONE, Rolls, hours, merged, pack_rolls, unpack_rolls
from shared.domain.units import round_div

BIG = (1 << 63) - 1
numbers = st.one_of(st.integers(-5, 5), st.integers(-BIG - 1, BIG), st.integers(-(1 << 53), 1 << 53))
readings = st.lists(st.one_of(st.none(), st.integers(-(1 << 53), 1 << 53), st.integers(-3, 3)), min_size=1, max_size=30)


@given(st.lists(st.lists(numbers, min_size=8, max_size=8), min_size=1, max_size=4), st.booleans())
def test_columns_come_back(rows: list[list[int]], thrifty: bool) -> None:
    """Every 64-bit integer, with and without differences."""
    columns = [np.array(row, np.int64) for row in rows]
    back = unpack(pack(columns, thrifty=thrifty), len(columns))
    assert [column.tolist() for column in back] == rows


@pytest.mark.parametrize("step", [1, 10, 1000])
def test_a_long_column_is_small(step: int) -> None:
    """A day of minutes of a flickering digit takes under 600 bytes, whatever the digit is worth."""
    column = 2_230_000 + step * np.random.default_rng(1).integers(-1, 2, 1440)
    data = pack([column])
    assert len(data) < 600
    assert unpack(data, 1)[0].tolist() == column.tolist()


def test_a_drift_is_stored_by_its_steps() -> None:
    """A day that rises steadily takes next to nothing, and comes back."""
    column = np.arange(0, 1440) * 37 // 5
    data = pack([column])
    assert len(data) < 100
    assert unpack(data, 1)[0].tolist() == column.tolist()


def test_other_bytes_are_refused() -> None:
    """Another form, and nothing at all."""
    for data in (b"", b"\x02\x01"):
        with pytest.raises(ValueError, match="form"):
            unpack(data, 1)


def _minute(values: list[int | None]) -> Minute:
    minute = Minute(2)
    for value in values:
        absent = value is None
        minute.take(np.array([value or 0, 7]), np.array([2 if absent else 0, 0], np.int8), is_late=False)
    return minute


def _rolls(at: int, values: list[int | None]) -> Rolls:
    columns = young_columns(_minute(values).to_bytes())
    return Rolls(np.array([at]), *(column[:1] for column in columns))


@given(readings)
def test_a_minute_is_what_its_readings_say(values: list[int | None]) -> None:
    """Least, greatest, mean, last and counts, for values of any size."""
    rolls = _rolls(5, values)
    good = [value for value in values if value is not None]
    assert (int(rolls.good[0]), int(rolls.bad[0])) == (len(good), len(values) - len(good))
    if good:
        found = (rolls.low[0], rolls.high[0], rolls.last[0], rolls.means()[0])
        assert tuple(map(int, found)) == (min(good), max(good), good[-1], round_div(sum(good), len(good)))


@given(readings, readings)
def test_a_minute_goes_on_after_it_was_stored(first: list[int | None], second: list[int | None]) -> None:
    """Stored in the middle and gone on with, it is the same as in one go."""
    whole = _minute([*first, *second]).to_bytes()
    halved = Minute.from_bytes(_minute(first).to_bytes())
    for value in second:
        reasons = np.array([2 if value is None else 0, 0], np.int8)
        halved.take(np.array([value or 0, 7]), reasons, is_late=False)
    assert halved.to_bytes() == whole


@given(st.lists(readings, min_size=1, max_size=5))
def test_hours_are_what_their_minutes_readings_say(minutes: list[list[int | None]]) -> None:
    """Joined in any cut, stored and read again."""
    rolls = merged([_rolls(60 * 7 + n, values) for n, values in enumerate(minutes)])
    rolls = unpack_rolls(pack_rolls(rolls, 60 * 7), 60 * 7)
    hour = unpack_rolls(pack_rolls(hours(rolls), 7), 7)
    good = [value for values in minutes for value in values if value is not None]
    assert hour.at.tolist() == [7]
    assert int(hour.bad[0]) == sum(map(len, minutes)) - len(good)
    if good:
        found = (hour.low[0], hour.high[0], hour.last[0])
        assert tuple(map(int, found)) == (min(good), max(good), good[-1])
        if max(good) - min(good) < 1 << 40:
            assert int(hour.means()[0]) == round_div(sum(good), len(good))


@given(readings, readings)
def test_two_parts_of_a_minute_are_one(first: list[int | None], second: list[int | None]) -> None:
    """What comes later is joined; the last value is the later part's."""
    joined = merged([_rolls(5, first), _rolls(5, second)])
    whole = _rolls(5, [*first, *second])
    assert [column.tolist() for column in joined] == [column.tolist() for column in whole]


def test_nothing_joined_is_nothing() -> None:
    """No rows are no rows, by hour too."""
    assert merged([]).rows == hours(NONE).rows == 0


def test_more_frames_than_a_minute_holds_are_counted() -> None:
    """By a clock that was set back: the sum never leaves 64 bits."""
    minute = Minute(1)
    for _ in range(FRAMES_MAX + 5):
        minute.take(np.array([1 << 53]), np.zeros(1, np.int8), is_late=False)
    assert (minute.frames, minute.left_out) == (FRAMES_MAX, 5)
    low, high = young_columns(minute.to_bytes())[3:5]
    assert low[0] == high[0] == 1 << 53
