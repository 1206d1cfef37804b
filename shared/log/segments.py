"""The rows in which the log stands: each holds some consecutive links with their inputs and events.

A group is written as one row, as it is (young). Housekeeping joins old rows and compresses them (packed): a Tick takes
400 bytes alone and 19 in a packed row, so a year of Ticks and of small frames only fits because of this. A folded row
holds what was kept of an interval. Canonical bytes never change. The links' hashes inside are left out: they follow
from the records, and each row keeps the hash that its last link ends with. One insert a group instead of one a record
is also what makes 2,500 frames and 30,000 events a second possible.

Refuses (LogDamaged): bytes that do not unpack, with the first record of the row.
Limits: a packed row is made of about 512 KiB of records (20 ms of work), and never reaches over a snapshot.
"""

import zlib
from collections.abc import Sequence
from enum import IntEnum
from itertools import chain
from typing import NamedTuple

from shared.domain.errors import LogDamaged, WireError
from shared.log.chain import checksum
from shared.log.port import EventRow, InputRow
from shared.wire.events import decode_event
from shared.wire.packing import Packed, decode_packed, encode_packed

SEGMENT_BYTES = 512 << 10
SEGMENT_BYTES_MAX = 64 << 20
"""Refused beyond: a group of the largest records still fits."""
_LEVEL = 6


class Form(IntEnum):
    """How a row's bytes are to be read."""

    YOUNG = 0
    PACKED = 1
    FOLDED = 2


class Unpacked(NamedTuple):
    links: tuple[int, ...]
    inputs: tuple[InputRow, ...]
    events: tuple[tuple[int, int, bytes], ...]
    """(site_seq, ordinal, data): ``event_row`` makes rows of them where they are wanted."""
    bad: int
    """The first site_seq whose checksum does not fit its bytes, or 0."""


def encode(links: list[int], inputs: Sequence[InputRow], events: Sequence[EventRow]) -> bytes:
    """The inside of a young row."""
    taken, made = [row.data for row in inputs], [row.data for row in events]
    return encode_packed(
        Packed(
            links,
            [row.site_seq for row in inputs],
            [row.kind for row in inputs],
            list(map(checksum, taken)),
            taken,
            [row.site_seq for row in events],
            [row.ordinal for row in events],
            list(map(checksum, made)),
            made,
        )
    )


def join(parts: Sequence[bytes]) -> bytes:
    """The inside of a packed row, from those of consecutive young ones; checksums are taken over as they are."""
    opened = [decode_packed(part) for part in parts]
    columns = (list(chain.from_iterable(column)) for column in zip(*opened, strict=True))
    return compress(encode_packed(Packed(*columns)))


def compress(inside: bytes) -> bytes:
    return zlib.compress(inside, _LEVEL)


def unpack(first_seq: int, form: int, data: object) -> Unpacked:
    """What a row holds; raises LogDamaged with its first record. A damaged file may give anything for the bytes."""
    if not isinstance(data, bytes):
        raise LogDamaged(first_seq, "the row that begins here holds no bytes")
    try:
        packed = decode_packed(data if form == Form.YOUNG else _inflate(first_seq, data))
        inputs = tuple(map(InputRow._make, zip(packed.seqs, packed.kinds, packed.inputs, strict=True)))
        events = tuple(zip(packed.event_seqs, packed.ordinals, packed.events, strict=True))
    except (zlib.error, WireError) as fault:
        raise LogDamaged(first_seq, f"the row that begins here does not unpack: {fault}") from fault
    return Unpacked(tuple(packed.links), inputs, events, _first_bad(packed))


def behind(inside: Unpacked, seq: int) -> Unpacked:
    """What of a row comes after ``seq``, where one of its links ends."""
    return Unpacked(
        tuple(last for last in inside.links if last > seq),
        tuple(row for row in inside.inputs if row.site_seq > seq),
        tuple(event for event in inside.events if event[0] > seq),
        inside.bad,
    )


def _inflate(first_seq: int, data: bytes) -> bytes:
    stream = zlib.decompressobj()
    raw = stream.decompress(data, SEGMENT_BYTES_MAX)
    if not stream.eof:
        raise LogDamaged(first_seq, "the row that begins here is cut short or too large")
    return raw


def event_row(site_seq: int, ordinal: int, data: bytes) -> EventRow:
    """A row whose room, number and type are read from the event's own bytes; raises LogDamaged."""
    try:
        event = decode_event(data)
    except WireError as fault:
        raise LogDamaged(site_seq, str(fault)) from fault
    if event.site_seq != site_seq:
        raise LogDamaged(event.site_seq, f"an event of this record is stored as of {site_seq}")
    return EventRow(site_seq, ordinal, event.room, event.room_no, event.type, data)


def _first_bad(packed: Packed) -> int:
    bad = [
        seq
        for seqs, sums, records in (
            (packed.seqs, packed.sums, packed.inputs),
            (packed.event_seqs, packed.event_sums, packed.events),
        )
        for seq, stored, record in zip(seqs, sums, records, strict=True)
        if checksum(record) != stored
    ]
    return min(bad, default=0)
