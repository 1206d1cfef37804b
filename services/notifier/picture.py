"""What the notifier knows between two events: open alarms, who was told of them, what is held back. A fold.

Every record has a key of its own, so that the ledger stores only what changed: ``changed`` names the keys since the
last :meth:`Picture.take_changed`. Nothing here reads a clock or decides anything.
Limits: 2,000 events of the undurable mode are remembered; all else is bounded by open alarms times people and channels.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec

from services.notifier.messages import Held, Item, Lane
from shared.domain.events import Event

UNDURABLE_MAX = 2000
_OPEN, LANE, _HELD, _MISC = "open/", "lane/", "held/", "misc"
NEVER_TESTED = "never"
RESTORED = "restored"
"""Record of a ledger that came from a backup and was not taken over yet: the id of the restore."""


class Ahead(NamedTuple):
    """Where the newest event stands that was taken of an occurrence before the log's order had come to it."""

    log_id: str
    site_seq: int
    ordinal: int
    tick_ms: int

    def covers(self, event: Event) -> bool:
        """Whether the event stands there or before: what it says is known, or over."""
        if event.log_id == self.log_id:
            return (event.site_seq, event.ordinal) <= (self.site_seq, self.ordinal)
        return event.tick_ms < self.tick_ms


@dataclass(slots=True)
class Told:
    """What one lane was told of one occurrence."""

    first: str = ""
    """Id of the first message; "" while everything about it is held back."""
    last: str = ""
    count: int = 0
    """Messages planned."""
    at_ms: int = 0
    """Steady time of the last one."""
    pending: str = ""
    """A message that is not settled yet: no reminder before."""
    is_open: bool = True
    """The last word was that it is open."""
    refused: str = ""
    """The way (services.notifier.routing.way_of) by which the last word was refused; "" when it was taken."""
    heard: bool = False
    """A message about it was taken."""
    is_next: bool = False
    """Told because nobody acked, not by being first in line."""


@dataclass(slots=True)
class Open:
    """One occurrence of an alarm that is not closed."""

    event: Event
    """The last one that announced it."""
    state: str
    """Process region, A to F."""
    since_ms: int
    """Steady time since which nobody has acked it."""
    hidden: str = ""
    """What keeps it from being told: shelved, out_of_service, suppressed by ..."""
    missed: Item | None = None
    """What was not told because of that."""
    over: Item | None = None
    """Its end, which was not told because of that."""
    closed: bool = False
    """Closed while its end could not be told."""
    reminders: int = 0
    ahead: Ahead | None = None
    """None: everything about it came in the log's order."""
    told: dict[str, Told] = field(default_factory=dict)
    """By lane."""


@dataclass(slots=True)
class LaneState:
    """One person by one channel."""

    last_ms: int = -(1 << 60)
    """Steady time of the last message that was not sent on its own account."""
    pending: str = ""
    """That message while it is not settled: what comes meanwhile is put together."""
    own_ms: list[int] = field(default_factory=list)
    """Steady times of the last critical messages sent on their own."""
    refused: str = ""
    """The way by which the last message was refused; "" when it was taken."""
    why: str = ""
    """What the other side said to that."""
    count: int = 0
    """Items that were ever held back: the next one's number."""


@dataclass(slots=True)
class Misc:
    tested: str = ""
    """The site's date of the last daily test; NEVER_TESTED: looked at and none yet."""
    undurable: dict[str, int] = field(default_factory=dict)
    """Events taken before they were in the log."""
    failing: dict[str, str] = field(default_factory=dict)
    """Channels that were told as failing, and why."""
    leased: str = ""
    """Who holds the notify lease; "" is nobody."""
    term: int = 0
    """How often the lease has changed hands."""


_decode_open = msgspec.json.Decoder(Open)
_decode_lane = msgspec.json.Decoder(LaneState)
_decode_item = msgspec.json.Decoder(Item)
_decode_misc = msgspec.json.Decoder(Misc)
_encode = msgspec.json.Encoder().encode


class Picture:
    """All of it."""

    def __init__(self) -> None:
        self.open: dict[str, Open] = {}
        """By occurrence."""
        self.lanes: dict[str, LaneState] = {}
        self.held: dict[str, dict[int, Item]] = {}
        """What is held back, by lane and number: each item is a record of its own, so that a flood writes each once."""
        self.looked: dict[str, int] = {}
        """By occurrence: steady time before which time alone brings nothing new; not stored."""
        self.misc = Misc()
        self.restored = ""
        """Id of the backup that this comes from, until it is taken over."""
        self.changed: set[str] = set()

    def lane(self, lane: Lane) -> LaneState:
        """The lane's record, marked as changed."""
        self.changed.add(LANE + lane.key)
        return self.lanes.setdefault(lane.key, LaneState())

    def hold(self, lane: Lane, item: Item, leased: str) -> None:
        """Hold an item back, which ``leased`` is to tell."""
        state = self.lane(lane)
        state.count += 1
        self.held.setdefault(lane.key, {})[state.count] = replace(item, held=Held(leased, self.misc.term))
        self.changed.add(f"{_HELD}{lane.key}/{state.count}")

    def release(self, lane: Lane, numbers: Iterable[int]) -> tuple[Item, ...]:
        """What was held back goes out."""
        mine = self.held[lane.key]
        numbers = tuple(numbers)
        self.changed.update(f"{_HELD}{lane.key}/{number}" for number in numbers)
        items = tuple(mine.pop(number) for number in numbers)
        if not mine:
            del self.held[lane.key]
        return items

    def touch(self, occurrence: str) -> None:
        """Its record has changed, or is gone."""
        self.changed.add(_OPEN + occurrence)
        self.looked.pop(occurrence, None)

    def forget(self, occurrence: str) -> None:
        self.open.pop(occurrence, None)
        self.touch(occurrence)

    def pass_ahead(self, read_seq: int) -> None:
        """The log's order has come to this input: what was taken ahead up to there is like everything else."""
        for occurrence, found in self.open.items():
            if found.ahead is not None and found.ahead.site_seq <= read_seq:
                found.ahead = None
                self.touch(occurrence)

    def remember_undurable(self, event_id: str) -> None:
        self.misc.undurable[event_id] = 1
        while len(self.misc.undurable) > UNDURABLE_MAX:
            del self.misc.undurable[next(iter(self.misc.undurable))]
        self.changed.add(_MISC)

    def tested_on(self, day: str) -> None:
        self.misc.tested = day
        self.changed.add(_MISC)

    def fails(self, channel: str, why: str) -> None:
        """The channel is told as failing; with an empty ``why`` it no longer is."""
        self.misc.failing.pop(channel, None)
        if why:
            self.misc.failing[channel] = why
        self.changed.add(_MISC)

    def lease(self, holder: str) -> None:
        """From here on this one tells people; "" is the site itself."""
        if holder != self.misc.leased:
            self.misc.leased = holder
            self.misc.term += 1
            self.changed.add(_MISC)

    def is_taken_over(self) -> None:
        """The box goes on from the backup: from here on this is a ledger like any other."""
        self.restored = ""
        self.changed.add(RESTORED)

    def take_changed(self) -> dict[str, bytes | None]:
        """Records by key as they are now; None for one that is gone. Begins anew."""
        made = {key: self._bytes(key) for key in sorted(self.changed)}
        self.changed.clear()
        return made

    def all(self) -> dict[str, bytes | None]:
        """Every record by key."""
        held = (f"{_HELD}{lane}/{number}" for lane, items in self.held.items() for number in items)
        keys = [*(_OPEN + key for key in self.open), *(LANE + key for key in self.lanes), *held, _MISC]
        keys += [RESTORED] if self.restored else []
        return {key: self._bytes(key) for key in keys}

    def _bytes(self, key: str) -> bytes | None:
        if key == _MISC:
            return _encode(self.misc)
        if key == RESTORED:
            return self.restored.encode() or None
        if key.startswith(LANE):
            return _encode(self.lanes[key.removeprefix(LANE)])
        if key.startswith(_HELD):
            lane, _, number = key.removeprefix(_HELD).rpartition("/")
            item = self.held.get(lane, {}).get(int(number))
            return None if item is None else _encode(item)
        found = self.open.get(key.removeprefix(_OPEN))
        return None if found is None else _encode(found)

    @staticmethod
    def restore(records: Mapping[str, bytes]) -> "Picture":
        """From stored records. Raises ValueError for bytes that are none (msgspec's errors are of that kind)."""
        made = Picture()
        for key, data in records.items():
            if key == RESTORED:
                made.restored = f"{int(data, 16):x}"
            elif key == _MISC:
                made.misc = _decode_misc.decode(data)
            elif key.startswith(LANE):
                made.lanes[key.removeprefix(LANE)] = _decode_lane.decode(data)
            elif key.startswith(_OPEN):
                made.open[key.removeprefix(_OPEN)] = _decode_open.decode(data)
            elif key.startswith(_HELD):
                lane, _, number = key.removeprefix(_HELD).rpartition("/")
                made.held.setdefault(lane, {})[int(number)] = _decode_item.decode(data)
        made.held = {lane: dict(sorted(items.items())) for lane, items in made.held.items()}
        return made
