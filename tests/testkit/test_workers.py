"""How tests are shared out among several workers."""

import pytest

from tests.architecture.source import ROOT
from tests.testkit.workers import APART, FLEET, LONG, by_length, piece_of


def test_what_uses_the_fleets_servers_is_one_piece_and_long_tests_are_a_piece_each() -> None:
    """Any other file stays whole."""
    assert {piece_of(f"{start}::test_a") for start in FLEET} == {"fleet"}
    for file in (*APART, "tests/wire/test_blocks.py"):
        pieces = {piece_of(f"{file}::test_a"), piece_of(f"{file}::test_b")}
        assert len(pieces) == (2 if file in APART else 1)


def test_every_place_that_is_named_is_there() -> None:
    """A file that was moved is named anew."""
    assert [start for start in (*FLEET, *APART, *LONG) if not (ROOT / start).exists()] == []


def test_long_tests_come_first_and_the_others_keep_their_order(request: pytest.FixtureRequest) -> None:
    """By the places that are named as long."""
    items = request.session.items
    found = [item.nodeid for item in by_length(items)]
    assert sorted(found) == sorted(item.nodeid for item in items)
    assert [one.startswith(LONG) for one in found] == sorted((one.startswith(LONG) for one in found), reverse=True)
