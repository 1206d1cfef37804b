"""Packs old records of the log: a segment holds some consecutive links with their inputs and events, compressed.

A Tick is 150 bytes as a row with its link and 12 in a segment; a year of Ticks and of small frames only fits because of
this. Canonical bytes do not change by packing. The links' hashes are left out: they follow from the records, and the
segment keeps the hash that the last one ends with.

Refuses (LogDamaged): bytes that do not unpack; what could still be read names the first record after it.
Limits: a segment is made of about 512 KiB of records (20 ms of work), and never reaches over a snapshot.
"""

import zlib
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


class Unpacked(NamedTuple):
    links: tuple[int, ...]
    inputs: tuple[InputRow, ...]
    events: tuple[tuple[int, int, bytes], ...]
    """(site_seq, ordinal, data): ``event_row`` makes rows of them where they are wanted."""
    bad: int
    """The first site_seq whose checksum does not fit its bytes, or 0."""


def pack(
    links: list[int],
    inputs: list[tuple[int, str, int, bytes]],
    events: list[tuple[int, int, int, bytes]],
) -> bytes:
    """Segment bytes of (site_seq, kind, sum, data) and (site_seq, ordinal, sum, data) rows."""
    packed = Packed(
        links,
        [row[0] for row in inputs],
        [row[1] for row in inputs],
        [row[2] for row in inputs],
        [row[3] for row in inputs],
        [row[0] for row in events],
        [row[1] for row in events],
        [row[2] for row in events],
        [row[3] for row in events],
    )
    return zlib.compress(encode_packed(packed), _LEVEL)


def unpack(first_seq: int, data: bytes) -> Unpacked:
    """What a segment holds; raises LogDamaged with its first record."""
    try:
        stream = zlib.decompressobj()
        raw = stream.decompress(data, SEGMENT_BYTES_MAX)
        if not stream.eof:
            raise LogDamaged(first_seq, "the segment that begins here is cut short or too large")
        packed = decode_packed(raw)
        inputs = tuple(map(InputRow._make, zip(packed.seqs, packed.kinds, packed.inputs, strict=True)))
        events = tuple(zip(packed.event_seqs, packed.ordinals, packed.events, strict=True))
    except (zlib.error, WireError) as fault:
        raise LogDamaged(first_seq, f"the segment that begins here does not unpack: {fault}") from fault
    return Unpacked(tuple(packed.links), inputs, events, _first_bad(packed))


def event_row(site_seq: int, ordinal: int, data: bytes) -> EventRow:
    """A row whose room, number and type are read from the event's own bytes; raises LogDamaged."""
    try:
        event = decode_event(data)
    except WireError as fault:
        raise LogDamaged(site_seq, str(fault)) from fault
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
