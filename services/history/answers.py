"""What the history answers: values, and the two reasons why it does not.

Values of points are integers in the core's scaled units, times UTC milliseconds since 1970.
"""

from enum import StrEnum
from typing import NamedTuple

from shared.domain.errors import AmpwardError

ROWS_MAX = 20_000
"""Two weeks of minutes, two years of hours: about 4 MB of JSON."""


class Step(StrEnum):
    """How fine a trend is."""

    RAW = "raw"
    MINUTE = "minute"
    HOUR = "hour"
    AUTO = "auto"
    """Raw up to 15 minutes where readings are kept, minutes up to two days, hours beyond."""


class UnknownPoint(AmpwardError):
    """The history has never seen a point of this id."""


class TooMuch(AmpwardError):
    """The answer would have more rows than one answer may have."""


class TrendRow(NamedTuple):
    """One minute, hour or reading. Without a single value (``good`` and ``uncertain`` are 0) the values are None."""

    at_ms: int
    """When the minute or hour begins; of a reading when it was sampled."""
    low: int | None
    high: int | None
    mean: int | None
    last: int | None
    good: int
    uncertain: int
    bad: int

    @property
    def quality(self) -> str:
        """The worst of what is in it that matters: bad without a value, uncertain unless every reading was good."""
        if self.good + self.uncertain == 0:
            return "bad"
        return "uncertain" if self.uncertain + self.bad else "good"


class Trend(NamedTuple):
    point: str
    unit: str
    """As people read it, "" for a state."""
    decimals: int
    step: Step
    rows: tuple[TrendRow, ...]


class EventRecord(NamedTuple):
    """One event of a journal; fields as in shared.domain.events.Event."""

    place: int
    """Its number in the history's order: what ``after`` takes."""
    log_id: str
    room: str
    type: str
    site_seq: int
    ordinal: int
    tick_ms: int
    at_ms: int
    subject: str
    occurrence: str
    rule: str
    severity: str
    state: str
    value: str
    unit: str
    limit: str
    quality: str
    reason: str
    actor: str
    until_ms: int


class DischargeRow(NamedTuple):
    battery: str
    began_at_ms: int
    ended_at_ms: int
    """0 while it lasts."""
    lasted_ms: int
    strings_mah: dict[str, int]
    """Out of each string whose current was measured."""
    lowest_jar: str
    """Empty when no jar's voltage was seen."""
    lowest_mv: int
