"""A TCP proxy that misbehaves on demand: latency, slices, resets, half-open links, corruption, duplication, cuts.

    with FaultProxy("127.0.0.1", device_port) as proxy:
        connect(proxy.port)
        proxy.faults = Faults(latency_s=0.2)      # from now on
        proxy.reset()                             # every open connection ends with RST
        proxy.cut()                               # nothing is accepted; open connections stay silent
        proxy.mend()

It runs a loop of its own in a thread, so tests of any kind can use it. Corruption is seeded.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Faults:
    """How bytes are treated on their way; the default passes them on untouched."""

    latency_s: float = 0.0
    slice_bytes: int = 0
    """Pass the bytes on in pieces of this size, each a packet of its own; 0: as they came."""
    corrupt_every: int = 0
    """Change one bit of every n-th byte; 0: of none."""
    duplicate: bool = False
    """Send every chunk twice."""
    swallow_up: bool = False
    """Bytes to the server vanish: a one-way cut."""
    swallow_down: bool = False
    """Bytes from the server vanish: half-open, as seen by the client."""
    refuse: bool = False
    """New connections are reset at once."""


@dataclass(eq=False, slots=True)
class _Link:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class FaultProxy:
    """Listens on a free loopback port (or ``port``) and passes connections on to (host, target_port)."""

    def __init__(self, host: str, target_port: int, *, port: int = 0, seed: int = 1) -> None:
        self._target = (host, target_port)
        self._random = random.Random(seed)
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._wanted_port = port
        self.faults = Faults()
        self.port = 0
        self.accepted = 0
        """Connections accepted so far."""
        self.swallowed = 0
        """Bytes that vanished so far."""
        self.passed_up = 0
        self.passed_down = 0
        """Bytes passed on so far, towards the server and towards the client."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(lambda: asyncio.start_server(self._accept, "127.0.0.1", self._wanted_port))
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def reset(self) -> int:
        """End every open connection with RST; how many there were."""
        return self._call(self._reset)

    def cut(self) -> None:
        """Both directions vanish and new connections are refused; open ones stay open and silent."""
        self.faults = Faults(swallow_up=True, swallow_down=True, refuse=True)

    def mend(self) -> None:
        """Pass everything on again."""
        self.faults = Faults()

    def _call(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result(60)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self._links.add(link)
        self.accepted += 1
        try:
            if self.faults.refuse:
                return
            server_reader, link.server = await asyncio.open_connection(*self._target)
            link.tasks = [
                asyncio.ensure_future(self._pump(reader, link.server, up=True)),
                asyncio.ensure_future(self._pump(server_reader, writer, up=False)),
            ]
            await asyncio.wait(link.tasks, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):
            return  # Cancelled by close: asyncio asks a handler for its result, and prints when it has none.
        finally:
            self._abort(link)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        while chunk := await reader.read(65536):
            faults = self.faults
            if faults.latency_s:
                await asyncio.sleep(faults.latency_s)
            if faults.swallow_up if up else faults.swallow_down:
                self.swallowed += len(chunk)
                continue
            chunk = self._corrupted(chunk, faults.corrupt_every)
            size = faults.slice_bytes or len(chunk)
            if up:
                self.passed_up += len(chunk)
            else:
                self.passed_down += len(chunk)
            for _ in range(2 if faults.duplicate else 1):
                for start in range(0, len(chunk), size):
                    writer.write(chunk[start : start + size])
                    await writer.drain()
                    if faults.slice_bytes:
                        await asyncio.sleep(0.001)

    def _corrupted(self, chunk: bytes, every: int) -> bytes:
        if not every:
            return chunk
        harmed = bytearray(chunk)
        for at in range(len(harmed)):
            if self._random.randrange(every) == 0:
                harmed[at] ^= 1 << self._random.randrange(8)
        return bytes(harmed)

    async def _reset(self) -> int:
        links = list(self._links)
        for link in links:
            self._abort(link)
        return len(links)

    def _abort(self, link: _Link) -> None:
        self._links.discard(link)
        for task in link.tasks:
            task.cancel()
        for writer in (link.client, link.server):
            if writer is not None and not writer.transport.is_closing():
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()

    async def _close(self) -> None:
        self._server.close()
        await self._reset()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
