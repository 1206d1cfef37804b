"""Records behind their lengths: found where they are, and nothing is read behind the last byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.compiled.records import find
from shared.domain.errors import WireError
from shared.wire import sections
from shared.wire.linking import behind_lengths


def by_python(body: bytes, at: int, count: int) -> tuple[list[int], list[int]]:
    """The same by shared.wire.sections."""
    begins, ends = list[int](), list[int]()
    sections.find(body, at, count, begins, ends)
    return begins, ends


@given(st.lists(st.binary(max_size=300)), st.binary(max_size=20), st.binary(max_size=20))
def test_records_are_found_where_they_are(records: list[bytes], before: bytes, behind: bytes) -> None:
    """Between other bytes, as plain Python finds them."""
    body = before + behind_lengths(records) + behind
    begins, ends = find(body, len(before), len(records))
    assert [body[begin:end] for begin, end in zip(begins, ends, strict=True)] == records
    assert (begins, ends) == by_python(body, len(before), len(records))


@given(st.binary(max_size=40), st.integers(0, 50), st.integers(0, 5))
def test_any_bytes_give_what_python_gives(body: bytes, at: int, count: int) -> None:
    """Places or a refusal, whatever the bytes are."""
    try:
        wanted = by_python(body, at, count)
    except WireError as fault:
        with pytest.raises(ValueError, match=str(fault)):
            find(body, at, count)
    else:
        assert find(body, at, count) == wanted


@pytest.mark.parametrize(
    ("body", "at", "count"),
    [
        (b"", 0, 1),
        (b"\0\0\0", 0, 1),
        (b"\0\0\0\1", 0, 1),
        (b"\xff\xff\xff\xff" + bytes(40), 0, 1),
        (bytes(4), 0, 2),
        (bytes(4), 5, 1),
        (bytes(4), 2**62, 1),
        (bytes(4), -1, 1),
        (bytes(4), 0, -1),
    ],
)
def test_what_is_not_there_is_refused(body: bytes, at: int, count: int) -> None:
    """A length or a record behind the last byte, and places and counts below zero."""
    with pytest.raises(ValueError, match=r"behind the last byte|allowed are"):
        find(body, at, count)


@pytest.mark.parametrize("body", [None, bytearray(8), memoryview(bytes(8)), "text"])
def test_only_bytes_are_taken(body: object) -> None:
    """What could change while it is read, or is nothing, is a TypeError and no crash."""
    with pytest.raises(TypeError):
        find(body, 0, 1)  # type: ignore[arg-type]
