"""The state of one site at the centre <-> bytes: the record of ampward.state.v1, one a site.

A record is whole: all rooms of a site at one place of its chain, so that a worker which finds it can go on from it.
One record a room would leave, after a kill between two of them, a cut that nobody can fold (docs/adr/0070).

    {"v":1,"site":...,"sha256":...,"size":...}\\n  then zlib of the msgpack of everything, an array

Promises: what was encoded decodes to the same; what a program of the next form added, at the end of the array or in
the header, is skipped. Refuses (WireError): other forms, bytes whose SHA-256 is not the
header's, anything that unpacks to more than ``UNPACKED_MAX``. Limits: 330 modules are 0.3 MiB of state a room, so
64 MiB are a site of some two hundred such rooms.
"""

import zlib
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from shared.domain.errors import WireError
from shared.wire.versions import FAULTS, Form

UNPACKED_MAX = 64 << 20
LEVEL = 1
"""zlib's quickest: states are digits and zeros, a tenth of their size at a few ms a MiB."""


class SiteState(NamedTuple):
    """Where the centre stands with a site. The highest (offset, site_seq) wins, not the last that was written."""

    site: str
    generation: int
    """The owner's: of the assignment under which it was written."""
    epoch: int
    """The highest uplink epoch that was seen; lower ones are ignored."""
    log_id: str
    site_seq: int
    hash: bytes
    """The head of the site's chain: the next block follows it."""
    offset: int
    """The next offset of ampward.inputs.v1 to be read for this site."""
    core_version: int
    """Of the program that made the states."""
    blind: str
    """Why the states are not known, "" when they are."""
    parked: str
    """What the site waits for at ``offset``, "" when nothing: a rule set's version, or a key."""
    lost: tuple[str, ...]
    """Rooms whose state is not known until their Resync."""
    starts: tuple[tuple[int, str], ...]
    """(first number, log_id) of the newest starts."""
    states: dict[str, bytes]
    """Rooms by name, and the decision version under "", as a snapshot has them; empty when blind."""
    at_ms: int = 0
    """The site's stamp of the newest input in it: while a backlog drains, an old one. 0 for not known."""


class StatePlace(NamedTuple):
    """What decides between two records of a site."""

    offset: int
    site_seq: int


class StateHeader(msgspec.Struct):
    """The header line, as the contract shows it."""

    v: int
    site: str
    offset: int
    site_seq: int
    parked: str
    sha256: str
    size: int


_encoder = msgspec.msgpack.Encoder()
_defaults = SiteState._field_defaults
_fields = [
    (name, SiteState.__annotations__[name], *([_defaults[name]] if name in _defaults else []))
    for name in SiteState._fields
]
_decoder = msgspec.msgpack.Decoder(msgspec.defstruct("SiteState", _fields, array_like=True))
FORM: Final = Form("site state", StateHeader)


def encode_site_state(state: SiteState) -> bytes:
    """The record's bytes; raises WireError for a state that nobody could read again."""
    data = _encoder.encode(state)
    if len(data) > UNPACKED_MAX:
        raise WireError(f"the state of {state.site} has {len(data)} bytes, at most {UNPACKED_MAX} are read")
    digest = sha256(data).hexdigest()
    header = StateHeader(FORM.version, state.site, state.offset, state.site_seq, state.parked, digest, len(data))
    return msgspec.json.encode(header) + b"\n" + zlib.compress(data, LEVEL)


class StateHead(NamedTuple):
    """A record's header."""

    site: str
    place: StatePlace
    parked: str


def peek_site_state(data: bytes) -> StateHead:
    """Whose state it is and where it stands, without unpacking it; raises WireError."""
    header = FORM.read(data[: max(data.find(b"\n"), 0)])
    return StateHead(header.site, StatePlace(header.offset, header.site_seq), header.parked)


def decode_site_state(data: bytes) -> SiteState:
    """The state that these bytes are; raises WireError with what is wrong."""
    end = data.find(b"\n")
    header = FORM.read(data[: max(end, 0)])
    try:
        unpacker = zlib.decompressobj()
        body = unpacker.decompress(data[end + 1 :], UNPACKED_MAX)
        if not unpacker.eof or sha256(body).hexdigest() != header.sha256:
            raise WireError(f"site state of {header.site}: its bytes are not what was written")
        state = SiteState(*msgspec.structs.astuple(_decoder.decode(body)))
    except (*FAULTS, zlib.error) as fault:
        raise WireError(f"site state: {fault}") from fault
    if (state.site, state.offset, state.site_seq) != (header.site, header.offset, header.site_seq):
        raise WireError(f"site state: stored as {header.site}, but it is of {state.site}, or of another place")
    return state
