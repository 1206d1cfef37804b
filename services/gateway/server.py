"""Runs the application on a bound socket inside another program's event loop. Signals are left to the program."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from services.gateway.address import shown_address
from shared.domain.errors import Busy

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

    def __init__(self, app: FastAPI, listening: socket.socket) -> None:
        """``listening`` is what services.gateway.address bound; it is closed by ``stop``."""
        self._app = app
        self._socket = listening
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
        return shown_address(self._socket)

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
