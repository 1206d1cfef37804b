"""The history's part of the HTTP interface: trends, journals of alarms, outputs and messages, discharges, figures.

``from`` and ``to`` are RFC 3339 with an offset; without them it is the last day. An answer holds at most 20,000 rows of
a trend and 1,000 of a journal, which says how to go on. What cannot be answered is a problem that says what is allowed.
A token that names sites is told of these alone; ``site`` narrows an answer to one.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from services.gateway import past_shapes
from services.gateway.door import caller_of, must_see
from services.gateway.past import Journal, JournalQuestion, NotTold, PastViews, SitesPast, Why
from services.gateway.problems import Problem, ProblemBody, invalid
from services.gateway.shapes import json_response
from shared.domain.ids import site_of

DAY_MS = 86_400_000
SPAN_MS_MAX = 3_660 * DAY_MS
"""Ten years: 88,000 hours are too many rows, but their journal is not."""
TIME_ALLOWED = "RFC 3339 with an offset, 2026-11-22T12:00:00Z"
STEPS = ("auto", "raw", "minute", "hour")
LIMIT_MAX = 1_000
OPERATORS_MAX = 100
PLACE_MAX = (1 << 53) - 1
SITES_TOLD = 50

_PROBLEM: dict[str, Any] = {"model": ProblemBody, "description": "A problem (application/problem+json)"}
_TROUBLES: dict[int | str, dict[str, Any]] = dict.fromkeys((401, 404, 422, 503), _PROBLEM)
_STATUS = {
    Why.UNKNOWN_POINT: 404,
    Why.UNKNOWN_BATTERY: 404,
    Why.NO_HISTORY: 404,
    Why.TOO_MUCH: 422,
    Why.HISTORY_BROKEN: 503,
}
_TITLES = {
    Why.UNKNOWN_POINT: "The history knows no point of this id",
    Why.UNKNOWN_BATTERY: "There is no battery of this id",
    Why.NO_HISTORY: "There is no history yet",
    Why.TOO_MUCH: "This is more than one answer holds",
    Why.HISTORY_BROKEN: "The history cannot be read at present",
}

From = Annotated[str, Query(alias="from", max_length=40, description=f"Begin: {TIME_ALLOWED}")]
To = Annotated[str, Query(alias="to", max_length=40, description="End, not included; none: now")]
Id = Annotated[str, Query(max_length=250)]
After = Annotated[int, Query(ge=0, le=PLACE_MAX, description="`next` of the answer before")]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
Site = Annotated[str, Query(max_length=40, description="This site alone; none: every site of the token")]
Clock = Callable[[], int]


class Pasts:
    """Whose past a request is told. ``sites`` gives the ids of the sites that there are."""

    def __init__(self, pasts: SitesPast, sites: Callable[[], frozenset[str]]) -> None:
        self._pasts = pasts
        self._sites = sites

    def seen(self, request: Request, site: str = "") -> PastViews:
        """Of one site, or of all that this caller may see. Raises Problem."""
        caller, known = caller_of(request.scope), self._sites()
        if not site:
            return self._pasts.of(frozenset(caller.sites) or None)
        if site in known:
            must_see(caller, site)
            return self._pasts.of(frozenset((site,)))
        allowed = ", ".join(sorted(name for name in known if caller.may_see(name))[:SITES_TOLD])
        raise invalid([{"field": "site", "message": "is not a site here", "allowed": allowed}])

    def about(self, request: Request, point: str) -> PastViews:
        """Of the point's site, when this caller may see it. Raises Problem."""
        must_see(caller_of(request.scope), site_of(point))
        return self.seen(request)


def add_past(app: FastAPI, past: Pasts, now_ms: Clock) -> None:
    """Put the routes into the application; ``now_ms`` is the wall clock."""
    _add_trend(app, past, now_ms)
    for which, thing in ((Journal.ALARMS, "Alarm"), (Journal.OUTPUTS, "Output"), (Journal.DELIVERIES, "Message")):
        _add_journal(app, past, now_ms, which, thing)
    _add_figures(app, past, now_ms)


def _add_trend(app: FastAPI, past: Pasts, now_ms: Clock) -> None:
    @app.get(
        "/api/v1/history/points/{point:path}",
        response_model=past_shapes.TrendJson,
        responses=_TROUBLES,
        summary="Trend of a point",
    )
    async def trend(
        request: Request,
        point: str,
        from_: From = "",
        to: To = "",
        step: Annotated[str, Query(max_length=10, description="auto, raw, minute or hour")] = "auto",
    ) -> Response:
        begin_ms, end_ms = _span(from_, to, now_ms())
        if step not in STEPS:
            raise invalid([{"field": "step", "message": "is not a step", "allowed": ", ".join(STEPS)}])
        answer = await past.about(request, point).trend(point, begin_ms, end_ms, step)
        if isinstance(answer, NotTold):
            raise _problem(answer)
        return json_response(past_shapes.trend(answer))


def _add_journal(app: FastAPI, past: Pasts, now_ms: Clock, which: Journal, thing: str) -> None:
    @app.get(
        f"/api/v1/history/{which.value}",
        response_model=past_shapes.JournalJson,
        responses=_TROUBLES,
        summary=f"{thing} journal",
        name=f"history_{which.value}",
    )
    async def journal(
        request: Request,
        from_: From = "",
        to: To = "",
        subject: Id = "",
        room: Id = "",
        after: After = 0,
        limit: Limit = 500,
        site: Site = "",
    ) -> Response:
        begin_ms, end_ms = _span(from_, to, now_ms())
        question = JournalQuestion(which, begin_ms, end_ms, subject, room, after, limit)
        answer = await past.seen(request, site).journal(question)
        if isinstance(answer, NotTold):
            raise _problem(answer)
        return json_response(past_shapes.journal(answer))


def _add_figures(app: FastAPI, past: Pasts, now_ms: Clock) -> None:
    @app.get(
        "/api/v1/history/discharges",
        response_model=past_shapes.DischargesJson,
        responses=_TROUBLES,
        summary="Discharges of the batteries",
    )
    async def discharges(
        request: Request, from_: From = "", to: To = "", battery: Id = "", site: Site = ""
    ) -> Response:
        begin_ms, end_ms = _span(from_, to, now_ms())
        answer = await past.seen(request, site).discharges(begin_ms, end_ms, battery)
        if isinstance(answer, NotTold):
            raise _problem(answer)
        return json_response({"items": [past_shapes.discharge(item) for item in answer]})

    @app.get("/api/v1/kpis", response_model=past_shapes.KpisJson, responses=_TROUBLES, summary="Alarm figures")
    async def kpis(
        request: Request,
        from_: From = "",
        to: To = "",
        operators: Annotated[int, Query(ge=1, le=OPERATORS_MAX, description="Who share the alarms")] = 1,
        site: Site = "",
    ) -> Response:
        begin_ms, end_ms = _span(from_, to, now_ms(), days=7)
        answer = await past.seen(request, site).kpis(begin_ms, end_ms, operators)
        if isinstance(answer, NotTold):
            raise _problem(answer)
        return json_response(past_shapes.kpis(dict(answer)))


def _problem(answer: NotTold) -> Problem:
    headers = {"Retry-After": "5"} if answer.why is Why.HISTORY_BROKEN else {}
    return Problem(_STATUS[answer.why], answer.why.value, _TITLES[answer.why], answer.text, headers=headers)


def _span(begin: str, end: str, now_ms: int, *, days: int = 1) -> tuple[int, int]:
    """Milliseconds of both; raises Problem with the field and what is allowed."""
    faults: list[dict[str, str]] = []
    end_ms = _instant("to", end, faults) if end else now_ms
    begin_ms = _instant("from", begin, faults) if begin else max(0, end_ms - days * DAY_MS)
    if not faults and begin_ms >= end_ms:
        faults.append({"field": "from", "message": "is not before `to`", "allowed": "an earlier instant"})
    if not faults and end_ms - begin_ms > SPAN_MS_MAX:
        allowed = f"at most {SPAN_MS_MAX // DAY_MS} days between `from` and `to`"
        faults.append({"field": "from", "message": "is too long ago", "allowed": allowed})
    if faults:
        raise invalid(faults)
    return begin_ms, end_ms


def _instant(name: str, text: str, faults: list[dict[str, str]]) -> int:
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None or at.year < 1970:
            raise ValueError
        return int(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        faults.append({"field": name, "message": "is not an instant", "allowed": TIME_ALLOWED})
        return 0
