"""The worked trace of the documents is what the program does."""

from pathlib import Path

from shared.domain.version import CORE_VERSION
from tests.golden.trace import lines

TRACE = Path(__file__).resolve().parents[2] / "docs" / "trace.txt"


def test_the_worked_trace_is_what_the_program_writes() -> None:
    """Input, events and chain row of a crossing of 2 %, byte for byte. A difference needs a new core version."""
    assert CORE_VERSION == 1
    assert "\n".join(lines()) + "\n" == TRACE.read_text(encoding="utf-8")
