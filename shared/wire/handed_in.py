"""A frame as a device of a hosted site hands it in by MQTT <-> Frame: JSON, as a site publishes its own frames.

    {"site", "device", "boot", "seq", "outcome": "ok", "blocks": [{"table", "address", "words": base64, "size"}],
     "sampled_at", "age_ms", "synced", "detail"}

``boot`` and ``seq`` are the frame's id: seq rises by one within a boot of the device, so that a repeat and a hole are
known. ``outcome`` is ok or why there are no values (the names of no_data). ``size`` is needed for bits whose number is
no multiple of eight only. Words are two bytes a register, high byte first; bits are packed, lowest address in bit 0.
``age_ms`` is how long the device held the frame by its own monotonic clock; its wall clock decides nothing. How long
it may have waited at the broker is known to who receives it, and comes on top.
Promises: what is given is a frame that the log can hold. Refuses (WireError, in words that name the field): anything
else, another site's or device's name in it. Fields that are not known are passed over. Limits: PAYLOAD_BYTES_MAX.
"""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Final

import msgspec

from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.errors import WireError
from shared.domain.units import NoData
from shared.wire.inputs import frame_fault

PAYLOAD_BYTES_MAX: Final = 512 << 10
"""Above the largest frame: 256 KiB of words, a third more as base64."""
OK: Final = "ok"
_OUTCOMES: Final = {OK: NoData.PRESENT} | {each.label: each for each in NoData if each is not NoData.PRESENT}

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)]
Boot = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class HandedBlock(msgspec.Struct):
    """One stretch of a device's table."""

    table: Table
    address: Annotated[int, msgspec.Meta(ge=0, le=65_535)]
    words: str
    size: Annotated[int, msgspec.Meta(ge=0, le=65_536)] | None = None


class HandedFrame(msgspec.Struct):
    """The message, as the contract shows it."""

    device: str
    boot: Boot
    seq: Count
    blocks: Annotated[list[HandedBlock], msgspec.Meta(max_length=1024)]
    outcome: str = OK
    site: str = ""
    sampled_at: str = ""
    age_ms: Count = 0
    synced: bool = False
    detail: Annotated[str, msgspec.Meta(max_length=1000)] = ""


_decode = msgspec.json.Decoder(HandedFrame).decode


def decode_handed_in(site: str, device: str, payload: bytes, received_ms: int, waited_ms: int = 0) -> Frame:
    """The frame that stands in a message at this site's and device's topic; so long it may have waited at the broker.

    Raises WireError.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise WireError(f"{len(payload)} bytes, at most {PAYLOAD_BYTES_MAX} are read")
    try:
        said = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise WireError(f"no frame in JSON: {fault}") from None
    if said.device != device or said.site not in ("", site):
        raise WireError(f"it names {said.site[:40]}/{said.device[:40]}, the topic {site}/{device}")
    outcome = _OUTCOMES.get(said.outcome)
    if outcome is None:
        raise WireError(f"outcome {said.outcome[:40]!r}, allowed: {', '.join(_OUTCOMES)}")
    frame = Frame(
        device=device,
        boot=said.boot,
        device_seq=said.seq,
        sampled_at_ms=_instant(said.sampled_at, received_ms),
        age_ms=said.age_ms + waited_ms,
        synced=said.synced,
        outcome=outcome,
        detail=said.detail,
        blocks=tuple(map(_block, said.blocks)) if outcome is NoData.PRESENT else (),
    )
    if wrong := frame_fault(frame):
        raise WireError(wrong)
    return frame


def _block(said: HandedBlock) -> Block:
    try:
        words = base64.b64decode(said.words, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise WireError(f"words of {said.table} from {said.address} on: {fault}") from None
    whole = 8 * len(words) if said.table.is_bits else len(words) // 2
    size = whole if said.size is None else said.size
    if said.address + size > 65_536:
        raise WireError(f"{size} of {said.table} from {said.address} on do not exist")
    return Block(said.table, said.address, size, words)


def _instant(text: str, otherwise_ms: int) -> int:
    """Milliseconds of an instant with its offset; a stamp, so one that is not given is when it was received."""
    if not text:
        return otherwise_ms
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError("without an offset")
        return int(at.timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as fault:
        raise WireError(f"sampled_at {text[:40]!r}: {fault}; allowed: as in 2026-11-23T02:15:00.250Z") from None
