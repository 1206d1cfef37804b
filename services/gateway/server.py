"""Runs the application on a bound socket inside another program's event loop. Signals are left to the program.

Limits: CONNECTIONS_MAX connections, fewer where the system gives this process fewer descriptors; one more takes the
place of one without a request, or is answered 503 at once (services.gateway.listening). What a connection may make us
wait for: services.gateway.connection.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import cast

import uvicorn
from fastapi import FastAPI

from services.gateway.address import shown_address
from services.gateway.connection import HEAD_MAX, Connection
from services.gateway.listening import Listening, room_for
from services.gateway.stream import STREAMS_MAX
from shared.domain.errors import Busy

GRACE_S = 2
CONNECTIONS_MAX = STREAMS_MAX + 256
"""What is not a stream comes and goes. One costs at most BODY_MAX, HEAD_MAX, and a page of events above WRITE_BUFFER:
about 0.1 MiB when its reader is as slow as it may be."""
KEEP_ALIVE_S = 30


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program that runs this server."""
        yield


class Gateway:
    """One served application: ``await start()``, later ``await stop()``."""

    def __init__(self, app: FastAPI, listening: socket.socket, connections_max: int = CONNECTIONS_MAX) -> None:
        """``listening`` is what services.gateway.address bound; it is taken over, and closed by ``stop``."""
        self._app = app
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            ws="none",
            http=Connection,
            h11_max_incomplete_event_size=HEAD_MAX,
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._server = _Server(config)
        connections = cast(set[Connection], self._server.server_state.connections)
        self._socket = Listening(listening, connections, room_for(connections_max))
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
