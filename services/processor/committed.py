"""What a commit gives to whoever acts on it."""

from typing import NamedTuple

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
    refusals: dict[str, Event]
    """By command id: the rejection, also of a command that was refused before."""
    repeated: frozenset[str] = frozenset()
    """Commands that were answered before and made no input now."""
    reused: frozenset[str] = frozenset()
    """Commands under an id that stands for another content: no answer, no input."""


def committed_from(taken: Taken, *, durable: bool) -> Committed:
    return Committed(
        taken.inputs[0].site_seq,
        taken.inputs[-1].site_seq,
        tuple(taken.events),
        tuple(taken.cursors),
        durable,
        taken.refusals,
    )
