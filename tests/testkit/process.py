"""Processes under test: in a session of their own, watched line by line, ended by pid, no orphan left behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


def wait_for(what: Callable[[], object], *, within_s: float, every_s: float = 0.02, name: str = "") -> None:
    """Return as soon as ``what()`` is true; AssertionError with ``name`` when it is not within the time."""
    end = time.monotonic() + within_s
    while not what():
        if time.monotonic() > end:
            raise AssertionError(f"not within {within_s} s: {name or what}")
        time.sleep(every_s)


def is_alive(pid: int) -> bool:
    """True when the process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def session_of(pid: int) -> int:
    """Session id of a process; 0 when it is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def descendants(pid: int) -> tuple[int, ...]:
    """Pids of all processes below ``pid``, nearest first."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(0), [])
        found += children
        todo += children
    return tuple(found)


class Running:
    """One started program; stdout and stderr together, line by line, in ``lines``.

    At the end of the ``with`` block it and every process it started (also those in sessions of their own, and those
    named by ``also``) are ended: TERM first, KILL after ``grace_s``.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        grace_s: float = 5.0,
    ) -> None:
        self.lines: list[str] = []
        self.also: set[int] = set()
        """More pids to end with it, such as a guard that outlives its parent."""
        self._grace_s = grace_s
        self._popen = subprocess.Popen(
            [str(part) for part in argv],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    def python(
        cls, module: str, *args: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Self:
        """Start ``python -m module args`` with this interpreter."""
        return cls([sys.executable, "-m", module, *args], cwd=cwd, env=env)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for_line(self, pattern: str, *, within_s: float = 60.0) -> re.Match[str]:
        """The first line, from the beginning, in which ``pattern`` is found; AssertionError with the output if none."""
        end = time.monotonic() + within_s
        seen = 0
        while True:
            ended = self._popen.poll() is not None and not self._reader.is_alive()
            while seen < len(self.lines):
                if match := re.search(pattern, self.lines[seen]):
                    return match
                seen += 1
            if ended or time.monotonic() > end:
                raise AssertionError(
                    f"no line with {pattern!r} ({'ended' if ended else 'waited'}); output:\n{self.output}"
                )
            time.sleep(0.02)

    def wait(self, *, within_s: float = 60.0) -> int:
        """Exit code; AssertionError with all output when it does not end."""
        try:
            code = self._popen.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within_s} s; output:\n{self.output}") from None
        self._reader.join(within_s)
        return code

    def signal(self, number: int) -> None:
        """Send one signal to this process alone."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """kill -9 this process alone, and wait for its end."""
        self._popen.kill()
        self._popen.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        family = [self.pid, *descendants(self.pid), *self.also]
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(self._grace_s)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait(10)
        end_all(pid for pid in family if pid != self.pid)
        self._reader.join(5)
        if self._popen.stdout:
            self._popen.stdout.close()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        try:
            for line in self._popen.stdout:
                self.lines.append(line.rstrip("\n"))
        except ValueError:
            return  # Closed under the reader at the end of the test.


def end_all(pids: Iterable[int], *, grace_s: float = 2.0) -> None:
    """TERM, then KILL, each of these processes that still lives."""
    alive = [pid for pid in pids if is_alive(pid)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in alive:
            try:
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        end = time.monotonic() + grace_s
        while any(map(is_alive, alive)) and time.monotonic() < end:
            time.sleep(0.02)
        alive = [pid for pid in alive if is_alive(pid)]
