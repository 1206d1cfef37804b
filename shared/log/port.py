"""The log port: inputs in one order, the events derived from them, a chain over both; adapters: memory, sqlite.

One writer. A group is committed whole or not at all. Reading is by position and never blocks the writer. What every
adapter must do is tests/contract/log_contract.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


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


class Cursor(NamedTuple):
    """Position in the event order: everything up to and including (site_seq, ordinal) is behind the reader."""

    log_id: str
    site_seq: int
    ordinal: int


class Head(NamedTuple):
    log_id: str
    site_seq: int
    """Last committed; 0 before the first."""
    tick_ms: int
    at_ms: int
    hash: bytes
    """Head of the chain: 32 bytes."""


@dataclass(frozen=True, slots=True)
class Group:
    """What one transaction holds."""

    inputs: tuple[InputRow, ...]
    events: tuple[EventRow, ...]
    positions: dict[str, bytes] = field(default_factory=dict)
    rulesets: dict[str, bytes] = field(default_factory=dict)
    dead_letters: dict[str, bytes] = field(default_factory=dict)
    """By SHA-256, capped: the oldest go."""
    snapshots: dict[str, bytes] = field(default_factory=dict)
    """Whole room states by room, valid after the group's last input; their hash is chained."""
    log_id: str = ""
    """Not empty: from this group on the log goes by this log_id (a Start input)."""


class Snapshot(NamedTuple):
    log_id: str
    site_seq: int
    states: dict[str, bytes]


class Log(Protocol):
    def head(self) -> Head: ...

    def commit(self, group: Group) -> Head:
        """Durable on return (fsync). Raises LogFull, LogBroken; then nothing of the group is in the log."""
        ...

    def inputs(self, after_seq: int, limit: int = 1000) -> Iterator[InputRow]: ...

    def events(self, after: Cursor | None, limit: int = 1000) -> Iterator[tuple[Cursor, EventRow]]: ...

    def position(self, name: str) -> bytes | None: ...

    def ruleset(self, version: str) -> bytes | None: ...

    def snapshot(self, at_or_before: int | None = None) -> Snapshot | None: ...

    def close(self) -> None: ...
