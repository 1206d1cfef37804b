"""The server end of the local link: who is connected, who is the site, what each may ask.

Promises: frames and Reports go to the newest ``site`` only, from the place it names, in order, at its pace: what it
does not read stays in the outbox, and nobody who does not read makes guard wait or grow. Refuses (a ``refused``
message): a word out of turn, a lease or plan from anybody but the present site. Bytes that are not the protocol end the
connection.
Limits: 16 clients; a client that leaves 1 MiB unread is disconnected.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from services.guard.outbox import Outbox
from shared.devices.frame import Frame
from shared.domain.errors import WireError
from shared.runtime.clocks import Clock
from shared.wire.guardlink import (
    Ack,
    FromGuard,
    Hello,
    Join,
    Refused,
    ReportSent,
    Stop,
    Test,
    ToGuard,
    ToGuardReader,
    encode,
    encode_frame,
)

CLIENTS_MAX = 16
UNREAD_BYTES_MAX = 1 << 20
SEND_AHEAD_BYTES = 1 << 18
CLOSE_S = 1.0
_READ_BYTES = 1 << 18


class Client:
    """One connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.role = ""
        self.cursor = 0
        """Last n that was sent to it."""
        self._writer = writer

    def send(self, message: FromGuard) -> None:
        """Without waiting; who does not read is disconnected."""
        if self._writer.transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self.end()
        elif not self._writer.is_closing():
            self._writer.write(encode(message))

    def refuse(self, what: str, reason: str, number: int = 0) -> None:
        self.send(Refused(what, reason, number))

    async def send_kept(self, data: bytes) -> None:
        """One frame or Report, at the reader's pace."""
        self._writer.write(data)
        if self._writer.transport.get_write_buffer_size() > SEND_AHEAD_BYTES:
            await self._writer.drain()

    def end(self) -> None:
        self._writer.transport.abort()


Take = Callable[[Client, ToGuard, bytes], None]


class Link:
    """``hello`` makes the first message to a client; ``take`` gets what the site and the parent ask for."""

    def __init__(self, outbox: Outbox, clock: Clock, hello: Callable[[], Hello], take: Take) -> None:
        self._outbox = outbox
        self._clock = clock
        self._hello = hello
        self._take = take
        self._clients: set[Client] = set()
        self._serving: set[asyncio.Task[object]] = set()
        self._site: Client | None = None
        self._sender: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        self._server = await asyncio.start_unix_server(self._serve, sock=listening)

    def notify(self) -> None:
        """There is something new in the outbox."""
        self._news.set()

    def broadcast(self, message: FromGuard) -> None:
        """To everybody who is connected."""
        for client in tuple(self._clients):
            client.send(message)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for client in tuple(self._clients):
            client.end()
        await self._end_sender()
        if self._serving:
            await asyncio.wait(tuple(self._serving), timeout=CLOSE_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a server's callback runs as a task"
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        client = Client(writer)
        if len(self._clients) >= CLIENTS_MAX:
            client.end()
            return
        self._clients.add(client)
        try:
            client.send(self._hello())
            messages = ToGuardReader()
            while data := await reader.read(_READ_BYTES):
                for message, tail in messages.feed(data):
                    await self._hear(client, message, tail)
        except WireError as fault:
            client.refuse("", str(fault))
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.drain()
        except OSError:
            # The other end has gone; what it had not acked is kept.
            return
        finally:
            self._clients.discard(client)
            if client is self._site:
                self._site = None
                await self._end_sender()
            client.end()

    async def _hear(self, client: Client, message: ToGuard, tail: bytes) -> None:
        if isinstance(message, Join):
            await self._join(client, message)
        elif not client.role:
            client.refuse(_name(message), "say join first")
        elif client.role == "parent" and not isinstance(message, Stop | Test):
            client.refuse(_name(message), "the site process says this, not the parent")
        elif client.role == "site" and client is not self._site:
            client.refuse(_name(message), "a newer site process has joined")
        elif isinstance(message, Ack):
            self._outbox.ack(message.n)
        else:
            self._take(client, message, tail)

    async def _join(self, client: Client, message: Join) -> None:
        if client.role:
            client.refuse("join", "already joined")
            return
        client.role = message.role
        if message.role != "site":
            return
        older, self._site = self._site, client
        await self._end_sender()
        if older is not None:
            older.end()
        self._outbox.ack(message.after)
        client.cursor = min(message.after, self._outbox.last_n)
        self._sender = asyncio.create_task(self._send_kept(client), name="link-sender")

    async def _send_kept(self, client: Client) -> None:
        try:
            while True:
                self._news.clear()
                while (kept := self._outbox.next_after(client.cursor)) is not None:
                    client.cursor = kept.n
                    now = self._clock.monotonic_ms()
                    age_ms = max(0, now - kept.at_ms)
                    if isinstance(kept.body, Frame):
                        await client.send_kept(encode_frame(kept.n, kept.body, age_ms, now))
                    else:
                        await client.send_kept(encode(ReportSent(kept.n, *kept.body, age_ms, now)))
                await self._news.wait()
        except OSError:
            # The reading end notices too and cleans up.
            return

    async def _end_sender(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)


def _name(message: ToGuard) -> str:
    return str(type(message).__struct_config__.tag)
