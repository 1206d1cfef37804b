"""The chain: one link per group commit, and the roots that it binds.

h = sha256(prev, first and last site_seq, root of the input bytes, root of the event bytes, count), where a root is the
SHA-256 of the records in order, each behind its length (u32, big-endian), and the numbers are u64. Any changed,
missing, added or moved byte of a record changes every hash after it.

Promises: pure; equal on every machine. What it cannot show: a whole tail cut off at a link, hence the head file beside
the log (shared.log.headfile) and the heads that leave the box.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from shared.wire.linking import GENESIS as GENESIS
from shared.wire.linking import kept_hash, link_hash
from shared.wire.linking import root as root
from shared.wire.linking import states_hash as states_hash
from shared.wire.rows import EventBytes, EventRow, InputRow


@dataclass(frozen=True, slots=True)
class Link:
    first_seq: int
    last_seq: int
    count: int
    input_root: bytes
    event_root: bytes
    hash: bytes


def link(previous: bytes, inputs: Iterable[InputRow], events: Iterable[EventRow | EventBytes]) -> Link:
    """The link of one group after ``previous``; the group has at least one input.

    Its first number is that of an event when the event's input was lost while undurable and only the event is kept.
    """
    rows, made = list(inputs), list(events)
    first, last = min([rows[0].site_seq, *(row.site_seq for row in made[:1])]), rows[-1].site_seq
    input_root = root([row.data for row in rows])
    event_root = root([row.data for row in made])
    digest = link_hash(previous, first, last, input_root, event_root, count=len(rows))
    return Link(first, last, len(rows), input_root, event_root, digest)


def kept_root(inputs: Iterable[InputRow], events: Iterable[EventRow]) -> bytes:
    """The root over what stays of a folded interval: inputs, then events."""
    return kept_hash(root(row.data for row in inputs), root(row.data for row in events))


def checksum(data: bytes) -> int:
    """CRC-32 beside each stored record: it names the record that a broken link only surrounds."""
    return crc32(data)
