"""Reads the live lanes of the sites that are ours: what they decide now, whatever their blocks still have to bring.

    partitions shared out -> who is registered there -> records of the last ten minutes, then those that come -> seats

Who may write to the topic may write for any site: a record counts when a key that is registered for its site has
signed it, and when every event in it is of that site. Anything else is left out and told once, until a good one comes:
the blocks bring what is true. No group, and nothing is confirmed: whoever has the partition next reads ten minutes back
and knows what was told by the ledger.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from services.notifier.centre.early import concerns
from services.notifier.centre.sites import Sites
from services.notifier.pipeline import LATE_MS
from shared.bus.registry import LIVE, SITES
from shared.domain.errors import WireError
from shared.log.kafka.access import Access
from shared.log.kafka.reader import BEGINNING, Reader
from shared.log.kafka.records import Place, Record, Tell
from shared.log.kafka.watching import Standing
from shared.runtime.clocks import Clock
from shared.runtime.logging import Changes, logger
from shared.wire.events import own_events
from shared.wire.live import decode_live
from shared.wire.registrations import decode_registration
from shared.wire.signing import PublicKey, read_public_key

LOOK_S: Final = 0.5
GATHER_MS: Final = 100
"""Records that come meanwhile are fetched together."""
_NO_EVENTS: Final = b'"from_seq":0,"events":[],'
_HEAD_BYTES: Final = 512
_NOWHERE: Final = Standing(is_away=False)


def is_read(data: bytes) -> bool:
    """Whether a record may tell of events: most have values only, and say so near their beginning."""
    return _NO_EVENTS not in data[:_HEAD_BYTES]


class LiveLanes:
    """See the module."""

    def __init__(self, access: Access, prefix: str, sites: Sites, clock: Clock, tell: Tell) -> None:
        self._access = access
        self._live, self._registered = prefix + LIVE.name, prefix + SITES.name
        self._sites = sites
        self._clock = clock
        self._tell = tell
        self._keys: dict[str, Mapping[str, PublicKey]] = {}
        self._reader: Reader | None = None
        self._read_ms = 0
        """When the broker took the live record that was read last; at first, where the lane is read from."""
        self._changes = Changes()
        self._log: Any = logger(part="notifier")

    @property
    def standing(self) -> Standing:
        """How its reader of the lanes stands; as one that reads nothing while there is none."""
        return _NOWHERE if self._reader is None else self._reader.standing

    def lag_s(self) -> float:
        """How long ago the broker took what was read last, while there is more; 0 at the end. What the blocks are late
        with is told later by this."""
        standing = self.standing
        is_looked = bool(standing.partitions)
        if self._reader is None or (is_looked and not standing.behind.get(self._live)):
            return 0.0
        return max(0, self._clock.wall_ms() - self._read_ms) / 1000

    async def follow(self) -> None:
        """Until cancelled. Raises what ends reading for good."""
        shared = self._sites.shared
        while True:
            shared.clear()
            waiting = {
                asyncio.create_task(self._read(self._sites.partitions), name="live lanes"),
                asyncio.create_task(shared.wait(), name="shared out anew"),
            }
            try:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
            for task in done:
                task.result()

    async def _read(self, partitions: frozenset[int]) -> None:
        if not partitions:
            await self._sites.shared.wait()
            return
        lanes = [Place(self._live, partition) for partition in sorted(partitions)]
        books = dict.fromkeys((Place(self._registered, partition) for partition in sorted(partitions)), BEGINNING)
        async with Reader(self._access, books, "notifier-sites", tell=self._tell) as known:
            ends = await known.ends(books)
            while any([await known.passed(place) < end for place, end in ends.items()]):
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        self._take(await known.take())
            self._sites.booked(partitions)
            self._read_ms = self._clock.wall_ms() - LATE_MS
            starts = await known.taken_since(lanes, self._read_ms)
            starts |= {place: known.offset(place) for place in books}
        async with Reader(self._access, starts, "notifier-live", gather_ms=GATHER_MS, tell=self._tell) as reader:
            self._reader = reader
            try:
                while True:
                    self._take(await reader.take())
            finally:
                self._reader = None

    def _take(self, records: tuple[Record, ...]) -> None:
        for record in records:
            try:
                if record.place.topic == self._live:
                    self._read_ms = record.at_ms
                    self._hear(record)
                elif record.value is not None:
                    self._register(record.value)
            except WireError as fault:
                if self._changes.changed(record.name, str(fault)):
                    self._log.warning("live_unreadable", place=str(record.place), offset=record.offset, why=str(fault))

    def _register(self, data: bytes) -> None:
        found = decode_registration(data)
        keys = () if found.ended else map(read_public_key, found.keys)
        self._keys[found.site] = {key.id: key for key in keys}
        self._sites.register(found.site, found.partition, is_ended=found.ended)

    def _hear(self, record: Record) -> None:
        """Raises WireError."""
        seat = self._sites.seat(record.name)
        data = record.value or b""
        if seat is None or not is_read(data):
            return
        live = decode_live(data, self._keys.get(record.name, {}))
        if live.site != record.name:
            raise WireError(f"it is of {live.site}")
        events = own_events(live.site, live.event_bytes())
        seat.hear(live, tuple(filter(concerns, events)), record.at_ms)
        self._changes.changed(record.name, "")
