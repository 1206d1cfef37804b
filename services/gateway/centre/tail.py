"""The newest events of all sites in memory: two lanes of each partition merged into one row, each event told once.

    ampward.live.v1   ---> [live 17]  ............  told at once
    ampward.events.v1 ---------> [events 17, twin of live 17]   told to who was not told by the live lane

A reader is given an entry unless he stands behind it in its own lane, or behind its twin in the other: what the blocks
told first needs no entry of the live lane. So every place that a reader may stand at, by whichever replica, leads to
the same: nothing of ampward.events.v1 behind it is left out, and what is in memory is not told twice. A batch that a
worker published again is known by its numbers.
Who is more than a page behind is told first, by half of each page, what the live lane has for him: an alarm of now does
not wait for the backlog of another site that stands before it in the row.
Limits: ENTRIES_MAX entries, about 20 MiB; UNSETTLED_MAX ids of live events that left memory before their block came.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Final, NamedTuple

from services.gateway.centre.stands import NOBODY, Stand, farthest, place
from services.gateway.views import EventItem
from shared.domain.events import About, Event, about

ENTRIES_MAX: Final = 20_000
UNSETTLED_MAX: Final = 200_000
MARKS_MAX: Final = 20_000


class Lane(IntEnum):
    BLOCKS = 0
    LIVE = 1


@dataclass(slots=True)
class Entry:
    """An event in one lane. ``after`` is the place behind it in its partition."""

    lane: Lane
    partition: int
    at: int
    after: int
    event: Event
    extra: Mapping[str, str]
    twin: int = -1
    """Its place in the other lane, -1 as long as it did not come there."""


class Shown(NamedTuple):
    """What the live lane has of an event that is in memory."""

    number: int
    """Of the row as it came."""
    at: int
    after: int
    entry: Entry
    """Of the live lane, or of the blocks where these had it first."""

    def stands_before(self, blocks: tuple[int, ...]) -> bool:
        """Whether who was told the blocks up to here was told it by them."""
        entry = self.entry
        return 0 <= (entry.at if entry.lane is Lane.BLOCKS else entry.twin) < blocks[entry.partition]


class Tail:
    """One event loop. ``run`` names this replica's row; the places are where each lane's reading began."""

    def __init__(self, run: str, blocks: tuple[int, ...], live: tuple[int, ...]) -> None:
        self.run = run
        self._base = (blocks, live)
        self._begin = (list(blocks), list(live))
        self._next = (list(blocks), list(live))
        self._entries: deque[Entry] = deque()
        self._shown: tuple[deque[Shown], ...] = tuple(deque() for _ in live)
        self._passed = 0
        """So many entries left memory."""
        self._by_id: dict[str, Entry] = {}
        self._unsettled: OrderedDict[str, int] = OrderedDict()
        self._marks: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._grown = asyncio.Event()

    @property
    def number(self) -> int:
        """Of the newest entry."""
        return self._passed + len(self._entries)

    @property
    def begin_blocks(self) -> tuple[int, ...]:
        """All events of ampward.events.v1 from these places on are in memory."""
        return tuple(self._begin[Lane.BLOCKS])

    def head(self) -> Stand:
        return Stand(self.run, self.number, tuple(self._next[0]), self._base[1], tuple(self._next[1]))

    def beginning(self) -> Stand:
        """Before everything that ampward.events.v1 has."""
        nothing = (0,) * len(self._base[Lane.BLOCKS])
        return Stand(NOBODY, 0, nothing, nothing, nothing)

    def extend(
        self,
        lane: Lane,
        partition: int,
        offset: int,
        events: tuple[tuple[Event, Mapping[str, str]], ...],
    ) -> None:
        """Takes one record's events."""
        last = len(events) - 1
        for index, (event, extra) in enumerate(events):
            after = place(offset + 1) if index == last else place(offset, index + 1)
            entry = Entry(lane, partition, place(offset, index), after, event, extra)
            if self._is_repeat(entry):
                continue
            if lane is Lane.LIVE:
                self._show(entry, entry)
            self._entries.append(entry)
            self._next[lane][partition] = after
        self._trim()
        if events:
            self._grown.set()
            self._grown = asyncio.Event()

    def _is_repeat(self, entry: Entry) -> bool:
        """Whether it needs no entry: its lane had it before (an uplink and a worker that come back send again), or the
        blocks told it already. Notes where the other lane has it."""
        event = entry.event
        known = self._by_id.get(event.id)
        is_settled = event.site_seq < self._marks.get((event.site, event.log_id), 0)
        if entry.lane is Lane.LIVE:
            if known is not None and known.lane is Lane.BLOCKS and known.twin < 0:
                known.twin = entry.at
                self._show(entry, known)
            if known is not None or is_settled or event.id in self._unsettled:
                return True
        elif is_settled or (known is not None and known.lane is Lane.BLOCKS):
            return True
        elif known is not None:
            entry.twin, known.twin = known.at, entry.at
            return False
        else:
            entry.twin = self._unsettled.pop(event.id, -1)
        self._by_id[event.id] = entry
        return False

    def _show(self, live: Entry, entry: Entry) -> None:
        self._shown[live.partition].append(Shown(self.number, live.at, live.after, entry))

    def settle(self, site: str, log_id: str, last_seq: int) -> None:
        """A batch was taken up to here: what comes again of it is a repeat."""
        mark = (site, log_id)
        self._marks[mark] = max(self._marks.pop(mark, 0), last_seq + 1)
        while len(self._marks) > MARKS_MAX:
            self._marks.popitem(last=False)

    def _trim(self) -> None:
        while len(self._entries) > ENTRIES_MAX:
            entry = self._entries.popleft()
            self._passed += 1
            self._begin[entry.lane][entry.partition] = entry.after
            if self._by_id.get(entry.event.id) is entry:
                del self._by_id[entry.event.id]
            if entry.lane is Lane.LIVE and entry.twin < 0:
                self._unsettled[entry.event.id] = entry.at
            shown = self._shown[entry.partition]
            while shown and shown[0].number < self._passed:
                shown.popleft()
        while len(self._unsettled) > UNSETTLED_MAX:
            self._unsettled.popitem(last=False)

    def enter(self, stand: Stand) -> Stand | None:
        """A place in this row for somebody who stands there; None when something behind it is only in the topic."""
        if stand.run == self.run and self._passed <= stand.number <= self.number:
            return stand
        begin_live = self._begin[Lane.LIVE]
        if any(at < begin for at, begin in zip(stand.blocks, self._begin[Lane.BLOCKS], strict=True)):
            return None
        # Where the live lane has gone on without him, he begins anew in it: what he missed there comes by the blocks.
        gaps = [at < begin for at, begin in zip(stand.live, begin_live, strict=True)]
        low = tuple(begin if gap else at for at, begin, gap in zip(stand.low, begin_live, gaps, strict=True))
        return Stand(self.run, self._passed, stand.blocks, low, farthest(stand.live, begin_live))

    def after(self, stand: Stand, limit: int) -> tuple[EventItem, ...]:
        """At most ``limit`` events behind a stand of this row."""
        first = self._ahead(stand, (limit + 1) // 2) if self.number - stand.number > limit else ()
        begin = first[-1].cursor if first else stand
        items = (EventItem(here, entry.event, entry.extra) for entry, here in self._behind(begin) if entry is not None)
        return (*first, *islice(items, limit - len(first)))

    def _ahead(self, stand: Stand, limit: int) -> tuple[EventItem, ...]:
        """What the live lane has for who stands there, wherever in the row. He stays where he is in the row itself."""
        found = list[Shown]()
        for shown, live in zip(self._shown, stand.live, strict=True):
            for each in reversed(shown):
                if each.at < live:
                    break
                if not each.stands_before(stand.blocks):
                    found.append(each)
        items, here = list[EventItem](), stand
        for each in sorted(found, key=lambda each: (each.number, each.at))[:limit]:
            here = here._replace(live=_at_least(here.live, each.entry.partition, each.after))
            items.append(EventItem(here, each.entry.event, each.entry.extra))
        return tuple(items)

    def pass_over(self, stand: Stand, wanted: Callable[[About], bool]) -> Stand:
        """The place before the next event that he was not told and wants; the same for a stand of another row."""
        if stand.run != self.run or not self._passed <= stand.number <= self.number:
            return stand
        for entry, here in self._behind(stand):
            if entry is not None and (entry.extra or wanted(about(entry.event))):
                break
            stand = here
        return stand

    def _behind(self, stand: Stand) -> Iterator[tuple[Entry | None, Stand]]:
        """Each entry behind a stand, None for one that he was told already; and the place behind it."""
        here = stand
        # By index: to walk there from the oldest would cost every reader the whole of memory for each event.
        for index in range(stand.number - self._passed, len(self._entries)):
            entry = self._entries[index]
            p = entry.partition
            at_block, at_live = (entry.at, entry.twin) if entry.lane is Lane.BLOCKS else (entry.twin, entry.at)
            is_told = 0 <= at_block < here.blocks[p] or here.low[p] <= at_live < here.live[p]
            blocks, live = here.blocks, here.live
            if entry.lane is Lane.BLOCKS:
                blocks = _at_least(blocks, p, entry.after)
            else:
                live = _at_least(live, p, entry.after)
            here = Stand(self.run, here.number + 1, blocks, here.low, live)
            yield None if is_told else entry, here

    async def wait(self, stand: Stand, timeout_s: float) -> bool:
        """True when there is an entry behind the stand, or it is of another row."""
        if stand.run != self.run or stand.number < self.number:
            return True
        grown = self._grown
        try:
            async with asyncio.timeout(timeout_s):
                await grown.wait()
        except TimeoutError:
            return False
        return True


def _at_least(places: tuple[int, ...], p: int, at: int) -> tuple[int, ...]:
    return (*places[:p], at, *places[p + 1 :]) if at > places[p] else places
