"""What was seen of one site's events, whatever the notifier made of them: a fold, kept with the place in the topic.

Three things come of it: a batch that comes again is known (the processor writes at least once, and an owner that was
away may write old batches late); the alarms that are open now; how far the site's own time is ahead of the broker's.

Promises: events of a log come once, in the order of its numbers; another log follows only where it was not seen before.
Limits: LOGS_MAX logs of a site are remembered, ALARMS_MAX open alarms.
"""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from services.notifier import lease
from services.notifier.feed import OpenAlarm
from services.notifier.pipeline import CLOSING, HIDING, SHOWING
from shared.domain.events import Event, EventType
from shared.wire.batches import EventsBatch

LOGS_MAX: Final = 64
ALARMS_MAX: Final = 20_000
_ANNOUNCING = {EventType.ALARM_RAISED, EventType.ALARM_ESCALATED, EventType.ALARM_REANNOUNCED}
_STANDING = "BCEF"


@dataclass(slots=True)
class Standing:
    """An alarm that is not closed: the last event that announced it, its state since, what hides it."""

    event: Event
    state: str
    hidden: str


@dataclass(slots=True)
class Seen:
    """Of one site. ``ahead_ms`` is what the site's tick clock shows above the broker's clock, 0 before the first event:
    the most that was ever seen, which is what it was when the way to the centre was shortest."""

    logs: dict[str, int] = field(default_factory=dict)
    """Highest input number by log, oldest log first."""
    ahead_ms: int = 0
    leased: str = ""
    """Who holds the notify lease by the log; "" is nobody."""
    open: dict[str, Standing] = field(default_factory=dict)
    """By occurrence."""

    @property
    def last_seq(self) -> int:
        """The highest input that was read, of the log that came last."""
        return next(reversed(self.logs.values()), 0)

    def has(self, event: Event) -> bool:
        """Whether the blocks have brought it."""
        return event.site_seq <= self.logs.get(event.log_id, 0)

    def take(self, batch: EventsBatch, events: tuple[Event, ...], at_ms: int) -> tuple[Event, ...]:
        """Those of the batch's events that were not seen before; ``at_ms`` is when the broker took it."""
        mark = self.logs.get(batch.log_id, 0)
        if batch.last_seq > mark:
            self.logs[batch.log_id] = batch.last_seq
            while len(self.logs) > LOGS_MAX:
                del self.logs[next(iter(self.logs))]
        news = tuple(event for event in events if event.site_seq > mark)
        for event in news:
            self._fold(event, at_ms)
        return news

    def alarms(self) -> tuple[OpenAlarm, ...]:
        """Those that stand."""
        return tuple(
            OpenAlarm(one.event._replace(state=one.state), "" if one.event.severity == "critical" else one.hidden)
            for one in self.open.values()
            if one.state in _STANDING
        )

    def tick_ms(self, wall_ms: int) -> int:
        """The site's own time when the centre's clock shows ``wall_ms``."""
        return wall_ms + self.ahead_ms

    def _fold(self, event: Event, at_ms: int) -> None:
        ahead_ms = event.tick_ms - at_ms
        self.ahead_ms = max(self.ahead_ms, ahead_ms) if self.ahead_ms else ahead_ms
        if (holder := lease.holder(event)) is not None:
            self.leased = holder
        if not event.occurrence or not event.type.startswith("ampward.alarm."):
            return
        if event.type in CLOSING or event.state == "A":
            self.open.pop(event.occurrence, None)
            return
        found = self.open.get(event.occurrence)
        if found is None:
            if len(self.open) >= ALARMS_MAX:
                del self.open[next(iter(self.open))]
            found = self.open[event.occurrence] = Standing(event, event.state, event.reason)
        elif event.type in _ANNOUNCING:
            found.event, found.hidden = event, event.reason
        found.state = event.state or found.state
        if event.type in HIDING:
            found.hidden = HIDING[EventType(event.type)]
        elif event.type in SHOWING:
            found.hidden = ""


_decoder = msgspec.json.Decoder(Seen)


def encode_seen(seen: Seen) -> bytes:
    return msgspec.json.encode(seen)


def decode_seen(data: bytes) -> Seen:
    """Raises ValueError for bytes that are none."""
    return _decoder.decode(data)
