"""Events <-> bytes, and an event as the CloudEvent that other programs see.

Promises: the bytes of an event are one JSON object with the fields of shared.domain.events.Event in their order,
integers and strings only; every runner makes the same bytes of the same event. ``cloud_event`` is the shape of
INTERFACES.md and carries nothing that the event does not.
Refuses (WireError): missing fields, other types, numbers that no 64 bits hold, bytes that are not JSON.
"""

from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

from shared.domain.errors import WireError
from shared.domain.events import Event
from shared.wire.instants import stamp as stamp

_FIELDS = Event._fields
_Number = Annotated[int, msgspec.Meta(gt=-(1 << 62), lt=1 << 62)]
"""What databases and other encoders can hold."""
_TYPES: Final = {name: _Number if kind is int else kind for name, kind in Event.__annotations__.items()}
_Wire = msgspec.defstruct("Event", [(name, _TYPES[name]) for name in _FIELDS], gc=False)
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(_Wire)
_SEQUENCE_DIGITS = 12
"""CloudEvents compares ``sequence`` as text: 12 digits last 30,000 years at an event a second."""
_DATA = ("occurrence", "rule", "severity", "state", "value", "unit", "limit", "quality", "reason", "actor")


def encode_event(event: Event) -> bytes:
    """Canonical bytes of one event."""
    return _encode(_Wire(*event))


def decode_event(data: bytes) -> Event:
    """The event that these bytes are; raises WireError with what is wrong."""
    try:
        return Event(*msgspec.structs.astuple(_decoder.decode(data)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise WireError(f"event: {fault}") from fault


def own_events(site: str, lines: Iterable[bytes]) -> tuple[Event, ...]:
    """The events of one record, which speak of its own site alone; raises WireError.

    A site may sign what it likes, and where the centre cannot compare, its own events pass on: whoever shows, keeps or
    sends them reads them by this.
    """
    found = tuple(map(decode_event, lines))
    foreign = next((event.site for event in found if event.site != site), None)
    if foreign is not None:
        raise WireError(f"an event of {foreign} stands among those of {site}")
    return found


def cloud_event(event: Event) -> dict[str, object]:
    """The event as CloudEvents 1.0 JSON; data fields that do not apply are left out."""
    data: dict[str, object] = {}
    if event.type.startswith("ampward.alarm."):
        data["alarm"] = event.subject
    data.update({name: value for name in _DATA if (value := getattr(event, name)) != ""})
    if event.until_ms:
        data["for_ms"] = event.until_ms - event.tick_ms
    cloud: dict[str, object] = {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/{event.site}",
        "type": str(event.type),
        "subject": event.subject,
        "time": stamp(event.at_ms),
        "datacontenttype": "application/json",
        "sequence": f"{event.room_no:0{_SEQUENCE_DIGITS}d}",
        "causationid": f"{event.site}/{event.log_id}/{event.site_seq}",
        "rulesetversion": event.version,
        "room": event.room,
        "data": data,
    }
    return cloud
