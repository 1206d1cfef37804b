"""The gateway's port to the history: questions to DIR/history.db, in threads of their own, each on its own connection.

At most ASKING_MAX are worked on at once, so that curious clients do not take the processor from the writer.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import tzinfo
from pathlib import Path
from typing import Any, TypeVar

from services.gateway.past import (
    DischargeItem,
    Journal,
    JournalAnswer,
    JournalItem,
    JournalQuestion,
    NotTold,
    TrendAnswer,
    TrendItem,
    Why,
)
from services.history.answers import DischargeRow, EventRecord, Step, TooMuch, Trend, TrendRow, UnknownPoint
from services.history.database import HistoryBroken, NoHistory
from services.history.kinds import Kind
from services.history.kpi import LOOK_BACK_MS, kpi
from services.history.queries import Queries
from shared.devices.plan import SitePlan
from shared.domain.errors import LogError, WireError
from shared.domain.units import format_scaled

ASKING_MAX = 2
KINDS = {Journal.ALARMS: Kind.ALARM, Journal.OUTPUTS: Kind.OUTPUT, Journal.DELIVERIES: Kind.DELIVERY}
KPI_ROWS_MAX = 200_000
"""A year at 130 alarms a day with three events and a message each; more would hold some 200 MiB."""
_Answer = TypeVar("_Answer")


class SitePast:
    """Implements services.gateway.past.PastViews."""

    def __init__(self, directory: Path, zone: Callable[[], tzinfo], batteries: Callable[[], Sequence[str]]) -> None:
        """``batteries`` are the site's at present."""
        self._directory = directory
        self._zone = zone
        self._batteries = batteries
        self._asking = ThreadPoolExecutor(ASKING_MAX, "history")

    def close(self) -> None:
        self._asking.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, ask: Callable[[Queries], _Answer | NotTold]) -> _Answer | NotTold:
        def work() -> _Answer | NotTold:
            try:
                with Queries(self._directory) as queries:
                    return ask(queries)
            except NoHistory as fault:
                return NotTold(Why.NO_HISTORY, str(fault))
            except UnknownPoint as fault:
                return NotTold(Why.UNKNOWN_POINT, str(fault))
            except TooMuch as fault:
                return NotTold(Why.TOO_MUCH, str(fault))
            except (HistoryBroken, LogError, WireError) as fault:
                return NotTold(Why.HISTORY_BROKEN, str(fault))

        return await asyncio.get_running_loop().run_in_executor(self._asking, work)

    async def trend(self, point: str, begin_ms: int, end_ms: int, step: str) -> TrendAnswer | NotTold:
        return await self._ask(lambda queries: trend_answer(queries.trend(point, begin_ms, end_ms, Step(step))))

    async def journal(self, question: JournalQuestion) -> JournalAnswer | NotTold:
        def ask(queries: Queries) -> JournalAnswer:
            rows = queries.journal(
                [KINDS[question.which]],
                question.begin_ms,
                question.end_ms,
                subject=question.subject,
                room=question.room,
                after=question.after,
                limit=question.limit + 1,
            )
            return JournalAnswer(tuple(map(journal_item, rows[: question.limit])), len(rows) > question.limit)

        return await self._ask(ask)

    async def discharges(self, begin_ms: int, end_ms: int, battery: str) -> tuple[DischargeItem, ...] | NotTold:
        batteries = self._batteries()

        def ask(queries: Queries) -> tuple[DischargeItem, ...] | NotTold:
            known = dict.fromkeys((*batteries, *queries.discharged())) if battery else {}
            if battery and battery not in known:
                return NotTold(Why.UNKNOWN_BATTERY, f"no battery {battery}, allowed: {', '.join(known) or 'none'}")
            return tuple(map(discharge_item, queries.discharges(begin_ms, end_ms, battery=battery)))

        return await self._ask(ask)

    async def kpis(self, begin_ms: int, end_ms: int, operators: int) -> Mapping[str, Any] | NotTold:
        zone = self._zone()
        return await self._ask(lambda queries: figures(queries, begin_ms, end_ms, operators, zone))


def figures(queries: Queries, begin_ms: int, end_ms: int, operators: int, zone: tzinfo) -> dict[str, Any]:
    """The alarm figures of a time. Raises TooMuch."""
    rows = queries.journal([Kind.ALARM, Kind.DELIVERY], begin_ms - LOOK_BACK_MS, end_ms, limit=KPI_ROWS_MAX + 1)
    if len(rows) > KPI_ROWS_MAX:
        raise too_many_events()
    known_ms = queries.since_ms() or end_ms
    return kpi(rows, begin_ms, end_ms, known_ms=known_ms, operators=operators, zone=zone).data()


def batteries(plan: SitePlan) -> tuple[str, ...]:
    """Ids of the site's batteries."""
    return tuple(battery.id for room in plan.decision.rooms for battery in room.batteries)


def trend_answer(trend: Trend) -> TrendAnswer:
    """Values as decimal strings."""
    return TrendAnswer(
        trend.point, trend.unit, trend.step.value, tuple(_row(row, trend.decimals) for row in trend.rows)
    )


def _row(row: TrendRow, decimals: int) -> TrendItem:
    low, high, mean, last = (
        None if value is None else format_scaled(value, decimals) for value in (row.low, row.high, row.mean, row.last)
    )
    return TrendItem(row.at_ms, low, high, mean, last, row.quality, row.good, row.uncertain, row.bad)


def discharge_item(row: DischargeRow) -> DischargeItem:
    """Charges as decimal strings."""
    return DischargeItem(
        battery=row.battery,
        began_at_ms=row.began_at_ms,
        ended_at_ms=row.ended_at_ms,
        lasted_ms=row.lasted_ms,
        strings_ah={name: format_scaled(mah, 3) for name, mah in row.strings_mah.items()},
        lowest_jar=row.lowest_jar,
        lowest_volt=format_scaled(row.lowest_mv, 3) if row.lowest_jar else "",
    )


def too_many_events() -> TooMuch:
    """What to raise when figures would need more than KPI_ROWS_MAX rows."""
    return TooMuch(
        f"more than {KPI_ROWS_MAX} events of alarms and messages, with those of the 30 days before: ask for less"
    )


def journal_item(row: EventRecord) -> JournalItem:
    """As the gateway has it."""
    return JournalItem(
        place=row.place,
        at_ms=row.at_ms,
        type=row.type,
        room=row.room,
        subject=row.subject,
        occurrence=row.occurrence,
        rule=row.rule,
        severity=row.severity,
        state=row.state,
        value=row.value,
        unit=row.unit,
        limit=row.limit,
        quality=row.quality,
        reason=row.reason,
        actor=row.actor,
        for_ms=max(0, row.until_ms - row.tick_ms) if row.until_ms else 0,
    )
