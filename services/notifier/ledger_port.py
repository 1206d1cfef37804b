"""The port to the delivery ledger: where the notifier stands, what it knows, and every message with its fate.

    planned --> sending --> sent                    lent --> planned (the lease ended too soon)
       ^           |------> refused                  |-----> theirs
       |           |------> failed --> sending ...
       +-- with the cursor and what the notifier knows, in one transaction

A message is ``sending`` in a committed row before anything goes out: what is found so at the next start may have gone
out, and is sent again marked as a repeat. So a crash doubles at most what was under way, and loses nothing. What the
log is to be told of it is a numbered Report, written with it and kept until the log has it (services.notifier.reports).

Two adapters: services.notifier.ledger in a file beside the site's log, services.notifier.centre.ledger in PostgreSQL.
Both pass tests/services/notifier/ledger_contract.py.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.notifier.messages import Message
from services.notifier.reports import BoxReport
from shared.log.port import Cursor

LABELS = (
    "before plan", "in plan", "after plan", "before send", "after send", "in settle", "after settle", "before report",
    "after report",
)  # fmt: skip
"""Steps at which a test may end the process."""
OPEN = ("planned", "sending", "failed", "lent")
"""States of a message that is not settled."""


@dataclass(frozen=True, slots=True)
class Row:
    """One message and how far it is."""

    message: Message
    state: str = "planned"
    attempts: int = 0
    due_ms: int = 0
    """Steady time before which it is not tried again."""
    changed_at_ms: int = 0
    repeat: bool = False
    """It may have been taken before: the next attempt says so."""
    why: str = ""
    """The last answer."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the notifier stands: what it has read, and its clocks at that time."""

    cursor: Cursor | None = None
    durable: Cursor | None = None
    """The last event read that was in the log."""
    steady_ms: int = 0
    wall_ms: int = 0


@dataclass(slots=True)
class Change:
    """What one transaction holds."""

    stand: Stand | None = None
    records: dict[str, bytes | None] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    reports: dict[int, BoxReport] = field(default_factory=dict)
    """For the log, by number; each is above every number before it."""
    forgotten: int = 0
    """Reports up to this one are in the log for good."""

    def join(self, later: "Change") -> None:
        """Put a later change over this one."""
        self.stand = later.stand or self.stand
        self.records.update(later.records)
        self.rows.update(later.rows)
        self.reports.update(later.reports)
        self.forgotten = max(self.forgotten, later.forgotten)


@dataclass(frozen=True, slots=True)
class Found:
    """What a ledger held when it was opened."""

    stand: Stand | None
    """None: there was no ledger, or it could not be read."""
    records: Mapping[str, bytes]
    rows: tuple[Row, ...]
    """Messages that are not settled, in the order of their planning."""
    ledger: str
    """Its id; random, and another one for each ledger that is begun."""
    last: int = 0
    """The highest number that a Report was given."""
    reports: Mapping[int, BoxReport] = field(default_factory=dict)
    """What the log may not have yet."""
    set_aside: str = ""
    """Where a damaged one went, and why."""


def begun(set_aside: str = "") -> Found:
    """Of a ledger that has nothing yet."""
    return Found(None, {}, (), secrets.token_hex(8), set_aside=set_aside)


class DeliveryLedger(Protocol):
    """Of one site. Used from one event loop."""

    @property
    def trouble(self) -> str:
        """Why it is in memory only, or ""."""
        ...

    def take_set_aside(self) -> str:
        """Where a damaged one went while it was in use, and why; said once."""
        ...

    async def open(self) -> Found:
        """What there is."""
        ...

    async def commit(self, change: Change) -> None:
        """All of the change or nothing of it. Raises only when nothing may be sent any more."""
        ...

    async def tidy(self, wall_ms: int) -> None:
        """Settled messages that are older than what is kept go."""
        ...

    async def close(self) -> None: ...
