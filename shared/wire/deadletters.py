"""A record that nobody could read <-> bytes: one line of JSON, a newline, the exact bytes. Record of deadletter.v1.

Promises: the bytes are those that stood in the topic; what was encoded decodes to the same.
Refuses (WireError): anything else, bytes whose SHA-256 is not the header's among it.
Limits: a letter holds what any topic of ours can (LETTER_BYTES_MAX), the header at most 64 KiB. Headers of the record
are not kept: what is in ours is in the value too, and others' may be secrets.
"""

from hashlib import sha256
from typing import Annotated, Final, NamedTuple

import msgspec

from shared.domain.errors import WireError
from shared.wire.batches import BATCH_BYTES_MAX
from shared.wire.inputs import TEXT_MAX, Count
from shared.wire.versions import Form

HEADER_BYTES_MAX: Final = 64 << 10
LETTER_BYTES_MAX: Final = BATCH_BYTES_MAX + (1 << 20)

Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]


class DeadLetter(NamedTuple):
    """Where the record stood, who could not read it and why."""

    topic: str
    partition: int
    offset: int
    key: str
    """As text; what is no UTF-8 in it is replaced."""
    reason: str
    reader: str
    at_ms: int
    data: bytes


class LetterHeader(msgspec.Struct):
    """The header line, as the contract shows it."""

    v: int
    topic: Text
    partition: Count
    offset: Count
    key: Text
    reason: Text
    reader: Text
    at_ms: int
    size: Count
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


FORM: Final = Form("dead letter", LetterHeader)
_encode = msgspec.json.Encoder().encode


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """The record's bytes; texts that are too long are cut. Raises WireError when the bytes are too many."""
    topic, partition, offset, key, reason, reader, at_ms, data = letter
    digest = sha256(data).hexdigest()
    texts = topic[:TEXT_MAX], partition, offset, key[:TEXT_MAX], reason[:TEXT_MAX], reader[:TEXT_MAX]
    record = _encode(LetterHeader(FORM.version, *texts, at_ms, len(data), digest)) + b"\n" + data
    if len(record) > LETTER_BYTES_MAX:
        raise WireError(f"dead letter: {len(record)} bytes, at most {LETTER_BYTES_MAX} are sent")
    return record


def decode_dead_letter(data: bytes) -> DeadLetter:
    """The letter; raises WireError."""
    end = data.find(b"\n", 0, HEADER_BYTES_MAX)
    if end < 0 or len(data) > LETTER_BYTES_MAX:
        raise WireError(f"dead letter: no header line, or more than {LETTER_BYTES_MAX} bytes")
    head = FORM.read(data[:end])
    body = data[end + 1 :]
    if len(body) != head.size or sha256(body).hexdigest() != head.sha256:
        raise WireError("dead letter: its bytes are not those that the header names")
    return DeadLetter(head.topic, head.partition, head.offset, head.key, head.reason, head.reader, head.at_ms, body)
