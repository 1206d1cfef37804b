"""Who may come in, what he may carry, and that every trouble is a problem body."""

import asyncio

import httpx
import pytest

from services.gateway import door
from services.gateway.door import BODY_MAX
from services.gateway.fake import FakeViews
from services.gateway.server import Gateway
from tests.services.gateway.conftest import TOKEN

CLOSED = [
    "/api/v1/alarms",
    "/api/v1/points",
    "/api/v1/outputs",
    "/api/v1/status",
    "/api/v1/events",
    "/openapi.json",
    "/none",
]


def problem(answer: httpx.Response) -> dict[str, object]:
    """The problem body, checked for its form."""
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert set(body) >= {"type", "title", "status", "detail", "instance"}
    assert body["status"] == answer.status_code
    return body


@pytest.mark.parametrize("path", CLOSED)
async def test_a_path_needs_the_token(client: httpx.AsyncClient, path: str) -> None:
    """Without the token every path but the open ones answers 401, existing or not."""
    answer = await client.get(path, headers={"Authorization": ""})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    problem(answer)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        f"Bearer x {TOKEN}",
        f"{TOKEN}",
        "Bearer " + "é" * 43,
        "Bearer " + "t" * 8000,
    ],
)
async def test_a_wrong_token_is_refused(client: httpx.AsyncClient, header: str) -> None:
    """Only the very token, after Bearer and one space, opens the door."""
    answer = await client.get("/api/v1/alarms", headers={"Authorization": header.encode("latin-1")})  # type: ignore[dict-item]
    assert answer.status_code == 401


async def test_the_scheme_is_read_in_any_case(client: httpx.AsyncClient) -> None:
    """The name of the scheme has no case (RFC 9110)."""
    assert (await client.get("/api/v1/alarms", headers={"Authorization": f"bearer {TOKEN}"})).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_health_needs_no_token(client: httpx.AsyncClient, path: str) -> None:
    """Probes and scrapers come in without a secret."""
    assert (await client.get(path, headers={"Authorization": ""})).status_code == 200


async def test_an_unknown_path_is_a_problem(client: httpx.AsyncClient) -> None:
    """404 is a problem body too."""
    answer = await client.get("/api/v1/none")
    assert answer.status_code == 404
    assert str(problem(answer)["type"]).endswith("not-found")


async def test_a_wrong_method_is_a_problem(client: httpx.AsyncClient) -> None:
    """405 names what is allowed."""
    answer = await client.delete("/api/v1/alarms")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    problem(answer)


async def test_a_body_over_the_limit_is_a_problem(client: httpx.AsyncClient) -> None:
    """413 comes before anything is parsed, with a length and without one."""
    answer = await client.post("/api/v1/commands", content=b"x" * (BODY_MAX + 1))
    assert answer.status_code == 413
    problem(answer)

    async def pieces():  # type: ignore[no-untyped-def]
        for _ in range(BODY_MAX // 1024 + 1):
            yield b"x" * 1024

    answer = await client.post("/api/v1/commands", content=pieces())
    assert answer.status_code == 413
    problem(answer)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v1/commands HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000,
    ],
)
async def test_a_broken_request_harms_nobody(gateway: Gateway, client: httpx.AsyncClient, sent: bytes) -> None:
    """Bytes that are not HTTP end their own connection and no other."""
    host, port = gateway.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    await writer.drain()
    async with asyncio.timeout(60):
        await reader.read(1)
    writer.close()
    assert (await client.get("/healthz")).status_code == 200


async def test_a_body_that_was_cut_is_no_command(gateway: Gateway, client: httpx.AsyncClient, views: FakeViews) -> None:
    """A whole command in a request that never ended is not carried out."""
    host, port = gateway.address.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    body = b'{"id": "c1", "what": "ack", "subject": "s"}'
    lines = [
        "POST /api/v1/commands HTTP/1.1",
        "Host: a",
        f"Authorization: Bearer {TOKEN}",
        "Transfer-Encoding: chunked",
    ]
    head = "".join(f"{line}\r\n" for line in [*lines, ""])
    writer.write(head.encode() + f"{len(body):x}\r\n".encode() + body + b"\r\n")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    for _ in range(5):
        assert (await client.get("/healthz")).status_code == 200
    assert not views.commands


async def test_a_body_that_does_not_come_is_408(
    gateway: Gateway, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender who says that more comes and sends nothing is answered, not waited for."""
    del gateway
    monkeypatch.setattr(door, "BODY_WAIT_S", 0.05)

    async def slow():  # type: ignore[no-untyped-def]
        yield b"{"
        await asyncio.sleep(0.5)
        yield b"}"

    answer = await client.post("/api/v1/commands", content=slow())
    assert answer.status_code == 408
    problem(answer)
