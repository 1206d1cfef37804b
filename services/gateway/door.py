"""The door: who may come in, how often, and how much he may carry. ASGI middleware before everything else.

    too often without a token -> 429      wrong token -> 401      too often with one -> 429
    token of another site -> 403          body too large -> 413   body does not arrive -> 408

Every path but the open ones needs ``Authorization: Bearer TOKEN``. A path that does not exist is not told apart from
one that does before the token is right. What may be done inside is services.gateway.roles; who has come in stands in
the request's state (``caller_of``). Bodies over BODY_MAX bytes end with 413 and bodies that do not arrive within
BODY_WAIT_S with 408; how long the rest may still come is services.gateway.connection.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.keys import Caller, Keys
from services.gateway.problems import Problem
from services.gateway.rates import Buckets, Rates

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

BODY_MAX = 16 * 1024
"""A command is under 2 KiB with every field at its limit; eight times that is a slip, not a command."""

BODY_WAIT_S = 10.0

SITES_TOLD = 3


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Who has come in with this request."""
    found: Caller = scope["state"]["caller"]
    return found


def must_see(caller: Caller, site: str) -> None:
    """Raises Problem 403 when this caller's token is not for the site."""
    if not caller.may_see(site):
        raise _other_site(caller, f"this is about {site[:40]!r}")


def _other_site(caller: Caller, what: str) -> Problem:
    detail = f"The token {caller.name} is for {', '.join(caller.sites)}; {what}."
    return Problem(403, "other-site", "This token is for another site", detail, more={"sites": caller.sites})


class Door:
    """Checks token, rate, site and body size; ``sites`` gives the ids of the sites behind it."""

    def __init__(self, app: ASGIApp, keys: Keys, sites: Callable[[], frozenset[str]], rates: Rates) -> None:
        self._app = app
        self._keys = keys
        self._sites = sites
        self._requests = Buckets(rates.requests)
        self._commands = Buckets(rates.commands)
        self._strangers = Buckets(rates.strangers)
        self._probes = Buckets(rates.probes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        try:
            if path in OPEN_PATHS:
                _in_time(self._probes, _address(scope))
            else:
                scope.setdefault("state", {})["caller"] = self._let_in(scope)
            body = await self._body(scope["headers"], receive)
        except Problem as problem:
            await problem.response(path)(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)

    def _let_in(self, scope: Scope) -> Caller:
        secret = _secret(scope["headers"])
        caller = self._keys.find(secret) if secret else None
        if caller is None:
            _in_time(self._strangers, _address(scope))
            detail = (
                "Send the header Authorization: Bearer TOKEN. The machine token is in the file `token` of the data "
                "folder; `ampward user add` makes others. One that has expired or was revoked opens nothing."
            )
            headers_out = {"WWW-Authenticate": 'Bearer realm="ampward"'}
            raise Problem(401, "unauthorized", "A token is needed", detail, headers=headers_out)
        _in_time(self._requests, caller.token_id)
        if scope["method"] == "POST":
            _in_time(self._commands, caller.token_id)
        behind = self._sites()
        if caller.sites and behind.isdisjoint(caller.sites):
            raise _other_site(caller, f"this is {', '.join(sorted(behind)[:SITES_TOLD]) or 'a fleet without sites'}")
        return caller

    async def _body(self, headers: Sequence[tuple[bytes, bytes]], receive: Receive) -> bytes:
        for name, value in headers:
            if name == b"content-length" and value.isdigit() and int(value) > BODY_MAX:
                raise _too_large()
        body = b""
        try:
            async with asyncio.timeout(BODY_WAIT_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem(400, "incomplete-body", "The body ended before it was whole")
                    body += bytes(message.get("body", b""))
                    if len(body) > BODY_MAX:
                        raise _too_large()
                    if not message.get("more_body", False):
                        return body
        except TimeoutError:
            detail = f"A body arrives whole within {BODY_WAIT_S:g} s."
            raise Problem(408, "request-timeout", "The body did not arrive in time", detail) from None


def _secret(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """What stands behind Bearer and one space; "" when nothing does, or more than one header."""
    given = [value for name, value in headers if name == b"authorization"]
    scheme, _, secret = (given[0] if len(given) == 1 else b"").partition(b" ")
    return secret.decode("latin-1") if scheme.lower() == b"bearer" else ""


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _in_time(buckets: Buckets, name: str) -> None:
    wait_s = buckets.take(name, asyncio.get_running_loop().time())
    if wait_s:
        detail = f"Come back in {wait_s} s."
        raise Problem(429, "too-often", "This is asked too often", detail, headers={"Retry-After": str(wait_s)})


def _too_large() -> Problem:
    detail = f"At most {BODY_MAX} bytes are taken."
    return Problem(413, "content-too-large", "The body is too large", detail)


def _again(body: bytes, receive: Receive) -> Receive:
    """A receive channel that gives the body that was read, then what comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
