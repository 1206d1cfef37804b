"""Stamps as instants of the calendar. A stamp is whatever a record says, and whoever signs a record says what he likes.

Promises: every number has an instant; one that the calendar does not reach has the nearest that it has in every zone.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

DAY_MS: Final = 86_400_000
FIRST_MS: Final = -62_135_596_800_000 + DAY_MS
"""A day after the calendar's first: no zone is more than that behind UTC."""
LAST_MS: Final = 253_402_300_800_000 - DAY_MS - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(at_ms: int) -> datetime:
    """In UTC.

    >>> instant(1767225600123).isoformat(), instant(1 << 70).year, instant(-(1 << 70)).year
    ('2026-01-01T00:00:00.123000+00:00', 9999, 1)
    """
    return _EPOCH + timedelta(milliseconds=max(FIRST_MS, min(at_ms, LAST_MS)))


def stamp(at_ms: int) -> str:
    """RFC 3339 text of a wall-clock stamp.

    >>> stamp(1767225600123)
    '2026-01-01T00:00:00.123Z'
    """
    return f"{instant(at_ms).isoformat(timespec='milliseconds')[:-6]}Z"
