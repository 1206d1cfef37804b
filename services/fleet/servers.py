"""One server process of the fleet: started, waited for, stopped, never left behind.

A server is a value (what to run, how it is known to be ready, which signal ends it); ``Started`` is its process. The
kernel is asked to end it when the process that started it dies (setpriv --pdeathsig), so a launcher that is killed
leaves no orphan. Its output goes to a file, and the last lines of that file are the message when it does not start.

Start servers in the main thread only: the kernel's notice of a parent's death goes by thread.
"""

import os
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from shared.domain.errors import AmpwardError

LOOK_S = 0.02
"""Between two looks whether a server is ready; its end is seen at once, by its pidfd."""
SAY_S = 10.0
READY_TIMES = 10
"""A server that gets on, as its log shows, may take so many times as long: on a busy machine Java does."""
LAST_LINES = 12
LAST_BYTES = 16 << 10
_PASSING = (("dac_read_search", 2), ("dac_override", 1))
"""Capabilities that pass through closed folders, and their numbers; the lesser one first."""


class ServerAbsent(AmpwardError):
    """A server's program is not on this machine; the message says what to install."""


class ServerFailed(AmpwardError):
    """A server did not start or did not get ready; the message has its last lines."""


@dataclass(frozen=True, slots=True)
class Server:
    """What to run. ``user`` is the account it runs under when we are root; empty for our own."""

    name: str
    command: tuple[str, ...]
    log: Path
    is_ready: Callable[["Started"], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    """Ends it cleanly and soon, also while clients are connected."""
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    ready_s: float = 120.0
    """How long it may say nothing before it is ready."""
    stop_s: float = 30.0


class Started:
    """The process of a server; raises ServerFailed when it cannot even be run."""

    def __init__(self, server: Server) -> None:
        self.server = server
        server.log.parent.mkdir(parents=True, exist_ok=True)
        self.log_begin = server.log.stat().st_size if server.log.exists() else 0
        """Where this start's lines begin in the log file."""
        with server.log.open("ab") as log:
            self._process = subprocess.Popen(
                (*as_child(server.stop_signal, server.user), *server.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **server.environment},
                process_group=0,
            )
        self.pid = self._process.pid
        self._pidfd = os.pidfd_open(self.pid)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def pidfd(self) -> int:
        """Readable when it has ended."""
        return self._pidfd

    def wait_ready(
        self, say: Callable[[str], None] = lambda _: None, is_over: Callable[[], bool] = lambda: False
    ) -> None:
        """Return when it is ready; raises ServerFailed when it ends before or takes too long, or ``is_over`` says that
        nobody waits any more. ``say`` hears each SAY_S that it goes on."""
        becoming = Becoming(self, say)
        while not becoming.look():
            if is_over():
                raise ServerFailed(f"{self.server.name} is not waited for any more")
            select.select([self._pidfd], [], [], LOOK_S)

    def stop(self) -> None:
        """End it cleanly; KILL when it takes longer than its limit. Nothing happens when it has ended."""
        self.signal(self.server.stop_signal)
        if not self.wait(self.server.stop_s):
            self.kill()

    def kill(self) -> None:
        """kill -9, and wait for the end."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """One signal, by the pidfd: never to another process that got the same pid."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def wait(self, within_s: float) -> bool:
        """True when it has ended within the time."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        return not self.is_running

    def close(self) -> None:
        """Stop it and give its descriptor back."""
        self.stop()
        os.close(self._pidfd)

    def said(self, words: bytes) -> bool:
        """Whether this start has written these words into its log."""
        with self.server.log.open("rb") as log:
            log.seek(self.log_begin)
            return words in log.read()

    def last_lines(self) -> str:
        """The end of this start's log, indented, for an error message."""
        with self.server.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self.log_begin, size - LAST_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LAST_LINES:]) or f"  (nothing in {self.server.log})"


class Becoming:
    """A start that is not ready yet; ``look`` at it again and again."""

    def __init__(self, started: Started, say: Callable[[str], None]) -> None:
        self._started = started
        self._say = say
        self._began = self._moved = self._said = monotonic()
        self._size = 0

    def look(self) -> bool:
        """Whether it is ready. Raises ServerFailed when it has ended, or takes too long and was stopped. Says each
        SAY_S that it goes on."""
        started, server, now = self._started, self._started.server, monotonic()
        if not started.is_running:
            raise ServerFailed(f"{server.name} ended with {started.exit_code} at its start:\n{started.last_lines()}")
        if server.is_ready(started):
            return True
        if server.log.stat().st_size != self._size:
            self._size, self._moved = server.log.stat().st_size, now
        took = f"not ready after {now - self._began:.1f} s, {_busy()}"
        if now - self._moved > server.ready_s or now - self._began > READY_TIMES * server.ready_s:
            started.stop()
            raise ServerFailed(f"{server.name} is {took}:\n{started.last_lines()}")
        if now - self._said > SAY_S:
            self._said = now
            self._say(f"{server.name}: {took}; its log: {server.log}")
        return False


def _busy() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors: the machine may be busy"


_IF_PARENT = ("/bin/sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"')
"""The kernel tells of a death behind setpriv's call only: one whose parent died before it does not begin."""


def as_child(death_signal: signal.Signals, user: str = "") -> tuple[str, ...]:
    """Words before a command: it gets the signal when its parent dies, and runs as ``user`` when we are root."""
    program = shutil.which("setpriv")
    if program is None:
        raise ServerAbsent("setpriv is not on this machine; install util-linux")
    death = ("--pdeathsig", death_signal.name.removeprefix("SIG"))
    if_parent = (*_IF_PARENT, str(os.getpid()))
    if not user or os.geteuid() != 0:
        return (program, *death, "--", *if_parent)
    # Data may lie in a folder that only root can pass through, a test's for instance: let the plain user find its way.
    may = next((f"+{name}" for name, number in _PASSING if _is_ours(number)), "")
    passing = ("--inh-caps", may, "--ambient-caps", may) if may else ()
    as_user = ("--reuid", user, "--regid", user, "--init-groups", *passing)
    return (program, *death, *as_user, "--", *if_parent)


def _is_ours(capability: int) -> bool:
    """Whether this capability is ours to give; containers are often without some."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) & (1 << capability))
    return False


def run(command: tuple[str, ...], what: str, *, user: str = "", said: str = "", within_s: float = 300.0) -> str:
    """A program that ends by itself, told ``said``; gives its output. Raises ServerFailed with its last lines."""
    try:
        done = subprocess.run(
            (*as_child(signal.SIGKILL, user), *command),
            input=said.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServerFailed(f"{what} took longer than {within_s:g} s") from error
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        lines = "\n".join(f"  {line}" for line in text.splitlines()[-LAST_LINES:])
        raise ServerFailed(f"{what} ended with {done.returncode}:\n{lines}")
    return text
