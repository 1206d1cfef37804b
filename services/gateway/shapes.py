"""The JSON of the HTTP interface: what each item of the views looks like outside, and its description for OpenAPI.

Names and shapes are fixed; fields are added, never renamed. Values are decimal strings, instants RFC 3339 in UTC.
"""

from typing import Any, Literal

import orjson
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.gateway.times import rfc3339
from services.gateway.views import AlarmItem, CommandAnswer, OutputItem, PointItem, Readiness, SiteItem, SiteStatus


class AlarmJson(BaseModel):
    id: str
    rule: str
    point: str
    severity: Literal["warning", "alarm", "critical"]
    state: Literal["A", "B", "C", "D", "E", "F"]
    condition: Literal["true", "false", "unknown"]
    override: Literal["none", "shelved", "suppressed", "out_of_service"]
    occurrence: str
    since: str | None
    value: str | None
    unit: str
    guidance: str
    until: str | None = Field(description="When a shelving or an out-of-service ends, else null.")
    pending: str = Field(description="At a fleet's centre: acts that the site has not answered yet, as `ack pending`.")
    undurable: bool = Field(description="The log takes nothing at present: this may not outlive a power cut.")


class AlarmsJson(BaseModel):
    items: list[AlarmJson] = Field(description="Alarms that are not plainly normal, gravest first.")
    as_of: str | None = Field(description="The instant of which the items are true.")


class PointJson(BaseModel):
    id: str
    value: str | None = Field(description="Decimal string; null when there is no value, and no_data says why.")
    unit: str
    quality: Literal["good", "uncertain", "bad"]
    no_data: str
    at: str | None


class PointsJson(BaseModel):
    items: list[PointJson]


class OutputJson(BaseModel):
    id: str
    kind: str
    demand: Literal["on", "off"]
    by: list[str]
    read_back: str
    proof: str
    armed: bool
    supervision: str
    pending: str = Field(description="At a fleet's centre: acts that the site has not answered, as `hold_on pending`.")


class OutputsJson(BaseModel):
    items: list[OutputJson]


class SiteJson(BaseModel):
    id: str
    heard_at: str | None = Field(description="When its newest record came, by the fleet's clock.")
    silent: bool = Field(description="Nothing came for a minute: its values are unknown.")
    clock_offset_ms: int = Field(description="How much its clock is behind the fleet's, the way of a record included.")
    log_id: str
    site_seq: int = Field(description="How far its log is known to be.")
    decided_seq: int = Field(description="How far the centre has decided it again: the difference is the backlog.")
    decided_at: str | None
    chain_head: str = Field(description="Of its chain after decided_seq.")
    decision: str = Field(description="Decision version of its newest event.")
    core_version: int
    different: int = Field(description="Blocks whose events differed, since this gateway began.")
    backlog_ms: int = Field(description="Age of the oldest input that Kafka does not have, by the site's own word.")
    last_verdict: str = Field(description='On the newest block: equal, different, not_comparable; "" if none was seen.')


class SitesJson(BaseModel):
    items: list[SiteJson]


class CheckJson(BaseModel):
    ok: bool
    detail: str


class ReadinessJson(BaseModel):
    ready: bool
    armed: bool
    checks: dict[str, CheckJson]


class StatusJson(BaseModel):
    site: str
    name: str
    version: str
    decision: str
    log_id: str
    head_seq: int
    undurable: bool
    demo: bool
    assumed: list[str]
    mqtt: str
    notes: list[str]
    rooms: list[str]
    ready: bool
    armed: bool
    checks: dict[str, CheckJson]


class RefusalJson(BaseModel):
    room: str
    reason: str
    text: str


class CommandJson(BaseModel):
    id: str
    state: Literal["pending", "accepted", "rejected", "expired"] = Field(
        description="accepted when any room accepted it: a command may name the whole site."
    )
    reason: str = ""
    text: str = ""
    refusals: list[RefusalJson] = Field([], description="The rooms that refused, also beside others that accepted.")


class TakenJson(BaseModel):
    id: str
    state: Literal["pending"]


class AliveJson(BaseModel):
    alive: bool


def json_response(value: Any, status: int = 200) -> Response:
    """An answer that no cache keeps."""
    return Response(orjson.dumps(value), status, {"Cache-Control": "no-store"}, "application/json")


def alarm(item: AlarmItem, *, undurable: bool) -> dict[str, Any]:
    return {
        "id": item.id,
        "rule": item.rule,
        "point": item.point,
        "severity": item.severity,
        "state": item.state,
        "condition": item.condition,
        "override": item.override,
        "occurrence": item.occurrence,
        "since": rfc3339(item.since_at_ms),
        "value": item.value or None,
        "unit": item.unit,
        "guidance": item.guidance,
        "until": rfc3339(item.until_at_ms),
        "pending": item.pending,
        "undurable": undurable,
    }


def point(item: PointItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "value": item.value,
        "unit": item.unit,
        "quality": item.quality,
        "no_data": item.no_data,
        "at": rfc3339(item.at_ms),
    }


def site(item: SiteItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "heard_at": rfc3339(item.heard_at_ms),
        "silent": item.is_silent,
        "clock_offset_ms": item.clock_offset_ms,
        "log_id": item.log_id,
        "site_seq": item.site_seq,
        "decided_seq": item.decided_seq,
        "decided_at": rfc3339(item.decided_at_ms),
        "chain_head": item.chain_head,
        "decision": item.decision,
        "core_version": item.core_version,
        "different": item.different,
        "backlog_ms": item.backlog_ms,
        "last_verdict": item.last_verdict,
    }


def output(item: OutputItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind,
        "demand": item.demand,
        "by": list(item.by),
        "read_back": item.read_back,
        "proof": item.proof,
        "armed": item.armed,
        "supervision": item.supervision,
        "pending": item.pending,
    }


def readiness(item: Readiness) -> dict[str, Any]:
    checks = {name: {"ok": check.ok, "detail": check.detail} for name, check in item.checks.items()}
    return {"ready": item.ready, "armed": item.armed, "checks": checks}


def status(item: SiteStatus, ready: Readiness) -> dict[str, Any]:
    return {
        "site": item.site,
        "name": item.name,
        "version": item.version,
        "decision": item.decision,
        "log_id": item.log_id,
        "head_seq": item.head_seq,
        "undurable": item.undurable,
        "demo": item.demo,
        "assumed": list(item.assumed),
        "mqtt": item.mqtt,
        "notes": list(item.notes),
        "rooms": list(item.rooms),
        **readiness(ready),
    }


def command(answer: CommandAnswer) -> dict[str, Any]:
    told = {"id": answer.id, "state": answer.state.value, "reason": answer.reason, "text": answer.text}
    return {**told, "refusals": refusals(answer)}


def refusals(answer: CommandAnswer) -> list[dict[str, str]]:
    """One for each room that refused."""
    return [{"room": one.room, "reason": one.reason, "text": one.text} for one in answer.refusals]
