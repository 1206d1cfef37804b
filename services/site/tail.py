"""The newest events in memory, for those who follow them live; what is older is read from the log.

Also holds the events of the undurable mode, which are in no log yet: they are marked and may be all there is of them.
They are kept as the commits gave them, so that the writer only appends: a reader pays for what it reads. One that has
fallen behind goes through the log row by row, each read once, however small its steps.
Limits: 10,000 events, about 10 MiB, and the newest commit whole, so that who had read everything before it is never
sent to the log; READINGS_MAX readers in the log at once go on where they stood, others find their place anew.
"""

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter

from services.gateway.views import CursorGone, EventItem
from shared.domain.errors import LogError
from shared.domain.events import About, Event
from shared.log.port import Cursor, EventRow, Reading
from shared.wire.events import decode_event

EVENTS_MAX = 10_000
READINGS_MAX = 4
"""Each holds about 3 MiB of rows (shared.log.sqlite_read)."""
_LAST_ORDINAL = (1 << 32) - 1
_ALL = 1 << 62
UNDURABLE = {"undurable": "true"}
_DURABLE: dict[str, str] = {}
_ABOUT = attrgetter(*About._fields)

_Place = tuple[int, int]


@dataclass(slots=True)
class _Part:
    """The events of one commit; never empty."""

    cursors: Sequence[Cursor]
    events: Sequence[Event]
    extra: dict[str, str]
    kinds: tuple[About, ...] = ()
    """What its events are about; empty until a reader asks."""

    def has(self, wanted: Callable[[About], bool]) -> bool:
        if not self.kinds:
            self.kinds = tuple(map(About._make, set(map(_ABOUT, self.events))))
        return any(map(wanted, self.kinds))


class Tail:
    """Thread-safe, but for ``after`` behind what is in memory: ``log`` gives a reader for the one thread that asks, or
    None while the log cannot be read."""

    def __init__(self, log: Callable[[], Reading | None]) -> None:
        self._lock = threading.Lock()
        self._log_id = ""
        self._parts: list[_Part] = []
        self._count = 0
        self._begin: Cursor | None = None
        self._head: Cursor | None = None
        self._log = log
        self._older = _Older()
        self._listeners: set[Callable[[], None]] = set()

    def begin(self, log_id: str, before_seq: int) -> None:
        """This start's log_id, and the last number before it: everything up to there is only in the log."""
        with self._lock:
            self._log_id = log_id
            self._begin = self._head = Cursor(log_id, before_seq, _LAST_ORDINAL) if before_seq else None

    def extend(self, cursors: Sequence[Cursor], events: Sequence[Event], *, durable: bool) -> None:
        """Put the events of a commit, each with its place, behind the others and wake who waits."""
        if not events:
            return
        assert len(cursors) == len(events), "each event has a place"
        with self._lock:
            self._parts.append(_Part(cursors, events, _DURABLE if durable else UNDURABLE))
            self._count += len(events)
            self._head = cursors[-1]
            self._drop_oldest()
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def _drop_oldest(self) -> None:
        dropped = 0
        while dropped < len(self._parts) - 1 and self._count > EVENTS_MAX:
            self._begin = self._parts[dropped].cursors[-1]
            self._count -= len(self._parts[dropped].events)
            dropped += 1
        del self._parts[:dropped]

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
        return self._from_log(cursor, _place(begin), limit)

    def pass_over(self, cursor: Cursor | None, wanted: Callable[[About], bool]) -> Cursor | None:
        """The place before the next commit in memory that is undurable or has an event that is wanted."""
        with self._lock:
            begin = self._begin
            known = cursor is not None and cursor.log_id == self._log_id and not self._is_ahead(cursor)
            if cursor is None or not known or (begin is not None and _place(cursor) < _place(begin)):
                return cursor
            parts = self._parts[bisect_right(self._parts, _place(cursor), key=_end) :]
        for part in parts:
            if part.extra or part.has(wanted):
                break
            cursor = part.cursors[-1]
        return cursor

    def _recent(self, cursor: Cursor | None, limit: int) -> tuple[EventItem, ...] | CursorGone:
        if cursor is not None and (cursor.log_id != self._log_id or self._is_ahead(cursor)):
            return CursorGone(None)
        return tuple(islice(self._behind((0, -1) if cursor is None else _place(cursor)), limit))

    def _behind(self, place: _Place) -> Iterator[EventItem]:
        """What is in memory behind a place."""
        for part in islice(self._parts, bisect_right(self._parts, place, key=_end), None):
            start = bisect_right(part.cursors, place, key=_place)
            for cursor, event in zip(part.cursors[start:], part.events[start:], strict=True):
                yield EventItem(cursor, event, part.extra)

    def _is_ahead(self, cursor: Cursor) -> bool:
        return self._head is None or _place(cursor) > _place(self._head)

    def _from_log(self, cursor: Cursor | None, end: _Place, limit: int) -> tuple[EventItem, ...] | CursorGone:
        found: list[EventItem] = []
        try:
            log = self._log()
            if log is not None:
                found = self._older.read(log, cursor, end, limit)
        except LogError:
            return CursorGone(None)
        if len(found) < limit:
            with self._lock:
                found += islice(self._behind(end), limit - len(found))
        return tuple(found)


class _Older:
    """Readings of the log that go on where the last page ended, by that place. One that came to the log's end is not
    kept: it would not see what the log has got since."""

    def __init__(self) -> None:
        self._log: Reading | None = None
        self._rows: OrderedDict[Cursor | None, Iterator[tuple[Cursor, EventRow]]] = OrderedDict()

    def read(self, log: Reading, cursor: Cursor | None, end: _Place, limit: int) -> list[EventItem]:
        """At most ``limit`` events behind the cursor, none behind ``end``."""
        if log is not self._log:
            self._rows.clear()
            self._log = log
        rows = self._rows.pop(cursor, None) or log.events(cursor, _ALL)
        found: list[EventItem] = []
        for place, row in islice(rows, limit):
            if _place(place) > end:
                return found
            found.append(EventItem(place, decode_event(row.data)))
        if len(found) == limit:
            self._rows[found[-1].cursor] = rows
            if len(self._rows) > READINGS_MAX:
                self._rows.popitem(last=False)
        return found


def _place(cursor: Cursor) -> _Place:
    return cursor.site_seq, cursor.ordinal


def _end(part: _Part) -> _Place:
    return _place(part.cursors[-1])
