"""The arithmetic of the chain: what a link's hash is made of. Who walks the chain is shared.log.chain.

A root is the SHA-256 of records in order, each behind its length (u32, big-endian). A link's hash is
sha256(previous hash, first and last site_seq (u64), root of the inputs, root of the events, count of the inputs (u64)).
A block carries its records in the very bytes that a root is made of, so that they are hashed where they lie.
"""

from collections.abc import Iterable
from hashlib import sha256
from struct import Struct

GENESIS = bytes(32)
"""What the first link of a site's first log follows."""
HASH_BYTES = 32

_LENGTH = Struct(">I")


class _Lengths(dict[int, bytes]):
    """Of nearly all records they are made before."""

    def __missing__(self, size: int) -> bytes:
        return _LENGTH.pack(size)


_LENGTHS = _Lengths((size, _LENGTH.pack(size)) for size in range(4096))
_LINK = Struct(">32sQQ32s32sQ")


def behind_lengths(records: Iterable[bytes]) -> bytes:
    """The records in order, each behind its length: what a root is the hash of."""
    listed = [*records]
    parts = [b""] * (2 * len(listed))
    parts[::2] = map(_LENGTHS.__getitem__, map(len, listed))
    parts[1::2] = listed
    return b"".join(parts)


def root(records: Iterable[bytes]) -> bytes:
    """SHA-256 over the records in order, each behind its length."""
    return sha256(behind_lengths(records)).digest()


def link_hash(
    previous: bytes, first_seq: int, last_seq: int, input_root: bytes, event_root: bytes, *, count: int
) -> bytes:
    """The hash of the link that follows ``previous``; ``count`` is that of its inputs."""
    return sha256(_LINK.pack(previous, first_seq, last_seq, input_root, event_root, count)).digest()


def kept_hash(input_root: bytes, event_root: bytes) -> bytes:
    """The hash over what stays of a folded interval: inputs, then events."""
    return sha256(input_root + event_root).digest()


def states_hash(states: dict[str, bytes]) -> bytes:
    """The hash of a snapshot: rooms in the order of their names, each name and state behind its length."""
    return root(states_parts(states))


def states_parts(states: dict[str, bytes]) -> list[bytes]:
    return [part for room in sorted(states) for part in (room.encode(), states[room])]
