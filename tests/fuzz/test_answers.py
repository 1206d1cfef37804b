"""What foreign servers answer, bent at random: a channel ends in time with an answer of its own and never raises."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.notifier.email import EmailChannel
from services.notifier.ports import Failed, Refused, Sent
from services.notifier.webhook import WebhookChannel
from shared.domain.notify_plan import EmailPlan, WebhookPlan
from shared.runtime.clocks import SystemClock
from tests.services.notifier.samples import outgoing

GIVEN_UP_S = 0.15
SMTP_LINES = (
    b"220 ready\r\n", b"250 ok\r\n", b"250-SIZE 1\r\n250 AUTH PLAIN\r\n", b"354 go on\r\n", b"550 no\r\n",
    b"421 bye\r\n", b"250", b"\xff\x00\r\n", b"999 what\r\n", b"-1 x\r\n", b"250-more\r\n", b"\r\n", b"334 \r\n",
    b"220-",
)  # fmt: skip
HTTP_PARTS = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 503 X\r\n", b"HTTP/9.9 abc\r\n", b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Retry-After: 9\xff\r\n", b"\r\n", b"zz\r\n",
    b"5\r\nhello\r\n", b"Location: \x00\r\n", b"Content-Encoding: gzip\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"Set-Cookie: a\r\n", b": x\r\n",
)  # fmt: skip


@asynccontextmanager
async def _server(pieces: list[bytes], *, ends: bool) -> AsyncIterator[int]:
    """Says one piece at once and one for each thing it reads; then it ends the line or falls silent."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if not await reader.read(65536):
                    break
            while not ends and await reader.read(65536):
                pass
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


async def _mailed(pieces: list[bytes], *, ends: bool) -> object:
    async with _server(pieces, ends=ends) as port:
        plan = EmailPlan("127.0.0.1", port, "none", "box@example.org")
        channel = EmailChannel(plan, site="s", zone=ZoneInfo("UTC"), timeout_s=GIVEN_UP_S)
        return await asyncio.wait_for(channel.send(outgoing(1)), 60)


async def _posted(pieces: list[bytes], *, ends: bool) -> object:
    async with _server([b"", *pieces], ends=ends) as port:
        plan = WebhookPlan(f"http://127.0.0.1:{port}/", allow=("127.0.0.1",))
        channel = WebhookChannel(plan, site="s", clock=SystemClock(), timeout_s=GIVEN_UP_S)
        try:
            return await asyncio.wait_for(channel.send(outgoing(1)), 60)
        finally:
            await channel.close()


@given(some.lists(some.sampled_from(SMTP_LINES) | some.binary(max_size=40), max_size=8), some.booleans())
def test_any_answers_of_a_mail_server_end_a_send(pieces: list[bytes], ends: bool) -> None:
    """Sent, refused or failed; whatever is said is one line without control characters."""
    answer = asyncio.run(_mailed(pieces, ends=ends))
    assert isinstance(answer, Sent | Refused | Failed)
    assert (answer.receipt if isinstance(answer, Sent) else answer.why).isprintable()


@given(some.lists(some.sampled_from(HTTP_PARTS) | some.binary(max_size=40), max_size=8), some.booleans())
def test_any_answers_of_a_web_server_end_a_send(pieces: list[bytes], ends: bool) -> None:
    """Sent, refused or failed; whatever is said is one line without control characters."""
    answer = asyncio.run(_posted([b"".join(pieces)], ends=ends))
    assert isinstance(answer, Sent | Refused | Failed)
    assert (answer.receipt if isinstance(answer, Sent) else answer.why).isprintable()


@pytest.mark.parametrize("status", [b"200", b"410", b"500"])
async def test_a_plain_answer_is_still_understood(status: bytes) -> None:
    """The bent servers are servers: without the bending they are heard."""
    answer = await _posted([b"HTTP/1.1 " + status + b" X\r\nContent-Length: 0\r\n\r\n"], ends=True)
    assert type(answer) is {b"200": Sent, b"410": Refused, b"500": Failed}[status]
