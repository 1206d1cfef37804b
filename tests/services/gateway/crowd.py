"""A thousand readers of one gateway: ``python -m tests.services.gateway.crowd`` is the gateway, :class:`Crowd` they.

The gateway prints its address, then does what the lines on its standard input say: ``add N`` puts N events into the
log, one after the other with a tenth of a second between them, ``fill N`` without; ``memory`` prints its proportional
set size in MiB.
"""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.gateway.address import bind_loopback
from services.gateway.api import create_app
from services.gateway.fake import FakeViews
from services.gateway.listening import room_for
from services.gateway.server import Gateway
from tests.services.gateway.samples import event

TOKEN = "t" * 43
PAUSE_S = 0.1
AT_ONCE = 100
_EVENT = re.compile(rb'id: (\S+)\nevent: .*\ndata: .*"reason":"([0-9]+)"')


async def serve() -> None:
    """The gateway's process until its standard input ends."""
    views = FakeViews()
    gateway = Gateway(create_app(views, TOKEN), bind_loopback("127.0.0.1:0"))
    await gateway.start()
    print(gateway.address, flush=True)
    added = 0
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.startswith("memory"):
            print(pss_mib("self"), flush=True)
            continue
        word, count = line.split()
        for _ in range(int(count)):
            added += 1
            views.add(event(added)._replace(reason=str(time.time_ns())))
            await asyncio.sleep(PAUSE_S if word == "add" else 0)
        print("added", flush=True)
    await gateway.stop()


def pss_mib(pid: int | str) -> float:
    """Private memory and the process's share of what it shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


@contextmanager
def gateway_process() -> Iterator["subprocess.Popen[str]"]:
    """The gateway in a process of its own."""
    command = [sys.executable, "-m", "tests.services.gateway.crowd"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def ask(process: "subprocess.Popen[str]", words: str = "") -> str:
    """Say a line, if any, and give the next line of the answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    if words:
        process.stdin.write(f"{words}\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


@dataclass
class Reader(asyncio.Protocol):
    """One client of the stream: what it got, and how long each event took to it."""

    request: bytes
    stops: bool = False
    """It reads what comes first, and nothing more."""
    cursors: list[bytes] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    is_told: bool = False
    """The answer has begun."""
    is_lost: bool = False
    _rest: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now_ns = time.time_ns()
        self.is_told = True
        if self.stops:
            self.transport.pause_reading()
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            found = _EVENT.search(block)
            if found is not None:
                self.cursors.append(found[1])
                self.late_ms.append((now_ns - int(found[2])) / 1e6)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost = True


class Crowd:
    """Readers in this process."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._where = host, int(port)
        self.readers: list[Reader] = []

    async def come(self, count: int, query: str = "", *, paused: bool = False) -> list[Reader]:
        """So many more, each when it has been answered; ``paused`` ones read no further."""
        room_for(count + len(self.readers))
        head = f"GET /api/v1/events{query} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        made: list[Reader] = []
        loop = asyncio.get_running_loop()
        for begin in range(0, count, AT_ONCE):
            some = min(AT_ONCE, count - begin)
            opened = (loop.create_connection(lambda: Reader(head, paused), *self._where) for _ in range(some))
            made += [reader for _, reader in await asyncio.gather(*opened)]
            while not all(reader.is_told for reader in made):
                await asyncio.sleep(0.01)
        self.readers += made
        return made

    async def have(self, count: int) -> None:
        """Returns when every reader has so many events."""
        while not all(len(reader.cursors) >= count for reader in self.readers):
            await asyncio.sleep(0.02)

    def leave(self) -> None:
        for reader in self.readers:
            reader.transport.abort()


if __name__ == "__main__":
    asyncio.run(serve())
