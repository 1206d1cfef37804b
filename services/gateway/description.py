"""The description of the interface (/openapi.json): problems by their own media type, the token as a scheme."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.gateway.door import OPEN_PATHS
from services.gateway.problems import MEDIA_TYPE, ProblemBody

_METHODS = ("get", "post")


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
            for answer in operation["responses"].values():
                content = answer.get("content", {})
                if content.get("application/json", {}).get("schema", {}).get("$ref", "").endswith(ProblemBody.__name__):
                    content[MEDIA_TYPE] = content.pop("application/json")
    return made
