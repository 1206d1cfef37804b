"""What guard tells of a commissioning record at its start."""

import pytest

from services.guard.armed import Proofs, Proven, Record, told
from shared.domain.dues import COMMISSIONED

FAN = "s/r/io1-do0"


def _record(at: str) -> Record:
    return Record({FAN: Proven("hash", at, "cli:ben", Proofs("", "", "", ""))})


@pytest.mark.parametrize(
    ("at", "wall_ms", "wanted"),
    [
        ("1970-01-02T00:00:00Z", 86_460_000, "commissioned 60000 1970-01-02T00:00:00Z by cli:ben"),
        ("1970-01-02T00:00:00Z", 0, "commissioned 0 1970-01-02T00:00:00Z by cli:ben"),
        ("yesterday", 86_460_000, ""),
    ],
)
def test_a_record_is_told_with_its_age(at: str, wall_ms: int, wanted: str) -> None:
    """Its age counts, never below zero; a time that cannot be read is no proof test."""
    assert told(_record(at), FAN, wall_ms) == wanted
    assert wanted.split(" ")[0] in ("", COMMISSIONED)


def test_an_output_without_a_record_has_nothing_to_tell() -> None:
    """The core hears no proof test of it."""
    assert told(_record("1970-01-02T00:00:00Z"), "s/r/io1-do1", 0) == ""
