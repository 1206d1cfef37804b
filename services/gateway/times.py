"""Instants as text: RFC 3339 in UTC with milliseconds."""

from shared.wire.instants import stamp


def rfc3339(at_ms: int) -> str | None:
    """``2026-11-22T12:30:00.250Z``; None for 0, which is "never"."""
    return None if at_ms <= 0 else stamp(at_ms)
