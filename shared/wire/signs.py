"""A sign of life of one of the centre's services <-> bytes: one JSON object. Record of ampward.services.v1.

    {"v":1,"service":"notifier","replica":"host-12-9f3a","sent_at_ms":...,"ended":false,"expires":[...]}

Each replica sends one every few seconds from the loop in which it works, and a last one with ``ended`` at a clean stop.
``expires`` lists what it holds that ends one day: certificates and tokens, by name, never themselves.
Promises: what was encoded decodes to the same. Refuses (WireError): anything else.
Limits: EXPIRES_MAX things that end.
"""

from typing import Annotated, Final

import msgspec

from shared.wire.inputs import Count
from shared.wire.versions import Form

EXPIRES_MAX: Final = 200
VERSION: Final = 1

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{1,40}$")]


class Expiry(msgspec.Struct, frozen=True):
    """Something that ends: ``kind`` is certificate or token."""

    kind: Annotated[str, msgspec.Meta(pattern="^(certificate|token)$")]
    name: Name
    ends_at_ms: Count


class Sign(msgspec.Struct, kw_only=True, frozen=True):
    """The JSON object."""

    v: int = VERSION
    service: Name
    replica: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    sent_at_ms: Count
    ended: bool = False
    expires: Annotated[tuple[Expiry, ...], msgspec.Meta(max_length=EXPIRES_MAX)] = ()


FORM: Final = Form("sign of life", Sign)


def encode_sign(sign: Sign) -> bytes:
    """The record's bytes; raises WireError for what ``decode_sign`` would refuse."""
    data = msgspec.json.encode(sign)
    decode_sign(data)
    return data


def decode_sign(data: bytes) -> Sign:
    """The sign; raises WireError."""
    return FORM.read(data)
