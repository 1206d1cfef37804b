"""What became of each command, by its id: the same id again gives the same answer and is no input again.

Kept over restarts as a position of the log ("commands"): the newest 200, rewritten with the group after the one that
decided. A crash between the two is healed at start by reading the inputs since: see :meth:`Answers.load`.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha256

from services.gateway.views import CommandAnswer, CommandState
from shared.domain.events import Event
from shared.domain.inputs import Command

KEPT_MAX = 200
POSITION = "commands"
THROUGH = "commands_through"


def digest(command: Command) -> str:
    """Names the content of a command: who wants what, of which, why."""
    return sha256(repr(tuple(command)).encode()).hexdigest()[:16]


def answer_of(command_id: str, refusal: Event | None) -> CommandAnswer:
    """The answer that the core's rejection (or its absence) means."""
    if refusal is None:
        return CommandAnswer(command_id, CommandState.ACCEPTED)
    reason, _, text = refusal.reason.partition(": ")
    return CommandAnswer(command_id, CommandState.REJECTED, reason, text, refusal.occurrence, refusal.severity)


class Answers:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[str, CommandAnswer]] = OrderedDict()
        self._dirty = False

    def load(self, stored: bytes | None, since: Iterable[tuple[Command, Event | None]]) -> None:
        """``stored`` is the position; ``since`` are the commands decided after it was written."""
        for command_id, mark, *answer in json.loads(stored or b"[]"):
            state, reason, text, occurrence, severity = answer
            made = CommandAnswer(command_id, CommandState(state), reason, text, occurrence, severity)
            self._known[command_id] = (mark, made)
        for command, refusal in since:
            self.settle(command, refusal)

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
            self._dirty = True

    def to_store(self) -> bytes | None:
        """The position to write with the next group; None when nothing has changed."""
        with self._lock:
            if not self._dirty:
                return None
            self._dirty = False
            settled = [
                (key, mark, str(one.state), one.reason, one.text, one.occurrence, one.severity)
                for key, (mark, one) in self._known.items()
                if one.state is not CommandState.PENDING
            ]
        return json.dumps(settled).encode()
