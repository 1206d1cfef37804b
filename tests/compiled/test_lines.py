"""Records written from columns are what Python writes of the same texts and numbers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.compiled.lines import Numbers, Scaled, Texts, records
from shared.domain.columns import as_column
from shared.domain.units import format_scaled
from shared.wire.linking import behind_lengths

NUMBER = st.integers(-(1 << 63), (1 << 63) - 1)
TEXT = st.one_of(st.binary(max_size=600), st.text("".join(map(chr, range(128))), max_size=40))
TEXTS = st.lists(TEXT, min_size=1, max_size=5)
ROWS = st.lists(st.tuples(st.integers(0, 4), NUMBER, NUMBER, st.integers(-1, 18)), max_size=8)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


@given(TEXTS, ROWS)
def test_records_are_the_pieces_of_their_row_behind_their_length(
    texts: list[str | bytes], rows: list[tuple[int, int, int, int]]
) -> None:
    """Whatever the texts and numbers, the lowest and the highest too."""
    which = [row[0] % len(texts) for row in rows]
    numbers, scaled, decimals = ([row[n] for row in rows] for n in (1, 2, 3))
    made = records(
        [
            Texts(texts, as_column(which)),
            Numbers(as_column(numbers)),
            Texts([b"|"], as_column([0] * len(rows))),
            Scaled(as_column(scaled), as_column(decimals)),
        ]
    )
    expected = [
        b"%b%d|%b" % (_bytes(texts[place]), number, format_scaled(value, after).encode() if after >= 0 else b"")
        for place, number, value, after in zip(which, numbers, scaled, decimals, strict=True)
    ]
    assert made == behind_lengths(expected)


def test_no_columns_and_no_rows_are_no_records() -> None:
    """There is nothing to write."""
    assert records([]) == records([Numbers(as_column([])), Texts([], as_column([]))]) == b""


@pytest.mark.parametrize(
    ("texts", "which", "said"),
    [
        (["a"], [0, 1], "row 1 has text 1 of 1"),
        (["a"], [-1], "row 0 has text -1 of 1"),
        ([], [0], "row 0 has text 0 of 0"),
        (["ä"], [0], "text 0 is neither bytes nor ASCII: 'ä'"),
        (["a", 7], [0], "text 1 is neither bytes nor ASCII: 7"),
    ],
)
def test_a_text_that_is_not_there_or_is_none_is_refused(texts: list[str], which: list[int], said: str) -> None:
    """With the row and what there is."""
    with pytest.raises(ValueError, match=said):
        Texts(texts, as_column(which))


def test_columns_that_do_not_fit_are_refused() -> None:
    """Rows that are not as many, and decimals that no number has."""
    with pytest.raises(ValueError, match="column 1 has 2 rows, the first has 1"):
        records([Numbers(as_column([1])), Numbers(as_column([1, 2]))])
    with pytest.raises(ValueError, match="2 numbers and 1 decimals"):
        Scaled(as_column([1, 2]), as_column([0]))
    with pytest.raises(ValueError, match="row 0 has 19 decimals, -1 to 18 are allowed"):
        Scaled(as_column([1]), as_column([19]))
    with pytest.raises(TypeError):
        records([b"a"])  # type: ignore[list-item]


def test_what_is_nothing_is_refused() -> None:
    """None where a column or its rows should be, a text that is None, a column that was never filled."""
    nothing: Any = None
    for make in (lambda: Texts(["a"], nothing), lambda: Numbers(nothing), lambda: Scaled(as_column([1]), nothing)):
        with pytest.raises(TypeError):
            make()
    with pytest.raises(ValueError, match="text 0 is neither bytes nor ASCII: None"):
        Texts([nothing], as_column([0]))
    with pytest.raises(TypeError, match="column 0 is a NoneType"):
        records([nothing])
    with pytest.raises(AttributeError):
        records([Numbers.__new__(Numbers)])  # type: ignore[call-arg]
