"""The description of the interface (/openapi.json): problems by their own media type, the token as a scheme."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.gateway.door import OPEN_PATHS
from services.gateway.problems import MEDIA_TYPE, ProblemBody

_METHODS = ("get", "post")

EVERYWHERE = {
    "400": "The request is not HTTP, or its body ended before it was whole.",
    "408": "The request did not arrive in time.",
    "413": "The body is too large.",
    "429": "This is asked too often; Retry-After says when to come back.",
    "431": "The head is too large.",
    "503": "Too many connections or streams, or it cannot be read now; Retry-After says when to come back.",
}
INSIDE = {
    "401": "The token is missing, unknown, expired or revoked.",
    "403": "The token is for another site, or its role may not do this; the problem says what it may.",
    "422": "A parameter or a field is not allowed; the problem names it and what is.",
}
_COMES_BACK = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}


def describe(app: FastAPI) -> None:
    """Make ``app.openapi`` give the corrected description, made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = _corrected(made)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's documented way


def _corrected(made: dict[str, Any]) -> dict[str, Any]:
    made.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"token": []}]
    for path, item in made["paths"].items():
        for operation in (item[method] for method in _METHODS if method in item):
            if path in OPEN_PATHS:
                operation["security"] = []
            _add_problems(operation["responses"], EVERYWHERE if path in OPEN_PATHS else {**EVERYWHERE, **INSIDE})
            for answer in operation["responses"].values():
                content = answer.get("content", {})
                if content.get("application/json", {}).get("schema", {}).get("$ref", "").endswith(ProblemBody.__name__):
                    content[MEDIA_TYPE] = content.pop("application/json")
    return made


def _add_problems(responses: dict[str, Any], problems: dict[str, str]) -> None:
    """What every operation may answer beside its own; its own stays."""
    reference = {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}
    for status, words in problems.items():
        told = responses.setdefault(status, {"content": {}})
        told.setdefault("content", {})[MEDIA_TYPE] = {"schema": reference}
        told["description"] = words
        if status in ("429", "503"):
            told["headers"] = _COMES_BACK
