"""Text as it may leave by an edge: nothing in it can end a line, move a cursor or turn the writing direction.

Used where words of people, devices or foreign servers enter a header, a sentence or a mail. Names keep every letter of
every script; what goes are control characters, line and paragraph separators, lone surrogates and the marks that
reverse the order of what is shown.
"""

import unicodedata

_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_BREAKING = frozenset(("Cc", "Cs", "Zl", "Zp"))


def one_line(text: str, limit: int) -> str:
    """``text`` as one line of at most ``limit`` characters; what is cut ends in an ellipsis."""
    return _cut(" ".join("".join(map(_harmless, text)).split()), limit)


def lines(text: str, limit: int) -> str:
    """``text`` as lines parted by \\n alone, of at most ``limit`` characters."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return _cut("".join(each if each == "\n" else _harmless(each) for each in plain), limit)


def _harmless(each: str) -> str:
    if each in _TURNING:
        return ""
    return " " if unicodedata.category(each) in _BREAKING else each


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
