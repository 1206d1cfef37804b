"""A bell between a site's process and its uplink's, so that nobody need look often whether the log has grown.

    site: Rope(data).ring()  --- a datagram to a socket in memory --->  uplink: Bell(data)
          after each commit                                                     rings -> look -> wait(rings, seconds)

Promises: who rings never waits, and nobody hears it is no fault; who waits is woken by a ring that came after he read
``rings``, and at the latest after his seconds. A ring may be lost with the file, or in a crowd of them: so who waits
looks by himself as well, more seldom. What has happened is not said: that stands in the log.
"""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import Self

from shared.domain.errors import Busy
from shared.runtime.places import UPLINK_BELL, make_memory_folder, memory_folder

_CROWD = 64
"""Rings that are taken at once; one is enough."""


class Rope:
    """The site's side. Any thread."""

    def __init__(self, data: Path) -> None:
        self._path = str(memory_folder(data) / UPLINK_BELL)

    def ring(self) -> None:
        """There is something new."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as made:
            made.sendto(b".", self._path)


class Bell:
    """The uplink's side, in one event loop: ``with`` hangs it up. One that hangs nowhere never rings."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._socket: socket.socket | None = None
        self._rung = asyncio.Event()
        self.rings = 0
        """How often it was heard."""

    def __enter__(self) -> Self:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            path = make_memory_folder(self._data) / UPLINK_BELL
            path.unlink(missing_ok=True)
            made.bind(str(path))
        except (OSError, Busy):
            made.close()
            return self
        self._socket = made
        asyncio.get_running_loop().add_reader(made, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    async def wait(self, rings: int, seconds: float) -> None:
        """Until it has rung more often than ``rings``, or so long."""
        if self.rings != rings:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()

    def _hear(self) -> None:
        assert self._socket is not None
        with suppress(BlockingIOError):
            for _ in range(_CROWD):
                self._socket.recv(1)
        self.rings += 1
        self._rung.set()
        self._rung = asyncio.Event()
