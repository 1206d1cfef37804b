"""Words that every rule shares: the three values of a condition, and the kinds of condition rows.

A row is one line of a rule table for one subject. ``Raw`` is what one look at the values says; ``Cond`` is what the
row's delays make of it (shared.domain.rows). KEEP is a raw that stands in the deadband: the condition stays as it is.
"""

from enum import IntEnum
from typing import NamedTuple

from shared.domain.plan import NONE, Severity

FALSE = 0
TRUE = 1
UNKNOWN = 2
KEEP = 3

CONDITION_LABELS = ("false", "true", "unknown")


class RowKind(IntEnum):
    """Which table of the plan a row stands in, or which part of a detector or output it tells of."""

    __hash__ = int.__hash__

    LIMIT = 0
    DEVIATION = 1
    DIFFERENCE = 2
    RATE = 3
    MEDIAN = 4
    COUNT = 5
    RUNAWAY = 6
    LOST = 7
    STALE = 8
    REPORT = 9
    GAS_1 = 10
    GAS_2 = 11
    DETECTOR_FAULT = 12
    IMPOSSIBLE = 13
    FAN_FAIL = 14
    AIRFLOW_LOW = 15
    NOT_FALLING = 16
    DUE = 17


class Row(NamedTuple):
    """One condition row: where it comes from and which alarm it feeds."""

    kind: RowKind
    at: int
    """Position in the table of its kind: limits, deviations ..., detectors, outputs or dues."""
    alarm: int
    severity: Severity
    point: int = NONE
    """The point whose value its events carry."""


class Measured(NamedTuple):
    """What an event says about the value behind a condition; empty where it does not apply."""

    value: str
    unit: str
    limit: str
    quality: str


NOTHING_MEASURED = Measured("", "", "", "")


def over(value: int, limit: int, deadband: int) -> int:
    """Raw of an upper limit: TRUE at or over it, FALSE the deadband (at least one) below, KEEP between."""
    if value >= limit:
        return TRUE
    return FALSE if value <= limit - max(deadband, 1) else KEEP
