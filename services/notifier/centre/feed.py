"""One site as the centre's notifier sees it: events as they came by Kafka, open alarms by a fold of them.

A cursor here is a place in the partition: offset of the batch, number of the event in it. What is asked for behind a
place tells that everything up to it was taken and committed: so the reader of Kafka knows what it may confirm.

    records --push--> waiting --events_after--> pipeline --commit--> asked behind it: ``is_read``

Implements services.notifier.feed.Feed. Limits: what waits is one taken batch of Kafka; of a site that the notifier
does not know yet, what is younger than ten minutes (all else only counts for what is open).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from services.notifier.centre.seen import Seen
from services.notifier.feed import Gone, News, OpenAlarm
from services.notifier.pipeline import LATE_MS
from services.notifier.reports import BoxReport, Reported
from services.notifier.routing import Setting
from shared.domain.events import About, Event, about
from shared.log.port import Cursor
from shared.runtime.clocks import Clock

QUIET_MS: Final = 2000
"""So long after the last old event nothing older is expected: a backlog comes without pauses."""

TellReports = Callable[[str, int, Sequence[BoxReport]], Awaitable[None]]
"""Ledger, number of the last of them, Reports: returns when the broker has them."""


class CentreFeed:
    """See the module. One event loop."""

    def __init__(self, setting: Callable[[], Setting], clock: Clock, tell: TellReports, *, reported: int = 0) -> None:
        self._setting = setting
        self._clock = clock
        self._tell = tell
        self._waiting: deque[News] = deque()
        self._pushed: Cursor | None = None
        self._read: Cursor | None = None
        self._is_gone = False
        self._reported = reported
        self._moved, self._asked = asyncio.Event(), asyncio.Event()
        self._late_ms = clock.monotonic_ms()
        """Steady time at which an old event came last; the beginning counts as one."""
        self.seen = Seen()

    # The side of Kafka

    def push(self, offset: int, events: tuple[Event, ...], *, gathering: bool) -> None:
        """Events of one record, which were not seen before. ``gathering``: nobody was told of this site yet."""
        if not events:
            return
        self._pushed = Cursor(events[-1].log_id, offset, len(events) - 1)
        now_ms = self._clock.wall_ms()
        ages_ms = (now_ms - events[-1].at_ms, self.tick_ms() - events[-1].tick_ms)
        is_late = (ages_ms[0] if gathering else min(ages_ms)) > LATE_MS
        if is_late:
            self._late_ms = self._clock.monotonic_ms()
        if gathering and is_late:
            self._waiting.clear()
            self._is_gone = True
            return
        if gathering and not self._is_gone:
            self._late_ms -= QUIET_MS
        self._waiting.extend(
            News(Cursor(event.log_id, offset, number), event, undurable=False) for number, event in enumerate(events)
        )
        self._moved.set()

    def lose(self) -> None:
        """Places are not those that they were, or what was told is not known: go on at the head."""
        self._is_gone = True

    @property
    def is_old(self) -> bool:
        """Whether events were left out that nobody is to be told of one by one."""
        return self._is_gone

    def is_behind(self) -> bool:
        return self._clock.monotonic_ms() - self._late_ms < QUIET_MS

    @property
    def is_read(self) -> bool:
        """Whether everything that was pushed was taken and committed."""
        return not self._is_gone and (self._pushed is None or self._is_at(self._read, self._pushed))

    async def wait_read(self) -> None:
        """Until it is so. Cancellable."""
        while not self.is_read:
            self._asked.clear()
            await self._asked.wait()

    # The notifier's side

    def setting(self) -> Setting:
        return self._setting()

    def events_after(self, cursor: Cursor | None, limit: int) -> tuple[News, ...] | Gone:
        if self._is_gone:
            return Gone()
        self._read = cursor
        self._asked.set()
        while self._waiting and self._is_at(cursor, self._waiting[0].cursor):
            self._waiting.popleft()
        return tuple(self._waiting[number] for number in range(min(limit, len(self._waiting))))

    def pass_over(self, cursor: Cursor | None, wanted: Callable[[About], bool]) -> Cursor | None:
        if self._is_gone:
            return cursor
        while self._waiting and (self._is_at(cursor, one := self._waiting[0].cursor) or self._is_idle(wanted)):
            cursor = cursor if self._is_at(cursor, one) else one
            self._waiting.popleft()
        return cursor

    async def wait_for_events(self, cursor: Cursor | None, timeout_s: float) -> bool:
        self._moved.clear()
        if self.events_after(cursor, 1):
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._moved.wait()
                return True
        return False

    def leased(self) -> str:
        return self.seen.leased

    async def head(self) -> tuple[Cursor | None, tuple[OpenAlarm, ...]]:
        self._is_gone = False
        return self._pushed, self.seen.alarms()

    def tick_ms(self) -> int:
        return self.seen.tick_ms(self._clock.wall_ms())

    def alive(self) -> bool:
        """The heartbeat of a site is the site's own."""
        return False

    async def report(self, ledger: str, number: int, reports: Sequence[BoxReport]) -> None:
        """To the topic of deliveries; returns when the broker has them."""
        await self._tell(ledger, number, reports)
        self._reported = number

    async def reported(self, ledger: str) -> Reported:
        """The topic knows no numbers: what the ledger still has is told again, with the ids that it had."""
        del ledger
        return Reported(self._reported, self._reported)

    def _is_idle(self, wanted: Callable[[About], bool]) -> bool:
        return not wanted(about(self._waiting[0].event))

    @staticmethod
    def _is_at(cursor: Cursor | None, other: Cursor) -> bool:
        """Whether ``cursor`` is at ``other`` or behind it."""
        return cursor is not None and cursor[1:] >= other[1:]
