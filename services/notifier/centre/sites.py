"""The sites of the partitions that are ours: records in, each to its site's notifier, then the place in the topic.

    assigned -> places from PostgreSQL -> registrations read -> seats of the sites that are known there and not ended
    records  -> decoded, repeats left out -> pushed to the seats -> each has committed -> seen + place, one transaction
    revoked  -> seats of partitions that went drain what is under way and hand their sites over

Promises: the place of a partition moves when every event below it has been looked at by its site's notifier and what
that planned is committed; place and what was seen of each site move in one transaction, under the fences of all these
sites. So what comes again after any crash is known as a repeat, by the number that its site had read.
A topic that begins anew (its place is above what comes) makes the sites go on at its head. Of a site whose registration
ended nobody is told anything more, whatever is open of it; enrolled again it goes on where it stood.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.notifier.centre.schema import KEPT_MS
from services.notifier.centre.seat import Parts, Seat
from services.notifier.centre.seen import encode_seen
from shared.domain.errors import WireError
from shared.domain.events import Event
from shared.log.kafka.records import Place, Record
from shared.runtime.logging import logger
from shared.runtime.postgres import TROUBLE, sure_ms
from shared.wire.batches import EventsBatch, decode_batch
from shared.wire.events import own_events

LOOK_S: Final = 0.25
AGAIN_S: Final = 0.5
TIDY_S: Final = 3600.0
HEARD_S: Final = 5.0
_SEEN: Final = """
UPDATE notifier.site AS mine SET seen = given.seen
FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS given (site, fence, seen)
WHERE mine.site = given.site AND mine.fence = given.fence RETURNING mine.site
"""
_LIVE: Final = """
UPDATE notifier.site AS mine SET live = given.live
FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS given (site, fence, live)
WHERE mine.site = given.site AND mine.fence = given.fence
"""
_PLACE: Final = """
INSERT INTO notifier.place (topic, partition, next) VALUES ($1, $2, $3)
ON CONFLICT (topic, partition) DO UPDATE SET next = excluded.next
"""

Bury = Callable[[Record, str], Awaitable[None]]
"""A record that cannot be read, and why: returns when it is kept elsewhere."""


class _Batch(NamedTuple):
    record: Record
    batch: EventsBatch
    events: tuple[Event, ...]


class Sites:
    """See the module. One event loop."""

    def __init__(self, parts: Parts, bury: Bury) -> None:
        self._parts = parts
        self._bury = bury
        self._seats: dict[str, Seat] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._next: dict[Place, int] = {}
        self._found: Mapping[str, int] = {}
        """Sites that the database knows in our partitions, and theirs."""
        self._ended: set[str] = set()
        self._booked = asyncio.Event()
        """The registrations of our partitions are known."""
        self.is_begun = False
        """Partitions were shared out once."""
        self.unreadable = 0
        """Records that went to the dead letters."""
        self.shared = asyncio.Event()
        """Partitions were shared out since this was cleared."""
        self._log: Any = logger(part="notifier")

    def ours(self) -> tuple[Seat, ...]:
        """Sites that this replica tells people about now."""
        return tuple(seat for seat in self._seats.values() if seat.holds)

    async def start_at(self, places: frozenset[Place]) -> Mapping[Place, int]:
        """Partitions were shared out anew: where reading of ours goes on."""
        partitions = sorted({place.partition for place in places})
        for site, seat in list(self._seats.items()):
            if seat.partition not in partitions:
                self._end(site, self._seats.pop(site))
        pool = self._parts.pool
        stored = {
            Place(topic, partition): following
            for topic, partition, following in await pool.fetch("SELECT topic, partition, next FROM notifier.place")
        }
        self._next = {place: stored.get(place, 0) for place in places}
        self.is_begun = True
        known = await pool.fetch("SELECT site, partition FROM notifier.site WHERE partition = ANY ($1)", partitions)
        self._found = {site: partition for site, partition in known}  # noqa: C416
        self._booked.clear()
        self.shared.set()
        self._log.info("partitions_ours", partitions=partitions, sites=len(known))
        return dict(self._next)

    async def take(self, records: Sequence[Record], is_current: Callable[[], bool]) -> bool:
        """All of them, to the end: True when their effect and their place stand in the database; False when the
        partitions have gone to somebody else meanwhile."""
        batches = []
        for record in records:
            self._look_for_loss(record)
            try:
                batches.append(_read(record))
            except WireError as fault:
                self._log.warning("record_unreadable", place=str(record.place), offset=record.offset, why=str(fault))
                await self._bury(record, str(fault))
                self.unreadable += 1
        while is_current():
            try:
                if await self._take(batches, records, is_current):
                    return True
            except TROUBLE as fault:
                self._log.warning("place_not_kept", fault=f"{type(fault).__name__}: {fault}")
            await asyncio.sleep(AGAIN_S)
        return False

    async def _take(self, batches: Sequence[_Batch], records: Sequence[Record], is_current: Callable[[], bool]) -> bool:
        if not self._booked.is_set() and not await _waited(self._is_booked, is_current):
            return False
        living = [one for one in batches if one.batch.site not in self._ended]
        return await self._bring(living, is_current) and await self._keep(living, records)

    async def _is_booked(self) -> None:
        await self._booked.wait()

    def register(self, site: str, partition: int, *, is_ended: bool) -> None:
        """A site joined, changed or ended."""
        if is_ended:
            self._ended.add(site)
            if site in self._seats:
                self._end(site, self._seats.pop(site))
                self._log.info("site_ended", site=site)
        elif site in self._ended:
            self._ended.discard(site)
            if self._booked.is_set() and partition in self.partitions:
                self._seat(site, partition)

    def booked(self, partitions: frozenset[int]) -> None:
        """All registrations in these have been told of."""
        if partitions == self.partitions:
            self._booked.set()
            for site, partition in self._found.items():
                if site not in self._ended:
                    self._seat(site, partition)

    @property
    def partitions(self) -> frozenset[int]:
        """Those that are ours."""
        return frozenset(place.partition for place in self._next)

    def seat(self, site: str) -> Seat | None:
        """The site's, when the blocks have told of it and its partition is ours."""
        return self._seats.get(site)

    async def keep_heard(self) -> None:
        """How far the live lanes are known: nobody asks the sites again who held the lease. Until cancelled."""
        kept: dict[str, tuple[int, bytes]] = {}
        while True:
            await asyncio.sleep(HEARD_S)
            now = {seat.site: (seat.fence, seat.heard.stored()) for seat in self.ours()}
            given = [(site, *each) for site, each in now.items() if kept.get(site) != each]
            try:
                if given:
                    await self._parts.pool.execute(_LIVE, *([*column] for column in zip(*given, strict=True)))
                kept = now
            except TROUBLE as fault:
                self._log.warning("live_not_kept", fault=f"{type(fault).__name__}: {fault}")

    async def tidy(self) -> None:
        """Old months go; until cancelled."""
        while True:
            try:
                now_ms = await sure_ms(self._parts.pool, self._parts.clock.wall_ms())
                gone = await self._parts.months.drop_before(now_ms - KEPT_MS)
                if gone:
                    self._log.info("months_dropped", tables=gone)
            except TROUBLE as fault:
                self._log.warning("not_tidied", fault=f"{type(fault).__name__}: {fault}")
            await asyncio.sleep(TIDY_S)

    async def close(self) -> None:
        """Hand all of them over."""
        for site, seat in self._seats.items():
            self._end(site, seat)
        self._seats = {}
        await asyncio.gather(*self._ending.values())

    def _seat(self, site: str, partition: int) -> Seat:
        found = self._seats.get(site)
        if found is None:
            found = self._seats[site] = Seat(self._parts, site, partition, self._ending.get(site))
        return found

    def _end(self, site: str, seat: Seat) -> None:
        task = self._ending[site] = asyncio.create_task(seat.end(), name=f"end {site}")
        task.add_done_callback(
            lambda done: None if self._ending.get(site) is not done else self._ending.pop(site) and None
        )

    def _look_for_loss(self, record: Record) -> None:
        following = self._next.get(record.place, 0)
        if record.offset < following:
            self._log.warning("topic_begins_anew", place=str(record.place), offset=record.offset, expected=following)
            for seat in self._seats.values():
                if seat.partition == record.place.partition:
                    seat.feed.lose()
        self._next[record.place] = record.offset + 1

    async def _bring(self, batches: Sequence[_Batch], is_current: Callable[[], bool]) -> bool:
        """To the seats; True when each has committed what came of it."""
        by_site: dict[str, list[_Batch]] = {}
        for one in batches:
            by_site.setdefault(one.batch.site, []).append(one)
        done = await asyncio.gather(*(self._bring_to(site, mine, is_current) for site, mine in by_site.items()))
        return all(done)

    async def _bring_to(self, site: str, batches: Sequence[_Batch], is_current: Callable[[], bool]) -> bool:
        if site in self._ended:
            return False
        seat = self._seat(site, batches[0].record.place.partition)
        if not await _waited(seat.ready, is_current):
            return False
        fence, feed = seat.fence, seat.feed
        for record, batch, events in batches:
            feed.push(record.offset, feed.seen.take(batch, events, record.at_ms), gathering=seat.is_gathering)
        if seat.is_gathering and feed.is_old:
            return True
        return await _waited(feed.wait_read, lambda: is_current() and seat.is_at(fence))

    async def _keep(self, batches: Sequence[_Batch], records: Sequence[Record]) -> bool:
        sites = {one.batch.site for one in batches}
        seats = [seat for site in sites if (seat := self._seats.get(site)) is not None]
        if len(seats) < len(sites):
            return False
        given = [(seat.site, seat.fence, encode_seen(seat.feed.seen)) for seat in seats]
        behind = {record.place: record.offset + 1 for record in records}
        columns = [list(column) for column in zip(*given, strict=True)] or [[], [], []]
        async with self._parts.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            kept = {site for (site,) in await connection.fetch(_SEEN, *columns)}
            lost = [seat for seat in seats if seat.site not in kept]
            if not lost:
                await connection.executemany(_PLACE, [(*place, following) for place, following in behind.items()])
                await transaction.commit()
                return True
            await transaction.rollback()
        for seat in lost:
            seat.restart()
        return False


def _read(record: Record) -> _Batch:
    """Raises WireError for what is no batch of a site's own events."""
    batch = decode_batch(record.value or b"")
    return _Batch(record, batch, own_events(batch.site, batch.events))


async def _waited(wait: Callable[[], Awaitable[None]], still: Callable[[], bool]) -> bool:
    """Wait for it; False as soon as ``still`` no longer holds."""
    waiting = asyncio.ensure_future(wait())
    try:
        while still():
            done, _ = await asyncio.wait([waiting], timeout=LOOK_S)
            if done:
                return True
        return False
    finally:
        waiting.cancel()
