"""Beginning and end of a process: signals as a value that can be waited for, systemd's notice, a parent's death.

Clean-up is contextlib.ExitStack: what was opened last is closed first. A signal only sets a flag and wakes whoever
waits; the second INT or TERM changes nothing, so that a clean end is not cut short by an impatient Ctrl-C. A handler
runs between two instructions of the main thread, wherever that stands: it takes no lock, so no threading.Event either.
"""

import ctypes
import os
import signal
import socket
import threading
from contextlib import suppress
from types import FrameType

from shared.domain.errors import AmpwardError

_PR_SET_PDEATHSIG = 1


class End:
    """Set once, from a signal handler too, and waited for by any thread. threading.Event would not do: its ``set``
    takes a lock that the interrupted main thread may just hold, and then both stand for ever.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._closed = threading.Lock()
        self._closed.acquire()

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        """For good. Safe in a signal handler and from any thread."""
        self._is_set = True
        self._open()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until it is set, or as long; whether it is set."""
        if not self._is_set and self._closed.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s)):
            self._open()
        return self._is_set

    def _open(self) -> None:
        """Let the next one who waits through; each lets the next one."""
        with suppress(RuntimeError):  # Open already.
            self._closed.release()


class Signals:
    """INT and TERM end, HUP asks for a reload. ``descriptor`` becomes readable at each of them."""

    def __init__(self) -> None:
        self.descriptor, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.ended = End()
        self._reload = False

    def install(self) -> None:
        """From here on signals come here. Main thread only."""
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGHUP, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        else:
            self.ended.set()
        self.wake()

    def wake(self) -> None:
        """Make ``descriptor`` readable; harmless when it is already."""
        try:
            os.write(self._write_end, b".")
        except BlockingIOError:
            return

    def drain(self) -> None:
        """Make ``descriptor`` quiet again."""
        try:
            while os.read(self.descriptor, 512):
                pass
        except BlockingIOError:
            return

    def take_reload(self) -> bool:
        """True once for each request to reload."""
        if not self._reload:
            return False
        self._reload = False
        return True


PARENT = "AMPWARD_PARENT"
"""Environment: pid of the process that this one must not outlive."""


def end_with_parent() -> None:
    """Ask the kernel for TERM when the parent named in the environment is gone; nothing when none is named.

    Raises AmpwardError when it is gone already. Main thread only; for the site process, the view and the simulator.
    guard never asks: it outlives its parent.
    """
    parent = os.environ.pop(PARENT, "")
    if not parent:
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise AmpwardError(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):
        raise AmpwardError("the parent has gone")


def notify_systemd(state: str) -> None:
    """Tell systemd (Type=notify) ``READY=1``, ``WATCHDOG=1``, ``STOPPING=1`` ...; without systemd nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        try:
            line.sendto(state.encode(), address)
        except OSError:
            # The supervisor restarts: its watchdog judges, there is nobody else to tell.
            return
