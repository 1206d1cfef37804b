"""One site's history being written: the fold that a site's own history is (services.history.tally), over its blocks.

    block -> chain: what of it is new -> tally -> rows in memory --flush--> rows, chain and state in one transaction

What was stored of an open minute before this program began with it is joined when the minute is written (``complete``):
so nothing has to be read for a block.
Promises: rows depend on the blocks and their order alone, never on batches, restarts or replicas.
"""

from dataclasses import dataclass, field
from itertools import starmap
from typing import Any, Final, NamedTuple

from services.history.book import Book
from services.history.centre.chain import Chain, Part, Passed, decode_chain, encode_chain
from services.history.centre.schema import decimals_of
from services.history.centre.times import moment_at
from services.history.keeper import GRACE_MINUTES
from services.history.layouts import batteries_of
from services.history.minutes import Minute
from services.history.readings import Readings, Wanted
from services.history.rolls import DAY_MINUTES, DAY_MS, MINUTE_MS
from services.history.tally import Moment, RuleSets, Tally, as_said
from shared.log.kafka.records import Place
from shared.runtime.postgres import Connection, Pool
from shared.wire.blocks import Block
from shared.wire.events import decode_event
from shared.wire.plans import decode_decision

READINGS_A_ROW: Final = 1_000
"""So many readings that wait weigh as a row: 5,000 rows of them are 45 MB."""
_INT_MAX: Final = (1 << 63) - 1
_SAID_AT: Final = 7
"""Where the time stands in a row of the tally's events."""
Row = tuple[Any, ...]


class Rows(NamedTuple):
    """What is to be written, by table; the site's number first."""

    names: dict[str, list[Row]]
    young: list[Row]
    readings: list[Row]
    holes: list[Row]
    discharges: list[Row]
    sites: list[Row]
    """(state, chain, batteries, time of the first event or 0, number)"""
    events: list[Row]
    """Without their places: (site, at_ms, kind, ...)."""


def empty() -> Rows:
    return Rows({"points": [], "series": [], "layouts": [], "logs": []}, [], [], [], [], [], [])


@dataclass(slots=True)
class Clock:
    """When something was, by the block in hand."""

    moment: Moment = as_said


@dataclass(slots=True)
class Shelf:
    """See the module. One event loop."""

    no: int
    place: Place
    """The partition of its blocks."""
    tally: Tally
    book: Book
    chain: Chain
    clock: Clock
    readings: Readings
    wanted: Wanted
    batteries: list[str]
    """Ids of those that the newest decision version has."""
    days: set[int] = field(default_factory=set)
    """Days of which minutes are not turned round."""
    is_told: bool = False
    """That blocks are missing."""
    is_new: bool = False
    """Something was taken since the last flush."""
    _complete: set[tuple[int, int]] = field(default_factory=set)
    """Minutes that are in memory with all that was ever stored of them."""
    _whens: list[tuple[int, int]] = field(default_factory=list)
    """(at_ms, taken_ms) of each of the tally's events."""

    def take(self, block: Block, taken_ms: int) -> Passed | None:
        """One block, checked; None when there was something new in it."""
        part = self.chain.take(block)
        if not isinstance(part, Part):
            return part
        self.is_new = True
        moment = self.clock.moment = moment_at(taken_ms)
        self.readings.since_ms = max(self.wanted.since_ms, taken_ms - self.wanted.days * DAY_MS)
        tally = self.tally
        if part.begins is not None:
            tally.resume(part.begins, part.reason)
            if part.version:
                tally.use(part.version)
        if not tally.version and part.events:  # What named it is no longer in Kafka; each event does, too.
            tally.use(decode_event(part.events[0].data).version)
        if block.folded:
            tally.folded_to = block.last_seq
        tally.take(part.inputs, part.events)
        for row in tally.events[len(self._whens) :]:
            self._whens.append((moment(row[_SAID_AT]), taken_ms))
        return None

    @property
    def weight(self) -> int:
        """How many rows wait."""
        return len(self.tally.events) + len(self.tally.dirty) + self.readings.count // READINGS_A_ROW

    def fresh(self) -> list[tuple[int, int]]:
        """(at_ms, layout) of minutes of which something may be stored already."""
        return [(minute * MINUTE_MS, no) for minute, no in sorted(self.tally.dirty - self._complete)]

    def join(self, stored: list[tuple[int, int, bytes]]) -> None:
        """What was stored of the fresh minutes: (at_ms, layout, data)."""
        for at_ms, layout, data in stored:
            key = (at_ms // MINUTE_MS, layout)
            if key not in self._complete:
                self.tally.minutes[key].add_earlier(data)
                self._complete.add(key)
        self._complete |= self.tally.dirty

    def put(self, rows: Rows) -> None:
        """Everything that waits, into ``rows``; it goes on waiting until ``written``."""
        tally, no = self.tally, self.no
        for new in self.book.new:
            row = (*new.row, decimals_of(str(new.row[1]))) if new.table == "series" else new.row
            rows.names[new.table].append((no, *row))
        for minute, layout in sorted(tally.dirty):
            rows.young.append((no, layout, minute * MINUTE_MS, tally.minutes[minute, layout].to_bytes()))
        for layout, minute, *piece in self.readings.pieces():
            rows.readings.append((no, layout, minute * MINUTE_MS, *piece))
        rows.holes.extend((no, *fitting(hole)) for hole in tally.holes)
        rows.discharges.extend(
            (no, *fitting(one.row())) for one in (*tally.discharges.ended, *tally.discharges.open.values())
        )
        whens = [at_ms for at_ms, _ in self._whens]
        rows.sites.append((tally.state(), encode_chain(self.chain), [*self.batteries], min(whens, default=0), no))
        rows.events.extend(starmap(self._event, zip(tally.events, self._whens, strict=True)))

    def _event(self, row: Row, when: tuple[int, int]) -> Row:
        at_ms, taken_ms = when
        return (self.no, at_ms, *fitting(row), taken_ms)

    def written(self) -> None:
        """All of it is stored."""
        self.days |= {minute // DAY_MINUTES for minute, _ in self.tally.dirty}
        self.book.written()
        self.tally.flushed()
        self.readings.written()
        self._complete &= self.tally.minutes.keys()
        self._whens.clear()
        self.is_new = False

    def day_due(self) -> int | None:
        """A day that is over, seen from the newest frame, and not turned round."""
        last = self.tally.last_minute
        kept = {last // DAY_MINUTES, (last - GRACE_MINUTES) // DAY_MINUTES}
        return min(self.days - kept, default=None)

    def release(self, day: int) -> None:
        """The day's minutes become rows of days: what comes late begins new ones, and joins them."""
        for key in [key for key in self.tally.minutes if key[0] // DAY_MINUTES == day]:
            del self.tally.minutes[key]
            self._complete.discard(key)


def fitting(row: Row) -> Row:
    """As PostgreSQL can hold it: a text without NUL, an integer of 64 bits. A site may sign whatever it likes."""
    return tuple(
        cell.replace("\0", "�")
        if isinstance(cell, str)
        else max(-_INT_MAX, min(cell, _INT_MAX))
        if isinstance(cell, int)
        else cell
        for cell in row
    )


def _none_stored(_minute: int, _layout: int) -> Minute | None:
    return None


async def open_shelf(pool: Pool, name: str, place: Place, rulesets: RuleSets, wanted: Wanted) -> Shelf:
    """Where the site stands in the database."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        no = await site_number(connection, name, place.partition)
        site = await connection.fetchrow("SELECT state, chain, skip_before FROM site WHERE no = $1", no)
        book = await _book(connection, no)
        days = await connection.fetch("SELECT DISTINCT at_ms / 86400000 FROM young WHERE site = $1", no)
    batteries: list[str] = []
    clock = Clock()

    def body_of(version: str) -> bytes | None:
        """The tally asks when a decision version begins: so the batteries are those of the newest."""
        body = rulesets(version)
        if body is not None:
            batteries[:] = batteries_of(decode_decision(body))
        return body

    readings = Readings()
    tally = Tally(
        book, body_of, _none_stored, site["state"], lambda said_ms: clock.moment(said_ms),
        readings=readings if wanted.days else None,
    )  # fmt: skip
    tally.skip_before = site["skip_before"]
    chain = Chain() if site["chain"] is None else decode_chain(site["chain"])
    return Shelf(no, place, tally, book, chain, clock, readings, wanted, batteries, {day for (day,) in days})


async def site_number(connection: Connection, name: str, partition: int) -> int:
    """The site's, given when it is new."""
    await connection.execute(
        "INSERT INTO site (site, partition) VALUES ($1, $2) ON CONFLICT (site) DO NOTHING", name, partition
    )
    number: int = await connection.fetchval("SELECT no FROM site WHERE site = $1", name)
    return number


async def _book(connection: Connection, no: int) -> Book:
    points = await connection.fetch("SELECT point, unit, series FROM point WHERE site = $1", no)
    layouts = await connection.fetch("SELECT no, device, series FROM layout WHERE site = $1", no)
    logs = await connection.fetch("SELECT no, log_id FROM log WHERE site = $1", no)
    highest = await connection.fetchval("SELECT coalesce(max(no), 0) FROM series WHERE site = $1", no)
    return Book(map(tuple, points), map(tuple, layouts), map(tuple, logs), highest)
