"""The HTTP interface: ``create_app(views, token)`` makes the application, services.gateway.server runs it on loopback.

GET alarms, points, outputs, status, events (server-sent), commands/{id}, stock, due; POST commands. Everything but
/healthz, /readyz and /metrics needs a token; what its role may do is services.gateway.roles. Every trouble is a problem
body (services.gateway.problems).
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from time import time_ns
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, FastAPI, Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.gateway import problems, shapes
from services.gateway.command_body import ACTOR_ALLOWED, ID_ALLOWED, CommandBody, read_actor, read_command
from services.gateway.cursors import ALLOWED as CURSOR_ALLOWED
from services.gateway.description import describe
from services.gateway.door import Door, caller_of, must_see
from services.gateway.keys import Caller, KeyRing, Keys
from services.gateway.pages import Bell, Pages
from services.gateway.past import SitesPast
from services.gateway.past_api import Pasts, add_past
from services.gateway.problems import REFUSED, Problem, ProblemBody, invalid
from services.gateway.rates import Rates
from services.gateway.roles import Role, allowed, needed
from services.gateway.stream import STREAMS_MAX, EventFilter, EventStream, Source
from services.gateway.times import rfc3339
from services.gateway.upkeep_api import add_upkeep
from services.gateway.views import CURSOR_MAX, CommandAnswer, CommandState, GatewayViews, IdReused, SiteItem, Stand
from shared.domain.events import FAMILIES, is_type_prefix
from shared.domain.ids import ID_ALLOWED as NAME_ALLOWED
from shared.domain.ids import SITE_ROOM, is_id, site_of
from shared.domain.inputs import Refusal, What
from shared.domain.plan import Severity
from shared.runtime import metrics

DESCRIPTION = """Alarms, points and outputs of one site, its event stream, and commands.

Send `Authorization: Bearer TOKEN`: the machine token in the file `token` of the data folder (only its owner can read
it), or a named one that `ampward user add` made, with the role viewer (reads), operator (and ack, reset, silence,
shelve, unshelve, test) or engineer (everything).
Troubles are `application/problem+json` (RFC 9457); the last part of `type` is the reason's name."""

SITES_TOLD = 50
"""So many are named to who asks for one that is not there."""
_PROBLEM: dict[str, Any] = {"model": ProblemBody, "description": "A problem (application/problem+json)"}
_SEVERITIES = tuple(grade.label for grade in Severity)
_COMMON: dict[int | str, dict[str, Any]] = dict.fromkeys((401, 403, 422, 429), _PROBLEM)
_COMMAND_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": CommandBody.model_json_schema()}}}
}


def create_app(
    views: GatewayViews,
    keys: Keys | str,
    past: SitesPast | None = None,
    *,
    rates: Rates | None = None,
    fleet: Callable[[], tuple[SiteItem, ...]] | None = None,
) -> FastAPI:
    """The application; ``keys`` may be the machine token alone. ``app.state.stopping`` ends its open streams: set it
    before the server stops. ``fleet`` tells how the sites stand, at a fleet's centre."""
    ring = KeyRing(keys) if isinstance(keys, str) else keys
    app = FastAPI(
        title="Ampward",
        version="1.0",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(_known_parameters)],
    )
    describe(app)
    app.state.stopping = asyncio.Event()
    app.state.streams = 0
    problems.install(app)
    app.add_middleware(Door, keys=ring, sites=views.sites, rates=rates or Rates())
    _add_health(app, views)
    _add_state(app, views)
    _add_events(app, views, ring)
    _add_commands(app, views)
    add_upkeep(app, views)
    if fleet is not None:
        _add_sites(app, fleet)
    if past is not None:
        add_past(app, Pasts(past, views.sites), lambda: time_ns() // 1_000_000)
    return app


async def _known_parameters(request: Request) -> None:
    """A parameter that nobody reads is a slip: the answer would not be what was asked for."""
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    given = [name for name, _ in request.query_params.multi_items()]
    faults = [
        {"field": name[:80], "message": "is not a parameter here", "allowed": ", ".join(known) or "no parameters"}
        for name in dict.fromkeys(given)
        if name not in known
    ]
    faults += [
        {"field": name, "message": "is given twice", "allowed": "once"} for name in known if given.count(name) > 1
    ]
    if faults:
        raise invalid(faults)


def _add_health(app: FastAPI, views: GatewayViews) -> None:
    scraped = metrics.registry(views.metrics)

    @app.get("/healthz", response_model=shapes.AliveJson, summary="The program is alive")
    async def healthz() -> Response:
        return shapes.json_response({"alive": True})

    @app.get(
        "/readyz",
        response_model=shapes.ReadinessJson,
        responses={503: {"model": shapes.ReadinessJson}},
        summary="The trip is ready (503 when it is not)",
    )
    async def readyz() -> Response:
        ready = views.readiness()
        return shapes.json_response(shapes.readiness(ready), 200 if ready.ready else 503)

    @app.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        summary="Prometheus metrics",
    )
    async def scrape() -> Response:
        return Response(metrics.text(scraped), media_type=metrics.CONTENT_TYPE)


def _add_state(app: FastAPI, views: GatewayViews) -> None:
    @app.get("/api/v1/alarms", response_model=shapes.AlarmsJson, responses=_COMMON, summary="Alarms not plainly normal")
    async def alarms(request: Request) -> Response:
        items, as_of_ms = views.alarms()
        as_of = rfc3339(as_of_ms)
        undurable = views.status().undurable
        told = [shapes.alarm(item, undurable=undurable) for item in _seen(items, request)]
        return shapes.json_response({"items": told, "as_of": as_of})

    @app.get("/api/v1/points", response_model=shapes.PointsJson, responses=_COMMON, summary="Newest values")
    async def points(request: Request) -> Response:
        return shapes.json_response({"items": [shapes.point(item) for item in _seen(views.points(), request)]})

    @app.get("/api/v1/outputs", response_model=shapes.OutputsJson, responses=_COMMON, summary="Outputs and demands")
    async def outputs(request: Request) -> Response:
        return shapes.json_response({"items": [shapes.output(item) for item in _seen(views.outputs(), request)]})

    @app.get("/api/v1/status", response_model=shapes.StatusJson, responses=_COMMON, summary="The box itself")
    async def status() -> Response:
        return shapes.json_response(shapes.status(views.status(), views.readiness()))


def _add_sites(app: FastAPI, fleet: Callable[[], tuple[SiteItem, ...]]) -> None:
    @app.get("/api/v1/sites", response_model=shapes.SitesJson, responses=_COMMON, summary="How the sites stand")
    async def sites(request: Request) -> Response:
        return shapes.json_response({"items": [shapes.site(item) for item in _seen(fleet(), request)]})


class _Named(Protocol):
    @property
    def id(self) -> str: ...


_Item = TypeVar("_Item", bound=_Named)


def _seen(items: Iterable[_Item], request: Request) -> Iterator[_Item]:
    """Those of the caller's sites."""
    caller = caller_of(request.scope)
    return (item for item in items if caller.may_see(site_of(item.id)))


def _add_events(app: FastAPI, views: GatewayViews, keys: Keys) -> None:
    source = Source(Pages(views), Bell(views, app.state.stopping), app.state.stopping)

    @app.get(
        "/api/v1/events",
        response_class=Response,
        responses={**_COMMON, 200: {"content": {"text/event-stream": {}}}, 503: _PROBLEM},
        summary="Events from a cursor on, then live",
    )
    async def events(
        request: Request,
        site: Annotated[str, Query(max_length=40)] = "",
        room: Annotated[str, Query(max_length=40)] = "",
        type_: Annotated[str, Query(alias="type", max_length=80, description="Prefix of the type")] = "",
        severity: Annotated[
            str, Query(max_length=10, description="At least this", json_schema_extra={"enum": ["", *_SEVERITIES]})
        ] = "",
        since: Annotated[
            str, Query(max_length=CURSOR_MAX, description="Cursor, or `now`; none: all that is kept")
        ] = "",
        follow: Annotated[bool, Query(description="false ends the answer at the newest event")] = True,
        last_event_id: Annotated[
            str, Header(max_length=CURSOR_MAX, description="As `since`, when that is not given: browsers send it")
        ] = "",
    ) -> Response:
        caller = caller_of(request.scope)
        narrowed = frozenset[str]() if views.sites() <= frozenset(caller.sites) else frozenset(caller.sites)
        wanted = replace(_read_filter(site, room, type_, severity), sites=narrowed)
        if site in views.sites():
            must_see(caller, site)
        _must_be_known(views, site, room)
        start = _read_since(views, since or last_event_id)
        if app.state.streams >= STREAMS_MAX:
            detail = f"{STREAMS_MAX} streams are open already."
            raise Problem(503, "too-many-streams", "Too many event streams", detail, headers={"Retry-After": "5"})
        stream = EventStream(source, start, wanted, follow=follow, may_go_on=lambda: keys.is_good(caller))
        return _Counted(app, stream)


class _Counted(Response):
    """A stream that is counted while it is open."""

    def __init__(self, app: FastAPI, stream: EventStream) -> None:
        super().__init__()
        self._app = app
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._app.state.streams += 1
        try:
            await self._stream(scope, receive, send)
        finally:
            self._app.state.streams -= 1


def _add_commands(app: FastAPI, views: GatewayViews) -> None:
    @app.post(
        "/api/v1/commands",
        status_code=202,
        response_model=shapes.TakenJson,
        responses={**_COMMON, **dict.fromkeys((400, 408, 409, 413, 415), _PROBLEM)},
        openapi_extra=_COMMAND_BODY,
        summary="Give a command",
    )
    async def submit(
        request: Request,
        ampward_actor: Annotated[
            str | None, Header(description=f"Who acts, with the machine token only: {ACTOR_ALLOWED}")
        ] = None,
    ) -> Response:
        _must_be_json(request.headers.get("content-type", "application/json"))
        caller = caller_of(request.scope)
        actor = read_actor(ampward_actor) if caller.is_machine else caller.name
        command = read_command(await request.body(), actor)
        _must_be_allowed(caller, command.what)
        must_see(caller, site_of(command.subject))
        answer = await views.submit(command)
        if isinstance(answer, IdReused):
            detail = "Another command was given under this id. Nothing was done: use a new id for each act."
            raise Problem(422, "id-reused", "This id was used before", detail)
        if answer.state is CommandState.REJECTED:
            raise _refused(answer)
        return shapes.json_response({"id": answer.id, "state": "pending"}, 202)

    @app.get(
        "/api/v1/commands/{command_id}",
        response_model=shapes.CommandJson,
        responses={**_COMMON, 404: _PROBLEM},
        summary="What became of a command",
    )
    async def command_state(request: Request, command_id: str) -> Response:
        answer = views.command_state(command_id)
        if answer is None or (answer.site and not caller_of(request.scope).may_see(answer.site)):
            raise Problem(404, "unknown-command", "No command has this id", f"An id is {ID_ALLOWED}.")
        return shapes.json_response(shapes.command(answer))


def _must_be_allowed(caller: Caller, what: What) -> None:
    may = allowed(caller.role)
    if what.value in may:
        return
    least = needed(what)
    detail = (
        f"{caller.name} is {_a(caller.role)} and may {', '.join(may) if may else 'read, and give no command'}; "
        f"{what.value} needs {_a(least)}."
    )
    more = {"role": caller.role.value, "allowed": list(may), "needed": least.value}
    raise Problem(403, "not-allowed", "This role may not do that", detail, more=more)


def _a(role: Role) -> str:
    return f"{'a' if role is Role.VIEWER else 'an'} {role.value}"


def _must_be_json(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() not in ("application/json", ""):
        raise Problem(415, "unsupported-media-type", "The body must be JSON", "Send Content-Type: application/json.")


def _refused(answer: CommandAnswer) -> Problem:
    title = REFUSED.get(answer.reason, "The command was refused")
    if answer.reason == Refusal.OTHER_OCCURRENCE and answer.text:
        title = "It is not clear which alarm is meant"
    present = {"occurrence": answer.occurrence, "severity": answer.severity}
    more = {"id": answer.id, **present, "refusals": shapes.refusals(answer)}
    return Problem(409, answer.reason, title, answer.text, more=more)


def _read_filter(site: str, room: str, type_prefix: str, severity: str) -> EventFilter:
    faults = [
        {"field": name, "message": "is not an id", "allowed": NAME_ALLOWED}
        for name, text in (("site", site), ("room", room))
        if text and not is_id(text)
    ]
    labels = {grade.label: grade for grade in Severity}
    if severity and severity not in labels:
        faults.append({"field": "severity", "message": "is not a severity", "allowed": ", ".join(labels)})
    if not is_type_prefix(type_prefix):
        faults.append({"field": "type", "message": "begins no event's type", "allowed": ", ".join(FAMILIES)})
    if faults:
        raise invalid(faults)
    return EventFilter(site, room, type_prefix, labels.get(severity))


def _must_be_known(views: GatewayViews, site: str, room: str) -> None:
    """A filter that nothing can ever pass is a slip, and a stream that stays silent for it would hide it."""
    if not site and not room:
        return
    status = views.status()
    faults = []
    known = sorted(views.sites())
    if site not in ("", *known):
        allowed = ", ".join(known[:SITES_TOLD])
        faults.append({"field": "site", "message": "is not a site here", "allowed": allowed})
    if status.rooms and room not in ("", *status.rooms, *status.rooms_before, SITE_ROOM):
        rooms = ", ".join((*status.rooms, SITE_ROOM))
        faults.append({"field": "room", "message": "is no room of this site", "allowed": f"{rooms} (the box itself)"})
    if faults:
        raise invalid(faults)


def _read_since(views: GatewayViews, text: str) -> Stand | None:
    if text == "":
        return None
    if text == "now":
        return views.head()
    cursor = views.read_cursor(text)
    if cursor is None:
        raise invalid([{"field": "since", "message": "is not a cursor", "allowed": CURSOR_ALLOWED}])
    return cursor
