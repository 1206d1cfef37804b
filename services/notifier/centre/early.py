"""What the live lane tells of one site, for as long as the blocks have not come to it.

    live record -> Heard: whose lease it was at which input, and events of alarms -> late by the blocks -> the notifier

An event is given when the blocks have not brought it GRACE_MS after it was heard: so the lane tells nobody anything
while the blocks are in time, and what they bring first is never told by it. Who sends is said by the site's log before
the event, and the lane may have holes. It knows the lease from a Report of it on, or from the place to which the blocks
have come, for as long as each record begins where the one before ended (``from_seq``); behind a hole it knows nothing
until the next of both, also when the blocks come up to its end later.

Promises: nothing is given that is older than ten minutes, by the site's clock when it sent it and by the broker's since
then, and nothing twice to the same notifier. What a site signed long ago and somebody sends again is nothing.
Limits: EVENTS_MAX events a site are kept for LATE_MS (the oldest go: they come by the blocks), CHANGES_MAX changes of
the lease.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from services.notifier import lease
from services.notifier.ahead import Early
from services.notifier.centre.seen import Seen
from services.notifier.pipeline import LATE_MS
from shared.domain.events import Event
from shared.runtime.clocks import Clock
from shared.wire.live import Live

GRACE_MS: Final = 2_000
EVENTS_MAX: Final = 2_000
CHANGES_MAX: Final = 64


Stamp = tuple[int, int, int]
"""(site_seq, sent_at_ms, number) of a live record: they rise within a log."""
NEVER: Final[Stamp] = (0, -(1 << 62), 0)


@dataclass(slots=True)
class LiveStand:
    """How far the lane is known, and who held the notify lease."""

    log_id: str = ""
    at: Stamp = NEVER
    """Of the newest record."""
    to_seq: int = 0
    """Behind this input nothing is known."""
    whole_from: int = 0
    """Nothing was left out from this input on; 0: an older program stored this, and nobody knows."""
    changes: list[tuple[int, str | None]] = field(default_factory=list)
    """(input, holder from there on); None: a hole."""


class _Waiting(NamedTuple):
    event: Event
    undurable: bool
    heard_ms: int
    """Steady time."""
    old_ms: int
    """Steady time from which on it is too old."""


def concerns(event: Event) -> bool:
    """Whether anything of it is kept: an alarm, or who holds the lease."""
    is_alarm = bool(event.occurrence) and event.type.startswith("ampward.alarm.")
    return is_alarm or lease.holder(event) is not None


class Heard:
    """The lane of one site, whoever its notifier is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.stand = LiveStand()
        self._waiting: deque[_Waiting] = deque(maxlen=EVENTS_MAX)
        self._count = 0
        """Events that were ever put there."""
        self._newest = ("", NEVER)

    def take(self, live: Live, events: Sequence[Event], seen: Seen, at_ms: int) -> None:
        """A record that the broker took at ``at_ms`` and those of its events that concern anybody; ``seen`` is how far
        the blocks have come."""
        if not _is_newer(live, *self._newest):
            return
        self._newest = (live.log_id, _stamp(live))
        self._follow(live, events)
        now = self._clock.monotonic_ms()
        on_way_ms = max(0, self._clock.wall_ms() - at_ms)
        for event in events:
            old_ms = now + LATE_MS - on_way_ms - max(0, live.sent_at_ms - event.at_ms)
            if event.occurrence and now < old_ms:
                self._waiting.append(_Waiting(event, live.undurable, now, old_ms))
                self._count += 1
        while self._waiting and (now >= self._waiting[0].old_ms or seen.has(self._waiting[0].event)):
            self._waiting.popleft()

    def adopt(self, stored: bytes | None) -> None:
        """How far another notifier of this site has come, when it is further. Raises ValueError."""
        found = LiveStand() if stored is None else _decode(stored)
        if found.at[1] > self.stand.at[1]:
            self.stand = found

    def stored(self) -> bytes:
        """For :meth:`adopt`."""
        return msgspec.json.encode(self.stand)

    def holder_at(self, site_seq: int, seen: Seen) -> str | None:
        """Who held the lease at a place that the blocks have not come to; None when that is not known."""
        last = next((change for change in reversed(self.stand.changes) if change[0] <= site_seq), (0, None))
        return seen.leased if last[0] <= seen.last_seq and self._is_whole(seen) else last[1]

    def after(self, number: int, seen: Seen) -> tuple[int, tuple[Early, ...]]:
        """What is late by now behind the ``number``-th event, and the number of the last one looked at."""
        now, first, found = self._clock.monotonic_ms(), self._count - len(self._waiting), list[Early]()
        number = max(number, first)
        while number < self._count and now - (one := self._waiting[number - first]).heard_ms >= GRACE_MS:
            number += 1
            if seen.has(one.event) or now >= one.old_ms:
                continue
            is_known = one.undurable or one.event.site_seq <= self.stand.to_seq
            holder = self.holder_at(one.event.site_seq, seen) if is_known else None
            found.append(Early(one.event, holder, one.undurable))
        return number, tuple(found)

    def is_behind(self, seen: Seen) -> bool:
        """Whether something that is not old yet was not brought by the blocks, and more than what was heard."""
        now = self._clock.monotonic_ms()
        if self._is_whole(seen):
            return False
        for one in reversed(self._waiting):
            if seen.has(one.event):
                return False
            if now < one.old_ms:
                return True
        return False

    def _is_whole(self, seen: Seen) -> bool:
        """Whether the lane has left nothing out since the place of the blocks."""
        return 0 < self.stand.whole_from <= seen.last_seq + 1

    def _follow(self, live: Live, events: Sequence[Event]) -> None:
        """The lease and how far it is known."""
        stand = self.stand
        if not _is_newer(live, stand.log_id, stand.at) or not (live.from_seq or live.undurable):
            return
        stand.log_id, stand.at = live.log_id, _stamp(live)
        if live.from_seq:
            stand.changes = [change for change in stand.changes if change[0] < live.from_seq]
            if not stand.to_seq or live.from_seq > stand.to_seq + 1:
                stand.changes.append((stand.to_seq + 1, None))
                stand.whole_from = live.from_seq
            stand.whole_from = stand.whole_from or live.from_seq
            stand.to_seq = live.site_seq
        for event in events:
            if (holder := lease.holder(event)) is not None:
                stand.changes.append((event.site_seq, holder))
        del stand.changes[:-CHANGES_MAX]


class AheadOf:
    """Implements services.notifier.ahead.Ahead for one notifier over what is heard of its site."""

    def __init__(self, heard: Heard, seen: Seen) -> None:
        self._heard = heard
        self._seen = seen
        self._number = 0

    def events(self) -> tuple[Early, ...]:
        self._number, found = self._heard.after(self._number, self._seen)
        return found

    def leased(self) -> str | None:
        to_seq = self._heard.stand.to_seq
        return self._heard.holder_at(to_seq, self._seen) if to_seq > self._seen.last_seq else None

    def is_behind(self) -> bool:
        return self._heard.is_behind(self._seen)

    def read_seq(self) -> int:
        return self._seen.last_seq


_decode: Final = msgspec.json.Decoder(LiveStand).decode


def _stamp(live: Live) -> Stamp:
    return live.site_seq, live.sent_at_ms, live.number


def _is_newer(live: Live, log_id: str, stamp: Stamp) -> bool:
    """Stamps rise within a log; of another log only the clock says which is newer."""
    return _stamp(live) > stamp if live.log_id == log_id else live.sent_at_ms > stamp[1]
