"""Commands that come again: the same id with the same content gets the same answer and is no second input.

A command that names the whole site is decided by each of its rooms: it is accepted when one of them accepted it.

The log keeps content and answer under the position ``command/ID``: 16 hexadecimal digits that name what was asked for,
then nothing when it was accepted by all, ``+`` when by some, ``-`` when nobody could even refuse it; then the
rejections, one a line. Logs of older programs have the rejection alone.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from shared.domain.errors import WireError
from shared.domain.events import Event
from shared.domain.inputs import Command
from shared.wire.events import decode_event, encode_event
from shared.wire.inputs import WireBody, encode_input

CONTENT_BYTES = 16
_SOME = b"+"
_NOBODY = b"-"


NOBODY_THERE = ("unknown-subject", "not-active")
"""Refusals that say least: of a room that has nothing to do with it."""


class Answer(NamedTuple):
    """What became of a command. ``content`` is empty when the log does not say what was asked for."""

    content: bytes
    accepted: bool
    refusals: tuple[Event, ...] = ()
    """One of each room that refused."""

    @property
    def refusal(self) -> Event | None:
        """The most telling one."""
        return min(self.refusals, key=lambda event: event.reason.startswith(NOBODY_THERE), default=None)


def place(command_id: str) -> str:
    """The position under which the log keeps the answer."""
    return f"command/{command_id.encode('utf-8', 'backslashreplace').decode()}"


def content(command: Command) -> bytes:
    """Names who wants what, of which, why, for how long."""
    return sha256(bytes_of(command)).hexdigest()[:CONTENT_BYTES].encode()


def bytes_of(body: WireBody) -> bytes:
    """Canonical bytes without a place in the log; for what has none, what Python would print of it."""
    try:
        return encode_input("", 0, 0, 0, body)
    except WireError:
        return repr(body).encode("utf-8", "backslashreplace")


def encode_answer(answer: Answer) -> bytes:
    told = b"\n".join(map(encode_event, answer.refusals))
    sign = _SOME if told and answer.accepted else b"" if told or answer.accepted else _NOBODY
    return answer.content + sign + told


def decode_answer(stored: bytes) -> Answer:
    asked = b"" if stored.startswith(b"{") else stored[:CONTENT_BYTES]
    told = stored[len(asked) :]
    is_accepted = not told or told.startswith(_SOME)
    return Answer(asked, is_accepted, tuple(map(decode_event, told.lstrip(_SOME + _NOBODY).splitlines())))


@dataclass(slots=True)
class Repeats:
    """What came again since the last commit."""

    answers: dict[str, Answer] = field(default_factory=dict)
    """Of those that are known."""
    reused: set[str] = field(default_factory=set)

    def note(self, command: Command, before: Answer) -> None:
        """``before`` is what the id stood for first."""
        if before.content not in (b"", content(command)):
            self.reused.add(command.id)
            return
        self.answers[command.id] = before

    @property
    def any(self) -> bool:
        """Somebody waits for an answer that is there."""
        return bool(self.answers or self.reused)
