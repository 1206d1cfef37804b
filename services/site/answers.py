"""What became of each command, by its id: the same id again gives the same answer and is no input again.

The log keeps the answers for good (services.processor.runner); this is the newest 1,000 in memory, with what they were
answers to, so that an id that comes again with another content is noticed.
"""

import threading
from collections import OrderedDict

from services.gateway.views import CommandAnswer, CommandState, IdReused, RoomRefusal
from services.processor.repeats import Answer, content, decode_answer
from shared.domain.events import Event, EventType
from shared.domain.inputs import Command

KEPT_MAX = 1000

Decided = Answer | IdReused
"""What the rooms decided; or nothing, because the id stands for another command."""

UNDECODABLE = "undecodable"
"""The reason of a command that no record can hold."""


def answer_of(command_id: str, answer: Answer) -> CommandAnswer:
    """One answer out of what the rooms said."""
    refusals = tuple(RoomRefusal(event.room, *_words(event)) for event in answer.refusals)
    if answer.accepted:
        return CommandAnswer(command_id, CommandState.ACCEPTED, refusals=refusals)
    told = answer.refusal
    if told is None:
        return CommandAnswer(command_id, CommandState.REJECTED, UNDECODABLE)
    reason, text = _words(told)
    present = (told.occurrence, told.severity)
    return CommandAnswer(command_id, CommandState.REJECTED, reason, text, *present, refusals=refusals)


def _words(event: Event) -> tuple[str, str]:
    """The reason's name and its words."""
    if event.type != EventType.INPUT_REJECTED:
        return UNDECODABLE, event.reason
    reason, _, text = event.reason.partition(": ")
    return reason, text


def stored_answer(command_id: str, stored: bytes | None) -> CommandAnswer | None:
    """The answer that the log keeps, in the form of services.processor.repeats."""
    return None if stored is None else answer_of(command_id, decode_answer(stored))


class Answers:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[bytes, CommandAnswer]] = OrderedDict()

    def get(self, command_id: str) -> CommandAnswer | None:
        with self._lock:
            known = self._known.get(command_id)
        return None if known is None else known[1]

    def begin(self, command: Command) -> CommandAnswer | bool:
        """True when the command is new (it is pending from now on), the answer when it is known, False for another
        content under a known id."""
        mark = content(command)
        with self._lock:
            known = self._known.get(command.id)
            if known is not None:
                return known[1] if known[0] == mark else False
            self._known[command.id] = (mark, CommandAnswer(command.id, CommandState.PENDING))
        return True

    def forget(self, command: Command) -> None:
        """It was never asked: the log knows its id for another content."""
        with self._lock:
            known = self._known.get(command.id)
            if known is not None and known[0] == content(command):
                del self._known[command.id]

    def settle(self, command: Command, answer: Answer) -> None:
        """The command was decided."""
        with self._lock:
            self._known[command.id] = (content(command), answer_of(command.id, answer))
            self._known.move_to_end(command.id)
            while len(self._known) > KEPT_MAX:
                self._known.popitem(last=False)
