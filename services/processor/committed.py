"""What a commit gives to whoever acts on it."""

from typing import NamedTuple

from services.processor.repeats import Answer
from services.processor.taker import Taken
from shared.domain.events import Event
from shared.log.port import Cursor


class Committed(NamedTuple):
    """What one call put into the log."""

    first_seq: int
    last_seq: int
    """Both 0 when nothing was put in."""
    events: tuple[Event, ...]
    cursors: tuple[Cursor, ...]
    """The place of each event."""
    durable: bool
    answers: dict[str, Answer]
    """By command id, also of a command that was answered before."""
    repeated: frozenset[str] = frozenset()
    """Commands that were answered before and made no input now."""
    reused: frozenset[str] = frozenset()
    """Commands under an id that stands for another content: no answer, no input."""

    @property
    def refusals(self) -> dict[str, Event]:
        """The most telling rejection of each command that nobody accepted."""
        found = ((name, answer.refusal) for name, answer in self.answers.items() if not answer.accepted)
        return {name: refusal for name, refusal in found if refusal is not None}


def committed_from(taken: Taken, *, durable: bool) -> Committed:
    return Committed(
        taken.inputs[0].site_seq,
        taken.inputs[-1].site_seq,
        tuple(taken.events),
        tuple(taken.cursors),
        durable,
        taken.answers,
    )
