"""Who pushed a file to a site: the signature in shared.wire.orders.FileOrder.

Whoever may write the orders' topic may send commands, which the site's log decides; a file changes what it decides by,
so the site takes one only when the key of the centre's supervision has signed it, which the site's identity names.
Promises: every field of the order is signed, the body by its SHA-256. Refuses (BadSignature).
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from shared.domain.errors import BadSignature
from shared.wire.orders import FileOrder
from shared.wire.signing import PublicKey, SigningKey

SIGNED: Final = b"ampward.file.v1\n"
"""Stands before what is signed, so that nothing else is ever taken for it."""


def file_hash(body: str) -> str:
    """What names a file's content.

    >>> file_hash("")[:8]
    'e3b0c442'
    """
    return sha256(body.encode()).hexdigest()


def sign_file(order: FileOrder, key: SigningKey) -> FileOrder:
    """The same order, signed."""
    named = msgspec.structs.replace(order, key=key.id)
    return msgspec.structs.replace(named, signature=key.sign(_bytes(named)).hex())


def check_file(order: FileOrder, keys: Mapping[str, PublicKey]) -> None:
    """Raises BadSignature unless one of the keys (by their ids) has signed exactly this order."""
    key = keys.get(order.key)
    if key is None:
        raise BadSignature(f"the file {order.name} is signed by {order.key[:20]!r}, which is not the centre's key")
    key.check(_bytes(order), bytes.fromhex(order.signature))


def _bytes(order: FileOrder) -> bytes:
    parts = (
        order.id, order.site, order.sent_at_ms, order.ttl_ms, order.name, order.number, order.actor, order.key,
        file_hash(order.body),
    )  # fmt: skip
    return SIGNED + msgspec.json.encode(parts)
