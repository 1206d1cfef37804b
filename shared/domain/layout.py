"""How shared.domain.columns lays out a scan and a group, and what it says of a scan that it took."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from numpy import bool_, int8, int64
    from numpy.typing import NDArray

    Ints = NDArray[int64]
    Flags = NDArray[bool_]


class Taken(NamedTuple):
    """What a scan changed."""

    rows: list[tuple[int, int]]
    """Rows to look at, each with its raw (FALSE, TRUE or KEEP)."""
    restored: list[int]
    """Points that were lost and have a good value again."""
    became_known: bool
    """Some rows went from UNKNOWN to FALSE."""
    worsened: bool
    """Some point went from good to bad."""


class RowsLayout(NamedTuple):
    """Rows that follow one another from ``start`` on, as views of the columns that all rows share."""

    start: int
    x: "Ints"
    hi: "Ints"
    lo: "Ints"


class ScanLayout(NamedTuple):
    """One scan's columns: its points are first..end, and ``values`` to ``at_ms`` are views of theirs."""

    first: int
    end: int
    values: "Ints"
    reasons: "NDArray[int8]"
    good_ms: "Ints"
    at_ms: "Ints"
    rows: RowsLayout
    """Its limit rows."""
    sources: "Ints"
    """Where a row's value stands in the scan's values followed by their negatives."""
    places: "Ints"
    """The same, folded onto the scan's values: whose quality counts."""
    signs: "Ints"
    """1, or -1 where a row is of a lower limit."""
    both: "Ints"
    """Room for the values and their negatives: the second half is ``negative``."""
    negative: "Ints"
    groups: tuple[int, ...]
    differences: "Ints"
    """Difference rows, counted from the first of them, that the scan touches."""
    warmths: "Ints"
    """Compensations whose temperature the scan brings."""


class GroupLayout(NamedTuple):
    members: "Ints"
    rows: RowsLayout
    places: "Ints"
    """Points of the rows."""
    own: "tuple[Ints, Ints]"
    """Places and signs of the rows among themselves: each compares its own value, as it is."""
