"""The site process's end of the link to guard: frames and Reports in, acks, leases and plans out.

    apart --connect, hello--> joined --end of stream, bad message, send stuck--> apart (tried again for ever, 0.2 s)

Promises: what guard sends again after a break is not handed on twice (by ``n`` within one boot of guard); nothing is
acknowledged here, only when :meth:`ack` is called after a commit; a guard that does not read cannot hold the writer up
for longer than a second. Refuses: bytes that are not the protocol (the connection is begun anew, and the log says so).
"""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, Protocol

from shared.devices.frame import Frame
from shared.domain.errors import WireError
from shared.domain.inputs import Report
from shared.runtime.logging import Changes, logger
from shared.runtime.places import connect_guard
from shared.wire.guardlink import (
    Ack,
    Explain,
    FrameSent,
    FromGuard,
    FromGuardReader,
    Hello,
    Join,
    LeaseSent,
    Outputs,
    OutputSeen,
    PlanCommitted,
    PlanDropped,
    PlanSent,
    Ready,
    ReportSent,
    ToGuard,
    encode,
    frame_of,
    report_of,
)

RETRY_S = 0.2
SEND_WAIT_S = 1
LEASE_TTL_MS = 5000
_READ_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class GuardState:
    """What guard last said of itself."""

    connected: bool = False
    boot: str = ""
    pid: int = 0
    plan: str = ""
    pending: str = ""
    ready_at_ms: int = 0
    ready: bool = False
    not_ready: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    """Output modules that do not answer: no unreadiness, an alarm and a check of their own."""
    outputs: dict[str, OutputSeen] = field(default_factory=dict)
    dropped: int = 0
    loop_age_ms: int = 0
    refusal: str = ""
    """Why the last plan was refused."""
    heard_at: float = 0.0
    """time.monotonic()"""


class Source(NamedTuple):
    """Where an input of guard comes from."""

    boot: str
    """Of guard."""
    n: int
    """Guard's number."""
    made_ms: int
    """Clock.monotonic_ms() at its making, -1 when that is not known."""


class Owner(Protocol):
    """Who gets what guard says; called in the link's thread."""

    def held(self, guard_boot: str) -> int:
        """Last n of this boot that is held safely, 0 for none."""
        ...

    def take(self, body: Frame | Report, source: Source) -> None: ...

    def joined(self, hello: Hello) -> None: ...


class GuardLink(threading.Thread):
    """Runs for the life of the process."""

    def __init__(self, data: Path, owner: Owner, monotonic_ms: Callable[[], int]) -> None:
        super().__init__(name="guard-link", daemon=True)
        self._data = data
        self._owner = owner
        self._monotonic_ms = monotonic_ms
        self._ending = threading.Event()
        self._sending = threading.Lock()
        self._socket: socket.socket | None = None
        self._taken: tuple[str, int] = ("", 0)
        self._lease_number = 0
        self._log = logger()
        self._changes = Changes()
        self.state = GuardState()

    def run(self) -> None:
        while not self._ending.is_set():
            made = connect_guard(self._data)
            if made is not None:
                self._talk(made)
            if self._changes.changed("connected", state=False):
                self._log.warning("guard_link_lost")
            self._ending.wait(RETRY_S)

    def _talk(self, made: socket.socket) -> None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_WAIT_S, 0))
        reader = FromGuardReader()
        try:
            while data := made.recv(_READ_BYTES):
                for message, tail in reader.feed(data):
                    self._take(made, message, tail)
        except (OSError, WireError) as fault:
            self._log.warning("guard_link_broken", why=str(fault))
        finally:
            with self._sending:
                self._socket = None
                made.close()
            self.state = GuardState()

    def _take(self, made: socket.socket, message: FromGuard, tail: bytes) -> None:
        if isinstance(message, FrameSent):
            self._hand_on(frame_of(message, tail), message)
        elif isinstance(message, ReportSent):
            self._hand_on(report_of(message), message)
        elif isinstance(message, Outputs):
            self._state(
                outputs={item.id: item for item in message.items}, ready=message.ready, not_ready=message.not_ready,
                plan=message.plan, pending=message.pending, dropped=message.dropped, loop_age_ms=message.loop_age_ms,
                unreachable=message.unreachable,
            )  # fmt: skip
        elif isinstance(message, Hello):
            self._join(made, message)
        elif isinstance(message, Ready):
            self._state(ready_at_ms=message.at_ms, ready=True, not_ready=())
        else:
            self._log.warning("guard_refused", what=message.what, reason=message.reason)
            if message.what == "plan":
                self._state(refusal=message.reason or "no reason given")

    def _join(self, made: socket.socket, hello: Hello) -> None:
        held = self._owner.held(hello.boot)
        if self._taken[0] != hello.boot:
            self._taken = (hello.boot, held)
        with self._sending:
            self._socket = made
        self._lease_number = max(self._lease_number, hello.lease)
        self.state = GuardState(
            connected=True, boot=hello.boot, pid=hello.pid, plan=hello.plan, ready_at_ms=hello.ready_at_ms,
            ready=hello.ready_at_ms > 0, heard_at=monotonic(),
        )  # fmt: skip
        self._changes.changed("connected", state=True)
        self._log.info("guard_link_up", guard_pid=hello.pid, held=held)
        self.send(Join("site", held))
        self._owner.joined(hello)

    def _hand_on(self, body: Frame | Report, sent: FrameSent | ReportSent) -> None:
        boot, taken = self._taken
        if sent.n > taken:
            self._taken = (boot, sent.n)
            self._owner.take(body, Source(boot, sent.n, max(-1, sent.sent_ms - sent.age_ms)))
        self._state()

    def _state(self, **changed: Any) -> None:
        self.state = replace(self.state, heard_at=monotonic(), **changed)

    # Any thread

    def send(self, message: ToGuard, tail: bytes = b"") -> bool:
        """False when guard cannot be told now; after a stuck send the connection is begun anew."""
        with self._sending:
            if self._socket is None:
                return False
            try:
                self._socket.sendall(encode(message, tail))
            except OSError:
                _hang_up(self._socket)
                self._socket = None
                return False
        return True

    def ack(self, n: int) -> None:
        self.send(Ack(n))

    def lease(self, demands: dict[str, bool]) -> None:
        """The demands of the core, good for five seconds from now."""
        self._lease_number += 1
        self.send(LeaseSent(self._lease_number, LEASE_TTL_MS, demands, self._monotonic_ms()))

    def explain(self, answer: Explain) -> None:
        self.send(answer)

    def plan(self, version: str, body: bytes) -> bool:
        self.state = replace(self.state, refusal="")
        return self.send(PlanSent(version), body)

    def plan_committed(self, version: str) -> bool:
        return self.send(PlanCommitted(version))

    def plan_dropped(self, version: str) -> bool:
        return self.send(PlanDropped(version))

    def end(self) -> None:
        self._ending.set()
        with self._sending:
            if self._socket is not None:
                _hang_up(self._socket)


def _hang_up(made: socket.socket) -> None:
    """Wake the reading thread; it closes."""
    with suppress(OSError):
        made.shutdown(socket.SHUT_RDWR)
