"""The upkeep's part of the HTTP interface: what is built in, and which calibrations and proof tests are due when.

The same rows as `ampward stock` and `ampward due` have. Fields are added, never renamed; an instant that never was is
null.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.gateway.door import caller_of, must_see
from services.gateway.problems import Problem, ProblemBody, invalid
from services.gateway.shapes import json_response
from services.gateway.times import rfc3339
from services.gateway.views import DueItem, GatewayViews, PartItem, Upkeep
from shared.domain.ids import site_of
from shared.domain.upkeep_plan import PartKind

DAY_MS = 86_400_000
SITES_TOLD = 50
KINDS = tuple(kind.value for kind in PartKind)
AS_OF = "The site's time up to which its records are counted: at the centre an old one while a backlog drains."

Site = Annotated[str, Query(max_length=40, description="This site alone; none: every site of the token")]
_PROBLEM: dict[str, Any] = {"model": ProblemBody, "description": "A problem (application/problem+json)"}
_TROUBLES: dict[int | str, dict[str, Any]] = dict.fromkeys((401, 403, 422, 503), _PROBLEM)


class PartJson(BaseModel):
    part: str = Field(description="Path of the jar, its module, the sensor, gas head or device.")
    kind: Literal["jar", "module", "sensor", "gas_head", "device", "relay_module"]
    type: str
    serial: str = Field(description="The recorded one, else the site file's; empty when nobody gave one.")
    made: str
    installed: str
    position: str
    replaced_at: str | None
    replaced_by: str
    reason: str
    times: int = Field(description="So often it was replaced.")
    baseline_mohm: str | None
    baseline_at: str | None
    measuring: int = Field(description="So many good values are still wanted for a baseline; 0 when none is measured.")
    site_file_serial: str = Field(description="The site file's, when it is another one than the recorded.")
    calibrated_at: str | None
    tested_at: str | None
    due_at: str | None = Field(description="The next calibration or proof test.")
    as_of: str | None = Field(description=AS_OF)


class StockJson(BaseModel):
    items: list[PartJson]


class DueJson(BaseModel):
    kind: Literal["calibration", "proof_test"]
    subject: str
    due_at: str | None
    days_left: int = Field(description="Whole days; negative when it is overdue.")
    overdue: bool
    done_at: str | None
    by: str
    every_days: int
    alarm: str = Field(description="The alarm that tells when it is overdue.")
    as_of: str | None = Field(description=AS_OF)


class DuesJson(BaseModel):
    items: list[DueJson] = Field(description="The next first.")


def add_upkeep(app: FastAPI, views: GatewayViews) -> None:
    """Put the routes into the application."""

    @app.get("/api/v1/stock", response_model=StockJson, responses=_TROUBLES, summary="Parts: serials, baselines")
    async def stock(
        request: Request,
        kind: Annotated[
            str, Query(max_length=20, description="Only these", json_schema_extra={"enum": ["", *KINDS]})
        ] = "",
        site: Site = "",
    ) -> Response:
        sees = _seen(views, request, site)
        if kind not in ("", *KINDS):
            raise invalid([{"field": "kind", "message": "is not a kind of part", "allowed": ", ".join(KINDS)}])
        found = await _upkeep(views)
        return json_response(
            {"items": [part(item) for item in found.parts if kind in ("", item.kind) and sees(item.part)]}
        )

    @app.get("/api/v1/due", response_model=DuesJson, responses=_TROUBLES, summary="Calibrations and proof tests due")
    async def dues(request: Request, site: Site = "") -> Response:
        sees = _seen(views, request, site)
        found = await _upkeep(views)
        return json_response({"items": [due(item) for item in found.dues if sees(item.subject)]})


def _seen(views: GatewayViews, request: Request, site: str) -> Callable[[str], bool]:
    """Which ids this caller is told of, of one site alone when it is named. Raises Problem."""
    caller, known = caller_of(request.scope), views.sites()
    if site and site not in known:
        allowed = ", ".join(sorted(name for name in known if caller.may_see(name))[:SITES_TOLD])
        raise invalid([{"field": "site", "message": "is not a site here", "allowed": allowed}])
    if site:
        must_see(caller, site)
    return lambda name: caller.may_see(site_of(name)) and site in ("", site_of(name))


async def _upkeep(views: GatewayViews) -> Upkeep:
    found = await views.upkeep()
    if found is None:
        detail = "The site has not answered in time: its disk may be slow. Ask again."
        raise Problem(503, "site-busy", "The site cannot answer at present", detail, headers={"Retry-After": "5"})
    return found


def part(item: PartItem) -> dict[str, Any]:
    """One row of the stock."""
    return {
        "part": item.part,
        "kind": item.kind,
        "type": item.type,
        "serial": item.serial,
        "made": item.made,
        "installed": item.installed,
        "position": item.position,
        "replaced_at": rfc3339(item.replaced_at_ms),
        "replaced_by": item.replaced_by,
        "reason": item.reason,
        "times": item.times,
        "baseline_mohm": item.baseline_mohm or None,
        "baseline_at": rfc3339(item.baseline_at_ms),
        "measuring": item.measuring,
        "site_file_serial": item.site_file_serial,
        "calibrated_at": rfc3339(item.calibrated_at_ms),
        "tested_at": rfc3339(item.tested_at_ms),
        "due_at": rfc3339(item.due_at_ms),
        "as_of": rfc3339(item.as_of_ms),
    }


def due(item: DueItem) -> dict[str, Any]:
    """One row of what is due."""
    left_ms = item.left_ms
    return {
        "kind": item.kind,
        "subject": item.subject,
        "due_at": rfc3339(item.due_at_ms),
        "days_left": left_ms // DAY_MS if left_ms > 0 else -(-left_ms // DAY_MS),
        "overdue": left_ms <= 0,
        "done_at": rfc3339(item.done_at_ms),
        "by": item.by,
        "every_days": item.every_ms // DAY_MS,
        "alarm": item.alarm,
        "as_of": rfc3339(item.as_of_ms),
    }
