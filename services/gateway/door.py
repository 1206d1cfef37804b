"""The door: who may come in, and how much he may carry. ASGI middleware before everything else.

Every path but the open ones needs ``Authorization: Bearer TOKEN``; the comparison takes the same time wherever the
first wrong byte stands. A path that does not exist is not told apart from one that does before the token is right.
Bodies over BODY_MAX bytes end with 413 and bodies that do not arrive within BODY_WAIT_S with 408.
"""

import asyncio
from collections.abc import Sequence
from hmac import compare_digest

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.problems import Problem

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

BODY_MAX = 16 * 1024
"""A command is under 2 KiB with every field at its limit; eight times that is a slip, not a command."""

BODY_WAIT_S = 10.0


class Door:
    """Checks token and body size; ``token`` is at least 16 characters, or the program does not start."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        assert len(token) >= 16, "the machine token is at least 16 characters"
        self._app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        try:
            if path not in OPEN_PATHS:
                self._let_in(scope["headers"])
            body = await self._body(scope["headers"], receive)
        except Problem as problem:
            await problem.response(path)(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)

    def _let_in(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        given = [value for name, value in headers if name == b"authorization"]
        scheme, _, secret = (given[0] if len(given) == 1 else b"").partition(b" ")
        shown = b"Bearer " + secret if scheme.lower() == b"bearer" else b""
        if not compare_digest(shown, self._wanted):
            detail = "Send the header Authorization: Bearer TOKEN; the token is in the file `token` of the data folder."
            headers_out = {"WWW-Authenticate": 'Bearer realm="ampward"'}
            raise Problem(401, "unauthorized", "A token is needed", detail, headers=headers_out)

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
            raise Problem(408, "request-timeout", "The body did not arrive in time") from None


def _too_large() -> Problem:
    return Problem(413, "content-too-large", "The body is too large", f"At most {BODY_MAX} bytes are taken.")


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
