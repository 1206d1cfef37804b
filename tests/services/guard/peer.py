"""The other end of guard's link, as a test needs it: a site or a parent that remembers all it heard."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from services.guard.planfile import plan_hash
from shared.devices.frame import Frame
from shared.devices.plan import SitePlan
from shared.domain.inputs import Report, ReportKind
from shared.runtime import places
from shared.runtime.clocks import SystemClock
from shared.wire.guardlink import (
    FrameSent,
    FromGuard,
    FromGuardReader,
    Hello,
    Join,
    LeaseSent,
    Outputs,
    OutputSeen,
    PlanCommitted,
    PlanSent,
    ReportSent,
    ToGuard,
    encode,
    frame_of,
    report_of,
)
from shared.wire.plans import encode_site
from tests.testkit.process import wait_for

M = TypeVar("M")


class Peer:
    """Connects, says join, listens in a thread. ``lease`` speaks once; ``hold`` keeps a lease alive."""

    def __init__(self, data: Path, role: str = "site", after: int = 0, *, join: bool = True) -> None:
        self.heard: list[FromGuard] = []
        self.frames: list[tuple[int, Frame]] = []
        self.reports: list[tuple[int, Report]] = []
        self.is_over = False
        self._number = 0
        self._held: threading.Event = threading.Event()
        self._demands: dict[str, bool] | None = None
        made: list[socket.socket] = []

        def connected() -> bool:
            found = places.connect_guard(data)
            if found is not None:
                made.append(found)
            return bool(made)

        wait_for(connected, within_s=60, name="guard's socket")
        self._socket = made[0]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self.hello = self.first(Hello)
        self._number = self.hello.lease
        if join:
            self.say(Join(role, after))

    def say(self, message: ToGuard, tail: bytes = b"") -> None:
        self._socket.sendall(encode(message, tail))

    def raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def lease(self, demands: dict[str, bool], ttl_ms: int = 5_000, *, number: int = 0, sent_ms: int = -1) -> int:
        self._number = number or self._number + 1
        self.say(LeaseSent(self._number, ttl_ms, demands, sent_ms))
        return self._number

    def hold(self, demands: dict[str, bool]) -> None:
        """Renew a lease four times a second until the end."""
        first = self._demands is None
        self._demands = demands
        self.lease(demands, sent_ms=SystemClock().monotonic_ms())
        if first:
            threading.Thread(target=self._renew, daemon=True).start()

    def _renew(self) -> None:
        while not self._held.wait(0.25):
            try:
                self.lease(dict(self._demands or {}))
            except OSError:
                return

    def change(self, plan: SitePlan, *, commit: bool = True) -> str:
        """Send a new plan, and the word that it is committed."""
        body = encode_site(plan)
        self.say(PlanSent(plan_hash(body)), body)
        if commit:
            self.say(PlanCommitted(plan_hash(body)))
        return plan_hash(body)

    def first(self, kind: type[M], probe: Callable[[M], bool] = lambda _: True) -> M:
        """The first message of a kind that ``probe`` accepts, heard already or within ten seconds."""
        wait_for(lambda: self._find(kind, probe), within_s=60, name=f"{kind.__name__}; heard {self.heard[-3:]}")
        return self._find(kind, probe)[0]

    def _find(self, kind: type[M], probe: Callable[[M], bool]) -> list[M]:
        return [message for message in list(self.heard) if isinstance(message, kind) and probe(message)]

    def output(self, name: str, probe: Callable[[OutputSeen], bool], within_s: float = 60.0) -> None:
        """Wait until guard says of this output what ``probe`` asks for."""

        def seen() -> bool:
            told = [message for message in list(self.heard) if isinstance(message, Outputs)]
            return bool(told) and any(item.id == name and probe(item) for item in told[-1].items)

        wait_for(seen, within_s=within_s, name=f"{name}; last {[m for m in self.heard if isinstance(m, Outputs)][-1:]}")

    def report(
        self, kind: ReportKind, subject: str, *, on: bool = True, saying: str = "", after: int = 0,
        within_s: float = 60.0,
    ) -> Report:  # fmt: skip
        """The first Report of this kind with these words, heard already or to come.

        To wait for another one: ``after`` as many as were ``told`` before.
        """
        found: list[Report] = []

        def seen() -> bool:
            found[:] = [one for one in self.told(kind, subject, on=on) if saying in one.detail][after:]
            return bool(found)

        wait_for(seen, within_s=within_s, name=f"report {kind} {subject} {on}; heard {self.reports[-6:]}")
        return found[0]

    def told(self, kind: ReportKind, subject: str, *, on: bool = True) -> list[Report]:
        reports = [report for _, report in list(self.reports)]
        return [report for report in reports if (report.kind, report.subject, report.on) == (kind, subject, on)]

    def last(self, kind: ReportKind, subject: str) -> Report:
        """The newest Report of this kind that was heard."""
        reports = [report for _, report in list(self.reports)]
        return [report for report in reports if (report.kind, report.subject) == (kind, subject)][-1]

    @property
    def last_n(self) -> int:
        return max([n for n, _ in (*self.frames, *self.reports)], default=0)

    def _listen(self) -> None:
        reader = FromGuardReader()
        try:
            while data := self._socket.recv(1 << 16):
                for message, tail in reader.feed(data):
                    if isinstance(message, FrameSent):
                        self.frames.append((message.n, frame_of(message, tail)))
                    elif isinstance(message, ReportSent):
                        self.reports.append((message.n, report_of(message)))
                    else:
                        self.heard.append(message)
        except OSError:
            pass
        self.is_over = True

    def close(self) -> None:
        self._held.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
