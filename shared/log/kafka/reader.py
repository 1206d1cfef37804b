"""Reads partitions that the reader names itself, from the offsets that it gives: no group, nothing committed.

    async with Reader(access, {place: offset, ...}, "gateway") as reader:
        records = await reader.take()

For who keeps its own position (a ledger, a cursor, a restored state) or wants every record whatever others read.

Promises: the records of a partition come in their order, none left out, each once for one reader, also over broker
restarts and rebuilt clients (shared.log.kafka.kept). Offsets need not be dense. When records that were still to be read
are gone by retention, reading goes on with the oldest that is there, and that is said (``tell``).
``gather_ms`` is for who is in no hurry: so long the broker waits for a MiB of records before it answers. A record at a
time costs the broker and the reader a request each.
Limits: ``take`` gives at most ``records_max`` records; the client holds 32 MiB a broker ahead.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.log.kafka.access import Access
from shared.log.kafka.kept import TROUBLE, Kept, positions
from shared.log.kafka.records import Place, Record, Tell, record_of, silent
from shared.log.kafka.watching import STUCK_S, WATCH_S, Standing

BEGINNING: Final = 0
"""The offset to give for everything that is there."""
RECORDS_MAX: Final = 500
GATHER_BYTES: Final = 1 << 20


class Reader:
    """See the module. One owner; ``take`` is called again when the records taken before are done with."""

    def __init__(
        self,
        access: Access,
        places: Mapping[Place, int],
        name: str,
        *,
        gather_ms: int = 0,
        tell: Tell = silent,
        watch_s: float = WATCH_S,
        stuck_s: float = STUCK_S,
    ) -> None:
        self._next = dict(places)
        self._tell = tell
        self._client: AIOKafkaConsumer | None = None
        self._is_taking = False
        options: dict[str, Any] = {"client_id": name}
        if gather_ms:
            options |= {"fetch_max_wait_ms": gather_ms, "fetch_min_bytes": GATHER_BYTES}
        self._kept = Kept(access, self, options, tell=tell, watch_s=watch_s, stuck_s=stuck_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def rebuilt(self) -> int:
        """How many clients were thrown away."""
        return self._kept.rebuilt

    @property
    def standing(self) -> Standing:
        """How this reader stood at its last look."""
        return self._kept.standing

    def offset(self, place: Place) -> int:
        """The next offset to be read."""
        return self._next[place]

    async def take(self, records_max: int = RECORDS_MAX) -> tuple[Record, ...]:
        """The next records, at least one; waits for them. May be cancelled: nothing is lost by it."""
        self._is_taking = True
        try:
            while True:
                client = await self._kept.client()
                found = await self._kept.get(client, records_max)
                records = self._onward(record_of(record) for part in found.values() for record in part)
                if records:
                    return records
        finally:
            self._is_taking = False

    def _onward(self, found: Iterable[Record]) -> tuple[Record, ...]:
        """Notes where we stand; what lies behind it is left out."""
        records = list[Record]()
        for record in found:
            if record.offset >= self._next[record.place]:
                self._next[record.place] = record.offset + 1
                records.append(record)
        return tuple(records)

    async def passed(self, place: Place) -> int:
        """The next offset that may hold a record: behind ``offset`` when those between hold none."""
        client = await self._kept.client()
        passed = (await positions(client, {place: self._next[place]}))[place]
        # A take that was cancelled may have left records behind: they are not passed yet.
        return self._next[place] if self._kept.has_got else passed

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset behind the last record of each place, as of now; in the order in which they were named."""
        wanted = [TopicPartition(*place) for place in places]
        while True:
            client = await self._kept.client()
            try:
                found = await client.end_offsets(wanted)
            except TROUBLE as fault:
                await self._kept.throw_away(client, f"{type(fault).__name__}: {fault}")
            else:
                return {Place(*each): found[each] for each in wanted}

    async def taken_since(self, places: Iterable[Place], at_ms: int) -> dict[Place, int]:
        """The first offset of each place that the broker took at this instant or later, by its clock; the end where
        there is none; in the order in which they were named."""
        wanted = [TopicPartition(*place) for place in places]
        while True:
            client = await self._kept.client()
            try:
                found = await client.offsets_for_times(dict.fromkeys(wanted, at_ms))
                ends = await client.end_offsets(wanted)
            except TROUBLE as fault:
                await self._kept.throw_away(client, f"{type(fault).__name__}: {fault}")
            else:
                begins = {each: told.offset for each, told in found.items() if told is not None}
                return {Place(*each): begins.get(each, ends[each]) for each in wanted}

    async def close(self) -> None:
        await self._kept.close()

    async def begin(self, client: AIOKafkaConsumer) -> None:
        """For the kept client: begin where we stand."""
        self._client = client
        wanted = [TopicPartition(*place) for place in self._next]
        client.assign(wanted)
        await client.start()
        oldest = await client.beginning_offsets(wanted)
        for place, offset in self._next.items():
            first = oldest[TopicPartition(*place)]
            if BEGINNING < offset < first:
                self._tell("kafka_records_gone", f"{place.topic}/{place.partition}: {offset} to {first - 1} are gone")
            self._next[place] = max(offset, first)
            client.seek(TopicPartition(*place), self._next[place])

    async def places(self) -> Mapping[Place, int]:
        """For the kept client."""
        return dict(self._next) if self._client is None else await positions(self._client, self._next)

    def is_busy(self) -> bool:
        """For the kept client: nobody waits for records."""
        return not self._is_taking

    def lost(self) -> None:
        """For the kept client: what it still fetches is fetched again by the next one."""
        self._client = None
