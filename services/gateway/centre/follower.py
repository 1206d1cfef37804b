"""Reads what the gateway shows: both lanes of events, newest points, registrations, orders on their way down.

    begin    all registrations, because live records are known by their keys; then the last BLOCKS_BACK batches of each
             partition, POINTS_BACK_MS of the live lane, ORDERS_BACK_MS of orders; returns when what was there at that
             moment has been taken
    follow   everything that comes, until cancelled

Two readers without a group, every replica has all of it: one for the batches of blocks, one for all that is to be seen
at once, so that no backlog of blocks stands before an alarm. A record that cannot be read is told and left out.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from time import thread_time
from typing import Final, NamedTuple

from services.gateway.centre.batch import Told, read_batch, read_live
from services.gateway.centre.orders import Orders
from services.gateway.centre.picture import Picture
from services.gateway.centre.stands import place
from services.gateway.centre.tail import Lane, Tail
from shared.bus.registry import COMMANDS, EVENTS, LIVE, SITES
from shared.domain.errors import WireError
from shared.log.kafka.access import Access
from shared.log.kafka.reader import BEGINNING, Reader
from shared.log.kafka.records import Place, Record, Tell
from shared.log.kafka.strangers import Strangers
from shared.log.kafka.watching import Standing, together
from shared.runtime.metrics import Ages
from shared.runtime.tracing import OFF, Span, Spans, Stage, by_input
from shared.wire.orders import decode_order
from shared.wire.registrations import decode_registration

BLOCKS_BACK: Final = 200
POINTS_BACK_MS: Final = 360_000
"""An uplink sends all points every five minutes."""
ORDERS_BACK_MS: Final = 1_200_000
"""Twice the time that a command may take."""
LOOK_S: Final = 0.5
TURN_S: Final = 0.005
OTHERS_SHARE: Final = 8
"""So many times as long as a turn of who reads blocks all others work before his next one, when they have something to
do: what blocks tell has to be written to streams as fast as it is read, which costs twice as much, or who reads them
falls out of memory."""
IDLE_S: Final = 0.0005
"""Nobody else works whose turns together are shorter. All of these are time of the processor: on a machine that others
use too, turns by the clock would be over before anything is done."""
BLOCKS: Final = "gateway"
AT_ONCE: Final = "gateway-at-once"
GATHER_MS: Final = {BLOCKS: 200, AT_ONCE: 20}
"""What comes meanwhile is fetched together: a fetch for each record of each site would be most of the work. What blocks
tell was mostly told at once before, so they may wait longer."""


class Wanted(NamedTuple):
    """Where a fleet's topics are."""

    access: Access
    prefix: str
    partitions: int


class Follower:
    """``begin`` before everything else: it makes the tail."""

    tail: Tail

    def __init__(
        self, wanted: Wanted, picture: Picture, orders: Orders, *, wall_ms: Callable[[], int], tell: Tell
    ) -> None:
        self._wanted = wanted
        self._picture = picture
        self._orders = orders
        self._wall_ms = wall_ms
        self._tell = tell
        self._strangers = Strangers(tell)
        self._readers: tuple[Reader, ...] = ()
        self._fault = ""
        self._words = ""
        """What a reader last told of its client."""
        self._live_from_ms = 0
        self._is_following = False
        self.spans: Spans = OFF
        self.ages = {lane: Ages() for lane in Lane}
        """From the frame behind an event to now, for what came since the beginning."""

    def trouble(self) -> str:
        """Why nothing is read at present; empty when all is well, also while nothing comes."""
        is_away = any(reader.standing.is_away for reader in self._readers)
        return self._fault or (f"no broker answers: {self._words}" if is_away else "")

    @property
    def standing(self) -> Standing:
        """How its readers of Kafka stand."""
        return together(reader.standing for reader in self._readers) if self._readers else Standing()

    def _reading(self, starts: Mapping[Place, int], name: str) -> Reader:
        def on_client(event: str, words: str) -> None:
            self._words = f"{event}: {words}"
            self._tell(event, words)

        return Reader(self._wanted.access, starts, name, gather_ms=GATHER_MS[name], tell=on_client)

    def _places(self, topic: str) -> list[Place]:
        return [Place(self._wanted.prefix + topic, p) for p in range(self._wanted.partitions)]

    async def begin(self, run: str) -> None:
        """Returns when everything that was there is in memory."""
        events, live, orders, sites = (self._places(topic.name) for topic in (EVENTS, LIVE, COMMANDS, SITES))
        everything = dict.fromkeys([*events, *live, *orders, *sites], BEGINNING)
        now_ms = self._wall_ms()
        self._live_from_ms = now_ms - POINTS_BACK_MS
        async with Reader(self._wanted.access, everything, "gateway-begin", tell=self._tell) as reader:
            ends = await reader.ends(everything)
            starts = {each: max(reader.offset(each), ends[each] - BLOCKS_BACK) for each in events}
            starts |= await reader.taken_since(live, self._live_from_ms)
            starts |= await reader.taken_since(orders, now_ms - ORDERS_BACK_MS)
            starts |= dict.fromkeys(sites, BEGINNING)
        async with Reader(
            self._wanted.access, dict.fromkeys(sites, BEGINNING), "gateway-sites", tell=self._tell
        ) as known:
            await self._catch_up(known, {each: ends[each] for each in sites})
        self.tail = Tail(run, *(tuple(place(starts[each]) for each in lane) for lane in (events, live)))
        parts = {BLOCKS: events, AT_ONCE: [*live, *orders, *sites]}
        self._readers = tuple(
            self._reading({each: starts[each] for each in part}, name) for name, part in parts.items()
        )
        for reader, part in zip(self._readers, parts.values(), strict=True):
            await self._catch_up(reader, {each: ends[each] for each in part})

    async def _catch_up(self, reader: Reader, ends: Mapping[Place, int]) -> None:
        while any([await reader.passed(each) < end for each, end in ends.items()]):
            records: Sequence[Record] = ()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    records = await reader.take()
            await self._take(records)

    async def follow(self) -> None:
        """Until cancelled; ``begin`` comes first. A fault ends it, and is the trouble from then on."""
        assert self._readers, "begun"
        self._is_following = True
        async with asyncio.TaskGroup() as group:
            for name, reader in zip((BLOCKS, AT_ONCE), self._readers, strict=True):
                group.create_task(self._follow(reader), name=name)

    async def _follow(self, reader: Reader) -> None:
        try:
            while True:
                await self._take(await reader.take())
        except Exception as fault:
            self._fault = f"nothing is read any more: {type(fault).__name__}: {fault}"
            self._tell("follower_ended", self.trouble())
            raise

    async def close(self) -> None:
        await asyncio.gather(*[reader.close() for reader in self._readers])

    async def _take(self, records: Sequence[Record]) -> None:
        """All of them, with turns for others between: a backlog of blocks must not hold up an alarm."""
        began = thread_time()
        for record in records:
            topic = record.place.topic.removeprefix(self._wanted.prefix)
            worked_s = thread_time() - began
            if worked_s >= TURN_S:
                await _let_others_work(worked_s * OTHERS_SHARE if topic == EVENTS.name else 0.0)
                began = thread_time()
            match topic:
                case EVENTS.name:
                    self._take_batch(record)
                case LIVE.name:
                    self._take_live(record)
                case _:
                    self._note(record)

    def _take_batch(self, record: Record) -> None:
        found = read_batch(record, self._tell)
        if found is None:
            return
        batch, events = found
        self._measure(Lane.BLOCKS, events)
        self.tail.extend(Lane.BLOCKS, record.place.partition, record.offset, events)
        self.tail.settle(batch.site, batch.log_id, batch.last_seq)
        self._picture.take_batch(batch, events[-1][0].version if events else "", record.at_ms)

    def _take_live(self, record: Record) -> None:
        keys = self._picture.keys(record.name)
        if not keys:
            self._strangers.note(record)
            return
        found = read_live(record, keys, self._tell)
        if found is None:
            return
        live, events = found
        self._measure(Lane.LIVE, events)
        self.tail.extend(Lane.LIVE, record.place.partition, record.offset, events)
        self._picture.take_live(live, record.at_ms)
        for answer in live.answers:
            self._orders.take_answer(live.site, answer)

    def _measure(self, lane: Lane, events: Told) -> None:
        """What was there at the beginning says nothing about the way here."""
        now_ms = self._wall_ms()
        for event, _ in events if self._is_following else ():
            self.ages[lane].add((now_ms - event.at_ms) / 1000)
        if self.spans.is_on and self._is_following:
            name = lane.name.lower()
            for cause, caused in by_input(event for event, _ in events):
                self.spans.tell(Span(Stage.SHOW, cause, caused[0].at_ms, now_ms, name, {"lane": name}))

    def _note(self, record: Record) -> None:
        """A registration, or an order on its way down."""
        if record.value is None:
            return
        try:
            if record.place.topic == self._wanted.prefix + SITES.name:
                self._picture.register(decode_registration(record.value))
            else:
                self._orders.note(decode_order(record.value), is_sure=record.at_ms >= self._live_from_ms)
        except WireError as fault:
            self._tell("record_unreadable", f"{record.place.topic}/{record.place.partition} {record.offset}: {fault}")


async def _let_others_work(at_most_s: float) -> None:
    """A turn for everybody else, and more for so long as they have something to do."""
    began = at = thread_time()
    while True:
        await asyncio.sleep(0)
        before, at = at, thread_time()
        if at - before < IDLE_S or at - began >= at_most_s:
            return
