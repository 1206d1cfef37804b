"""What a replica of the fleet's history has in hand: partitions of ours, the shelves of their sites, what waits.

    assigned -> claimed in the database: where reading goes on, under which claim; everything in memory is forgotten
    records  -> blocks to the shelves of their sites, deliveries to the journal
    flush    -> all that waits and the places behind it, in one transaction
             -> PostgreSQL refuses a row of it for good: read anew from what is stored, the records one by one, and the
                one whose rows are refused becomes a dead letter with the reason; its site goes on behind it with a hole

Promises: what the database holds is what the records up to its places say, once, whatever happens in between: a kill,
a replica that slept, a hand-over, a commit whose answer was lost. A record that cannot be read is told and passed by;
blocks are put into the dead letters by the processor, deliveries by this service.
A block of a site that nobody registered, or by a key that was not the site's when the broker took it, is counted and
passed by (shared.log.kafka.strangers).
Limits: a block waits WAIT_S for the body of a rule set that is not there yet; then its frames are a hole, and for
VAIN_S nothing of this site is waited for again. BYTES_MAX of records are in hand at a time.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import asyncpg

from services.history.centre.chain import DECISION, Passed
from services.history.centre.deliveries import event_of, mark_of
from services.history.centre.shelf import Row, Rows, Shelf, empty, fitting, open_shelf, site_number
from services.history.centre.times import moment_at
from services.history.centre.turning import turn
from services.history.centre.writing import Gaps, Move, Partitions, Standing, claim, let_go, write
from services.history.readings import NOTHING, Wanted
from shared.bus.registry import DELIVERIES
from shared.domain.errors import WireError
from shared.domain.ids import is_id
from shared.log.kafka.records import Place, Record, Tell
from shared.log.kafka.strangers import Strangers
from shared.log.steps import Step
from shared.runtime.postgres import TROUBLE, Pool, is_refused
from shared.wire.blocks import Block, decode_block, peek_block
from shared.wire.deliveries import decode_delivery
from shared.wire.events import own_events
from shared.wire.inputs import RuleSet, decode_input
from shared.wire.signing import PublicKey

WAIT_S: Final = 10.0
VAIN_S: Final = 300.0
"""A site that names what never comes takes a thirtieth of our time, and no more by naming it often."""
LOOK_S: Final = 0.1
BYTES_MAX: Final = 32 << 20
"""Of records that are taken and not stored; one larger record still comes, alone."""

T = TypeVar("T")
Bury = Callable[[Record, str], Awaitable[None]]
"""A record that cannot be kept, and why: returns when the dead letters have its bytes."""


class Knows(Protocol):
    """What is needed of shared.log.kafka.known.Known."""

    def body(self, version: str) -> bytes | None: ...

    def key(self, site: str, key_id: str, at_ms: int) -> PublicKey | None: ...

    def is_registered(self, site: str) -> bool: ...

    async def make_sure(self) -> None: ...


class Desk:
    """See the module. One event loop; who uses it holds ``lock``."""

    def __init__(
        self,
        pool: Pool,
        partitions: Partitions,
        known: Knows,
        *,
        bury: Bury,
        tell: Tell,
        step: Step,
        wanted: Wanted = NOTHING,
        wait_s: float = WAIT_S,
    ) -> None:
        self._pool = pool
        self._wanted = wanted
        self.partitions = partitions
        self._known = known
        self._bury = bury
        self._tell = tell
        self._step = step
        self._wait_s = wait_s
        self.lock = asyncio.Lock()
        self._stands: dict[Place, Standing] = {}
        self._reached: dict[Place, Standing] = {}
        """Of the partitions from which something was taken since the last flush."""
        self._shelves: dict[str, Shelf] = {}
        self._numbers: dict[str, int] = {}
        self._tellers: dict[tuple[int, str], int] = {}
        self._marks: list[Row] = []
        self._deliveries: list[Row] = []
        self._is_sure = False
        """What was registered before the records in hand is known."""
        self._vain: dict[str, float] = {}
        """By site, when it was last waited for in vain."""
        self.strangers = Strangers(tell)
        self._waiting: list[Record] = []
        """Taken since the last flush."""
        self._bytes = 0
        self._singly: deque[Record] = deque()
        """To be taken and stored one by one: something of them was refused for good."""
        self._left_out: set[str] = set()
        """Records since the last flush."""
        self._gaps = Gaps(set(), set())
        self.blocks = 0
        """Of which something was taken, since the start."""
        self.unreadable = 0
        """Records that could not be read, or whose rows are refused."""
        self.taken_ms = 0
        """When the broker took the newest record."""
        self.is_begun = False
        """Partitions were shared out."""

    async def start_at(self, places: frozenset[Place]) -> Mapping[Place, int]:
        """Partitions were shared out anew: ours are claimed, and read on from what is stored."""
        async with self.lock:
            self._forget()
            self._singly.clear()
            self._stands = await claim(self._pool, sorted(places))
            self.is_begun = True
            return {place: stand.next for place, stand in self._stands.items()}

    def _forget(self) -> None:
        self._shelves.clear()
        self._tellers.clear()
        self._nothing_waits()

    def _nothing_waits(self) -> None:
        self._reached.clear()
        self._deliveries.clear()
        self._marks.clear()
        self._waiting.clear()
        self._gaps.sites.clear()
        self._gaps.partitions.clear()
        self._bytes = 0

    @property
    def sites(self) -> int:
        """Of which something was taken since the partitions were shared out."""
        return len(self._shelves)

    @property
    def weight(self) -> int:
        """How many rows wait."""
        return sum(shelf.weight for shelf in self._shelves.values()) + len(self._deliveries)

    @property
    def has_events(self) -> bool:
        return bool(self._deliveries) or any(shelf.tally.events for shelf in self._shelves.values())

    @property
    def owes(self) -> bool:
        """Something was taken that is not stored."""
        return bool(self._reached or self._singly)

    @property
    def is_full(self) -> bool:
        """No more is to be taken before a flush."""
        return self._bytes >= BYTES_MAX

    def have_more(self) -> None:
        """Records were fetched: what is registered is looked up anew when one of them asks for it."""
        self._is_sure = False

    async def take(self, record: Record) -> None:
        """One record of a partition of ours. Raises what the database raises: then nothing of it is taken."""
        stand = self._reached.get(record.place) or self._stands[record.place]
        if record.offset < stand.next:
            return
        if record.offset > stand.next > 0:
            self._lost(record.place, stand.next, record.offset)
        try:
            if record.place.topic.endswith(DELIVERIES.name):
                await self._delivery(record)
            else:
                await self._block(record)
        except WireError as fault:
            await self._leave_out(record, "record_unreadable", str(fault))
        except TROUBLE as fault:
            if not is_refused(fault):
                raise
            await self._leave_out(record, "record_refused", _words(fault))
        self._reached[record.place] = Standing(stand.fence, record.offset + 1)
        self.taken_ms = max(self.taken_ms, record.at_ms)
        self._waiting.append(record)
        self._bytes += len(record.value or b"")

    def _lost(self, place: Place, first: int, end: int) -> None:
        self._tell("records_lost", f"{place.topic}/{place.partition}: {first} to {end - 1} are gone")
        if place.topic.endswith(DELIVERIES.name):
            return
        self._gaps.partitions.add(place.partition)
        for shelf in self._shelves.values():
            shelf.chain.may_jump = shelf.chain.may_jump or shelf.place == place

    def _gap(self, site: str) -> None:
        """The next block of this site need not follow what is stored. A key may be anything."""
        if is_id(site):
            self._gaps.sites.add(site)
        if site in self._shelves:
            self._shelves[site].chain.may_jump = True

    # Blocks

    async def _block(self, record: Record) -> None:
        name = record.name
        if not await self._sure(lambda: self._known.is_registered(name)):
            self.strangers.note(record)
            return
        data = record.value or b""
        head = peek_block(data)
        if head.site != name:
            raise WireError(f"a block of {head.site} under the key of {name}")
        key = await self._sure(lambda: self._known.key(name, head.key_id, record.at_ms))
        if not key:
            self.strangers.note(record)
            return
        block = decode_block(data, key)
        own_events(name, (event.data for event in block.events))
        shelf = await self._shelf(name, record.place)
        await self._wait_for_rules(block)
        passed = shelf.take(block, record.at_ms)
        self.blocks += passed is None
        if passed is Passed.HOLE and not shelf.is_told:
            self._tell("hole", f"{name}: {block.first_seq} does not follow {shelf.chain.last_seq}")
        shelf.is_told = passed is Passed.HOLE

    async def _sure(self, ask: Callable[[], T]) -> T:
        """What the book says, as it was when the records in hand were taken, or later."""
        found = ask()
        if not found and not self._is_sure:
            await self._known.make_sure()
            self._is_sure = True
            found = ask()
        return found

    async def _shelf(self, name: str, place: Place) -> Shelf:
        shelf = self._shelves.get(name)
        if shelf is None:
            shelf = self._shelves[name] = await open_shelf(self._pool, name, place, self._known.body, self._wanted)
            if name in self._gaps.sites or place.partition in self._gaps.partitions:
                shelf.chain.may_jump = True
        return shelf

    async def _wait_for_rules(self, block: Block) -> None:
        bodies = [decode_input(row.data).body for row in block.inputs if row.kind == "ruleset"]
        named = [body.version for body in bodies if isinstance(body, RuleSet)]
        named += [block.states[DECISION].decode("utf-8", "replace")] if DECISION in block.states else []
        for version in filter(None, named):
            await self._waited(block.site, f"rule set {version}", partial(self._known.body, version))

    async def _waited(self, site: str, what: str, ask: Callable[[], Any]) -> Any:
        """What the broker has, or will have in a moment; None for what never came."""
        found, now = ask(), asyncio.get_running_loop().time
        if found is None and now() - self._vain.get(site, -VAIN_S) >= VAIN_S:
            self._tell("waits_for", f"{what} of {site}")
            end = now() + self._wait_s
            while found is None and now() < end:
                await asyncio.sleep(LOOK_S)
                found = ask()
            if found is None:
                self._vain[site] = now()
        return found

    # Deliveries

    async def _delivery(self, record: Record) -> None:
        delivery = decode_delivery(record.value or b"")
        no = self._numbers.get(delivery.site)
        if no is None:
            async with self._pool.acquire() as connection:
                no = await site_number(connection, delivery.site, record.place.partition)
            self._numbers[delivery.site] = no
        ledger, number = mark_of(record.headers)
        if ledger:
            last = self._tellers.get((no, ledger))
            if last is None:
                query = "SELECT last FROM teller WHERE site = $1 AND ledger = $2"
                last = await self._pool.fetchval(query, no, ledger) or 0
            if number <= last:
                return
            self._tellers[no, ledger] = number
            self._marks.append((no, ledger, number))
        at_ms = moment_at(record.at_ms)(delivery.at_ms)
        self._deliveries.append((no, at_ms, *fitting(event_of(delivery, number)), record.at_ms))

    # Into the database

    async def flush(self) -> None:
        """Everything that waits, with its places. Raises Fenced, and what the database raises: then it waits on."""
        if not self._singly:
            try:
                await self._write()
            except TROUBLE as fault:
                if not is_refused(fault):
                    raise
                self._tell("rows_refused", f"{_words(fault)}; {len(self._waiting)} records are taken one by one")
                self._singly.extend(self._waiting)
                self._forget()
        while self._singly:
            await self._store_alone(self._singly[0])
            self._singly.popleft()
        self._left_out.clear()

    async def _store_alone(self, record: Record) -> None:
        """One record and its place; a dead letter when its rows are refused. May be done again."""
        if record.place not in self._reached:
            await self.take(record)
        try:
            await self._write()
        except TROUBLE as fault:
            if not is_refused(fault):
                raise
            self._forget()
            await self._leave_out(record, "record_refused", _words(fault))
            self._reached[record.place] = Standing(self._stands[record.place].fence, record.offset + 1)
            await self._write()

    async def _leave_out(self, record: Record, event: str, why: str) -> None:
        """A block that cannot be read is buried by the processor; all else here, and once."""
        is_block = not record.place.topic.endswith(DELIVERIES.name)
        if is_block:
            self._gap(record.name)
        name = f"{record.place.topic}/{record.place.partition} {record.offset}"
        if name in self._left_out:
            return
        self._tell(event, f"{name}: {why}")
        if event == "record_refused":
            await self._bury(record, f"PostgreSQL refuses its rows: {why}")
        elif not is_block:
            await self._bury(record, why)
        self._left_out.add(name)
        self.unreadable += 1

    async def _write(self) -> None:
        if not self._reached:
            return
        rows = empty()
        changed = [shelf for shelf in self._shelves.values() if shelf.is_new]
        for shelf in changed:
            fresh = shelf.fresh()
            if fresh:
                shelf.join(await self._stored(shelf.no, fresh))
            shelf.put(rows)
        made = Rows(*rows[:-1], [*rows.events, *self._deliveries])
        moves = {place: Move(*self._stands[place], stand.next) for place, stand in self._reached.items()}
        await write(self._pool, self.partitions, moves, made, self._marks, self._gaps, self._step)
        self._step("committed")
        for shelf in changed:
            shelf.written()
        self._stands |= self._reached
        self._nothing_waits()

    async def let_go(self, fault: BaseException) -> None:
        """When it was a lock that could not be had: whoever holds it sleeps, or ends soon."""
        if isinstance(fault, asyncpg.LockNotAvailableError):
            with suppress(*TROUBLE):
                await let_go(self._pool)

    async def _stored(self, no: int, fresh: Sequence[tuple[int, int]]) -> list[tuple[int, int, bytes]]:
        rows = await self._pool.fetch(
            "SELECT at_ms, layout, data FROM young"
            " JOIN unnest($2::bigint[], $3::int[]) AS wanted (at_ms, layout) USING (at_ms, layout) WHERE site = $1",
            no, [at_ms for at_ms, _ in fresh], [layout for _, layout in fresh],
        )  # fmt: skip
        return [tuple(row) for row in rows]

    async def turn_one(self) -> bool:
        """A device's day that is over; False when there is none. Only when nothing waits."""
        for shelf in self._shelves.values():
            day = shelf.day_due()
            if day is None:
                continue
            stand = self._stands[shelf.place]
            moves = {shelf.place: Move(*stand, stand.next)}
            shelf.release(day)
            if not await turn(self._pool, self.partitions, moves, shelf.no, day, self._step):
                shelf.days.discard(day)
            return True
        return False


def _words(fault: BaseException) -> str:
    """Without what PostgreSQL tells beside it: that may be a row."""
    return f"{type(fault).__name__}: {str(fault).splitlines()[0] if str(fault) else ''}"[:300]
