"""A past in memory: what the gateway's tests, and programs that only want the interface, put behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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

ROWS_MAX = 20_000
STEP_MS = {"raw": 1_000, "minute": 60_000, "hour": 3_600_000}


@dataclass
class FakePast:
    """A point ``demo/r1/gas1-h2`` whose minutes are handed in, and events by journal."""

    point: str = "demo/r1/gas1-h2"
    minutes: tuple[TrendItem, ...] = ()
    events: dict[Journal, tuple[JournalItem, ...]] = field(default_factory=dict)
    batteries: tuple[str, ...] = ("demo/r1/bat1",)
    past_discharges: tuple[DischargeItem, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)
    trouble: NotTold | None = None
    """Answers everything, when it is there."""

    async def trend(self, point: str, begin_ms: int, end_ms: int, step: str) -> TrendAnswer | NotTold:
        if self.trouble is not None:
            return self.trouble
        if point != self.point:
            return NotTold(Why.UNKNOWN_POINT, f"no point {point} in the history")
        step = "minute" if step == "auto" else step
        items = tuple(item for item in self.minutes if begin_ms <= item.at_ms < end_ms)
        if (end_ms - begin_ms) // STEP_MS[step] > ROWS_MAX:
            return NotTold(Why.TOO_MUCH, f"at most {ROWS_MAX} rows are given at once: ask for less, or a longer step")
        return TrendAnswer(point, "%vol", step, items)

    async def journal(self, question: JournalQuestion) -> JournalAnswer | NotTold:
        if self.trouble is not None:
            return self.trouble
        found = [
            item
            for item in self.events.get(question.which, ())
            if question.begin_ms <= item.at_ms < question.end_ms
            and item.place > question.after
            and question.room in ("", item.room)
            and (not question.subject or f"{item.subject}/".startswith(f"{question.subject}/"))
        ]
        return JournalAnswer(tuple(found[: question.limit]), len(found) > question.limit)

    async def discharges(self, begin_ms: int, end_ms: int, battery: str) -> tuple[DischargeItem, ...] | NotTold:
        if self.trouble is not None:
            return self.trouble
        if battery and battery not in self.batteries:
            return NotTold(Why.UNKNOWN_BATTERY, f"no battery {battery}, allowed: {', '.join(self.batteries)}")
        return tuple(
            item
            for item in self.past_discharges
            if item.began_at_ms < end_ms
            and (item.ended_at_ms == 0 or item.ended_at_ms >= begin_ms)
            and battery in ("", item.battery)
        )

    async def kpis(self, begin_ms: int, end_ms: int, operators: int) -> Mapping[str, Any] | NotTold:
        if self.trouble is not None:
            return self.trouble
        return {**self.figures, "begin_at_ms": begin_ms, "end_at_ms": end_ms, "operators": operators}
