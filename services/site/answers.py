"""What became of each command, by its id: the same id again gives the same answer and is no input again.

The log keeps the answers for good (services.processor.runner); this is the newest 1,000 in memory, with what they were
answers to, so that an id that comes again with another content is noticed.
"""

import threading
from collections import OrderedDict
from hashlib import sha256

from services.gateway.views import CommandAnswer, CommandState
from shared.domain.events import Event
from shared.domain.inputs import Command
from shared.wire.events import decode_event

KEPT_MAX = 1000


def digest(command: Command) -> str:
    """Names the content of a command: who wants what, of which, why."""
    return sha256(repr(tuple(command)).encode()).hexdigest()[:16]


def answer_of(command_id: str, refusal: Event | None) -> CommandAnswer:
    """The answer that the core's rejection (or its absence) means."""
    if refusal is None:
        return CommandAnswer(command_id, CommandState.ACCEPTED)
    reason, _, text = refusal.reason.partition(": ")
    return CommandAnswer(command_id, CommandState.REJECTED, reason, text, refusal.occurrence, refusal.severity)


def stored_answer(command_id: str, stored: bytes | None) -> CommandAnswer | None:
    """The answer that the log keeps: nothing, empty for accepted, or the rejection's bytes."""
    if stored is None:
        return None
    return answer_of(command_id, decode_event(stored) if stored else None)


class Answers:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[str, CommandAnswer]] = OrderedDict()

    def get(self, command_id: str) -> CommandAnswer | None:
        with self._lock:
            known = self._known.get(command_id)
        return None if known is None else known[1]

    def begin(self, command: Command) -> CommandAnswer | bool:
        """True when the command is new (it is pending from now on), the answer when it is known, False for another
        content under a known id."""
        mark = digest(command)
        with self._lock:
            known = self._known.get(command.id)
            if known is not None:
                return known[1] if known[0] == mark else False
            self._known[command.id] = (mark, CommandAnswer(command.id, CommandState.PENDING))
        return True

    def settle(self, command: Command, refusal: Event | None) -> None:
        """The command was decided."""
        with self._lock:
            self._known[command.id] = (digest(command), answer_of(command.id, refusal))
            self._known.move_to_end(command.id)
            while len(self._known) > KEPT_MAX:
                self._known.popitem(last=False)
