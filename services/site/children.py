"""One process that the parent keeps alive: started, watched by its pidfd, started again within a second.

    stopped --start--> running --exit--> waiting --delay over--> running
                          |                                         |
                          +--stop (TERM, then KILL)--> stopped <----+

The delay is 50 ms and doubles with each early death, at most 1 s; it falls back after ten seconds of life. A process
that the parent did not start (a guard that outlived an earlier parent) is adopted by its pid and watched the same way.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from shared.runtime.lifecycle import PARENT

DELAY_FIRST_S = 0.05
DELAY_MAX_S = 1.0
LIFE_GOOD_S = 10.0

_SMALL = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
"""Memory: two malloc arenas and no pool of arithmetic threads in each process."""


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line of one of our modules; -P keeps a folder named ``shared`` in the working directory out."""
    return (sys.executable, "-P", "-m", module, *arguments)


@dataclass(slots=True)
class Child:
    """A process by name. ``pidfd`` is readable when it has ended; -1 while there is none."""

    name: str
    command: Sequence[str]
    own_session: bool = False
    """Outlives the parent: guard."""
    pass_fds: tuple[int, ...] = ()
    piped: bool = False
    """Its standard output is a pipe of its own."""
    is_view: bool = False
    """It shares our standard output and terminal, and is told things on its standard input."""
    wanted: bool = True
    """False once it was told to end: its end is then not answered by a start."""
    starts: int = 0
    pid: int = 0
    last_pid: int = 0
    pidfd: int = -1
    process: "subprocess.Popen[bytes] | None" = None
    restart_at: float = 0.0
    """time.monotonic() of the next start while waiting."""
    _delay_s: float = field(default=DELAY_FIRST_S)
    _began: float = 0.0

    @property
    def is_running(self) -> bool:
        return self.pidfd >= 0

    def start(self, environment: Mapping[str, str]) -> None:
        """Run it. Main thread only: the kernel's notice of a parent's death goes by thread.

        All but the view stand in process groups of their own: Ctrl-C is for the parent alone.
        """
        assert not self.is_running, f"{self.name} is running"
        outlives = {} if self.own_session else {PARENT: str(os.getpid())}
        stdout = subprocess.PIPE if self.piped else (None if self.is_view else subprocess.DEVNULL)
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE if self.is_view else subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={**environment, **_SMALL, **outlives},
            start_new_session=self.own_session,
            process_group=None if self.own_session or self.is_view else 0,
            pass_fds=self.pass_fds,
        )
        self.adopt(self.process.pid)

    def adopt(self, pid: int) -> None:
        """Watch a process; raises ProcessLookupError when it is gone."""
        self.pidfd = os.pidfd_open(pid)
        self.pid = pid
        self.starts += 1
        self._began = monotonic()
        self.restart_at = 0.0

    def ended(self) -> str:
        """Take note of its end, plan the next start; gives how it ended, for people."""
        code = self.process.wait() if self.process is not None else None
        os.close(self.pidfd)
        self.pidfd, self.pid, self.last_pid, self.process = -1, 0, self.pid, None
        if monotonic() - self._began >= LIFE_GOOD_S:
            self._delay_s = DELAY_FIRST_S
        self.restart_at = monotonic() + self._delay_s
        self._delay_s = min(DELAY_MAX_S, 2 * self._delay_s)
        if code is None:
            return "ended"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"

    def send(self, number: signal.Signals) -> None:
        """A signal, by the pidfd: never to another process that got the same pid."""
        if self.is_running:
            signal.pidfd_send_signal(self.pidfd, number)
