"""The events of one block <-> bytes: a line of JSON, then the events. Record of ampward.events.v1.

    {"v":1,"site":...,"first_seq":...,"last_seq":...,"verdict":"equal",...,"events":12,"size":9174,"packed":true}\\n
    the events in their order, each behind its length (u32, big-endian), packed or not (shared.wire.sections)

The events stand in it as the very bytes that were derived, so that who reads them has equal bytes too. Those of a whole
block are the section that stands in the block, handed on as it came.

Promises: what was encoded decodes to the same, each event byte for byte. A batch whose events are not the centre's own
(``verdict`` is not equal) is looked through before it is written: bytes of a site that are no event spoil no batch.
Refuses (WireError): anything else. Limits: BATCH_BYTES_MAX, above every block, also unpacked.
"""

from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import msgspec

from shared.domain.errors import WireError
from shared.wire.blocks import MAX_BLOCK_BYTES
from shared.wire.events import decode_event
from shared.wire.inputs import Count
from shared.wire.sections import Section, section_of
from shared.wire.versions import Form

BATCH_BYTES_MAX: Final = MAX_BLOCK_BYTES + (32 << 10)
"""A batch is its block's events and a line; its topic (shared.bus.registry) takes a little more."""


class Verdict(StrEnum):
    """How the events that the centre derived compare with those of the site."""

    EQUAL = "equal"
    DIFFERENT = "different"
    """An alarm in _fleet; the batch holds the site's."""
    NOT_COMPARABLE = "not_comparable"
    """Another core version, or a state that the centre does not know: the site's own events pass on."""


class EventsBatch(NamedTuple):
    """Events of the inputs ``first_seq`` to ``last_seq`` of a site, in their order."""

    site: str
    log_id: str
    epoch: int
    first_seq: int
    last_seq: int
    verdict: Verdict
    core_version: int
    """By which the events were derived."""
    offset: int
    """Of the block in its partition of ampward.inputs.v1: a batch of a repeated block has a higher one."""
    head_hash: str
    """Where the site's chain stands after the block, 64 hexadecimal digits."""
    events: tuple[bytes, ...]


class BatchHeader(msgspec.Struct):
    """The line of JSON, as the contract shows it."""

    v: int
    site: str
    log_id: str
    epoch: Count
    first_seq: Count
    last_seq: Count
    verdict: str
    core_version: Count
    offset: Count
    head_hash: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    events: Count
    """How many."""
    size: Count
    """Their bytes with their lengths, not compressed."""
    packed: bool = False
    """They are compressed (Zstandard)."""


FORM: Final = Form("batch of events", BatchHeader)
HEADER_BYTES_MAX: Final = 64 << 10
_encode = msgspec.json.Encoder().encode


def encode_batch(batch: EventsBatch, carried: Section | None = None) -> bytes:
    """The record's bytes; raises WireError for events of a site that are none.

    ``carried`` holds the very events of the batch, as they came; ``batch.events`` is looked at only when they are not
    the centre's own.
    """
    if batch.verdict is not Verdict.EQUAL:
        for event in batch.events:
            decode_event(event)
    section = section_of(batch.events) if carried is None else carried
    line = _encode(BatchHeader(FORM.version, *batch[:-1], section.number, section.size, section.packed))
    data = b"".join((line, b"\n", section.data))
    if len(data) > BATCH_BYTES_MAX:
        raise WireError(f"batch of events: {len(data)} bytes, at most {BATCH_BYTES_MAX} are sent")
    return data


def decode_batch(data: bytes) -> EventsBatch:
    """The batch; raises WireError. Its events are decoded where they are wanted."""
    if len(data) > BATCH_BYTES_MAX:
        raise WireError(f"batch of events: {len(data)} bytes, at most {BATCH_BYTES_MAX} are read")
    end = data.find(b"\n", 0, HEADER_BYTES_MAX)
    if end < 0:
        raise WireError("batch of events: no header line")
    found = FORM.read(data[:end])
    try:
        verdict = Verdict(found.verdict)
        events = Section(found.events, found.size, found.packed, data[end + 1 :]).records()
    except (WireError, ValueError) as fault:
        raise WireError(f"batch of events: {fault}") from fault
    return EventsBatch(
        found.site,
        found.log_id,
        found.epoch,
        found.first_seq,
        found.last_seq,
        verdict,
        found.core_version,
        found.offset,
        found.head_hash,
        tuple(events),
    )
