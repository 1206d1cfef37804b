"""Calls to a process that folds, and its answers <-> bytes: msgpack behind a length (u32, big-endian).

Both ends are one program of one version on one machine: there is no form to be upcast. Promises: what was encoded
decodes to the same. Refuses (WireError): anything else. Limits: CALL_BYTES_MAX, some blocks at once.
"""

from struct import Struct
from typing import Final

import msgspec

from shared.domain.errors import WireError
from shared.wire.packing import FAULTS

CALL_BYTES_MAX: Final = 1 << 30
LENGTH: Final = Struct(">I")


class Learn(msgspec.Struct, tag=True, array_like=True):
    needs: str
    site: str
    value: bytes


class Restore(msgspec.Struct, tag=True, array_like=True):
    site: str
    data: bytes


class Drop(msgspec.Struct, tag=True, array_like=True):
    site: str


class Take(msgspec.Struct, tag=True, array_like=True):
    given: list[tuple[str, int, bytes]]
    """(site, offset, block) of each record."""


class States(msgspec.Struct, tag=True, array_like=True):
    wanted: list[tuple[str, int, str]]
    generation: int


Call = Learn | Restore | Drop | Take | States

_encode = msgspec.msgpack.Encoder().encode
_call: msgspec.msgpack.Decoder[Call] = msgspec.msgpack.Decoder(Call)


def encode_call(call: Call) -> bytes:
    """With its length in front."""
    return _framed(_encode(call))


def decode_call(data: bytes) -> Call:
    """The call, without its length; raises WireError."""
    try:
        return _call.decode(data)
    except FAULTS as fault:
        raise WireError(f"call: {fault}") from fault


def encode_answer(answer: object) -> bytes:
    """With its length in front."""
    return _framed(_encode(answer))


def answer_decoder(kind: object) -> "msgspec.msgpack.Decoder[object]":
    """Decodes answers of this type."""
    return msgspec.msgpack.Decoder(kind)


def _framed(data: bytes) -> bytes:
    if len(data) > CALL_BYTES_MAX:
        raise WireError(f"call: {len(data)} bytes, at most {CALL_BYTES_MAX} are sent")
    return LENGTH.pack(len(data)) + data
