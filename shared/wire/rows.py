"""Records as they stand in a log and in a block: their place, and their canonical bytes."""

from typing import NamedTuple


class InputRow(NamedTuple):
    site_seq: int
    kind: str
    """frame, command, ruleset, start, tick, report, resync, undecodable"""
    data: bytes
    """Canonical bytes of the whole input with its site_seq, tick_ms and at_ms (shared.wire.inputs)."""


class EventRow(NamedTuple):
    site_seq: int
    """The input that caused it."""
    ordinal: int
    """Within the input over all rooms: (site_seq, ordinal) orders all events of a log."""
    room: str
    room_no: int
    type: str
    data: bytes


class EventBytes(NamedTuple):
    """An event whose room, number and type nobody has asked for yet: they are in its bytes."""

    site_seq: int
    ordinal: int
    data: bytes
