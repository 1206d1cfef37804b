"""The log port: inputs in one order, the events derived from them, a chain over both; adapters: memory, sqlite.

One writer. A group is committed whole or not at all. Reading is by position and never blocks the writer. What every
adapter must do is tests/contract/log_contract.py.

Stored form, the same for all adapters: each group is a link of the chain (shared.log.chain). A whole interval between
two snapshots can be folded: its frames and Ticks are deleted, its links become one that keeps the hash they ended with,
and a Report in the log names the root of the rows that stay.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from shared.wire.rows import EventRow as EventRow
from shared.wire.rows import InputRow as InputRow


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


class Folding(NamedTuple):
    """A whole interval of links to be folded into one: what is in ``keep`` stays, the other inputs go."""

    first_seq: int
    last_seq: int
    keep: frozenset[int]


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
    """Whole room states by room, valid before the group's first input, which is the Report that names their hash."""
    log_id: str = ""
    """Not empty: from this group on the log goes by this log_id (a Start input)."""
    hole: bool = False
    """Numbers before or within it were lost while the log was undurable; else site_seq is dense."""
    folding: Folding | None = None


class Snapshot(NamedTuple):
    """Whole states, valid after the input ``site_seq``."""

    log_id: str
    site_seq: int
    states: dict[str, bytes]


class Stretch(NamedTuple):
    """Part of the chain with everything that it covers, for those who check or fold it."""

    first_seq: int
    last_seq: int
    links: tuple[int, ...]
    """The last site_seq of each link within; one when folded."""
    hash: bytes
    """Head of the chain after it."""
    folded: bool
    inputs: tuple[InputRow, ...]
    events: tuple[EventRow, ...]
    bad: int
    """The first site_seq whose stored checksum does not fit its bytes, 0 when all do."""


class Reading(Protocol):
    """What a reader of a log may ask; each answer is of one moment."""

    def head(self) -> Head: ...

    def first_seq(self) -> int:
        """The first number of this log file: 1, or higher when it follows a damaged one."""
        ...

    def genesis(self) -> bytes:
        """The hash that the first link follows: 32 zero bytes, or the last good hash of the damaged log before."""
        ...

    def inputs(self, after_seq: int, limit: int = 1000) -> Iterator[InputRow]: ...

    def events(self, after: Cursor | None, limit: int = 1000) -> Iterator[tuple[Cursor, EventRow]]:
        """Raises CursorUnknown when ``after`` is of a log_id that this log never had."""
        ...

    def position(self, name: str) -> bytes | None:
        """None when there is none, or what is stored is not what was written."""
        ...

    def positions(self) -> dict[str, bytes]:
        """All that can be read and are what was written; never raises for the others."""
        ...

    def ruleset(self, version: str) -> bytes | None: ...

    def dead_letter(self, sha256: str) -> bytes | None: ...

    def snapshot(self, at_or_before: int | None = None) -> Snapshot | None:
        """The newest one, or the newest at or before this site_seq; LogDamaged when its bytes are not its hash's."""
        ...

    def folded_to(self) -> int:
        """The last number of the folded intervals, the oldest ones; the one before ``first_seq`` when there is none."""
        ...

    def snapshots(self) -> tuple[tuple[int, bytes], ...]:
        """(site_seq, hash) of all that are kept, in order."""
        ...

    def stretches(self, after_seq: int = 0) -> Iterator[Stretch]:
        """The chain in order, from the stretch that holds the input after ``after_seq``; no record twice.

        While a writer works, what is folded meanwhile may come whole after its first part came unfolded.
        """
        ...

    def log_ids(self) -> tuple[tuple[int, str], ...]:
        """(first number, log_id) of each start, in order."""
        ...

    def check(self) -> None:
        """Looks at what no link of the chain covers: positions and dead letters; LogDamaged names the table."""
        ...

    def close(self) -> None: ...


class Log(Reading, Protocol):
    """The one writer's view."""

    def commit(self, group: Group) -> Head:
        """Durable on return (fsync). Raises LogFull, LogBroken; then nothing of the group is in the log."""
        ...

    def spare_bytes(self) -> int:
        """What can be appended at least before the log takes more of the disk."""
        ...

    def tidy(self) -> bool:
        """One bounded piece of housekeeping, at most about 30 ms of work; True while more waits."""
        ...

    def reader(self) -> Reading:
        """A reader of its own, for one other thread."""
        ...
