"""Digests made by the thousand are hashlib's."""

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.compiled.names import digests
from shared.domain.columns import as_column
from shared.domain.id_columns import event_ids_begun, occurrence_ids
from shared.domain.ids import event_id_begun, occurrence_id

NUMBER = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.lists(st.binary(max_size=300), min_size=1, max_size=4)


@given(TEXTS, st.lists(st.tuples(st.integers(0, 3), NUMBER), max_size=6), st.binary(max_size=100), st.integers(0, 64))
def test_a_digest_is_that_of_text_number_and_tail(
    texts: list[bytes], rows: list[tuple[int, int]], tail: bytes, digits: int
) -> None:
    """Of any length, any number, cut to any count of digits."""
    which, numbers = [place % len(texts) for place, _ in rows], [number for _, number in rows]
    made = digests(texts, as_column(which), as_column(numbers), tail, digits)
    pairs = zip(which, numbers, strict=True)
    assert made == [sha256(b"%b%d%b" % (texts[place], number, tail)).hexdigest()[:digits] for place, number in pairs]


def test_names_of_many_are_the_names_of_each() -> None:
    """Events and occurrences get the same ids, however they are asked for."""
    alarms, seqs = ["s/r/a/h", "s/r/ä/h"], [1, 7, 1 << 53]
    which = [0, 1, 0]
    assert event_ids_begun("log", as_column(seqs), "r1") == [event_id_begun("log", seq, "r1") for seq in seqs]
    assert occurrence_ids(alarms, as_column(which), "log", as_column(seqs)) == [
        occurrence_id(alarms[place], "log", seq) for place, seq in zip(which, seqs, strict=True)
    ]


def test_what_has_no_digest_is_refused() -> None:
    """Places outside the texts, columns that do not fit, more digits than there are."""
    one = as_column([0])
    with pytest.raises(ValueError, match="row 0 has text 0 of 0"):
        digests([], one, one, b"", 32)
    with pytest.raises(ValueError, match="1 places and 2 numbers"):
        digests([b""], one, as_column([1, 2]), b"", 32)
    with pytest.raises(ValueError, match="65 digits, 0 to 64 are allowed"):
        digests([b""], one, one, b"", 65)


def test_what_is_nothing_is_refused() -> None:
    """None where a text, a tail or a column should be: an error, never a byte that is not ours."""
    one = as_column([0])
    nothing: Any = None
    with pytest.raises(TypeError):
        digests(nothing, one, one, b"", 32)
    with pytest.raises(TypeError, match="text 0 is None"):
        digests([nothing], one, one, b"", 32)
    with pytest.raises(TypeError):
        digests([b""], nothing, one, b"", 32)
    with pytest.raises(TypeError):
        digests([b""], one, nothing, b"", 32)
    with pytest.raises(TypeError):
        digests([b""], one, one, nothing, 32)
    with pytest.raises(ValueError, match="row 0 has 1001 bytes, 1000 are allowed"):
        digests([b"x" * 1001], one, one, b"", 32)
