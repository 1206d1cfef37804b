"""Runs the application on a loopback address inside another program's event loop.

The port is bound before anything else, so a taken one is an error at start (Busy) and not a log line later. Only
loopback addresses are served: whoever wants the interface elsewhere puts a proxy with TLS and accounts before it.
Signals are left to the program.
"""

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from shared.domain.errors import Busy, ConfigError

BACKLOG = 64
GRACE_S = 2
CONNECTIONS_MAX = 128
"""Four times the streams: a connection costs at most BODY_MAX and its buffers, about 0.2 MiB."""
KEEP_ALIVE_S = 30


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program that runs this server."""
        yield


class Gateway:
    """One served application: ``await start()``, later ``await stop()``."""

    def __init__(self, app: FastAPI, address: str) -> None:
        """``address`` is HOST:PORT, port 0 for a free one. Raises Busy when taken, ConfigError when not loopback."""
        self._app = app
        self._socket = _bind(address)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            ws="none",
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """HOST:PORT as bound."""
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self) -> None:
        """Returns when requests are answered."""
        self._task = asyncio.create_task(self._server.serve([self._socket]), name="gateway")
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise Busy(f"the HTTP server on {self.address} did not start")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """End open streams, answer what is being answered, close."""
        self._app.state.stopping.set()
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()


def split_address(address: str) -> tuple[str, int] | None:
    """Host and port of ``HOST:PORT`` or ``[V6]:PORT``; None when it is not one."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        return None
    return host, int(port)


def _bind(address: str) -> socket.socket:
    parts = split_address(address)
    if parts is None:
        raise ConfigError(f"{address!r} is not an address; allowed: HOST:PORT, for example 127.0.0.1:8080")
    host, port = ("127.0.0.1", parts[1]) if parts[0] == "localhost" else parts
    try:
        where = ipaddress.ip_address(host)
    except ValueError:
        where = None
    if where is None or not where.is_loopback:
        raise ConfigError(f"{host} is not a loopback address; allowed: 127.0.0.1 or [::1]")
    made = socket.socket(socket.AF_INET6 if where.version == 6 else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            why = "is taken by another program" if error.errno == errno.EADDRINUSE else "may not be opened by this user"
            raise Busy(
                f"port {port} of {host} {why}; choose another with --http HOST:PORT (port 0: a free one)"
            ) from None
        raise
    return made
