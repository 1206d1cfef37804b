"""The port between the gateway and what stands behind it: what it shows, and the one way in for commands.

The gateway knows no log, no core and no guard. The site process implements :class:`Views` over its runner, the fake
beside this module (services.gateway.fake) in memory; both pass tests/services/gateway/views_contract.py. For all sites
of a fleet services.gateway.centre implements :class:`GatewayViews` over Kafka (tests/fleet/test_gateway.py).

Promises asked of an implementation:
- every method may be called from the gateway's event loop and returns within a few milliseconds (``submit`` and
  ``wait_for_events`` are coroutines and may take as long as they say);
- what is returned is a value: it does not change afterwards;
- instants are ``_at_ms``, UTC milliseconds since 1970, 0 for "never"; the gateway writes them as RFC 3339.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from shared.domain.events import About, Event
from shared.domain.inputs import Command
from shared.log.port import Cursor
from shared.runtime.metrics import MetricValues

CURSOR_MAX = 4_096
"""Characters of a cursor: it stands in a request's head, which has at most 16 KiB."""
Stand = Any
"""Where a reader of the events stands: a hashable value of the implementation's own, equal when the place is equal. A
site's is shared.log.port.Cursor."""


@dataclass(frozen=True, slots=True)
class AlarmItem:
    """One alarm that is not plainly normal."""

    id: str
    rule: str
    point: str
    """Path of what it is about."""
    severity: str
    """warning, alarm, critical"""
    state: str
    """Process region, A to F."""
    condition: str
    """true, false, unknown"""
    override: str
    """none, shelved, suppressed, out_of_service"""
    occurrence: str
    since_at_ms: int
    value: str
    """Decimal string, or empty when the alarm has no value."""
    unit: str
    guidance: str
    until_at_ms: int = 0
    """When a shelving or an out-of-service ends, by the wall clock as far as it is known now."""
    pending: str = ""
    """Acts at the centre that the site has not answered, such as ``ack pending`` or ``ack undelivered``."""


@dataclass(frozen=True, slots=True)
class PointItem:
    id: str
    value: str | None
    unit: str
    quality: str
    """good, uncertain, bad"""
    no_data: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class OutputItem:
    id: str
    kind: str
    demand: str
    """on, off"""
    by: tuple[str, ...]
    read_back: str
    """on, off, unknown"""
    proof: str
    """The core's word for the proof of effect: none, waiting, proven, failed ..."""
    armed: bool
    supervision: str
    """What watches over the output when this program dies: ``watchdog`` or ``not supervised``."""
    pending: str = ""
    """Acts at the centre that the site has not answered, such as ``hold_on pending``."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that readiness looks at."""

    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Readiness:
    ready: bool
    """The trip is ready: guard polls, decides and can write. Nothing else counts."""
    armed: bool
    checks: Mapping[str, Check]


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """The box itself, for ``ampward status``."""

    site: str
    name: str
    version: str
    """Of the program."""
    decision: str
    """Hash of the decision version in force."""
    log_id: str
    head_seq: int
    undurable: bool
    """Inputs are decided upon, but not on disk at present."""
    demo: bool
    assumed: tuple[str, ...] = ()
    """Points and outputs whose addresses are assumed, not the vendor's."""
    mqtt: str = ""
    """Address of the broker and whether it is connected, or empty."""
    notes: tuple[str, ...] = ()
    """What else a person should know, one sentence each."""
    rooms: tuple[str, ...] = ()
    """Ids of the rooms."""
    rooms_before: tuple[str, ...] = ()
    """Names that rooms had: events of then have them."""


@dataclass(frozen=True, slots=True)
class SiteItem:
    """One site of a fleet, as its records tell."""

    id: str
    heard_at_ms: int
    is_silent: bool
    """Nothing came for so long that its values are not shown any more."""
    clock_offset_ms: int
    """How much its clock is behind the fleet's, the way of a record included."""
    log_id: str
    site_seq: int
    """How far its log is known to be."""
    decided_seq: int
    """How far the centre has decided it again; the difference is the backlog."""
    decided_at_ms: int
    chain_head: str
    """Of its chain after ``decided_seq``, hexadecimal."""
    decision: str
    """Hash of the decision version of its newest event."""
    core_version: int
    different: int
    """Blocks that differed, since this gateway began."""
    backlog_ms: int = 0
    """How old the oldest input is that Kafka does not have, by the site's own word."""
    last_verdict: str = ""
    """On the newest block that was told: equal, different, not_comparable; "" since this gateway began."""


@dataclass(frozen=True, slots=True)
class PartItem:
    """One replaceable part; empty texts are what is not known."""

    part: str
    kind: str
    """A PartKind of the core."""
    type: str
    serial: str
    made: str
    installed: str
    position: str
    replaced_at_ms: int
    replaced_by: str
    reason: str
    times: int
    """So often it was replaced."""
    baseline_mohm: str
    baseline_at_ms: int
    measuring: int
    """So many good values are still wanted for a baseline."""
    site_file_serial: str
    """When it is another one than the recorded."""
    calibrated_at_ms: int
    tested_at_ms: int
    due_at_ms: int
    as_of_ms: int
    """The site's stamp of the newest record that this follows from: at the centre an old one while a backlog drains."""


@dataclass(frozen=True, slots=True)
class DueItem:
    """A calibration or proof test that comes again and again."""

    kind: str
    """calibration, proof_test"""
    subject: str
    alarm: str
    due_at_ms: int
    left_ms: int
    """Until then; 0 and less when it is overdue."""
    done_at_ms: int
    by: str
    every_ms: int
    as_of_ms: int
    """As of a part."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    parts: tuple[PartItem, ...]
    """In the order of the plan."""
    dues: tuple[DueItem, ...]
    """The next first."""


class CommandState(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class RoomRefusal:
    """Why one room refused a command."""

    room: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What became of a command. It is accepted when any of the rooms that it names accepted it.

    ``reason`` is a Refusal value when it was rejected (the most telling one), or ``undecodable`` when it could not be
    recorded; occurrence and severity are then the present ones.
    """

    id: str
    state: CommandState
    reason: str = ""
    text: str = ""
    occurrence: str = ""
    severity: str = ""
    refusals: tuple[RoomRefusal, ...] = ()
    """Of each room that refused."""
    site: str = ""
    """Which site it went to; empty at the site itself."""


@dataclass(frozen=True, slots=True)
class IdReused:
    """This command id was given before with another content: nothing was done."""

    id: str


@dataclass(frozen=True, slots=True)
class CursorGone:
    """The cursor is older than what is kept, or of a log that this one does not continue."""

    oldest: Stand | None
    """Where reading can go on: None is the beginning of what is kept."""


@dataclass(frozen=True, slots=True)
class EventItem:
    """One event with its place; ``cursor`` is what a reader stands at when it has read it."""

    cursor: Stand
    event: Event
    extra: Mapping[str, str] = field(default_factory=dict)
    """CloudEvents extensions that are not in the event's bytes, such as ``undurable``."""


class GatewayViews(Protocol):
    """What the gateway wants."""

    def sites(self) -> frozenset[str]:
        """The sites whose alarms, events and commands these are."""
        ...

    def alarms(self) -> tuple[tuple[AlarmItem, ...], int]:
        """The alarms that are not plainly normal, gravest first, and the instant (ms) of which they are true."""
        ...

    def points(self) -> tuple[PointItem, ...]: ...

    def outputs(self) -> tuple[OutputItem, ...]: ...

    def status(self) -> SiteStatus: ...

    def readiness(self) -> Readiness: ...

    def metrics(self) -> MetricValues: ...

    def head(self) -> Stand | None:
        """Where a reader stands who has read everything; None while there are no events."""
        ...

    def cursor_text(self, cursor: Stand) -> str:
        """The place as opaque text that a client keeps and gives back, at most CURSOR_MAX of URL-safe base64."""
        ...

    def read_cursor(self, text: str) -> Stand | None:
        """The place that this text was given for, also by another process; None when it was never given."""
        ...

    async def read_events(self, cursor: Stand | None, limit: int) -> tuple[EventItem, ...] | CursorGone:
        """At most ``limit`` events behind the cursor, in order; None reads from the beginning of what is kept. Takes
        as long as what is no longer in memory takes to be read."""
        ...

    def pass_over(self, cursor: Stand | None, wanted: Callable[[About], bool]) -> Stand | None:
        """A place to go on from instead of ``cursor``: no event that is wanted lies between them. For readers who want
        little of much: many unwanted events are passed over at once, without being looked at one by one. Who found
        nothing new asks too, so that his place does not grow old."""
        ...

    async def wait_for_events(self, cursor: Stand | None, timeout_s: float) -> bool:
        """Returns True as soon as there is an event behind the cursor, False after ``timeout_s``. Cancellable."""
        ...

    async def submit(self, command: Command) -> CommandAnswer | IdReused:
        """Give a command to the log and wait, at most 5 s, for what became of it (PENDING when that takes longer).

        The same command with the same id again gives the same answer and is not an input again, over restarts too.
        """
        ...

    def command_state(self, command_id: str) -> CommandAnswer | None:
        """What became of a command; None when the id is not known."""
        ...

    async def upkeep(self) -> Upkeep | None:
        """What is built in and what is due, at most a second old; None when that took longer than 5 s."""
        ...


class Views(GatewayViews, Protocol):
    """What a site's own process offers, to others in it too."""

    def head(self) -> Cursor | None: ...

    def events_after(self, cursor: Cursor | None, limit: int) -> tuple[EventItem, ...] | CursorGone:
        """``read_events``, at once."""
        ...

    def pass_over(self, cursor: Cursor | None, wanted: Callable[[About], bool]) -> Cursor | None: ...
