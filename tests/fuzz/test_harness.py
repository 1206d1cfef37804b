"""The limits of the fuzz harness bite."""

import pytest

from tests.fuzz.harness import TooLong, held


def test_a_hang_is_caught() -> None:
    """An endless loop is stopped after a second of processor time."""

    def hang() -> None:
        while True:
            pass

    with pytest.raises(TooLong):
        held(hang)


def test_growth_is_caught() -> None:
    """More than 128 MiB of new memory is refused."""
    with pytest.raises(MemoryError):
        held(lambda: bytearray(200 << 20))


def test_an_undeclared_error_is_not_a_refusal() -> None:
    """Only the declared error passes."""
    assert held(lambda: int("x"), ValueError) is None
    with pytest.raises(ValueError, match="invalid literal"):
        held(lambda: int("x"), KeyError)
