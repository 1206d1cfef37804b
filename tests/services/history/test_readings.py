"""Single readings come back as they were taken, however they were cut into pieces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.history.packing import COUNT_MAX
from services.history.readings import Readings, readings_of
from services.history.rolls import MINUTE_MS

BIG = (1 << 63) - 1
BEGIN_MS = 30_000_000 * MINUTE_MS
POINTS = 3
values = st.one_of(st.integers(-5, 5), st.integers(-BIG - 1, BIG))
frames = st.lists(
    st.tuples(
        st.integers(0, 150_000),
        st.booleans(),
        st.lists(values, min_size=POINTS, max_size=POINTS),
        st.lists(st.integers(0, 9), min_size=POINTS, max_size=POINTS),
    ),
    min_size=1,
    max_size=12,
)


@given(frames, st.integers(1, 5))
def test_readings_come_back(taken: list[tuple[int, bool, list[int], list[int]]], flush: int) -> None:
    """Time, value, reason and lateness of each point, in the order in which they were taken."""
    waiting, rows = Readings(), []
    for number, (after_ms, is_late, given_values, reasons) in enumerate(taken, 1):
        waiting.take(
            7, number, BEGIN_MS + after_ms, np.array(given_values), np.array(reasons, np.int8), is_late=is_late
        )
        if number % flush == 0 or number == len(taken):
            assert waiting.count > 0
            assert waiting.pieces() == waiting.pieces()
            rows += waiting.pieces()
            waiting.written()
    assert not waiting.pieces()
    assert [row.first_seq for row in rows] == sorted(row.first_seq for row in rows)
    assert sum(row.frames for row in rows) == len(taken)
    for place in range(POINTS):
        found = []
        for row in rows:
            columns = readings_of(row.minute * MINUTE_MS, row.data, place)
            assert {at_ms // MINUTE_MS for at_ms in columns.at_ms.tolist()} == {row.minute}
            found += list(zip(*(column.tolist() for column in columns), strict=True))
        assert found == [
            (BEGIN_MS + after_ms, is_late, numbers[place], reasons[place])
            for after_ms, is_late, numbers, reasons in taken
        ]


def test_a_long_minute_of_a_large_device_is_cut() -> None:
    """So that a piece never has more values than can be packed."""
    waiting, points = Readings(), 1_320
    for number in range(100):
        waiting.take(1, number, BEGIN_MS, np.full(points, number), np.zeros(points, np.int8), is_late=False)
    rows = waiting.pieces()
    assert [row.frames for row in rows] == [49, 49, 2]
    assert all(row.frames * points <= COUNT_MAX for row in rows)
    assert [readings_of(0, row.data, 1_319).values.tolist()[0] for row in rows] == [0, 49, 98]


def test_readings_that_are_too_old_are_left_out() -> None:
    """What was older than is kept when the broker took it would be dropped by the next look."""
    waiting = Readings(since_ms=BEGIN_MS)
    for at_ms in (BEGIN_MS - 1, BEGIN_MS):
        waiting.take(1, at_ms, at_ms, np.array([1]), np.array([0], np.int8), is_late=False)
    assert [row.first_seq for row in waiting.pieces()] == [BEGIN_MS]


def test_other_bytes_are_refused() -> None:
    """Nothing at all, and bytes that are none of ours."""
    for data in (b"", b"\x02\0\0\0\x09\x01"):
        with pytest.raises(ValueError, match="form"):
            readings_of(0, data, 0)
