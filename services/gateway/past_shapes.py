"""The JSON of the history's part of the HTTP interface. Fields are added, never renamed."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from services.gateway.past import DischargeItem, JournalAnswer, JournalItem, TrendAnswer
from services.gateway.times import rfc3339


class TrendRowJson(BaseModel):
    at: str = Field(description="When the minute or hour begins; of a reading when it was sampled.")
    min: str | None
    max: str | None
    mean: str | None
    last: str | None
    quality: Literal["good", "uncertain", "bad"]
    good: int
    uncertain: int
    bad: int


class TrendJson(BaseModel):
    point: str
    unit: str
    step: Literal["raw", "minute", "hour"]
    items: list[TrendRowJson] = Field(description="A time without a single reading has no row: it is never filled.")


class JournalRowJson(BaseModel):
    at: str
    type: str
    room: str
    subject: str
    occurrence: str
    rule: str
    severity: str
    state: str
    value: str | None
    unit: str
    limit: str
    quality: str
    reason: str
    actor: str
    for_ms: int


class JournalJson(BaseModel):
    items: list[JournalRowJson]
    next: str | None = Field(description="Give it as `after` to go on; null at the end.")


class DischargeJson(BaseModel):
    battery: str
    began: str
    ended: str | None
    lasted_ms: int
    strings_ah: dict[str, str]
    lowest_jar: str | None
    lowest_volt: str | None


class DischargesJson(BaseModel):
    items: list[DischargeJson]


class AcksJson(BaseModel):
    count: int
    median_ms: int
    worst_ms: int


class PersonJson(BaseModel):
    told: int
    rate_per_10min: float
    peak_10min: int
    floods: list[dict[str, Any]]
    per_day: float
    stale: list[str]
    chattering: list[str]
    top_ten: list[dict[str, Any]]
    acked: int
    time_to_ack: AcksJson
    reset: int
    shelved: int


class KpisJson(BaseModel):
    begin: str | None
    end: str | None
    known_since: str | None
    operators: int
    announced: int
    rate_per_operator_10min: float
    peak_10min: int
    floods: list[dict[str, Any]]
    per_day: float
    worst_day: str
    worst_day_announced: int
    stale: list[dict[str, Any]]
    chattering: list[dict[str, Any]]
    by_severity: dict[str, int]
    percent_by_severity: dict[str, float]
    top_ten: list[dict[str, Any]]
    top_ten_percent: float
    time_to_ack: AcksJson
    time_to_ack_by_severity: dict[str, AcksJson]
    unacked: int
    persons: dict[str, PersonJson]


def trend(answer: TrendAnswer) -> dict[str, Any]:
    items = [
        {
            "at": rfc3339(item.at_ms),
            "min": item.low,
            "max": item.high,
            "mean": item.mean,
            "last": item.last,
            "quality": item.quality,
            "good": item.good,
            "uncertain": item.uncertain,
            "bad": item.bad,
        }
        for item in answer.items
    ]
    return {"point": answer.point, "unit": answer.unit, "step": answer.step, "items": items}


def journal(answer: JournalAnswer) -> dict[str, Any]:
    last = str(answer.items[-1].place) if answer.items and answer.more else None
    return {"items": [_event(item) for item in answer.items], "next": last}


def _event(item: JournalItem) -> dict[str, Any]:
    return {
        "at": rfc3339(item.at_ms),
        "type": item.type,
        "room": item.room,
        "subject": item.subject,
        "occurrence": item.occurrence,
        "rule": item.rule,
        "severity": item.severity,
        "state": item.state,
        "value": item.value or None,
        "unit": item.unit,
        "limit": item.limit,
        "quality": item.quality,
        "reason": item.reason,
        "actor": item.actor,
        "for_ms": item.for_ms,
    }


def discharge(item: DischargeItem) -> dict[str, Any]:
    return {
        "battery": item.battery,
        "began": rfc3339(item.began_at_ms),
        "ended": rfc3339(item.ended_at_ms),
        "lasted_ms": item.lasted_ms,
        "strings_ah": dict(item.strings_ah),
        "lowest_jar": item.lowest_jar or None,
        "lowest_volt": item.lowest_volt or None,
    }


def kpis(figures: dict[str, Any]) -> dict[str, Any]:
    """Instants in words of RFC 3339."""
    made: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, list | tuple):
            made[name] = [kpis(each) if isinstance(each, dict) else each for each in value]
        elif name == "persons":
            made[name] = {person: kpis(each) for person, each in value.items()}
        elif name.endswith("_at_ms"):
            made[name.removesuffix("_at_ms")] = rfc3339(value)
        else:
            made[name] = value
    return made
