"""Commands that come again: the same id with the same content gets the same answer and is no second input.

The log keeps content and answer under the position ``command/ID``: 16 hexadecimal digits that name what was asked for,
then nothing when it was accepted, or the bytes of its rejection. Logs of older programs have the answer alone.
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


class Answer(NamedTuple):
    """What became of a command. ``content`` is empty when the log does not say what was asked for."""

    content: bytes
    refusal: Event | None


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


def encode_answer(asked: bytes, refusal: Event | None) -> bytes:
    return asked + (b"" if refusal is None else encode_event(refusal))


def decode_answer(stored: bytes) -> Answer:
    asked = b"" if stored.startswith(b"{") else stored[:CONTENT_BYTES]
    told = stored[len(asked) :]
    return Answer(asked, decode_event(told) if told else None)


@dataclass(slots=True)
class Repeats:
    """What came again since the last commit."""

    refusals: dict[str, Event] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)

    def note(self, command: Command, before: Answer) -> None:
        """``before`` is what the id stood for first."""
        if before.content not in (b"", content(command)):
            self.reused.add(command.id)
            return
        self.known.add(command.id)
        if before.refusal is not None:
            self.refusals[command.id] = before.refusal

    @property
    def any(self) -> bool:
        """Somebody waits for an answer that is there."""
        return bool(self.known or self.reused)
