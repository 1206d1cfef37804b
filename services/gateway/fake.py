"""Views in memory: what the gateway's tests, and programs that only want the interface, put behind it.

It behaves as the port says: commands with the same id are done once, events are read by cursor, cursors older than what
is kept answer CursorGone. What the site would decide is handed in: ``decide`` answers each new command.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile

from services.gateway.cursors import decode_cursor, encode_cursor
from services.gateway.views import (
    AlarmItem,
    Check,
    CommandAnswer,
    CommandState,
    CursorGone,
    EventItem,
    IdReused,
    OutputItem,
    PointItem,
    Readiness,
    SiteStatus,
    Upkeep,
)
from shared.domain.events import About, Event, about
from shared.domain.inputs import Command
from shared.log.port import Cursor
from shared.runtime.metrics import MetricValues


def accept(command: Command) -> CommandAnswer:
    """The answer of a site that takes every command."""
    return CommandAnswer(command.id, CommandState.ACCEPTED)


@dataclass
class FakeViews:
    """A site without devices."""

    site: str = "demo"
    rooms: tuple[str, ...] = ("r1", "r2")
    log_id: str = "0" * 32
    decide: Callable[[Command], CommandAnswer] = accept
    alarm_items: tuple[AlarmItem, ...] = ()
    point_items: tuple[PointItem, ...] = ()
    output_items: tuple[OutputItem, ...] = ()
    ready: Readiness = field(
        default_factory=lambda: Readiness(ready=True, armed=False, checks={"trip": Check(ok=True, detail="")})
    )
    values: MetricValues = field(default_factory=MetricValues)
    as_of_ms: int = 1_700_000_000_000
    maintained: Upkeep | None = field(default_factory=lambda: Upkeep(parts=(), dues=()))
    commands: list[Command] = field(default_factory=list)
    """Every command that was an input, in order."""
    _answers: dict[str, tuple[Command, CommandAnswer]] = field(default_factory=dict)
    _events: list[EventItem] = field(default_factory=list)
    _dropped: Cursor | None = None
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, event: Event) -> Cursor:
        """Put an event behind the others."""
        cursor = Cursor(self.log_id, event.site_seq, event.ordinal)
        self._events.append(EventItem(cursor, event))
        self._grown.set()
        self._grown = asyncio.Event()
        return cursor

    def drop(self, count: int) -> None:
        """Forget the oldest ``count`` events, as retention does."""
        self._dropped = self._events[count - 1].cursor
        del self._events[:count]

    def sites(self) -> frozenset[str]:
        return frozenset({self.site})

    def alarms(self) -> tuple[tuple[AlarmItem, ...], int]:
        return self.alarm_items, self.as_of_ms

    def points(self) -> tuple[PointItem, ...]:
        return self.point_items

    def outputs(self) -> tuple[OutputItem, ...]:
        return self.output_items

    def status(self) -> SiteStatus:
        head = self.head()
        return SiteStatus(
            site=self.site,
            name=self.site,
            version="0",
            decision="0" * 64,
            log_id=self.log_id,
            head_seq=head.site_seq if head else 0,
            undurable=False,
            demo=True,
            rooms=self.rooms,
        )

    def readiness(self) -> Readiness:
        return self.ready

    def metrics(self) -> MetricValues:
        return self.values

    def head(self) -> Cursor | None:
        return self._events[-1].cursor if self._events else self._dropped

    def cursor_text(self, cursor: Cursor) -> str:
        return encode_cursor(cursor)

    def read_cursor(self, text: str) -> Cursor | None:
        return decode_cursor(text)

    async def read_events(self, cursor: Cursor | None, limit: int) -> tuple[EventItem, ...] | CursorGone:
        return self.events_after(cursor, limit)

    def events_after(self, cursor: Cursor | None, limit: int) -> tuple[EventItem, ...] | CursorGone:
        if cursor is not None:
            foreign = cursor.log_id != self.log_id
            older = self._dropped is not None and cursor[1:] < self._dropped[1:]
            if foreign or older:
                return CursorGone(self._dropped)
        found = (item for item in self._events if cursor is None or item.cursor[1:] > cursor[1:])
        return tuple(item for _, item in zip(range(limit), found, strict=False))

    def pass_over(self, cursor: Cursor | None, wanted: Callable[[About], bool]) -> Cursor | None:
        found = self.events_after(cursor, len(self._events))
        if isinstance(found, CursorGone):
            return cursor
        unwanted = takewhile(lambda item: not wanted(about(item.event)), found)
        return max((item.cursor for item in unwanted), default=cursor)

    async def wait_for_events(self, cursor: Cursor | None, timeout_s: float) -> bool:
        if self.events_after(cursor, 1):
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await self._grown.wait()
        except TimeoutError:
            return False
        return True

    async def submit(self, command: Command) -> CommandAnswer | IdReused:
        known = self._answers.get(command.id)
        if known is not None:
            return known[1] if known[0] == command else IdReused(command.id)
        self.commands.append(command)
        answer = self.decide(command)
        self._answers[command.id] = (command, answer)
        return answer

    def command_state(self, command_id: str) -> CommandAnswer | None:
        known = self._answers.get(command_id)
        return None if known is None else known[1]

    async def upkeep(self) -> Upkeep | None:
        return self.maintained
