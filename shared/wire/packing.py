"""Small binary forms that the log keeps: the inside of a packed segment, room states by name, the head's mark.

Promises: what was encoded decodes to the same. Refuses (WireError): anything else.
"""

from typing import NamedTuple

import msgspec

from shared.domain.errors import WireError


class Packed(NamedTuple):
    """The inside of a segment; columns, because like compresses well beside like."""

    links: list[int]
    seqs: list[int]
    kinds: list[str]
    sums: list[int]
    inputs: list[bytes]
    event_seqs: list[int]
    ordinals: list[int]
    event_sums: list[int]
    events: list[bytes]


class Mark(NamedTuple):
    """Where a log stood: the last number, whose it was, and the chain's hash in hex."""

    log_id: str
    site_seq: int
    hash: str


_encoder = msgspec.msgpack.Encoder()
_packed = msgspec.msgpack.Decoder(Packed)
_states = msgspec.msgpack.Decoder(dict[str, bytes])
_mark = msgspec.json.Decoder(Mark)
FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def encode_packed(packed: Packed) -> bytes:
    return _encoder.encode(packed)


def decode_packed(data: bytes) -> Packed:
    """Raises WireError; the columns that belong together are equally long."""
    try:
        packed = _packed.decode(data)
    except FAULTS as fault:
        raise WireError(f"segment: {fault}") from fault
    inputs = {len(packed.seqs), len(packed.kinds), len(packed.sums), len(packed.inputs)}
    events = {len(packed.event_seqs), len(packed.ordinals), len(packed.event_sums), len(packed.events)}
    if len(inputs) > 1 or len(events) > 1:
        raise WireError("segment: columns of different length")
    return packed


def encode_states(states: dict[str, bytes]) -> bytes:
    return _encoder.encode(states)


def decode_states(data: bytes) -> dict[str, bytes]:
    """Raises WireError."""
    try:
        return _states.decode(data)
    except FAULTS as fault:
        raise WireError(f"states: {fault}") from fault


def encode_mark(mark: Mark) -> bytes:
    return msgspec.json.encode(mark)


def decode_mark(data: bytes) -> Mark:
    """Raises WireError."""
    try:
        return _mark.decode(data)
    except FAULTS as fault:
        raise WireError(f"mark: {fault}") from fault
