"""A site in memory for the running notifier: events that a test puts in, Reports that come back. Implements Feed, and
Living for the heartbeat."""

import asyncio
from collections.abc import Callable, Sequence

from services.notifier.feed import Gone, News, OpenAlarm
from services.notifier.reports import BoxReport, Reported
from services.notifier.routing import Setting
from shared.domain.events import About, Event, about
from shared.domain.inputs import ReportKind
from shared.log.port import Cursor


class FakeSite:
    def __init__(self, setting: Setting) -> None:
        self.events: list[News] = []
        self.reports: list[BoxReport] = []
        self.reported_at = ("", 0)
        """Ledger and number."""
        self.is_full = False
        """The log takes Reports, and keeps none for good."""
        self.open: tuple[OpenAlarm, ...] = ()
        self.plan = setting
        self.tick = 0
        self.gone = False
        """The reader's place is no longer known."""
        self.place: Cursor | None = None
        """Behind which the reader has last asked."""
        self.looks = 0
        """How often the reader has read to the end and looked what is due."""
        self._grown = asyncio.Event()

    def put(self, *events: Event, undurable: bool = False) -> None:
        for event in events:
            self.tick = max(self.tick, event.tick_ms)
            self.events.append(News(Cursor(event.log_id, event.site_seq, event.ordinal), event, undurable))
        self._grown.set()

    def told(self, kind: ReportKind) -> list[str]:
        """``part on|off|pulse detail`` of the Reports of a kind."""
        return [
            f"{one.part} {'pulse' if one.pulse else 'on' if one.on else 'off'} {one.detail}"
            for one in self.reports
            if one.kind is kind
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

    def leased(self) -> str:
        return ""

    def is_behind(self) -> bool:
        self.looks += 1
        return False

    async def head(self) -> tuple[Cursor | None, tuple[OpenAlarm, ...]]:
        self.gone = False
        return (self.events[-1].cursor if self.events else None), self.open

    def tick_ms(self) -> int:
        return self.tick

    async def report(self, ledger: str, number: int, reports: Sequence[BoxReport]) -> None:
        self.reports += reports
        self.reported_at = (ledger, number)

    async def reported(self, ledger: str) -> Reported:
        known, number = self.reported_at
        taken = number if known == ledger else 0
        return Reported(taken, 0 if self.is_full else taken)

    # The heartbeat's Living

    def alive(self) -> bool:
        return True

    async def tell(self, report: BoxReport) -> None:
        self.reports.append(report)
