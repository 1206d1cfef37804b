"""A real HTTP server that misbehaves on demand and keeps every request that it really received, in order.

    with HttpSink() as sink:
        post_to(sink.url)
        sink.manner = Answer(status=503, headers={"Retry-After": "2"})    # from now on
        sink.manner = Answer(drop_at="answer")       # reads the request and resets the line
        sink.plan = lambda number: BUSY if number < 3 else POLITE         # by request, counted from 0
        sink.requests[0].body

A request is in ``requests`` as soon as its last byte was read; ``answered`` says that a whole answer went out.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.testkit.looping import LoopThread

BODY_BYTES_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """How it answers; the default is a polite 204. Steps are head (before the request is read) and answer."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang_at: str = ""
    """At this step nothing is said for ever."""
    drop_at: str = ""
    """At this step the line is reset."""
    drip_s: float = 0.0
    """The answer comes byte by byte with so much time between."""
    endless: str = ""
    """``body`` or ``head``: this part of the answer never ends."""
    raw: bytes = b""
    """Sent instead of an answer."""


POLITE = Answer()


@dataclass(slots=True)
class Request:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in small letters."""
    body: bytes
    at: float
    """time.monotonic() when its last byte had been read."""
    answered: bool = False
    status: int = 0
    """What a whole answer said; 0 while there is none."""


class HttpSink:
    """Listens on a free loopback port (or ``port``) in a thread of its own."""

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.manner = POLITE
        self.plan: Callable[[int], Answer] | None = None
        """Goes before ``manner``."""
        self.requests: list[Request] = []
        self.connections = 0
        self.bytes_out = 0
        """Bytes of answers handed to the lines so far."""
        self.port = port
        self.host = host
        self._tls = tls
        self._lines: set[asyncio.StreamWriter] = set()
        self._thread: LoopThread

    @property
    def url(self) -> str:
        """With the address it listens on."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}/hook"

    @property
    def open_lines(self) -> int:
        """Connections that are open now."""
        return len(self._lines)

    def __enter__(self) -> Self:
        self._thread = LoopThread("http-sink")
        self._server = self._thread.call(lambda: asyncio.start_server(self._serve, self.host, self.port, ssl=self._tls))
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.call(self._close)
        self._thread.end()

    async def _close(self) -> None:
        self._server.close()
        for writer in list(self._lines):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
            writer.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._lines.discard(writer)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; False when the line ends after it."""
        how = self.plan(len(self.requests)) if self.plan is not None else self.manner
        await self._misbehave(how, "head", reader, writer)
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        size = int(headers.get("content-length", "0"))
        assert size <= BODY_BYTES_MAX, "a test asks for more than this sink takes"
        request = Request(method, target, headers, await reader.readexactly(size), time.monotonic())
        self.requests.append(request)
        await self._misbehave(how, "answer", reader, writer)
        await self._answer(how, writer)
        request.answered = True
        request.status = how.status
        return headers.get("connection", "").lower() != "close" and not how.raw

    async def _misbehave(
        self, how: Answer, step: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while how.hang_at == step and await reader.read(65536):
            pass  # Until the client has had enough.
        if step in (how.drop_at, how.hang_at):
            writer.transport.abort()
            raise ConnectionResetError

    async def _answer(self, how: Answer, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {how.status} Because", *(f"{name}: {value}" for name, value in how.headers.items())]
        if not how.endless:
            lines.append(f"Content-Length: {len(how.body)}")
        await self._send(writer, how.raw or ("\r\n".join(lines) + "\r\n").encode("latin-1"), how.drip_s)
        while how.endless == "head":
            await self._send(writer, b"X-More: " + b"x" * 1000 + b"\r\n", how.drip_s)
        await self._send(writer, b"" if how.raw else b"\r\n" + how.body, how.drip_s)
        while how.endless == "body":
            await self._send(writer, b"x" * 65536, how.drip_s)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes, drip_s: float) -> None:
        for at in range(0, len(data), 1 if drip_s else max(len(data), 1)):
            piece = data[at : at + 1] if drip_s else data
            writer.write(piece)
            await writer.drain()
            self.bytes_out += len(piece)
            if drip_s:
                await asyncio.sleep(drip_s)
