"""From a log to a broker, in order and without drops: what was acknowledged is a place in the log, and only that moves.

    read(place) -> messages -> bytes allowed -> window -> PUBACK -> place moves -> kept (at most once a second)
                                                  |
                                                  +-- link lost -> place goes back REWIND_S -> read again

At least once: after a lost link everything behind the last acknowledged place is sent again, and also what was
acknowledged in the last REWIND_S before the loss, because a broker that dies may have acknowledged what it had not yet
passed on. Readers know a repeat by its id; the first of each id come in order.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.bus.mqtt import Connection, Message

Place = TypeVar("Place")

BATCH = 200
KEEP_EVERY_S = 1.0
REWIND_S = 5.0
REWIND_MAX = 1000
"""Messages that are sent again at most, whatever their number in REWIND_S."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[Place]):
    """How an outbox reads its log."""

    read: Callable[[Place | None, int], Awaitable[Sequence[tuple[Place, Message | None]]]]
    """At most so many records behind a place, in order; None for a record that is not sent."""
    wait: Callable[[Place | None], Awaitable[object]]
    """Returns when there may be something behind the place."""
    keep: Callable[[Place], None]
    """Remembers the place over a restart; losing it only repeats."""
    take: Callable[[int], Awaitable[object]]
    """Returns when so many bytes may go."""


class Outbox(Generic[Place]):
    """One log to one topic. ``place`` is where the broker has acknowledged everything."""

    def __init__(self, reading: Reading[Place], place: Place | None) -> None:
        self._reading = reading
        self.place = place
        self._base = place
        """Where a lost link goes back to."""
        self._recent: deque[tuple[float, Place]] = deque()
        self._kept_at = float("-inf")

    async def run(self, connection: Connection, window: int) -> None:
        """Send until cancelled. Raises LinkDown or Refused; what was acknowledged before is not forgotten."""
        sent: deque[tuple[Place, asyncio.Future[None] | None]] = deque()
        ahead = self.place
        try:
            while True:
                batch = await self._reading.read(ahead, BATCH)
                if not batch:
                    while sent:
                        await self._settle(sent)
                    self._keep(at_once=True)
                    await self._reading.wait(ahead)
                    continue
                for place, message in batch:
                    while len(sent) >= window:
                        await self._settle(sent)
                    sent.append((place, await self._send(connection, message) if message is not None else None))
                    ahead = place
        finally:
            while sent and (sent[0][1] is None or _succeeded(sent[0][1])):
                self._move(sent.popleft()[0])
            self._keep(at_once=True)

    def go_back(self) -> None:
        """The link was lost: what was acknowledged just now may not have been passed on."""
        self._forget_old()
        self.place = self._base
        self._recent.clear()

    async def _send(self, connection: Connection, message: Message) -> asyncio.Future[None]:
        await self._reading.take(message.size)
        return await connection.send(message)

    async def _settle(self, sent: "deque[tuple[Place, asyncio.Future[None] | None]]") -> None:
        place, told = sent[0]
        if told is not None:
            await told
        sent.popleft()
        self._move(place)
        self._keep(at_once=False)

    def _move(self, place: Place) -> None:
        self.place = place
        self._recent.append((_now(), place))
        self._forget_old()

    def _forget_old(self) -> None:
        old = _now() - REWIND_S
        while self._recent and (self._recent[0][0] < old or len(self._recent) > REWIND_MAX):
            self._base = self._recent.popleft()[1]

    def _keep(self, *, at_once: bool) -> None:
        if self.place is None or not (at_once or _now() - self._kept_at >= KEEP_EVERY_S):
            return
        self._kept_at = _now()
        self._reading.keep(self.place)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _succeeded(told: "asyncio.Future[None]") -> bool:
    return told.done() and not told.cancelled() and told.exception() is None
