"""What is planned to be told: items, and the messages they are put into. Values only.

An item is one thing that one person is to learn of one alarm by one channel. A message carries one item or many; its
id is a hash of what it tells, of the person and of the channel, so that the same decision always has the same id.
"""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from shared.domain.events import Event


class Kind(StrEnum):
    """Why something is told."""

    RAISED = "raised"
    ESCALATED = "escalated"
    """The alarm became graver."""
    AGAIN = "again"
    """It is announced anew: an ack ran out, a shelving or a suppression ended."""
    OPEN = "open"
    """It was found open: the ledger was lost, or a duty begins."""
    NEXT = "next"
    """Nobody acked it: it goes to the next people."""
    REMINDER = "reminder"
    """Nobody acked it: the same people again."""
    RETURNED = "returned"
    """Its condition is over."""
    CLOSED = "closed"
    """It is closed without having returned: its rule is gone."""


OVER = frozenset({Kind.RETURNED, Kind.CLOSED})
FROM_EVENTS = frozenset({Kind.RAISED, Kind.ESCALATED, Kind.AGAIN, Kind.RETURNED, Kind.CLOSED})
"""Items that tell of an event for the first time; the others repeat what an event told."""


class Held(NamedTuple):
    """Of something that is held back: whose it was to tell then."""

    leased: str
    """The holder of the notify lease; "" is the site."""
    term: int
    """Which one of the lease's terms it was (services.notifier.picture)."""


@dataclass(frozen=True, slots=True)
class Item:
    kind: Kind
    event: Event
    number: int = 0
    """Of a reminder: which one."""
    undurable: bool = False
    """The event was in no log yet when it was read."""
    late: bool = False
    """The event was older than ten minutes when it was first read."""
    held: Held | None = None
    """None: it was not held back, or by an older program."""

    @property
    def is_notice(self) -> bool:
        """It tells of no alarm but of maintenance: it has no severity and no occurrence."""
        return self.event.type.startswith("ampward.maintenance.")

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.event.id}/{self.number}"


class Form(StrEnum):
    """What kind of message it is."""

    ALARM = "alarm"
    """One alarm on its own."""
    GROUP = "group"
    """Several things that were put together."""
    SUMMARY = "summary"
    """What happened while nobody could be told."""
    TEST = "test"
    NOTICE = "notice"
    """Of no alarm: maintenance begins, ends soon, has ended."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One person by one channel."""

    person: str
    channel: str

    @property
    def key(self) -> str:
        return f"{self.person}/{self.channel}"


def lane_of(key: str) -> Lane:
    """The lane that has this key."""
    person, _, channel = key.partition("/")
    return Lane(person, channel)


@dataclass(frozen=True, slots=True)
class Message:
    """A planned message: what goes into the ledger."""

    id: str
    lane: Lane
    form: Form
    items: tuple[Item, ...]
    thread: str
    follows: tuple[str, ...]
    urgent: bool
    """Sent before everything else, and tried again sooner: a critical alarm that is not over."""
    at_ms: int
    """Wall clock at which it was planned."""

    @property
    def event_ids(self) -> tuple[str, ...]:
        """Events that it tells of for the first time."""
        return tuple(dict.fromkeys(item.event.id for item in self.items if item.kind in FROM_EVENTS))

    @property
    def occurrences(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.event.occurrence for item in self.items))


def message_id(lane: Lane, *parts: str) -> str:
    """32 hex digits."""
    return sha256("\x1f".join((lane.person, lane.channel, *parts)).encode()).hexdigest()[:32]


def probe_id(lane: Lane, what: str) -> str:
    """Of the test message that ``what`` asks for: the event's id, or a day."""
    return message_id(lane, "test", what)


def probe_message(lane: Lane, what: str, at_ms: int) -> Message:
    """A message that only tests the way; ``what`` makes its id one of its own."""
    ident = probe_id(lane, what)
    return Message(ident, lane, Form.TEST, (), ident, (), urgent=False, at_ms=at_ms)
