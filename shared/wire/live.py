"""What operators see at once <-> bytes: a line of JSON, a newline and the site's signature. Record of ampward.live.v1.

The newest values, alarms and outputs, the site's own events and its answers to commands, sent beside the blocks and
never decided on: while a backlog drains, they are what the centre knows of now. Events are known again by their ids
when they come a second time by the blocks. The topic takes records of many sites, so the right to write to it says
nothing of who a record is from: that is said by the 64 bytes of Ed25519 over SIGNED and the line.

Promises: what was encoded decodes to the same, each event byte for byte. Refuses (WireError): anything else;
(BadSignature): a record that none of the keys given has signed.
Limits: a record is at most LIVE_BYTES_MAX; who writes cuts. A record of before may be sent again by anybody who has
read it: who takes records compares their stamps with what it knows.
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from shared.domain.errors import BadSignature, WireError
from shared.wire.inputs import TEXT_MAX, Count, Whole
from shared.wire.signing import SIGNATURE_BYTES, PublicKey, SigningKey
from shared.wire.versions import Form

LIVE_BYTES_MAX: Final = 1 << 20
SIGNED: Final = b"ampward.live.v1\n"
"""Stands before the line in what is signed, so that no block and no other record is ever taken for a live one."""
VERSION: Final = 1

Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]


class LivePoint(msgspec.Struct, frozen=True):
    """A point's newest value, as GET /api/v1/points shows it; ``value`` is "" when there is none, for ``no_data``."""

    id: Text
    value: Text
    unit: Text
    quality: Text
    no_data: Text
    at_ms: Whole


class LiveAlarm(msgspec.Struct, frozen=True):
    """An alarm that is not plainly normal, as GET /api/v1/alarms shows it; 0 is an instant that never was."""

    id: Text
    rule: Text
    point: Text
    severity: Text
    state: Text
    condition: Text
    override: Text
    occurrence: Text
    since_at_ms: Whole
    value: Text
    unit: Text
    guidance: Text
    until_at_ms: Whole


class LiveOutput(msgspec.Struct, frozen=True):
    """An output, as GET /api/v1/outputs shows it."""

    id: Text
    kind: Text
    demand: Text
    by: tuple[Text, ...]
    read_back: Text
    proof: Text
    armed: bool
    supervision: Text


class LiveRefusal(msgspec.Struct, frozen=True):
    """Why one room refused a command."""

    room: Text
    reason: Text
    text: Text


class LiveAnswer(msgspec.Struct, frozen=True):
    """What the site's log decided on a command of the centre, by the command's id."""

    id: Text
    accepted: bool
    reason: Text = ""
    text: Text = ""
    occurrence: Text = ""
    """The present one, and its severity, when the command was refused."""
    severity: Text = ""
    refusals: tuple[LiveRefusal, ...] = ()


class Live(msgspec.Struct, kw_only=True, frozen=True):
    """One record; one with nothing in it says that the site is there."""

    v: int = VERSION
    site: Text
    log_id: Text
    site_seq: Count
    """How far the site's log was."""
    sent_at_ms: Whole
    number: Count = 0
    """Rises with each record of an uplink's life: (site_seq, sent_at_ms, number) of a log never come again."""
    key: Text = ""
    """The id of the key that signed it; ``encode_live`` puts it in."""
    undurable: bool = False
    """The events are not in the site's log yet: its disk takes nothing."""
    from_seq: Count = 0
    """No event of the inputs from this one to ``site_seq`` is left out here; 0 says nothing of that."""
    events: tuple[msgspec.Raw, ...] = ()
    points: tuple[LivePoint, ...] = ()
    answers: tuple[LiveAnswer, ...] = ()
    alarms: tuple[LiveAlarm, ...] = ()
    alarms_gone: tuple[Text, ...] = ()
    """Ids of those that are plainly normal again."""
    outputs: tuple[LiveOutput, ...] = ()
    anew: bool = False
    """All points, alarms and outputs of the site follow from this record on: what was known before is over."""
    acked_seq: Count = 0
    """How far of the site's log Kafka has by the blocks."""
    backlog_ms: Count = 0
    """How old, by the log's time, the oldest input is that it has not."""

    def event_bytes(self) -> tuple[bytes, ...]:
        return tuple(map(bytes, self.events))


FORM: Final = Form("live record", Live)
_encode = msgspec.json.Encoder().encode


def raw_events(events: tuple[bytes, ...]) -> tuple[msgspec.Raw, ...]:
    """Events, as ``Live.events`` takes them."""
    return tuple(map(msgspec.Raw, events))


def encode_live(live: Live, key: SigningKey) -> bytes:
    """The record's bytes, signed; raises WireError when they are too many."""
    line = _encode(msgspec.structs.replace(live, key=key.id))
    if b"\n" in line:
        raise WireError("live record: an event has more than one line")
    data = line + b"\n" + key.sign(SIGNED + line)
    if len(data) > LIVE_BYTES_MAX:
        raise WireError(f"live record: {len(data)} bytes, at most {LIVE_BYTES_MAX} are sent")
    return data


def decode_live(data: bytes, keys: Mapping[str, PublicKey]) -> Live:
    """The record, signed by one of ``keys`` (by their ids); raises WireError, BadSignature."""
    if len(data) > LIVE_BYTES_MAX:
        raise WireError(f"live record: {len(data)} bytes, at most {LIVE_BYTES_MAX} are read")
    line, newline, signature = data.partition(b"\n")
    if not newline or len(signature) != SIGNATURE_BYTES:
        raise WireError("live record: no line and signature")
    live = FORM.read(line)
    key = keys.get(live.key)
    if key is None:
        raise BadSignature(f"live record: no key {live.key[:20]!r} is registered for it")
    key.check(SIGNED + line, signature)
    return live
