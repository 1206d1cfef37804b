"""The other end of the link: a guard that says what a test wants, over the real socket and codec."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from shared.devices.frame import Frame
from shared.domain.units import NoData
from shared.runtime.places import listen_guard
from shared.wire.guardlink import FromGuard, Hello, Join, ToGuard, ToGuardReader, encode, encode_frame

T = TypeVar("T")


def frame(seq: int, device: str = "gas1") -> Frame:
    """A failed poll: the smallest frame there is."""
    return Frame(
        device, "boot-1", seq, 1_767_225_600_000 + seq, 5, synced=True, outcome=NoData.TIMEOUT, detail="", blocks=()
    )


class FakeGuard:
    """Listens in ``data``; ``accept`` takes the next connection and says hello."""

    def __init__(self, data: Path, boot: str = "boot-1") -> None:
        self.boot = boot
        self._listening = listen_guard(data)
        self._listening.settimeout(10)
        self._line: socket.socket | None = None
        self._reader = ToGuardReader()
        self.heard: list[ToGuard] = []

    def accept(self, asks: tuple[str, ...] = ()) -> Join:
        """Take a connection; gives its join."""
        self.hang_up()
        self._line, _ = self._listening.accept()
        self._line.settimeout(10)
        self._reader = ToGuardReader()
        self.say(Hello(self.boot, 1, "plan", 7, 1, asks))
        return self.hear(Join)

    @property
    def line(self) -> socket.socket:
        assert self._line is not None
        return self._line

    def say(self, message: FromGuard) -> None:
        self.line.sendall(encode(message))

    def send_frame(self, n: int, sent: Frame) -> None:
        self.line.sendall(encode_frame(n, sent, sent.age_ms, 1_000))

    def hear(self, kind: type[T], wanted: Callable[[T], bool] = lambda _message: True) -> T:
        """The next message of this kind; others before it are kept in ``heard``."""
        while True:
            for index, message in enumerate(self.heard):
                if isinstance(message, kind) and wanted(message):
                    del self.heard[: index + 1]
                    return message
            data = self.line.recv(1 << 16)
            assert data, f"the link ended before a {kind.__name__}"
            self.heard += [message for message, _tail in self._reader.feed(data)]

    def hang_up(self) -> None:
        if self._line is not None:
            self._line.close()

    def close(self) -> None:
        self.hang_up()
        self._listening.close()
