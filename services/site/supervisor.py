"""The loop under the parent: children, their pipes, other descriptors, in one thread and without an event-loop library.

Promises: a child that ends is started again within a second unless it was told to end or may not be; lines of a
child's pipes are given on whole; nothing here blocks longer than the time asked for. Limit: a line without an end is
cut at 64 KiB.
"""

import os
import selectors
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from services.site.children import Child

LINE_BYTES_MAX = 64 << 10
TURN_S_MAX = 0.5

OnLine = Callable[[Child, str, bytes], None]
OnEnd = Callable[[Child, str], bool]


@dataclass(slots=True)
class _Pipe:
    child: Child
    stream: str
    rest: bytes = b""


class Supervisor:
    """``on_line(child, "stdout" | "stderr", line)``; ``on_end(child, how)`` says whether to start it again."""

    def __init__(self, environment: Mapping[str, str], on_line: OnLine, on_end: OnEnd) -> None:
        self._environment = environment
        self._on_line = on_line
        self._on_end = on_end
        self._selector = selectors.DefaultSelector()
        self._children: dict[str, Child] = {}

    def __getitem__(self, name: str) -> Child:
        return self._children[name]

    def get(self, name: str) -> Child | None:
        return self._children.get(name)

    @property
    def children(self) -> tuple[Child, ...]:
        return tuple(self._children.values())

    def watch(self, descriptor: int, act: Callable[[], None]) -> None:
        """Call ``act`` whenever the descriptor is readable."""
        self._selector.register(descriptor, selectors.EVENT_READ, act)

    def unwatch(self, descriptor: int) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(descriptor)

    def start(self, child: Child) -> None:
        """Run it and keep it running."""
        self._children[child.name] = child
        child.start(self._environment)
        assert child.process is not None
        for stream, pipe in (("stdout", child.process.stdout), ("stderr", child.process.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, selectors.EVENT_READ, _Pipe(child, stream))
        if child.process.stdin is not None:
            os.set_blocking(child.process.stdin.fileno(), False)
        self._watch_end(child)

    def adopt(self, child: Child, pid: int) -> None:
        """Watch a process that another parent started; raises ProcessLookupError when it has gone."""
        self._children[child.name] = child
        child.adopt(pid)
        self._watch_end(child)

    def _watch_end(self, child: Child) -> None:
        self._selector.register(child.pidfd, selectors.EVENT_READ, child)

    def until(self, condition: Callable[[], bool], seconds: float, *, look_s: float = TURN_S_MAX) -> bool:
        """Serve everything until ``condition`` holds (True) or the time is over (False).

        It is asked after each event, and each ``look_s`` when nothing happens.
        """
        end = monotonic() + seconds
        while not condition():
            left = end - monotonic()
            if left <= 0:
                return False
            self.turn(min(left, look_s))
        return True

    def turn(self, seconds: float) -> None:
        """Wait for something to do, at most ``seconds``, and do it."""
        waiting = [child.restart_at for child in self.children if child.restart_at]
        timeout = max(0.0, min([seconds, TURN_S_MAX, *(at - monotonic() for at in waiting)]))
        for key, _events in self._selector.select(timeout):
            if key.fd in self._selector.get_map():
                self._serve(key.data, key.fileobj)
        for child in self.children:
            if child.restart_at and monotonic() >= child.restart_at:
                child.restart_at = 0.0
                self.start(child)

    def _serve(self, data: Any, source: Any) -> None:
        if isinstance(data, Child):
            self._end(data)
        elif isinstance(data, _Pipe):
            self._read(data, source)
        else:
            data()

    def _end(self, child: Child) -> None:
        self.unwatch(child.pidfd)
        process = child.process
        how = child.ended()
        if process is not None:
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    self._drain(pipe)
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
        if not self._on_end(child, how) or not child.wanted:
            child.restart_at = 0.0

    def _drain(self, pipe: Any) -> None:
        """What a dead child still had to say; a grandchild may hold the pipe open, so never to its end."""
        with suppress(KeyError):
            self._read(self._selector.get_key(pipe).data, pipe)
            self.unwatch(pipe)
        pipe.close()

    def _read(self, pipe: _Pipe, source: Any) -> None:
        try:
            data = os.read(source.fileno(), LINE_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, pipe.rest = (pipe.rest + data).split(b"\n")
        if pipe.rest and (not data or len(pipe.rest) >= LINE_BYTES_MAX):
            lines.append(pipe.rest)
            pipe.rest = b""
        for line in lines:
            self._on_line(pipe.child, pipe.stream, line)
        if not data:
            self.unwatch(source)

    def forget(self, name: str) -> None:
        """Do not start it again."""
        child = self._children.pop(name, None)
        if child is not None:
            child.restart_at = 0.0

    def stop(self, name: str, seconds: float) -> None:
        """TERM, and KILL when that is not enough; not started again."""
        child = self._children.get(name)
        if child is None:
            return
        child.wanted = False
        if child.is_running:
            child.send(signal.SIGTERM)
            if not self.until(lambda: not child.is_running, seconds):
                child.send(signal.SIGKILL)
                self.until(lambda: not child.is_running, seconds)
        self.forget(name)

    def close(self) -> None:
        self._selector.close()
