"""Events that are no longer in memory, read from ampward.events.v1 for who asks for them.

A reading goes on where its last page ended, so each record is fetched once, however small the pages. Promises: every
event from a stand's places up to where memory begins, in the order of each partition; order between partitions is that
in which they come. Live records are not read again here: they come by the blocks. While Kafka is away a page waits.
Limits: READINGS_MAX readings are kept, each with at most 32 MiB ahead; of more the one that was used longest ago ends.
"""

from collections import OrderedDict, deque
from typing import Final

from services.gateway.centre.batch import read_batch
from services.gateway.centre.stands import Stand, offset_of, place
from services.gateway.views import CursorGone, EventItem
from shared.log.kafka.access import Access
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Place, Record, Tell

READINGS_MAX: Final = 4


class _Reading:
    """From a stand up to ``ends``, where memory began when it was opened."""

    def __init__(self, reader: Reader, stand: Stand, ends: tuple[int, ...], tell: Tell) -> None:
        self._reader = reader
        self._tell = tell
        self._ends = ends
        self._at = stand
        self._waiting: deque[EventItem] = deque()
        self._marks: dict[tuple[str, str], int] = {}

    @property
    def is_done(self) -> bool:
        """Everything was read, and given."""
        return not self._waiting and self._is_read

    @property
    def _is_read(self) -> bool:
        return all(at >= end for at, end in zip(self._at.blocks, self._ends, strict=True))

    async def page(self, limit: int) -> tuple[EventItem, ...]:
        """At least one event, unless there is none up to the end."""
        while not self._waiting and not self._is_read:
            for record in await self._reader.take():
                self._take(record)
        return tuple(self._waiting.popleft() for _ in range(min(limit, len(self._waiting))))

    def end(self) -> Stand:
        """Where the reader stands who was given everything."""
        return self._at

    def _take(self, record: Record) -> None:
        p = record.place.partition
        begin, end = self._at.blocks[p], self._ends[p]
        found = read_batch(record, self._tell)
        if found is not None:
            batch, events = found
            known = self._marks.get((batch.site, batch.log_id), 0)
            for index, (event, extra) in enumerate(events):
                here = place(record.offset, index)
                if begin <= here < end and event.site_seq >= known:
                    self._advance(p, place(record.offset + 1) if index == len(events) - 1 else here + 1)
                    self._waiting.append(EventItem(self._at, event, extra))
            self._marks[batch.site, batch.log_id] = max(known, batch.last_seq + 1)
        self._advance(p, min(end, place(record.offset + 1)))

    def _advance(self, p: int, at: int) -> None:
        blocks = self._at.blocks
        if at > blocks[p]:
            self._at = self._at._replace(blocks=(*blocks[:p], at, *blocks[p + 1 :]))

    async def close(self) -> None:
        await self._reader.close()


class Older:
    """``topic`` is the events' topic by its full name."""

    def __init__(self, access: Access, topic: str, tell: Tell) -> None:
        self._access = access
        self._topic = topic
        self._tell = tell
        self._kept: OrderedDict[Stand, _Reading] = OrderedDict()

    async def read(self, stand: Stand, ends: tuple[int, ...], limit: int) -> tuple[EventItem, ...] | Stand | CursorGone:
        """The next events; a stand when there are none before ``ends``: reading goes on there, in memory."""
        reading = self._kept.pop(stand, None) or await self._open(stand, ends)
        if isinstance(reading, CursorGone):
            return reading
        try:
            found = await reading.page(limit)
        except BaseException:
            await reading.close()
            raise
        if reading.is_done or not found:
            await reading.close()
            return found or reading.end()
        await self._keep(found[-1].cursor, reading)
        return found

    async def _keep(self, stand: Stand, reading: _Reading) -> None:
        """Of two that have come to the same place one goes on."""
        ended = [self._kept.pop(stand)] if stand in self._kept else []
        self._kept[stand] = reading
        if len(self._kept) > READINGS_MAX:
            ended.append(self._kept.popitem(last=False)[1])
        for each in ended:
            await each.close()

    async def _open(self, stand: Stand, ends: tuple[int, ...]) -> _Reading | CursorGone:
        begins = {
            Place(self._topic, p): offset_of(at)
            for p, (at, end) in enumerate(zip(stand.blocks, ends, strict=True))
            if at < end
        }
        reader = Reader(self._access, begins, "gateway-older", tell=self._tell)
        try:
            await reader.ends(begins)
        except BaseException:  # Who asked has gone: connecting, which goes on without him, is nobody's.
            await reader.close()
            raise
        oldest = {each.partition: reader.offset(each) for each in begins}
        if any(0 < begins[each] < reader.offset(each) for each in begins):
            await reader.close()
            there = [max(at, place(oldest.get(p, 0))) for p, at in enumerate(stand.blocks)]
            return CursorGone(stand._replace(blocks=tuple(there)))
        return _Reading(reader, stand, ends, self._tell)

    async def close(self) -> None:
        for reading in self._kept.values():
            await reading.close()
        self._kept.clear()
