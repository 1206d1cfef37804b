"""Opaque cursors: a place in the event log as text that a client keeps and gives back.

The text is URL-safe base64 of a version byte, the log_id, site_seq, ordinal and four bytes of a SHA-256 over them. The
check is against slips (a cut or edited cursor), not against forgery: who may read events may read them all.
"""

import base64
import binascii
import struct
from hashlib import sha256

from shared.domain.ids import LogId
from shared.log.port import Cursor

_VERSION = 1
_NUMBERS = struct.Struct(">QI")
_CHECK = 4
_LOG_ID_MAX = 64
LENGTH_MAX = 4 * ((1 + _LOG_ID_MAX + _NUMBERS.size + _CHECK + 2) // 3)

ALLOWED = "a cursor as it was given in `id:` of an event"


def encode_cursor(cursor: Cursor) -> str:
    """Text of a cursor; ``log_id`` is at most 64 ASCII characters."""
    name = cursor.log_id.encode("ascii")
    assert len(name) <= _LOG_ID_MAX, "a log_id is at most 64 characters"
    body = bytes([_VERSION]) + _NUMBERS.pack(cursor.site_seq, cursor.ordinal) + name
    return base64.urlsafe_b64encode(body + _check(body)).decode().rstrip("=")


def decode_cursor(text: str) -> Cursor | None:
    """The cursor, or None when the text was never given out."""
    if not 0 < len(text) <= LENGTH_MAX or not text.isascii():
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    body, check = data[:-_CHECK], data[-_CHECK:]
    if len(body) < 1 + _NUMBERS.size or body[0] != _VERSION or check != _check(body):
        return None
    site_seq, ordinal = _NUMBERS.unpack_from(body, 1)
    try:
        log_id = body[1 + _NUMBERS.size :].decode("ascii")
    except UnicodeDecodeError:
        return None
    return Cursor(LogId(log_id), site_seq, ordinal)


def _check(body: bytes) -> bytes:
    return sha256(b"ampward cursor" + body).digest()[:_CHECK]
