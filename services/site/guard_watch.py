"""The parent's view of guard: who it is, whether it is trip-ready, whether it still speaks.

The link's codec is loaded only when there is a guard to speak with: while the parent loads it (:meth:`prepare`), guard
already starts.
"""

import os
import socket
import struct
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from shared.domain.errors import WireError
from shared.runtime.places import connect_guard

if TYPE_CHECKING:
    from shared.wire.guardlink import FromGuard, FromGuardReader, ToGuard

SILENT_S = 15.0
"""guard speaks each second; ten seconds of silence and a margin for a busy machine mean that it hangs."""
BEGINNING_S = 60.0
"""Before it is ready it waits for its devices and says nothing."""
_READ_BYTES = 1 << 18
_CREDENTIALS = struct.Struct("3i")


class GuardWatch:
    """A connection that comes and goes. ``pid`` is the process behind it, 0 when there is none."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._socket: socket.socket | None = None
        self._reader: FromGuardReader | None = None
        self._heard_at = 0.0
        self.pid = 0
        self.ready_at_ms = 0

    def prepare(self) -> None:
        """Load the codec now: guard will be there in a moment."""
        from shared.wire import guardlink

        assert guardlink

    def connect(self) -> bool:
        """Try to reach a living guard; True when connected now."""
        made = connect_guard(self._data)
        if made is None:
            return False
        from shared.wire.guardlink import FromGuardReader, Join

        credentials = made.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self._socket = made
        self._reader = FromGuardReader()
        self.pid, self.ready_at_ms = _CREDENTIALS.unpack(credentials)[0], 0
        self._heard_at = monotonic()
        self._send(Join("parent"))
        made.settimeout(0)
        return True

    @property
    def is_connected(self) -> bool:
        return self._socket is not None

    @property
    def is_silent(self) -> bool:
        """Connected, and nothing was heard for too long: a new guard protects better than one that hangs."""
        patience = SILENT_S if self.ready_at_ms else BEGINNING_S
        return self.is_connected and monotonic() - self._heard_at > patience

    def fileno(self) -> int:
        assert self._socket is not None
        return self._socket.fileno()

    def read(self) -> bool:
        """Take in what has come; False when the connection has ended."""
        assert self._socket is not None and self._reader is not None
        try:
            data = self._socket.recv(_READ_BYTES)
            for message, _tail in self._reader.feed(data):
                self._take(message)
        except BlockingIOError:
            return True
        except (OSError, WireError):
            data = b""
        if data:
            self._heard_at = monotonic()
        return bool(data)

    def _take(self, message: "FromGuard") -> None:
        from shared.wire.guardlink import Hello, Ready

        if isinstance(message, Hello):
            self.ready_at_ms = message.ready_at_ms
        elif isinstance(message, Ready):
            self.ready_at_ms = message.at_ms

    def is_of_another_program(self) -> bool:
        """Whether it was started by another installation than this one: after an upgrade it speaks as that one does."""
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return Path(os.fsdecode(words[0])).parent != Path(sys.executable).parent

    def stop(self) -> bool:
        """Ask guard to end; False when it cannot be asked."""
        from shared.wire.guardlink import Stop

        return self._send(Stop())

    def _send(self, message: "ToGuard") -> bool:
        from shared.wire.guardlink import encode

        if self._socket is None:
            return False
        try:
            self._socket.sendall(encode(message))
        except OSError:
            return False
        return True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self.pid = 0
        self.ready_at_ms = 0
