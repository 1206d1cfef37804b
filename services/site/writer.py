"""The one thread that owns the runner: inputs in, groups committed, and what follows from a commit told on.

    queue -> Runner.offer: numbered and stepped at once -> group -> Runner.commit -> acks, lease, views, answers

A group is closed 50 ms after its first input, at 256 KiB, and at once when somebody waits for it: a command, an alarm
that was raised or rose. What came while the last commit ran is one group, so that a flood of alarms shares its fsyncs.
Promises: what is told follows a commit that has returned, durable or (said so) undurable; a sign of life is given at
least each second; work that must be done between two groups is done by :meth:`Writer.call`. Refuses: more than 8,192
waiting inputs; then whoever hands them in waits, and guard's own buffer takes the rest.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple, Protocol

from services.processor.taker import Unreadable
from services.site.answers import Decided
from services.site.guard_link import Source
from shared.devices.frame import Frame
from shared.domain.errors import LogError
from shared.domain.events import Event
from shared.domain.inputs import Command, Report

GROUP_S = 0.05
GROUP_BYTES = 256 << 10
QUEUE_MAX = 8192
WAIT_S = 1.0
"""So often who waits for a place in the queue looks whether the writer is ending."""
TURN_S = 0.25
"""So often the writer looks at the time when nothing comes: a quarter of a Tick."""

InputBody = Frame | Command | Report | Unreadable


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
    """One input on its way."""

    body: InputBody
    source: Source | None = None
    """None when it did not come from guard, or from a hosted site's devices."""
    answer: "Future[Decided] | None" = None
    """For commands."""


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

    @property
    def is_full(self) -> bool:
        return self.size >= GROUP_BYTES


def body_size(body: InputBody) -> int:
    """About how many bytes it takes in the log."""
    if isinstance(body, Frame):
        return 200 + sum(len(block.words) for block in body.blocks)
    if isinstance(body, Unreadable):
        return 300 + len(body.data)
    return 300


class Writer(threading.Thread):
    """All that it is given is called in its thread only: ``offer(item)`` says whether the group is to be closed,
    ``commit(items)`` closes it, ``idle()`` follows, and then what was given to :meth:`call`."""

    def __init__(
        self, offer: Callable[[Item], bool], commit: Callable[[list[Item]], None], idle: Callable[[], None]
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self._offer = offer
        self._commit = commit
        self._idle = idle
        self._queue: queue.Queue[Item | _Call] = queue.Queue(QUEUE_MAX)
        self._ending = threading.Event()
        self.failed: BaseException | None = None

    def put(self, item: Item) -> None:
        """Hand an input in; waits while the queue is full."""
        while not (self._ending.is_set() or self._takes(item)):
            continue

    def call(self, act: Callable[[], Any]) -> "Future[Any]":
        """Do something between two groups; waits while the queue is full. It fails with LogError when that is full
        at the end, too: then nobody takes anything from it any more."""
        made: Future[Any] = Future()
        while not self._takes(_Call(act, made)):
            if self._ending.is_set():
                made.set_exception(LogError("the writer is ending and its queue is full"))
                break
        return made

    def _takes(self, what: Item | _Call) -> bool:
        try:
            self._queue.put(what, timeout=WAIT_S)
        except queue.Full:
            return False
        return True

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
        while not (group.is_urgent or group.is_full) and (left := end - monotonic()) > 0:
            try:
                self._add(group, self._queue.get(timeout=left))
            except queue.Empty:
                break
            if len(group.items) == 1:
                end = min(end, monotonic() + GROUP_S)
        for _ in range(self._queue.qsize()):
            if group.is_full:
                break
            self._add(group, self._queue.get_nowait())
        return group

    def _add(self, group: Group, item: Item | _Call) -> None:
        if isinstance(item, _Call):
            group.calls.append(item)
            group.is_urgent = True
            return
        group.items.append(item)
        group.size += body_size(item.body)
        group.is_urgent = self._offer(item) or group.is_urgent

    def end(self, seconds: float) -> None:
        """Finish what is queued; returns when done or after ``seconds``."""
        self._ending.set()
        with suppress(queue.Full):
            self._queue.put_nowait(_Call(lambda: None, Future()))
        self.join(seconds)


def _do(call: _Call) -> None:
    try:
        call.result.set_result(call.act())
    except Exception as fault:
        call.result.set_exception(fault)
