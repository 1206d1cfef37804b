"""A site's registration at the centre <-> bytes: one JSON object. Record of ampward.sites.v1, key = site.

    {"v":1,"site":"demo","partition":3,"keys":["64 hexadecimal digits", ...],"ended":false,"certificate_ends_at_ms":0,
     "former":[["64 hexadecimal digits", 1760000000000], ...]}

The partition is that of every topic's records of this site, and never changes. Keys are public halves, the newest last.
A former one signs nothing that the broker takes at its instant or later; what it has signed before is still checked.
An ended registration has former keys alone.
Promises: what was encoded decodes to the same. Refuses (WireError): anything else.
"""

from typing import Annotated, Final, NamedTuple

import msgspec

from shared.domain.errors import WireError
from shared.wire.inputs import Count
from shared.wire.versions import Form

KEYS_MAX: Final = 64
PARTITION_MAX: Final = 999
Key = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Registration(NamedTuple):
    site: str
    partition: int
    keys: tuple[str, ...]
    ended: bool = False
    certificate_ends_at_ms: int = 0
    """Of the newest certificate that was made for it; 0 for none."""
    former: tuple[tuple[str, int], ...] = ()
    """Keys that were ended, and when (milliseconds since 1970)."""


class RegistrationRecord(msgspec.Struct):
    """The JSON object, as the contract shows it."""

    v: int
    site: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{1,40}$")]
    partition: Annotated[int, msgspec.Meta(ge=0, le=PARTITION_MAX)]
    keys: Annotated[list[Key], msgspec.Meta(max_length=KEYS_MAX)]
    ended: bool = False
    certificate_ends_at_ms: Count = 0
    former: Annotated[list[tuple[Key, Count]], msgspec.Meta(max_length=KEYS_MAX)] = []


FORM: Final = Form("registration", RegistrationRecord)


def encode_registration(registration: Registration) -> bytes:
    """The record's bytes; raises WireError for what ``decode_registration`` would refuse."""
    site, partition, keys, ended, ends_at_ms, former = registration
    made = RegistrationRecord(FORM.version, site, partition, list(keys), ended, ends_at_ms, list(former))
    data = msgspec.json.encode(made)
    decode_registration(data)
    return data


def decode_registration(data: bytes) -> Registration:
    """The registration; raises WireError."""
    found = FORM.read(data)
    if not found.keys and not found.ended:
        raise WireError(f"registration: {found.site} has no key")
    keys, former = tuple(found.keys), tuple(found.former)
    return Registration(found.site, found.partition, keys, found.ended, found.certificate_ends_at_ms, former)
