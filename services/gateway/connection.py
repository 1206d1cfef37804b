"""One connection to the gateway: uvicorn's, with an end to every wait that the other side could make us wait for ever.

    connected, or a head begun ----- HEAD_WAIT_S without a whole head ----> 408, closed
    answered before the body came -- HEAD_WAIT_S without its end ---------> closed
    answered ----------------------- KEEP_ALIVE_S without a request ------> closed (uvicorn's own)
    our bytes wait ----------------- SEND_WAIT_S and they still wait -----> aborted
    no request for YIELD_AFTER_S --- and all places are taken ------------> 503, closed: the longest waiting first

What is not HTTP, or has a head over HEAD_MAX, is answered with a problem body too. The time of a body is the door's.
"""

import asyncio
import sys
from typing import Any

import h11
import orjson
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.gateway.problems import MEDIA_TYPE, TYPE_PREFIX

HEAD_MAX = 16 * 1024
"""A cursor, a token and a browser's own headers are under 4 KiB."""
HEAD_WAIT_S = 10.0
YIELD_AFTER_S = 1.0
"""So long a connection without a whole request keeps its place before it makes room for a new one."""
SEND_WAIT_S = 30.0
WRITE_BUFFER = 32 * 1024
"""Bytes that wait in this process for a slow reader before its stream waits too; with one page of events on top."""
RETRY_AFTER_S = 5
_TITLES = {
    400: "This is not HTTP",
    408: "The request did not arrive in time",
    431: "The head is too large",
    503: "Too many connections",
}


def bare_problem(status: int, name: str, title: str, detail: str, retry_after_s: int = 0) -> bytes:
    """A whole answer as bytes, for those who are refused before there is a request; it ends the connection."""
    body = orjson.dumps(
        {"type": TYPE_PREFIX + name, "title": title, "status": status, "detail": detail, "instance": ""}
    )
    again = f"Retry-After: {retry_after_s}\r\n" if retry_after_s else ""
    head = (
        f"HTTP/1.1 {status} {title}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"{again}Connection: close\r\n\r\n"
    )
    return head.encode() + body


class Connection(H11Protocol):
    """See the module."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._owed: asyncio.TimerHandle | None = None
        """Runs while the other side owes us the rest of a head or a body that nobody reads."""
        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._owe()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owed = _without(self._owed)
        self._stuck = _without(self._stuck)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            return
        head_begun = self.conn.their_state is h11.IDLE
        unread = self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY
        if not head_begun and not unread:
            self._owed = _without(self._owed)
        elif self._owed is None:
            self._owe()

    def waits_s(self) -> float:
        """So long it has waited for a request of the other side; 0 while one is worked on."""
        now = self.loop.time()
        if self.transport.is_closing():
            return 0.0
        if self._owed is not None:
            return now - self._owed.when() + HEAD_WAIT_S
        if self.timeout_keep_alive_task is not None:
            return now - self.timeout_keep_alive_task.when() + self.timeout_keep_alive
        return 0.0

    def make_room(self) -> None:
        """Others need the place of this one, which asks for nothing."""
        if self._owed is not None:
            self._end(503, "too-many-connections", "This one had sent no whole request, and others need its place.")
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(SEND_WAIT_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._stuck = _without(self._stuck)
        super().resume_writing()

    def shutdown(self) -> None:
        """The server stops: who takes nothing is not waited for."""
        if self.flow.write_paused:
            self.transport.abort()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Called while the library's error is being handled: it knows the better status."""
        fault = sys.exc_info()[1]
        hint = fault.error_status_hint if isinstance(fault, h11.ProtocolError) else 400
        if hint == 431:
            self._end(431, "head-too-large", f"A request's head has at most {HEAD_MAX} bytes.")
        else:
            self._end(400, "malformed-request", msg)

    def _owe(self) -> None:
        self._owed = self.loop.call_later(HEAD_WAIT_S, self._overdue)

    def _overdue(self) -> None:
        self._end(408, "request-timeout", f"A request's head arrives whole within {HEAD_WAIT_S:g} s.")

    def _end(self, status: int, name: str, detail: str) -> None:
        """Say why and close; nothing is said in the middle of an answer or behind one."""
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE, h11.ERROR) and self.cycle_is_over():
            again_s = RETRY_AFTER_S if status == 503 else 0
            self.transport.write(bare_problem(status, name, _TITLES[status], detail, again_s))
        self.transport.close()

    def cycle_is_over(self) -> bool:
        """No answer of an earlier request is under way."""
        return self.cycle is None or self.cycle.response_complete


def _without(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """No timer; the one that runs is cancelled."""
    if timer is not None:
        timer.cancel()
    return None
