"""A room's whole state <-> bytes: the JSON of core.state_to_data, in its own order.

Promises: the same data gives the same bytes on every machine (integers, strings, lists and objects only).
"""

from typing import Any

import orjson

from shared.domain.errors import WireError


def encode_state(data: dict[str, Any]) -> bytes:
    return orjson.dumps(data)


def decode_state(data: bytes | str) -> dict[str, Any]:
    """Raises WireError."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as fault:
        raise WireError(f"state: {fault}") from fault
    if not isinstance(found, dict):
        raise WireError("state: not an object")
    return found
