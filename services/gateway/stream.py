"""The event stream: server-sent events that replay from a cursor and go on live without a hole.

Each reader pulls pages from the log at its own pace (services.gateway.pages), so a slow one holds no queue; one that
takes nothing for SEND_WAIT_S of its connection is dropped and comes back with its last ``id:``. ``event: reset`` says
that what was asked for is no longer kept (or belongs to a log that this one does not continue) and that the stream goes
on from the oldest event there is.

    event -> id: CURSOR / event: TYPE / data: CloudEvent        nothing for HEARTBEAT_S -> a comment line
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import orjson
from starlette.types import Receive, Scope, Send

from services.gateway.pages import Bell, Page, Pages
from services.gateway.views import CursorGone, Stand
from shared.domain.events import About, Event
from shared.domain.plan import Severity

HEARTBEAT_S = 15.0
RETRY_MS = 3000
STREAMS_MAX = 1_024
"""Open streams at once: each is a socket and two tasks, about 30 KiB; the bench holds 1,000."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a reader wants to see; empty is everything."""

    site: str = ""
    room: str = ""
    type_prefix: str = ""
    severity_min: Severity | None = None
    sites: frozenset[str] = frozenset()
    """Those that the reader may see."""

    @property
    def is_open(self) -> bool:
        return self == EventFilter()

    def wants(self, event: About | Event) -> bool:
        if self.site and event.site != self.site:
            return False
        if self.sites and event.site not in self.sites:
            return False
        if self.room and event.room != self.room:
            return False
        if not event.type.startswith(self.type_prefix):
            return False
        if self.severity_min is None:
            return True
        return event.severity != "" and Severity[event.severity.upper()] >= self.severity_min

    def text(self, page: Page) -> bytes:
        """What is wanted of a page."""
        return page.whole() if self.is_open else page.some(self.wants)


def reset_text(gone: CursorGone, cursor_text: Callable[[Stand], str]) -> bytes:
    """The reset event: ``oldest`` is the cursor that the stream goes on from, null for the beginning."""
    oldest = None if gone.oldest is None else cursor_text(gone.oldest)
    return b"event: reset\ndata: " + orjson.dumps({"oldest": oldest}) + b"\n\n"


@dataclass(frozen=True, slots=True)
class Source:
    """What all streams of one application share."""

    pages: Pages
    bell: Bell
    stopping: asyncio.Event


class EventStream:
    """The answer to one reader, an ASGI application.

    ``follow`` False ends at the head of the log. ``may_go_on`` is asked before each piece: a reader whose token was
    revoked is not told more.
    """

    def __init__(
        self,
        source: Source,
        start: Stand | None,
        wanted: EventFilter,
        *,
        follow: bool,
        may_go_on: Callable[[], bool],
    ) -> None:
        self._source = source
        self._start = start
        self._wanted = wanted
        self._follow = follow
        self._may_go_on = may_go_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        wake = asyncio.Event()
        leaving = asyncio.ensure_future(_gone(receive))
        leaving.add_done_callback(lambda _: wake.set())
        try:
            with self._source.bell.rings(wake):
                async for chunk in self._chunks(wake):
                    if leaving.done() or self._source.stopping.is_set() or not self._may_go_on():
                        break
                    if chunk:
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            leaving.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self, wake: asyncio.Event) -> AsyncIterator[bytes]:
        """Pieces of the stream; an empty one is a moment to look whether it goes on."""
        yield f"retry: {RETRY_MS}\n\n".encode()
        cursor = self._start
        while True:
            wake.clear()
            if not self._wanted.is_open:
                cursor = self._source.pages.pass_over(cursor, self._wanted.wants)
            found = await self._source.pages.after(cursor)
            if isinstance(found, CursorGone):
                cursor = found.oldest
                yield reset_text(found, self._source.pages.cursor_text)
            elif found.items:
                cursor = found.items[-1].cursor
                yield self._wanted.text(found)
                await asyncio.sleep(0)
            elif not self._follow:
                return
            else:
                cursor = self._source.pages.pass_over(cursor, self._wanted.wants)
                yield b"" if await _woken(wake) else b": still here\n\n"


async def _woken(wake: asyncio.Event) -> bool:
    """False after HEARTBEAT_S without."""
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            await wake.wait()
    except TimeoutError:
        return False
    return True


async def _gone(receive: Receive) -> None:
    """Returns when the client has closed its end."""
    while (await receive())["type"] != "http.disconnect":
        pass
