"""Where a log's time stood <-> bytes: [tick_ms, at_ms, mono_ms, boot], kept as a position of the log."""

import msgspec

from shared.wire.packing import FAULTS


def encode_anchor(tick_ms: int, at_ms: int, mono_ms: int, boot: str) -> bytes:
    return msgspec.json.encode((tick_ms, at_ms, mono_ms, boot))


def decode_anchor(data: bytes) -> tuple[int, int, int, str] | None:
    """None for bytes that are no anchor: the stamps of the last record then have to do."""
    try:
        return _decoder.decode(data)
    except FAULTS:
        return None


_decoder = msgspec.json.Decoder(tuple[int, int, int, str])
