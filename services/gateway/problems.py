"""Problems: every answer that is not a success, as RFC 9457 bodies (application/problem+json).

``type`` is a URN whose last part is the reason's name (``urn:ampward:problem:severity-rose``): programs compare that
part, people read ``title`` and ``detail``. ``errors`` names each wrong field with what is allowed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.domain.inputs import Refusal

TYPE_PREFIX = "urn:ampward:problem:"
MEDIA_TYPE = "application/problem+json"

REFUSED: dict[str, str] = {
    Refusal.UNKNOWN_SUBJECT: "There is nothing of this name",
    Refusal.NOT_ACTIVE: "Nothing is active there",
    Refusal.ALREADY: "It is so already",
    Refusal.OTHER_OCCURRENCE: "The alarm has been raised anew since you looked",
    Refusal.SEVERITY_ROSE: "The alarm has become graver since you looked",
    Refusal.CONDITION_TRUE: "The cause is still there, or it is not known to be gone",
    Refusal.NOT_LATCHED: "The alarm does not hold a latch",
    Refusal.NOT_ACKED: "Nobody has acknowledged the alarm yet",
    Refusal.NOT_SHELVED: "The alarm is not shelved",
    Refusal.REASON_MISSING: "A reason is needed",
    Refusal.DURATION_MISSING: "A duration is needed",
    Refusal.DURATION_TOO_LONG: "The duration is longer than the site allows",
    Refusal.SECOND_PERSON_MISSING: "A second person is needed",
    Refusal.MEASURE_MISSING: "A compensating measure is needed",
    Refusal.SERIAL_MISSING: "A serial is needed",
    Refusal.OTHER_SERIAL: "Another serial is known",
    Refusal.OUT_OF_RANGE: "The figure is out of range",
    Refusal.STALE_LEASE: "This lease, or a later one, was given already",
    Refusal.NOT_SUPPORTED: "This site cannot do that",
    "undecodable": "The command could not be recorded",
}
"""Each reason of a refusal in words."""


@dataclass(eq=False)
class Problem(Exception):
    """Ends a request with a problem body."""

    status: int
    name: str
    title: str
    detail: str = ""
    errors: Sequence[Mapping[str, str]] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, instance: str) -> Response:
        body: dict[str, Any] = {
            "type": TYPE_PREFIX + self.name,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            **self.more,
        }
        if self.errors:
            body["errors"] = [dict(error) for error in self.errors]
        return Response(orjson.dumps(body), self.status, dict(self.headers), MEDIA_TYPE)


class FieldErrorBody(BaseModel):
    """One wrong field."""

    field: str
    message: str
    allowed: str = ""


class ProblemBody(BaseModel):
    """The shape of a problem (RFC 9457), for the interface description. Other members stand beside these."""

    type: str = Field(description="A URN; its last part is the reason's name, for programs.")
    title: str
    status: int
    detail: str = Field(description="For people: what is wrong here, and what is allowed.")
    instance: str
    errors: list[FieldErrorBody] = Field([], description="Each wrong field with what is allowed.")


def invalid(errors: Sequence[Mapping[str, str]], detail: str = "") -> Problem:
    """422: the request was understood and its content is not allowed. Each error has field, message and allowed."""
    text = detail or "; ".join(f"{error['field']}: {error['message']}, allowed: {error['allowed']}" for error in errors)
    return Problem(422, "invalid-request", "The request is not valid", text, tuple(errors))


def _of_http(error: HTTPException) -> Problem:
    phrase = HTTPStatus(error.status_code).phrase
    detail = "" if error.detail == phrase else str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND and not detail:
        detail = "There is nothing at this path; /openapi.json lists what there is."
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"Allowed here: {(error.headers or {}).get('Allow', 'see /openapi.json')}."
    name = phrase.lower().replace(" ", "-")
    return Problem(error.status_code, name, phrase, detail, headers=dict(error.headers or {}))


def _of_validation(error: RequestValidationError) -> Problem:
    found = [
        {
            "field": ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0]),
            "message": fault["msg"],
            "allowed": _allowed(fault["type"], fault.get("ctx", {})),
        }
        for fault in error.errors()
    ]
    return invalid(found)


def _allowed(kind: str, limits: Mapping[str, Any]) -> str:
    """What a parameter may be, from the checker's own words for its faults."""
    fixed = {"bool_parsing": "true or false", "int_parsing": "a whole number", "missing": "it must be given"}
    shapes = {
        "string_too_long": "at most {max_length} characters",
        "greater_than_equal": "{ge} or more",
        "less_than_equal": "{le} or less",
        "int_parsing_size": "a number of at most 16 digits",
    }
    return fixed.get(kind) or shapes.get(kind, "see /openapi.json").format(**limits)


def install(app: FastAPI) -> None:
    """Make every trouble of the app a problem body."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return error.response(request.url.path)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _of_http(error).response(request.url.path)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _of_validation(error).response(request.url.path)

    async def on_fault(request: Request, _error: Exception) -> Response:
        fault = Problem(500, "internal-error", "The program has made a mistake", "It is in the program's log.")
        return fault.response(request.url.path)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(Exception, on_fault)
