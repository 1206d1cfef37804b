"""The newest events in memory, for those who follow them live; what is older is read from the log.

Also holds the events of the undurable mode, which are in no log yet: they are marked and may be all there is of them.
Limit: 5,000 events, about 5 MiB.
"""

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from services.gateway.views import CursorGone, EventItem
from shared.domain.errors import LogError
from shared.domain.events import Event
from shared.log.port import Cursor, Reading
from shared.wire.events import decode_event

EVENTS_MAX = 5000
_LAST_ORDINAL = (1 << 32) - 1
UNDURABLE = {"undurable": "true"}


class Tail:
    """Thread-safe. ``log`` gives a reader for the thread that asks, or None while the log cannot be read."""

    def __init__(self, log: Callable[[], Reading | None]) -> None:
        self._lock = threading.Lock()
        self._log_id = ""
        self._items: list[EventItem] = []
        self._begin: Cursor | None = None
        self._head: Cursor | None = None
        self._log = log
        self._listeners: set[Callable[[], None]] = set()

    def begin(self, log_id: str, before_seq: int) -> None:
        """This start's log_id, and the last number before it: everything up to there is only in the log."""
        with self._lock:
            self._log_id = log_id
            self._begin = self._head = Cursor(log_id, before_seq, _LAST_ORDINAL) if before_seq else None

    def extend(self, cursors_and_events: Iterable[tuple[Cursor, Event]], *, durable: bool) -> None:
        """Put events behind the others and wake who waits."""
        extra = {} if durable else UNDURABLE
        made = [EventItem(cursor, event, extra) for cursor, event in cursors_and_events]
        if not made:
            return
        with self._lock:
            self._items += made
            self._head = made[-1].cursor
            if len(self._items) > EVENTS_MAX:
                drop = len(self._items) - EVENTS_MAX // 2
                self._begin = self._items[drop - 1].cursor
                del self._items[:drop]
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    @property
    def head(self) -> Cursor | None:
        with self._lock:
            return self._head

    def is_behind(self, cursor: Cursor | None) -> bool:
        """Whether there is an event behind this cursor, or a reset to be told."""
        return bool(self.after(cursor, 1))

    def listen(self, listener: Callable[[], None]) -> None:
        with self._lock:
            self._listeners.add(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        with self._lock:
            self._listeners.discard(listener)

    def after(self, cursor: Cursor | None, limit: int) -> tuple[EventItem, ...] | CursorGone:
        """At most ``limit`` events behind the cursor, in order."""
        with self._lock:
            begin = self._begin
            ours = cursor is not None and cursor.log_id == self._log_id
            if begin is None or (cursor is not None and ours and _place(cursor) >= _place(begin)):
                return self._recent(cursor, limit)
        return self._older(cursor, _place(begin), limit)

    def _recent(self, cursor: Cursor | None, limit: int) -> tuple[EventItem, ...] | CursorGone:
        if cursor is not None and (cursor.log_id != self._log_id or self._is_ahead(cursor)):
            return CursorGone(None)
        start = 0
        if cursor is not None:
            start = bisect_right(self._items, _place(cursor), key=lambda item: _place(item.cursor))
        return tuple(self._items[start : start + limit])

    def _is_ahead(self, cursor: Cursor) -> bool:
        return self._head is None or _place(cursor) > _place(self._head)

    def _older(self, cursor: Cursor | None, end: tuple[int, int], limit: int) -> tuple[EventItem, ...] | CursorGone:
        found: list[EventItem] = []
        try:
            log = self._log()
            if log is not None:
                found = list(_read(log, cursor, end, limit))
        except LogError:
            return CursorGone(None)
        if len(found) < limit:
            with self._lock:
                found += self._items[: limit - len(found)]
        return tuple(found)


def _read(log: Reading, cursor: Cursor | None, end: tuple[int, int], limit: int) -> Iterator[EventItem]:
    for place, row in log.events(cursor, limit):
        if _place(place) > end:
            return
        yield EventItem(place, decode_event(row.data))


def _place(cursor: Cursor) -> tuple[int, int]:
    return cursor.site_seq, cursor.ordinal
