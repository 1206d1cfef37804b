"""The port between the notifier and its channels: one message to one person, and what became of it.

A channel knows how to reach people (e-mail, webhook, text message) and nothing of alarms, routes or the ledger. The
fake beside this module (services.notifier.fake) and every channel pass tests/services/notifier/channel_contract.py.

Promises asked of an implementation:
- ``send`` tries once and tells what became of it; it never raises for trouble outside and never retries by itself;
- it ends within the time it was made with, whatever the other side does; when it is cancelled it lets go of its line;
- the same Outgoing gives the same bytes with the same id, so that the other side can know a repeat;
- control characters and line ends of a subject cannot break out of the place they stand in;
- no secret and no address of another person is in an answer: ``why`` is shown, logged and kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.domain.notify_plan import Person

WHY_CHARACTERS_MAX = 300
"""A longer ``why`` is cut by the notifier."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one person, as every channel gets it."""

    id: str
    """32 hex digits, the same for every attempt and after every restart: Message-ID and webhook-id are made of it."""
    person: Person
    subject: str
    """One short line, fit for a phone."""
    text: str
    """Plain text, lines parted by \\n, the subject not repeated."""
    language: str
    """``en`` or ``de``"""
    severity: str
    """warning, alarm, critical; "" for a message that is no alarm (a test, a summary of nothing open)."""
    event_ids: tuple[str, ...]
    """Ids of the events that it tells of, in their order; empty for a repeat of what was told and for tests."""
    thread: str
    """What it belongs to: the id of an occurrence, or of a group."""
    follows: tuple[str, ...]
    """Ids of the earlier messages of this thread to this person by this channel, oldest first."""
    repeat: bool
    """It may have been sent before (a crash while it was under way): said in the message."""
    at_ms: int
    """When it was planned, UTC milliseconds since 1970: the same at every attempt."""
    data: tuple[Mapping[str, object], ...]
    """The events as CloudEvents, for programs that read the message."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side has taken it over."""

    receipt: str
    """What the other side said of it (queue id, status line), for the record; may be empty."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never be taken for this recipient: not tried again."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Not this time: try again."""

    why: str
    retry_after_ms: int = 0
    """The other side asked for so much patience; 0 when it did not say."""
    maybe_taken: bool = False
    """The line broke after the message had been handed over: it may have been taken, and the next attempt repeats."""


Outcome = Sent | Refused | Failed


class Channel(Protocol):
    """One way to reach people. Made once, used from one event loop, by several sends at a time."""

    @property
    def name(self) -> str:
        """As routes name it: email, webhook."""
        ...

    async def send(self, message: Outgoing) -> Outcome: ...

    async def close(self) -> None:
        """Let go of what is kept open between sends. Nothing is sent afterwards."""
        ...
