"""Durations as people write them: ``500ms``, ``5s``, ``90min``, ``12h``, ``7d``.

A number without a unit is refused, because nobody can tell what it means. Decimals are allowed where they make whole
milliseconds (``0.5s``). The largest is 3660 days: more is a slip of the pen.
"""

import re
from decimal import Decimal

ALLOWED = "a number with its unit: 500ms, 5s, 60min, 12h, 7d"
LARGEST_MS = 3660 * 86_400_000

_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_FORM = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(ms|s|min|h|d)", re.ASCII)


def parse_duration(text: str) -> int | None:
    """Milliseconds, or None when the text is not a duration (ALLOWED says what is)."""
    match = _FORM.fullmatch(text.strip()) if len(text) <= 32 else None
    if match is None:
        return None
    exact = Decimal(match[1]) * _UNITS[match[2]]
    if exact != exact.to_integral_value() or exact > LARGEST_MS:
        return None
    return int(exact)


def format_duration(ms: int) -> str:
    """The shortest exact form: ``format_duration(90_000)`` is ``"90s"``, 60_000 is ``"1min"``."""
    for unit in ("d", "h", "min", "s"):
        if ms and ms % _UNITS[unit] == 0:
            return f"{ms // _UNITS[unit]}{unit}"
    return f"{ms}ms"
