"""What became of a message that the centre sent to a person <-> bytes: one JSON object. Record of deliveries.v1.

Promises: what was encoded decodes to the same. Refuses (WireError): anything else. Limits: 64 KiB a record. No text of
a message and no address of a person is in it: channel and person are names of the site file.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from shared.domain.errors import WireError
from shared.wire.inputs import TEXT_MAX, Count
from shared.wire.versions import Form

DELIVERY_BYTES_MAX: Final = 64 << 10
VERSION: Final = 1

Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]


class Outcome(StrEnum):
    """What is known of one attempt."""

    SENT = "sent"
    FAILED = "failed"
    RECEIPTED = "receipted"


class Delivery(msgspec.Struct, kw_only=True, frozen=True):
    """One attempt at one message."""

    v: int = VERSION
    id: Text
    """The message's: equal in all its attempts."""
    site: Text
    thread: Text
    """Occurrence of the alarm, or id of a group."""
    channel: Text
    person: Text
    outcome: Outcome
    attempt: Count
    repeat: bool
    """It may have been sent before, and says so."""
    reason: Text
    at_ms: int
    sender: Text
    """Which service, or the site itself."""


FORM: Final = Form("delivery", Delivery)
_encode = msgspec.json.Encoder().encode


def encode_delivery(delivery: Delivery) -> bytes:
    """The record's bytes; raises WireError when they are too many."""
    data = _encode(delivery)
    decode_delivery(data)
    return data


def decode_delivery(data: bytes) -> Delivery:
    """The record; raises WireError."""
    if len(data) > DELIVERY_BYTES_MAX:
        raise WireError(f"delivery: {len(data)} bytes, at most {DELIVERY_BYTES_MAX} are read")
    return FORM.read(data)
