"""A site's registration at the centre <-> bytes: one JSON object. Record of ampward.sites.v1, key = site.

    {"v":1,"site":"demo","partition":3,"keys":["64 hexadecimal digits", ...],"ended":false,"certificate_ends_at_ms":0}

The partition is that of every topic's records of this site, and never changes. Keys are public halves, the newest last:
a renewed one stays as long as blocks that it signed are kept. An ended registration takes nothing more.
Promises: what was encoded decodes to the same. Refuses (WireError): anything else.
"""

from typing import Annotated, Final, NamedTuple

import msgspec

from shared.domain.errors import WireError
from shared.wire.inputs import Count
from shared.wire.versions import Form

KEYS_MAX: Final = 64
PARTITION_MAX: Final = 999


class Registration(NamedTuple):
    site: str
    partition: int
    keys: tuple[str, ...]
    ended: bool = False
    certificate_ends_at_ms: int = 0
    """Of the newest certificate that was made for it; 0 for none."""


class RegistrationRecord(msgspec.Struct):
    """The JSON object, as the contract shows it."""

    v: int
    site: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{1,40}$")]
    partition: Annotated[int, msgspec.Meta(ge=0, le=PARTITION_MAX)]
    keys: Annotated[list[Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]], msgspec.Meta(max_length=KEYS_MAX)]
    ended: bool = False
    certificate_ends_at_ms: Count = 0


FORM: Final = Form("registration", RegistrationRecord)


def encode_registration(registration: Registration) -> bytes:
    """The record's bytes; raises WireError for what ``decode_registration`` would refuse."""
    site, partition, keys, ended, ends_at_ms = registration
    data = msgspec.json.encode(RegistrationRecord(FORM.version, site, partition, list(keys), ended, ends_at_ms))
    decode_registration(data)
    return data


def decode_registration(data: bytes) -> Registration:
    """The registration; raises WireError."""
    found = FORM.read(data)
    if not found.keys and not found.ended:
        raise WireError(f"registration: {found.site} has no key")
    return Registration(found.site, found.partition, tuple(found.keys), found.ended, found.certificate_ends_at_ms)
