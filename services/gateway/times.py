"""Instants as text: RFC 3339 in UTC with milliseconds."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z: RFC 3339 has four digits for the year."""


def rfc3339(at_ms: int) -> str | None:
    """``2026-11-22T12:30:00.250Z``; None for 0, which is "never"."""
    if at_ms <= 0:
        return None
    at = _EPOCH + timedelta(milliseconds=min(at_ms, _LAST_MS))
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
