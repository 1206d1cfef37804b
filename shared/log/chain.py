"""The chain: one link per group commit, and the roots that it binds.

h = sha256(prev, first and last site_seq, root of the input bytes, root of the event bytes, count), where a root is the
SHA-256 of the records in order, each behind its length (u32, big-endian), and the numbers are u64. Any changed,
missing, added or moved byte of a record changes every hash after it.

Promises: pure; equal on every machine. What it cannot show: a whole tail cut off at a link, hence the head file beside
the log (shared.log.headfile) and the heads that leave the box.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from struct import Struct
from zlib import crc32

from shared.log.port import EventRow, InputRow

GENESIS = bytes(32)
"""What the first link of a site's first log follows."""

_LENGTH = Struct(">I")
_LINK = Struct(">32sQQ32s32sQ")


@dataclass(frozen=True, slots=True)
class Link:
    first_seq: int
    last_seq: int
    count: int
    input_root: bytes
    event_root: bytes
    hash: bytes


def root(records: Iterable[bytes]) -> bytes:
    """SHA-256 over the records in order, each behind its length."""
    parts = list(records)
    lengths = map(_LENGTH.pack, map(len, parts))
    return sha256(b"".join(chain.from_iterable(zip(lengths, parts, strict=True)))).digest()


def link(previous: bytes, inputs: Iterable[InputRow], events: Iterable[EventRow]) -> Link:
    """The link of one group after ``previous``; the group has at least one input.

    Its first number is that of an event when the event's input was lost while undurable and only the event is kept.
    """
    rows, made = list(inputs), list(events)
    first, last = min([rows[0].site_seq, *(row.site_seq for row in made[:1])]), rows[-1].site_seq
    input_root = root([row.data for row in rows])
    event_root = root([row.data for row in made])
    digest = sha256(_LINK.pack(previous, first, last, input_root, event_root, len(rows))).digest()
    return Link(first, last, len(rows), input_root, event_root, digest)


def kept_root(inputs: Iterable[InputRow], events: Iterable[EventRow]) -> bytes:
    """The root over what stays of a folded interval: inputs, then events."""
    return sha256(root(row.data for row in inputs) + root(row.data for row in events)).digest()


def states_hash(states: dict[str, bytes]) -> bytes:
    """The hash of a snapshot: rooms in the order of their names, each name and state behind its length."""
    return root(part for room in sorted(states) for part in (room.encode(), states[room]))


def checksum(data: bytes) -> int:
    """CRC-32 beside each stored record: it names the record that a broken link only surrounds."""
    return crc32(data)
