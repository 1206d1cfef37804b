"""The listening socket: who is one too many gets an answer, and clients never take the descriptors of others.

When all places are taken, the connection that has waited longest without a request makes room, so that a crowd of half
requests keeps nobody out who has a whole one, such as a probe of /healthz.

Accepted connections are moved to descriptors from LOW_DESCRIPTORS up: libraries that still use select() know no higher
ones, and a thousand readers would leave them none. When the process has no descriptor left all the same, a spare one is
given up for a moment to answer 503. The socket is for asyncio, which never blocks in accept().
"""

import errno
import fcntl
import os
import resource
import socket
from collections.abc import Collection
from typing import Any

from services.gateway.connection import RETRY_AFTER_S, YIELD_AFTER_S, Connection, bare_problem

LOW_DESCRIPTORS = 1024
OTHERS = 256
"""Descriptors that the rest of the process keeps: log, history, broker, mail, webhooks: some 60 in use."""


def room_for(wanted: int) -> int:
    """Raise this process's limit of descriptors for so many connections; gives how many there is room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = LOW_DESCRIPTORS + wanted + OTHERS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    return max(1, min(wanted, soft - OTHERS))


class Listening(socket.socket):
    """Takes the bound socket over. ``connections`` are those that are open; at most ``limit`` may be."""

    def __init__(self, bound: socket.socket, connections: Collection[Connection], limit: int) -> None:
        super().__init__(fileno=bound.detach())
        self._connections = connections
        self._limit = limit
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection. Raises BlockingIOError when there is none, or it was one too many."""
        try:
            made, address = super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or self._spare < 0:
                raise
            self._refuse_without_descriptor()
            raise BlockingIOError(errno.EAGAIN, "no descriptor is left") from None
        if len(self._connections) >= self._limit and not self._make_room():
            _refuse(made, f"{self._limit} connections are open already.")
            raise BlockingIOError(errno.EAGAIN, "too many connections")
        return _lifted(made), address

    def close(self) -> None:
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
        super().close()

    def _make_room(self) -> bool:
        longest = max(self._connections, key=Connection.waits_s)
        if longest.waits_s() < YIELD_AFTER_S:
            return False
        longest.make_room()
        return True

    def _refuse_without_descriptor(self) -> None:
        os.close(self._spare)
        self._spare = -1
        try:
            made, _ = super().accept()
            _refuse(made, "This program has no descriptor left.")
        except BlockingIOError:
            return
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def _refuse(made: socket.socket, detail: str) -> None:
    """Say so and close; what was sent already is read first, so that the answer is not lost by a reset."""
    said = bare_problem(503, "too-many-connections", "Too many connections", detail, RETRY_AFTER_S)
    with made:
        made.settimeout(0)
        try:
            made.send(said)
            made.shutdown(socket.SHUT_WR)
            made.recv(1 << 16)
        except OSError:
            return


def _lifted(made: socket.socket) -> socket.socket:
    try:
        high = fcntl.fcntl(made.fileno(), fcntl.F_DUPFD_CLOEXEC, LOW_DESCRIPTORS)
    except OSError:
        return made
    made.close()
    return socket.socket(fileno=high)
