"""The labelled steps of the log: where a process may be ended by a test, and nothing must be lost or doubled."""

from collections.abc import Callable

Step = Callable[[str], None]
"""Told the label of each step as it is reached."""

LABELS = (
    "before append",
    "after inputs",
    "mid snapshot",
    "before commit",
    "after commit",
    "before acting",
    "mid packing",
    "mid retention",
    "before set-aside",
    "mid set-aside",
    "mid set-aside move",
    "after set-aside",
)


def no_step(_label: str) -> None:
    """Outside tests nothing listens."""
