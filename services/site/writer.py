"""The one thread that owns the runner: inputs in, groups committed, and what follows from a commit told on.

    queue -> group (50 ms or 256 KiB, commands at once) -> Runner.commit -> acks, lease, views, answers

Promises: what is told follows a commit that has returned, durable or (said so) undurable; a sign of life is given at
least each second; work that must be done between two groups is done by :meth:`Writer.call`. Refuses: more than 8,192
waiting inputs; then whoever hands them in waits, and guard's own buffer takes the rest.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple, Protocol

from shared.devices.frame import Frame
from shared.domain.events import Event
from shared.domain.inputs import Command, Report

GROUP_S = 0.05
GROUP_BYTES = 256 << 10
QUEUE_MAX = 8192
TURN_S = 0.25
"""So often the writer looks at the time when nothing comes: a quarter of a Tick."""

InputBody = Frame | Command | Report


class Committed(Protocol):
    """What a commit gives (services.processor.runner)."""

    @property
    def first_seq(self) -> int: ...
    @property
    def last_seq(self) -> int: ...
    @property
    def events(self) -> tuple[Event, ...]: ...
    @property
    def durable(self) -> bool: ...


class Item(NamedTuple):
    """One input on its way. ``n`` is guard's number, 0 when it did not come from guard."""

    body: InputBody
    n: int = 0
    guard_boot: str = ""
    answer: "Future[Event | None] | None" = None
    """For commands: the refusal, or None when it was accepted."""


class _Call(NamedTuple):
    act: Callable[[], Any]
    result: "Future[Any]"


@dataclass(slots=True)
class Group:
    """What is committed together."""

    items: list[Item] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    size: int = 0
    is_urgent: bool = False

    def add(self, item: "Item | _Call") -> None:
        if isinstance(item, _Call):
            self.calls.append(item)
            self.is_urgent = True
            return
        self.items.append(item)
        self.size += body_size(item.body)
        self.is_urgent |= isinstance(item.body, Command)

    @property
    def is_closed(self) -> bool:
        return self.is_urgent or self.size >= GROUP_BYTES


def body_size(body: InputBody) -> int:
    """About how many bytes it takes in the log."""
    if isinstance(body, Frame):
        return 200 + sum(len(block.words) for block in body.blocks)
    return 300


class Writer(threading.Thread):
    """``commit(items)`` and ``idle()`` are called in this thread only; so is everything given to :meth:`call`."""

    def __init__(self, commit: Callable[[list[Item]], None], idle: Callable[[], None]) -> None:
        super().__init__(name="writer", daemon=True)
        self._commit = commit
        self._idle = idle
        self._queue: queue.Queue[Item | _Call] = queue.Queue(QUEUE_MAX)
        self._ending = threading.Event()
        self.failed: BaseException | None = None

    def put(self, item: Item) -> None:
        """Hand an input in; waits while the queue is full."""
        while not self._ending.is_set():
            try:
                self._queue.put(item, timeout=1)
            except queue.Full:
                continue
            return

    def call(self, act: Callable[[], Any]) -> "Future[Any]":
        """Do something between two groups."""
        made: Future[Any] = Future()
        self._queue.put(_Call(act, made))
        return made

    def run(self) -> None:
        try:
            while not (self._ending.is_set() and self._queue.empty()):
                self._turn()
        except BaseException as fault:
            self.failed = fault
            raise

    def _turn(self) -> None:
        group = self._collect()
        if group.items:
            self._commit(group.items)
        for call in group.calls:
            _do(call)
        self._idle()

    def _collect(self) -> Group:
        group = Group()
        end = monotonic() + TURN_S
        while not group.is_closed and (left := end - monotonic()) > 0:
            try:
                group.add(self._queue.get(timeout=left))
            except queue.Empty:
                break
            if len(group.items) == 1:
                end = min(end, monotonic() + GROUP_S)
        while not self._queue.empty() and group.size < GROUP_BYTES:
            group.add(self._queue.get_nowait())
        return group

    def end(self, seconds: float) -> None:
        """Finish what is queued; returns when done or after ``seconds``."""
        self._ending.set()
        self.join(seconds)


def _do(call: _Call) -> None:
    try:
        call.result.set_result(call.act())
    except Exception as fault:
        call.result.set_exception(fault)
