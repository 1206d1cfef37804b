"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.durations import LARGEST_MS, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("500ms", 500),
        ("5s", 5000),
        ("60min", 3600000),
        ("12h", 43200000),
        ("7d", 604800000),
        ("0.5s", 500),
        ("1.5 h", 5400000),
        (" 5s ", 5000),
        ("0s", 0),
        ("3660d", LARGEST_MS),
    ],
)
def test_a_duration_has_a_number_and_a_unit(text: str, ms: int) -> None:
    """Every unit, decimals that make whole milliseconds, blanks around."""
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "-5s",
        "+5s",
        "5S",
        "5 sec",
        "1m",
        "1e3s",
        "0.0001s",
        "5s5s",
        "٥s",
        "5\ns",
        "inf s",
        "nan",
        "3661d",
        "9" * 13 + "s",
        "1:30",
        "0x5s",
        "5,5s",
        " " * 40 + "5s",
        "5s\x00",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    """What could be read in two ways is not read at all."""
    assert parse_duration(text) is None


@given(st.integers(0, LARGEST_MS))
def test_what_is_written_is_read_again(ms: int) -> None:
    """The written form means the same number."""
    assert parse_duration(format_duration(ms)) == ms
