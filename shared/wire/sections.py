"""Records behind their lengths (u32, big-endian), one after another: as they are hashed, and as they travel.

A section goes from a site's block into the fleet's log as it came, packed or not: who hands it on need not take it
apart. Packed is one frame of Zstandard that says its size, so nobody unpacks more than was announced.

Promises: what was packed unpacks to the same. Refuses (WireError): frames of another size than announced, cut short or
longer, records that do not fill the bytes exactly. Limits: SECTION_BYTES_MAX unpacked, RECORD_BYTES_MIN a record.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, overload

import zstandard

from shared.compiled import records
from shared.domain.errors import WireError
from shared.wire.linking import behind_lengths
from shared.wire.rows import EventBytes

SECTION_BYTES_MAX: Final = 24 << 20
"""Largest record (16 MiB), its link's other inputs and the events of all: room for half as much again."""
LENGTH_BYTES: Final = 4
RECORD_BYTES_MIN: Final = 32
"""No input and no event is as short (a Tick has 80 bytes): some packed bytes are not to become millions of them."""
_LEVEL: Final = 1
"""The quickest: events are so alike that more would gain little. A compressor is made for each section (20 us), for
one may not be used by two threads at a time."""


class Section(NamedTuple):
    """Records as they stand somewhere."""

    number: int
    """How many."""
    size: int
    """Bytes with their lengths, unpacked."""
    packed: bool
    data: bytes

    def unpacked(self) -> bytes:
        """The records behind their lengths; raises WireError."""
        return unpack(self.data, self.size) if self.packed else _sized(self.data, self.size)

    def records(self) -> list[bytes]:
        """Raises WireError."""
        return cut(self.unpacked(), self.number)


def section_of(records: Sequence[bytes], *, pack: bool = False) -> Section:
    """The records as one section."""
    body = behind_lengths(records)
    return Section(len(records), len(body), pack, pack_up(body) if pack else body)


def pack_up(body: bytes) -> bytes:
    """One frame with its size in it; of nothing, nothing."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(body) if body else b""


def unpack(data: bytes, size: int) -> bytes:
    """What was packed, ``size`` bytes of it; raises WireError."""
    if size > SECTION_BYTES_MAX:
        raise WireError(f"{size} bytes of records, at most {SECTION_BYTES_MAX} are unpacked")
    if not size and not data:
        return b""
    try:
        announced = zstandard.frame_content_size(data)
        if announced != size:
            raise WireError(f"the packed records have {announced} bytes, the header says {size}")
        return _sized(zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False), size)
    except (zstandard.ZstdError, ValueError) as fault:
        raise WireError(f"the records do not unpack: {fault}") from fault


def _sized(body: bytes, size: int) -> bytes:
    if len(body) != size:
        raise WireError(f"{len(body)} bytes of records, the header says {size}")
    return body


def check_count(count: int, size: int) -> None:
    """Whether so many records can be in so many bytes; raises WireError."""
    if count * (LENGTH_BYTES + RECORD_BYTES_MIN) > size:
        raise WireError(f"{count} records in {size} bytes")


def cut(body: bytes, count: int) -> list[bytes]:
    """So many records, which fill the bytes; raises WireError."""
    check_count(count, len(body))
    begins, ends = list[int](), list[int]()
    at = find(body, 0, count, begins, ends)
    if at != len(body):
        raise WireError(f"{len(body) - at} bytes behind the last record")
    return [body[begin:end] for begin, end in zip(begins, ends, strict=True)]


def find(body: bytes, at: int, count: int, begins: list[int], ends: list[int]) -> int:
    """Put where so many records from ``at`` on begin and end into the lists; where what follows begins.

    Raises WireError.
    """
    try:
        found = records.find(body, at, count)
    except ValueError as fault:
        raise WireError(str(fault)) from fault
    begins += found[0]
    ends += found[1]
    return ends[-1] if count else at


class Told(Sequence[EventBytes]):
    """Events of a block that nobody has taken apart yet: (site_seq, first ordinal, count) of runs of them, and bytes.

    What it is asked for as a sequence it takes apart then, and raises WireError when that cannot be done.
    """

    __slots__ = ("_all", "_runs", "body", "section")

    def __init__(self, section: Section, runs: Sequence[tuple[int, int, int]]) -> None:
        """Raises WireError for bytes that do not unpack."""
        self.section = section
        self.body = section.unpacked()
        self._runs = runs
        self._all: tuple[EventBytes, ...] | None = None

    def are(self, count: int, lines: bytes) -> bool:
        """Whether they are these, byte for byte: so many, each behind its length."""
        return count == len(self) and lines == self.body

    def all(self) -> tuple[EventBytes, ...]:
        """Raises WireError."""
        if self._all is None:
            places = [(seq, ordinal) for seq, first, size in self._runs for ordinal in range(first, first + size)]
            records = cut(self.body, self.section.number)
            if len(places) != len(records):
                raise WireError("the runs of events are not as many as the links say")
            self._all = tuple(EventBytes(*place, data) for place, data in zip(places, records, strict=True))
        return self._all

    def __len__(self) -> int:
        return self.section.number

    @overload
    def __getitem__(self, at: int) -> EventBytes: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[EventBytes, ...]: ...
    def __getitem__(self, at: Any) -> Any:
        return self.all()[at]

    def __iter__(self) -> Iterator[EventBytes]:
        return iter(self.all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self.all() == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # As a list has none.
