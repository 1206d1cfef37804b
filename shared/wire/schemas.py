"""JSON Schemas of the records, from the very types that read them.

Promises: plain JSON (no tuples, no enumerations), equal on every machine.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from shared.domain.events import Event
from shared.wire.live import Live

_EVENT = msgspec.defstruct("Event", [(name, Event.__annotations__[name]) for name in Event._fields])


def json_schemas(types: Iterable[Any], at: str) -> dict[str, Any]:
    """Schema by name, of these types, of what they hold and of an event; ``at`` is where {name} is found."""
    _, found = msgspec.json.schema_components([*types, _EVENT], ref_template=at)
    # The bytes of an event are taken as they are; what is in them is an event all the same.
    found[Live.__name__]["properties"]["events"]["items"] = {"$ref": at.format(name="Event")}
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return plain
