"""A site in memory for the running notifier: events that a test puts in, Reports that come back. Implements Feed."""

import asyncio
from collections.abc import Callable

from services.notifier.feed import Gone, News, OpenAlarm
from services.notifier.routing import Setting
from shared.domain.events import About, Event, about
from shared.domain.inputs import ReportKind
from shared.log.port import Cursor


class FakeSite:
    def __init__(self, setting: Setting) -> None:
        self.events: list[News] = []
        self.reports: list[tuple[ReportKind, str, str, bool, bool]] = []
        """kind, part, detail, on, pulse"""
        self.open: tuple[OpenAlarm, ...] = ()
        self.plan = setting
        self.tick = 0
        self.gone = False
        """The reader's place is no longer known."""
        self.place: Cursor | None = None
        """Behind which the reader has last asked."""
        self._grown = asyncio.Event()

    def put(self, *events: Event, undurable: bool = False) -> None:
        for event in events:
            self.tick = max(self.tick, event.tick_ms)
            self.events.append(News(Cursor(event.log_id, event.site_seq, event.ordinal), event, undurable))
        self._grown.set()

    def told(self, kind: ReportKind) -> list[str]:
        """``part on|off|pulse detail`` of the Reports of a kind."""
        return [
            f"{part} {'pulse' if pulse else 'on' if on else 'off'} {detail}"
            for one, part, detail, on, pulse in self.reports
            if one is kind
        ]

    # Feed

    def setting(self) -> Setting:
        return self.plan

    def events_after(self, cursor: Cursor | None, limit: int) -> tuple[News, ...] | Gone:
        self.place = cursor
        if self.gone and cursor is not None:
            return Gone()
        behind = [one for one in self.events if cursor is None or one.cursor[1:] > cursor[1:]]
        return tuple(behind[:limit])

    def pass_over(self, cursor: Cursor | None, wanted: Callable[[About], bool]) -> Cursor | None:
        found = self.events_after(cursor, len(self.events))
        if isinstance(found, Gone):
            return cursor
        for one in found:
            if one.undurable or wanted(about(one.event)):
                break
            cursor = one.cursor
        return cursor

    async def wait_for_events(self, cursor: Cursor | None, timeout_s: float) -> bool:
        self._grown.clear()
        if self.events_after(cursor, 1):
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await self._grown.wait()
        except TimeoutError:
            return False
        return True

    async def head(self) -> tuple[Cursor | None, tuple[OpenAlarm, ...]]:
        self.gone = False
        return (self.events[-1].cursor if self.events else None), self.open

    def tick_ms(self) -> int:
        return self.tick

    def alive(self) -> bool:
        return True

    async def report(self, kind: ReportKind, part: str, detail: str, *, on: bool = True, pulse: bool = False) -> None:
        self.reports.append((kind, part, detail, on, pulse))
