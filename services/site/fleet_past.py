"""The gateway's port to the fleet's history in PostgreSQL: the same answers as a site's, of the sites that are allowed.

Figures of one site go by its log's own time. Those of several sites together count the wall clock of each, as their
logs have no time in common.
At most ASKING_MAX questions are worked on at once, so that curious clients do not take the database from its writers.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any, TypeVar

from services.gateway.past import DischargeItem, JournalAnswer, JournalQuestion, NotTold, TrendAnswer, Why
from services.history.answers import EventRecord, Step, TooMuch, UnknownPoint
from services.history.centre.asking import Asking, Journal, Sites
from services.history.centre.schema import SCHEMA
from services.history.database import HistoryBroken, NoHistory
from services.history.kinds import Kind
from services.history.kpi import LOOK_BACK_MS, kpi
from services.site.past import KINDS, KPI_ROWS_MAX, discharge_item, journal_item, too_many_events, trend_answer
from shared.runtime.fleet_file import FleetPlan
from shared.runtime.postgres import connect

ASKING_MAX = 4
_Answer = TypeVar("_Answer")


class FleetPast:
    """Implements services.gateway.past.SitesPast."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._turns = asyncio.Semaphore(ASKING_MAX)

    def of(self, sites: frozenset[str] | None) -> "PastOfSites":
        """What these have, None for every site."""
        return PastOfSites(self._asking, self._turns, sites)


class PastOfSites:
    """Implements services.gateway.past.PastViews."""

    def __init__(self, asking: Asking, turns: asyncio.Semaphore, sites: Sites) -> None:
        self._asking = asking
        self._turns = turns
        self._sites = sites

    async def trend(self, point: str, begin_ms: int, end_ms: int, step: str) -> TrendAnswer | NotTold:
        async def ask() -> TrendAnswer:
            return trend_answer(await self._asking.trend(self._sites, point, begin_ms, end_ms, Step(step)))

        return await self._told(ask)

    async def journal(self, question: JournalQuestion) -> JournalAnswer | NotTold:
        async def ask() -> JournalAnswer:
            asked = Journal(
                (KINDS[question.which],), question.begin_ms, question.end_ms, question.subject, question.room,
                question.after, question.limit + 1,
            )  # fmt: skip
            rows = await self._asking.journal(self._sites, asked)
            return JournalAnswer(tuple(map(journal_item, rows[: question.limit])), len(rows) > question.limit)

        return await self._told(ask)

    async def discharges(self, begin_ms: int, end_ms: int, battery: str) -> tuple[DischargeItem, ...] | NotTold:
        async def ask() -> tuple[DischargeItem, ...] | NotTold:
            known = await self._asking.batteries(self._sites) if battery else ()
            if battery and battery not in known:
                return NotTold(Why.UNKNOWN_BATTERY, f"no battery {battery}, allowed: {', '.join(known) or 'none'}")
            rows = await self._asking.discharges(self._sites, begin_ms, end_ms, battery=battery)
            return tuple(map(discharge_item, rows))

        return await self._told(ask)

    async def kpis(self, begin_ms: int, end_ms: int, operators: int) -> Mapping[str, Any] | NotTold:
        async def ask() -> Mapping[str, Any]:
            names = [name for name in await self._asking.names() if self._sites is None or name in self._sites]
            asked = Journal((Kind.ALARM, Kind.DELIVERY), begin_ms - LOOK_BACK_MS, end_ms, limit=KPI_ROWS_MAX + 1)
            rows = await self._asking.journal(self._sites, asked)
            if len(rows) > KPI_ROWS_MAX:
                raise too_many_events()
            known_ms = await self._asking.since_ms(self._sites) or end_ms
            ordered = rows if len(names) == 1 else _by_wall_clock(rows)
            found = await asyncio.to_thread(
                kpi, ordered, begin_ms, end_ms, known_ms=known_ms, operators=operators, zone=UTC
            )
            return found.data()

        return await self._told(ask)

    async def _told(self, ask: Callable[[], Awaitable[_Answer | NotTold]]) -> _Answer | NotTold:
        async with self._turns:
            try:
                return await ask()
            except NoHistory as fault:
                return NotTold(Why.NO_HISTORY, str(fault))
            except UnknownPoint as fault:
                return NotTold(Why.UNKNOWN_POINT, str(fault))
            except TooMuch as fault:
                return NotTold(Why.TOO_MUCH, str(fault))
            except HistoryBroken as fault:
                return NotTold(Why.HISTORY_BROKEN, str(fault))


def _by_wall_clock(rows: tuple[EventRecord, ...]) -> list[EventRecord]:
    return sorted((row._replace(tick_ms=row.at_ms) for row in rows), key=lambda row: (row.at_ms, row.place))


@asynccontextmanager
async def opened(plan: FleetPlan) -> AsyncIterator[FleetPast]:
    """The fleet's history of a fleet file that has ``postgres:``. Raises ConfigError."""
    url = plan.postgres_url()
    asking = Asking(lambda: connect(url, "gateway", schema=SCHEMA, pool=ASKING_MAX))
    try:
        yield FleetPast(asking)
    finally:
        await asking.close()
