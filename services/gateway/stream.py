"""The event stream: server-sent events that replay from a cursor and go on live without a hole.

Each client pulls from the log at its own pace, so a slow one holds no queue; one that takes nothing for SEND_WAIT_S is
dropped and comes back with its last ``id:``. ``event: reset`` says that what was asked for is no longer kept (or
belongs to a log that this one does not continue) and that the stream goes on from the oldest event there is.

    event -> id: CURSOR / event: TYPE / data: CloudEvent        nothing for HEARTBEAT_S -> a comment line
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
from starlette.types import Receive, Scope, Send

from services.gateway.cursors import encode_cursor
from services.gateway.views import CursorGone, EventItem, Views
from shared.domain.plan import Severity
from shared.log.port import Cursor
from shared.wire.events import cloud_event

HEARTBEAT_S = 15.0
RETRY_MS = 3000
BATCH = 200
"""Events read at once: about 100 KiB of text, and under a millisecond of the loop."""
SEND_WAIT_S = 30.0
STREAMS_MAX = 32
"""Open streams at once: each is a task and a socket; a browser shares one."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a reader wants to see; empty is everything."""

    site: str = ""
    room: str = ""
    type_prefix: str = ""
    severity_min: Severity | None = None

    def wants(self, item: EventItem) -> bool:
        event = item.event
        if self.site and event.site != self.site:
            return False
        if self.room and event.room != self.room:
            return False
        if not event.type.startswith(self.type_prefix):
            return False
        if self.severity_min is None:
            return True
        return event.severity != "" and Severity[event.severity.upper()] >= self.severity_min


def event_text(item: EventItem) -> bytes:
    """One event as the stream writes it."""
    data = orjson.dumps({**cloud_event(item.event), **item.extra})
    head = f"id: {encode_cursor(item.cursor)}\nevent: {item.event.type}\ndata: "
    return head.encode() + data + b"\n\n"


def reset_text(gone: CursorGone) -> bytes:
    """The reset event: ``oldest`` is the cursor that the stream goes on from, null for the beginning."""
    oldest = None if gone.oldest is None else encode_cursor(gone.oldest)
    return b"event: reset\ndata: " + orjson.dumps({"oldest": oldest}) + b"\n\n"


class EventStream:
    """The answer to one reader, an ASGI application. ``follow`` False ends at the head of the log."""

    def __init__(
        self, views: Views, start: Cursor | None, wanted: EventFilter, *, follow: bool, stopping: asyncio.Event
    ) -> None:
        self._views = views
        self._start = start
        self._wanted = wanted
        self._follow = follow
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        ends = [asyncio.ensure_future(end) for end in (_gone(receive), self._stopping.wait(), self._write(send))]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        if ends[0] not in done and (ends[2] not in done or ends[2].exception() is None):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        async for chunk in self._chunks():
            async with asyncio.timeout(SEND_WAIT_S):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield f"retry: {RETRY_MS}\n\n".encode()
        cursor = self._start
        while True:
            found = self._views.events_after(cursor, BATCH)
            if isinstance(found, CursorGone):
                cursor = found.oldest
                yield reset_text(found)
                continue
            if found:
                cursor = found[-1].cursor
                text = b"".join(event_text(item) for item in found if self._wanted.wants(item))
                if text:
                    yield text
                await asyncio.sleep(0)
            elif not self._follow:
                return
            elif not await self._views.wait_for_events(cursor, HEARTBEAT_S):
                yield b": still here\n\n"


async def _gone(receive: Receive) -> None:
    """Returns when the client has closed its end."""
    while (await receive())["type"] != "http.disconnect":
        pass
