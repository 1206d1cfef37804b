"""The HTTP interface against its own description: whatever is asked, no 5xx, and each refusal says what is allowed.

Cases are made by schemathesis from /openapi.json, good ones and bad ones of every operation, and sent over real HTTP.
"""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC
from http import HTTPStatus
from typing import Any

import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from services.gateway.address import bind_loopback
from services.gateway.api import create_app
from services.gateway.fake import FakeViews
from services.gateway.fake_past import FakePast
from services.gateway.past import OnePast
from services.gateway.problems import MEDIA_TYPE, TYPE_PREFIX
from services.gateway.rates import Rate, Rates
from services.gateway.server import Gateway
from services.gateway.views import CommandAnswer, CommandState
from services.history.kpi import kpi
from shared.domain.inputs import Command, Refusal
from tests.services.gateway.samples import event

TOKEN = "t" * 43
FREE = Rate(1e9, 10**9)
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
"""That every answer is one the document promises."""


def _decide(command: Command) -> CommandAnswer:
    """A site that refuses every other command, each refusal in turn."""
    number = sum(command.id.encode())
    if number % 2:
        return CommandAnswer(command.id, CommandState.ACCEPTED)
    refusal = list(Refusal)[number // 2 % len(Refusal)]
    return CommandAnswer(command.id, CommandState.REJECTED, refusal, "why", "a" * 32, "alarm")


def _app() -> Any:
    views = FakeViews(decide=_decide)
    for seq in range(1, 20):
        views.add(event(seq))
    figures = kpi((), 0, 1, operators=1, zone=UTC).data()
    return create_app(views, TOKEN, OnePast(FakePast(figures=figures)), rates=Rates(FREE, FREE, FREE, FREE))


DOCUMENT = _app().openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The interface on a free port, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Gateway:
        gateway = Gateway(_app(), bind_loopback("127.0.0.1:0"))
        await gateway.start()
        return gateway

    gateway = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    yield f"http://{gateway.address}"
    asyncio.run_coroutine_threadsafe(gateway.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_the_document_is_valid() -> None:
    """An OpenAPI 3.1 validator that is not ours finds nothing."""
    assert [str(fault) for fault in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_path_and_problem_is_described() -> None:
    """No route is hidden; each closed operation names its refusals, and each 429 and 503 when to come back."""
    routes = {route.path.replace(":path", "") for route in _app().routes if getattr(route, "include_in_schema", False)}
    assert set(DOCUMENT["paths"]) == routes
    for method, path in OPERATIONS:
        operation = DOCUMENT["paths"][path][method.lower()]
        closed = operation.get("security") != []
        assert set(operation["responses"]) >= {"400", "408", "413", "429", "431", "503"}
        assert closed == ({"401", "403"} <= set(operation["responses"]))
        for status, told in operation["responses"].items():
            assert told["description"]
            assert (MEDIA_TYPE in told["content"]) == (int(status) >= HTTPStatus.BAD_REQUEST)
        for parameter in operation.get("parameters", ()):
            assert parameter["schema"]


def hold(schema: Any, method: str, path: str, data: st.DataObject, where: tuple[str, str]) -> None:
    """One case of an operation, good or bad, sent to ``where`` (address, token) and its answer held to the document."""
    operation = schema[path][method]
    good, bad = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)
    case = data.draw(st.one_of(good, bad))
    if path == "/api/v1/events" and isinstance(case.query, dict):
        case.query = {**case.query, "follow": "false"}
    address, token = where
    answer = case.call(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    if path != "/readyz":
        assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    case.validate_response(answer, checks=CHECKS)
    if answer.status_code >= HTTPStatus.BAD_REQUEST and answer.headers["content-type"] == MEDIA_TYPE:
        problem = answer.json()
        assert problem["type"].startswith(TYPE_PREFIX)
        assert problem["detail"] or problem.get("errors")
        assert all(fault["message"] for fault in problem.get("errors", ()))


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@settings(max_examples=max(12, settings().max_examples // 4))
@given(data=st.data())
def test_no_question_is_answered_with_a_fault(address: str, method: str, path: str, data: st.DataObject) -> None:
    """Good and bad cases alike end in an answer that the document promises; refusals are problems in words."""
    hold(SCHEMA, method, path, data, (address, TOKEN))
