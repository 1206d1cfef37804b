"""Where a reader of the fleet's events stands, and the same as text: a cursor that any replica of the gateway reads.

The events of a site come by two lanes, in one partition each: ampward.events.v1, whole and in order, and
ampward.live.v1, at once but only the newest. Replicas merge the partitions each in its own order, so a place is no
number: it says of every partition how far each lane was told.

    blocks[p]            everything of the events' partition p before this was told
    low[p] .. live[p]    so was everything of the live partition p from low on, before live
    run, number          the same place in the one replica that gave it out: found there without a search

A place in a partition is offset * 2**20 + the event's index in its record (a record of 24 MiB has no more).
Text: URL-safe base64 of a version byte, a mark of the fleet, run, number, all of these as varints, and four bytes of a
SHA-256 over them. Limit: PARTITIONS_MAX, so that a cursor has at most CURSOR_MAX characters.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from typing import Final, NamedTuple

from services.gateway.views import CURSOR_MAX

PARTITIONS_MAX: Final = 64
"""3 places of at most 11 bytes each are 2,112 bytes, in base64 2,816 characters; with the rest below CURSOR_MAX."""
INDEX_BITS: Final = 20
RUN_BYTES: Final = 8
NOBODY: Final = "00" * RUN_BYTES
"""The run of a stand that no replica gave a number."""
WRITTEN_MAX: Final = 4_096
_VERSION: Final = 2
_MARK: Final = 4
_CHECK: Final = 4
_VARINT_MAX: Final = 10


class Stand(NamedTuple):
    """See the module. Equal stands are one place in one replica."""

    run: str
    """16 hexadecimal digits."""
    number: int
    blocks: tuple[int, ...]
    low: tuple[int, ...]
    live: tuple[int, ...]


def place(offset: int, index: int = 0) -> int:
    """
    >>> offset_of(place(7, 3)), index_of(place(7, 3))
    (7, 3)
    """
    return (offset << INDEX_BITS) | index


def offset_of(at: int) -> int:
    return at >> INDEX_BITS


def index_of(at: int) -> int:
    return at & ((1 << INDEX_BITS) - 1)


class StandText:
    """Texts of one fleet. ``name`` tells its topics from those of another fleet."""

    def __init__(self, name: str, partitions: int) -> None:
        assert 1 <= partitions <= PARTITIONS_MAX, "the service checks it at its start"
        self._partitions = partitions
        self._mark = sha256(f"{name}/{partitions}".encode()).digest()[:_MARK]

    def encode(self, stand: Stand) -> str:
        """The text of a place."""
        head = bytes([_VERSION]) + self._mark + bytes.fromhex(stand.run)
        body = head + _varint(stand.number) + b"".join(map(_written, chain(stand.blocks, stand.low, stand.live)))
        return base64.urlsafe_b64encode(body + _check(body)).decode().rstrip("=")

    def decode(self, text: str) -> Stand | None:
        """The place, or None when the text was never given out in this fleet."""
        if not 0 < len(text) <= CURSOR_MAX or not text.isascii():
            return None
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body, check = data[:-_CHECK], data[-_CHECK:]
        begin = 1 + _MARK
        if body[:begin] != bytes([_VERSION]) + self._mark or check != _check(body):
            return None
        numbers = list(_numbers(body[begin + RUN_BYTES :]))
        if len(numbers) != 1 + 6 * self._partitions or any(number < 0 for number in numbers):
            return None
        at = [place(offset, index) for offset, index in zip(numbers[1::2], numbers[2::2], strict=True)]
        width = self._partitions
        parts = (tuple(at[start : start + width]) for start in range(0, 3 * width, width))
        return Stand(body[begin : begin + RUN_BYTES].hex(), numbers[0], *parts)


def farthest(ours: Iterable[int], theirs: Iterable[int]) -> tuple[int, ...]:
    """Of each partition the farther place."""
    return tuple(map(max, ours, theirs))


@lru_cache(WRITTEN_MAX)
def _written(at: int) -> bytes:
    """A place as varints: from event to event only one of them is another."""
    return _varint(offset_of(at)) + _varint(index_of(at))


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(0x80 | (number & 0x7F))
        number >>= 7
    found.append(number)
    return bytes(found)


def _numbers(data: bytes) -> Iterator[int]:
    """The numbers of a text; a broken end is -1."""
    number, shift = 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            yield number
            number, shift = 0, 0
        elif shift >= 7 * _VARINT_MAX:
            yield -1
            return
    if shift:
        yield -1


def _check(body: bytes) -> bytes:
    return sha256(b"ampward fleet cursor" + body).digest()[:_CHECK]
