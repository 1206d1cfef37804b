"""The event log, read and written out once for all readers: pages of text, and the bell that says there is more.

    log --- one look ---> Bell --- rings ---> 1,000 readers --- the same cursor ---> one Page, made once

Readers at the head stand at the same cursor, so they share one page; one that lags reads pages of its own and holds up
nobody. There is no queue, so nothing to overflow: a page is always the same for its cursor, because the log only grows.
Limit: PAGES_MAX pages of PAGE events, about 4 MiB, whatever the number of readers.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import orjson

from services.gateway.views import CursorGone, EventItem, GatewayViews, Stand
from shared.domain.events import About, Event
from shared.wire.events import cloud_event

PAGE = 100
"""Events read at once: about 50 KiB of text, and under a millisecond of the loop."""
PAGES_MAX = 32
FRESH_S = 5.0
"""A page is not kept longer: a log that was set aside is not told for ever."""
LOOK_S = 60.0
NOTHING_NEW_S = 0.05


def event_text(item: EventItem, cursor_text: Callable[[Stand], str]) -> bytes:
    """One event as the stream writes it."""
    data = orjson.dumps({**cloud_event(item.event), **item.extra})
    head = f"id: {cursor_text(item.cursor)}\nevent: {item.event.type}\ndata: "
    return head.encode() + data + b"\n\n"


class Page:
    """Events behind a cursor, in order; none when that cursor is at the head. An event is written out when the first
    reader wants it: with a narrow filter on a busy site most never are."""

    def __init__(self, items: tuple[EventItem, ...], cursor_text: Callable[[Stand], str]) -> None:
        self.items = items
        self._cursor_text = cursor_text
        self._texts: dict[int, bytes] = {}
        self._whole = b""

    def whole(self) -> bytes:
        """All of it."""
        if not self._whole:
            self._whole = b"".join(map(self.text, range(len(self.items))))
            self._texts.clear()
        return self._whole

    def some(self, wanted: Callable[[Event], bool]) -> bytes:
        """What is wanted of it."""
        return b"".join(self.text(place) for place, item in enumerate(self.items) if wanted(item.event))

    def text(self, place: int) -> bytes:
        found = self._texts.get(place)
        if found is None:
            found = self._texts[place] = event_text(self.items[place], self._cursor_text)
        return found


class Pages:
    """Pages by the cursor that they follow."""

    def __init__(self, views: GatewayViews) -> None:
        self._views = views
        self._kept: OrderedDict[Stand, tuple[float, Page]] = OrderedDict()

    def pass_over(self, cursor: Stand | None, wanted: Callable[[About], bool]) -> Stand | None:
        """Where a reader who wants only this may go on instead."""
        return self._views.pass_over(cursor, wanted)

    def cursor_text(self, cursor: Stand) -> str:
        return self._views.cursor_text(cursor)

    async def after(self, cursor: Stand | None) -> Page | CursorGone:
        """The next events; a page that was made lately is given again, though there may be more by now."""
        now = asyncio.get_running_loop().time()
        if cursor is not None and cursor in self._kept:
            made_at, page = self._kept[cursor]
            if now - made_at < FRESH_S:
                return page
            del self._kept[cursor]
        found = await self._views.read_events(cursor, PAGE)
        if isinstance(found, CursorGone):
            return found
        page = Page(found, self._views.cursor_text)
        if cursor is not None and found:
            self._kept[cursor] = (now, page)
            while len(self._kept) > PAGES_MAX:
                self._kept.popitem(last=False)
        return page


class Bell:
    """Wakes every reader when there are new events, and when the server stops. Looks only while somebody listens."""

    def __init__(self, views: GatewayViews, stopping: asyncio.Event) -> None:
        self._views = views
        self._stopping = stopping
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def rings(self, wake: asyncio.Event) -> Iterator[None]:
        """Inside, ``wake`` is set at each change."""
        self._listeners.add(wake)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look(), name="bell")
        try:
            yield
        finally:
            self._listeners.discard(wake)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _look(self) -> None:
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                seen = self._views.head()
                grown = asyncio.ensure_future(self._views.wait_for_events(seen, LOOK_S))
                try:
                    await asyncio.wait((grown, stopped), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    grown.cancel()
                self._ring()
                if self._views.head() == seen:
                    await asyncio.sleep(NOTHING_NEW_S)
        finally:
            stopped.cancel()
            self._ring()

    def _ring(self) -> None:
        for wake in self._listeners:
            wake.set()
