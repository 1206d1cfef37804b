"""Turns bodies into one group: numbers, bytes, events; and finds a way round an input that nobody can take.

An input that a decoder or step() raises on becomes an Undecodable whose bytes are kept as a dead letter; the rooms'
state, which that step may have half changed, is made again from a copy in memory and the inputs since
(services.processor.recent: a quarter of a second at the worst), or from the log in the first group after a Start, a
Resync or a rule set. A poison record is never met again. Poison that is seen at the door delays nobody.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from services.processor.fold import Fold
from services.processor.recent import Recent
from services.processor.repeats import Answer, bytes_of, content
from shared.devices.frame import Frame
from shared.domain.errors import WireError
from shared.domain.events import Event, EventType
from shared.domain.inputs import Command, Report, Resync, Tick, Undecodable
from shared.log.port import Cursor, EventRow, Group, InputRow
from shared.log.sequencer import Minted
from shared.wire.events import encode_event
from shared.wire.inputs import KINDS, Input, WireBody, decode_input, encode_input, frame_fault

SAID_MAX = 1000
"""Characters of a dead letter's source and reason."""
UNKNOWN_DEVICE = "a device that the site does not have"
URGENT = frozenset({EventType.ALARM_RAISED.value, EventType.ALARM_ESCALATED.value})


class Unreadable(NamedTuple):
    """Bytes that came in and no decoder understood."""

    data: bytes
    source: str
    reason: str


Offered = WireBody | Unreadable


@dataclass(slots=True)
class Taken:
    """A group in the making."""

    inputs: list[InputRow] = field(default_factory=list)
    rows: list[EventRow] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    cursors: list[Cursor] = field(default_factory=list)
    dead_letters: dict[str, bytes] = field(default_factory=dict)
    rooms: set[str] = field(default_factory=set)
    """Rooms that had an input of their own, so that they need no Tick."""
    answers: dict[str, Answer] = field(default_factory=dict)
    """What became of each command, by its id."""
    is_urgent: bool = False
    """Somebody waits for it: a command, or an alarm that was raised or rose."""
    log_id: str = ""

    def group(self, positions: Mapping[str, bytes], rulesets: Mapping[str, bytes]) -> Group:
        return Group(
            inputs=tuple(self.inputs),
            events=tuple(self.rows),
            positions=dict(positions),
            rulesets=dict(rulesets),
            dead_letters=dict(self.dead_letters),
            log_id=self.log_id,
        )


class Taker:
    """``mint`` gives the next place; ``rebuild`` the fold as it was after the log, the ring and these inputs."""

    def __init__(self, fold: Fold, mint: Callable[[], Minted], rebuild: Callable[[Sequence[InputRow]], Fold]) -> None:
        self.fold = fold
        self._mint = mint
        self._rebuild = rebuild
        self._recent = Recent()

    def take(self, offered: Iterable[Offered], log_id: str, taken: Taken) -> None:
        """Numbers and steps every body in order, behind what is ``taken`` already."""
        self._recent.before(self.fold)
        for body in offered:
            self._take_one(taken, body, log_id)

    def _take_one(self, taken: Taken, offered: Offered, log_id: str) -> None:
        body = self._checked(taken, offered)
        place = self._mint()
        data = encode_input(log_id, *place, body)
        entry = Input(log_id, *place, body)
        try:
            events = self.fold.apply(entry)
        except Exception as fault:  # A poison record: kept, named, and gone round. See the module.
            reason = f"{type(fault).__name__}: {fault}"
            body = _dead(taken, data, source_of(body), reason)
            data = encode_input(log_id, *place, body)
            entry = Input(log_id, *place, body)
            self.fold = self._recent.again(self.fold) or self._rebuild(taken.inputs)
            events = self.fold.apply(entry)
        self._recent.note(entry)
        taken.inputs.append(InputRow(place.site_seq, KINDS[type(body)], data))
        self._note_rooms(taken, body)
        if events:
            self._note_events(taken, events, log_id)
        if isinstance(offered, Command):
            taken.answers[offered.id] = self._answer(offered, body, events)
            taken.is_urgent = True

    def _answer(self, command: Command, body: WireBody, events: list[Event]) -> Answer:
        """What the rooms made of it; a dead letter is accepted by nobody."""
        if not isinstance(body, Command):
            return Answer(content(command), accepted=False, refusals=tuple(events[:1]))
        refusals = tuple(event for event in events if event.type == EventType.INPUT_REJECTED)
        asked = len(self.fold.deciding(body))
        return Answer(content(command), accepted=len(refusals) < asked, refusals=refusals)

    def _checked(self, taken: Taken, offered: Offered) -> WireBody:
        """The body to be logged: what cannot belong to this site is a dead letter."""
        if isinstance(offered, Unreadable):
            return _dead(taken, offered.data, offered.source, offered.reason)
        if isinstance(offered, Frame):
            fault = frame_fault(offered) or ("" if self.fold.knows(offered.device) else UNKNOWN_DEVICE)
        else:
            fault = _fault(offered)
        return _dead(taken, bytes_of(offered), source_of(offered), fault) if fault else offered

    def _note_rooms(self, taken: Taken, body: WireBody) -> None:
        match body:
            case Frame(device=device):
                taken.rooms.update(self.fold.rooms_of_device(device))
            case Tick(room=room) | Resync(room=room):
                taken.rooms.add(room)
            case Command() | Report():
                taken.rooms.update(self.fold.rooms_of(body))
            case _:
                pass

    def _note_events(self, taken: Taken, events: list[Event], log_id: str) -> None:
        seq = events[0].site_seq
        new = tuple.__new__  # As EventRow(...) does it, in half the time: 30,000 events a second count.
        taken.rows += [
            new(EventRow, (seq, ordinal, event.room, event.room_no, event.type, encode_event(event)))
            for ordinal, event in enumerate(events)
        ]
        taken.cursors += [new(Cursor, (log_id, seq, ordinal)) for ordinal in range(len(events))]
        taken.events += events
        taken.is_urgent = taken.is_urgent or any(event.type in URGENT for event in events)


def source_of(body: WireBody) -> str:
    """What an input came from, for a person who looks for it."""
    for name in ("device", "subject", "room", "version", "cause", "source"):
        if hasattr(body, name):
            return str(getattr(body, name))
    return KINDS[type(body)]


def _dead(taken: Taken, data: bytes, source: str, reason: str) -> Undecodable:
    digest = sha256(data).hexdigest()
    taken.dead_letters[digest] = data
    return Undecodable(digest, len(data), _readable(source), _readable(reason))


def _readable(text: str) -> str:
    """Short, and with a ``?`` for what UTF-8 cannot hold: poison must not reach the record that tells of it."""
    return text[:SAID_MAX].encode("utf-8", "replace").decode()


def _fault(body: WireBody) -> str:
    """Why this input could not be read again, "" when it can."""
    try:
        decode_input(encode_input("", 0, 0, 0, body))
    except WireError as fault:
        return str(fault)
    return ""
