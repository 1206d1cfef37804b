"""Inputs of a block that nobody has cut out yet: the bytes that they stand in, and where each begins and ends.

Most of them are frames that are read as columns (shared.wire.frame_runs), and never an object of their own.
Promises: as a sequence it is what :class:`InputRow` of each would be. A part of it shares the bytes.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Self, overload

from shared.domain.errors import WireError
from shared.wire.linking import behind_lengths
from shared.wire.rows import InputRow
from shared.wire.sections import LENGTH_BYTES


class Inputs(Sequence[InputRow]):
    """Records that stand one after another in ``body``, each behind its length. Numbers rise."""

    __slots__ = ("begins", "body", "ends", "kinds", "seqs")

    def __init__(
        self, body: bytes, begins: Sequence[int], ends: Sequence[int], kinds: Sequence[str], seqs: Sequence[int]
    ) -> None:
        """Raises WireError unless there are as many numbers as records."""
        if len(seqs) != len(begins):
            raise WireError("the runs of inputs are not as many as the links say")
        self.body = body
        self.begins = begins
        self.ends = ends
        self.kinds = kinds
        self.seqs = seqs

    @classmethod
    def of(cls, rows: Sequence[InputRow]) -> Self:
        """The same rows; itself when it is one."""
        if isinstance(rows, cls):
            return rows
        ends = list(accumulate(LENGTH_BYTES + len(row.data) for row in rows))
        begins = [end - len(row.data) for end, row in zip(ends, rows, strict=True)]
        body = behind_lengths(row.data for row in rows)
        return cls(body, begins, ends, [row.kind for row in rows], [row.site_seq for row in rows])

    def data(self, at: int) -> bytes:
        """The bytes of one."""
        return self.body[self.begins[at] : self.ends[at]]

    def after(self, site_seq: int) -> Self:
        """Those with higher numbers."""
        return self[bisect_right(self.seqs, site_seq) :]

    def __len__(self) -> int:
        return len(self.seqs)

    @overload
    def __getitem__(self, at: int) -> InputRow: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return type(self)(self.body, self.begins[at], self.ends[at], self.kinds[at], self.seqs[at])
        return InputRow(self.seqs[at], self.kinds[at], self.data(at))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # As a list has none.
