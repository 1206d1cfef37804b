"""What nobody may take too much of: requests, connections, descriptors, time."""

import asyncio
import contextlib
import json
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from services.gateway import connection, server
from services.gateway.address import bind_loopback
from services.gateway.api import create_app
from services.gateway.connection import HEAD_MAX
from services.gateway.fake import FakeViews
from services.gateway.listening import LOW_DESCRIPTORS
from services.gateway.rates import Buckets, Rate, Rates
from services.gateway.server import Gateway
from tests.services.gateway.conftest import TOKEN
from tests.services.gateway.test_door import problem
from tests.testkit.web import web_client

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
SLOW = Rate(0.001, 3)
COMMAND = {"what": "ack", "subject": "demo/r1/gas1-h2/h2_alarm"}


@pytest.fixture
async def strict(views: FakeViews) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that takes three of everything, and one more a thousand seconds later."""
    rates = Rates(requests=Rate(0.001, 5), commands=SLOW, strangers=SLOW, probes=SLOW)
    served = Gateway(create_app(views, TOKEN, rates=rates), bind_loopback("127.0.0.1:0"))
    await served.start()
    async with web_client(served.address, HEADERS) as made:
        yield made
    await served.stop()


def too_often(answer: httpx.Response) -> bool:
    """429 says when to come back, in the header and in words."""
    if answer.status_code != 429:
        return False
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["retry-after"] in str(problem(answer)["detail"])
    return True


async def test_a_token_has_a_rate(strict: httpx.AsyncClient) -> None:
    """The sixth request of a token that has five is 429; other names are not held up by it."""
    told = [too_often(await strict.get("/api/v1/status")) for _ in range(6)]
    assert told == [False] * 5 + [True]
    assert (await strict.get("/healthz")).status_code == 200
    assert (await strict.get("/api/v1/status", headers={"Authorization": "Bearer x"})).status_code == 401


async def test_commands_have_a_rate_of_their_own(strict: httpx.AsyncClient, views: FakeViews) -> None:
    """The fourth command is 429 and is not given; reading goes on."""
    told = [too_often(await strict.post("/api/v1/commands", json={"id": f"c{n}", **COMMAND})) for n in range(4)]
    assert told == [False] * 3 + [True]
    assert len(views.commands) == 3
    assert (await strict.get("/api/v1/status")).status_code == 200


async def test_an_address_without_a_token_has_a_rate(strict: httpx.AsyncClient) -> None:
    """Guessing ends with 429, and never closes the door for who has the token."""
    wrong = {"Authorization": "Bearer guess"}
    told = [too_often(await strict.get("/api/v1/status", headers=wrong)) for _ in range(4)]
    assert told == [False] * 3 + [True]
    assert (await strict.get("/api/v1/status")).status_code == 200


async def test_probes_have_a_rate(strict: httpx.AsyncClient) -> None:
    """The open paths are no way to keep the site busy."""
    told = [too_often(await strict.get("/metrics")) for _ in range(4)]
    assert told == [False] * 3 + [True]


def test_a_bucket_fills_with_time() -> None:
    """After the burst it is one for each interval, and the wait that is told is long enough."""
    buckets = Buckets(Rate(0.5, 2))
    assert [buckets.take("a", 0.0) for _ in range(3)] == [0, 0, 2]
    assert buckets.take("a", 1.0) == 1
    assert buckets.take("a", 2.0) == 0
    assert buckets.take("a", 2.0) == 2
    assert buckets.take("b", 2.0) == 0
    assert [buckets.take("a", 1000.0) for _ in range(3)] == [0, 0, 2]


def test_buckets_are_bounded() -> None:
    """A flood of names is forgotten, oldest first."""
    buckets = Buckets(Rate(0.001, 1))
    for number in range(5000):
        assert buckets.take(str(number), 0.0) == 0
    assert buckets.take("4999", 0.0) > 0
    assert buckets.take("0", 0.0) == 0


async def opened(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def answered(reader: asyncio.StreamReader) -> tuple[int, dict[str, object]]:
    """Status and body of one answer that ends its connection."""
    async with asyncio.timeout(60):
        data = await reader.read()
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


@pytest.fixture
async def small(views: FakeViews) -> AsyncIterator[Gateway]:
    served = Gateway(create_app(views, TOKEN), bind_loopback("127.0.0.1:0"), connections_max=3)
    await served.start()
    yield served
    await served.stop()


async def test_one_connection_too_many_is_503(small: Gateway) -> None:
    """It is answered at once, without a request, and a closed one makes room."""
    held = [await opened(small.address) for _ in range(3)]
    for _, writer in held:
        writer.write(b"GET /heal")
        await writer.drain()
    async with asyncio.timeout(60):
        while True:
            reader, writer = await opened(small.address)
            if await reader.read(12) == b"HTTP/1.1 503":
                break
            writer.close()
    body = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
    writer.close()
    assert body["type"].endswith("too-many-connections")
    assert "3 connections" in body["detail"]
    held[0][1].close()
    async with asyncio.timeout(60), web_client() as client:
        while (await client.get(f"http://{small.address}/healthz")).status_code != 200:
            await asyncio.sleep(0.01)
    for _, writer in held:
        writer.close()


async def test_half_requests_keep_nobody_out(small: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest waiting makes room for who asks, and is told so."""
    monkeypatch.setattr("services.gateway.listening.YIELD_AFTER_S", 0.05)
    held = [await opened(small.address) for _ in range(3)]
    for _, writer in held:
        writer.write(b"GET /heal")
        await writer.drain()
    async with asyncio.timeout(60), web_client() as client:
        while True:
            await asyncio.sleep(0.06)
            try:
                if (await client.get(f"http://{small.address}/healthz")).status_code == 200:
                    break
            except httpx.TransportError:
                continue
    status, body = await answered(held[0][0])
    assert (status, body["title"]) == (503, "Too many connections")
    assert str(body["detail"]).startswith("This one had sent no whole request")
    for _, writer in held:
        writer.close()


@pytest.fixture
def descriptors() -> Iterator[Callable[[], None]]:
    """Call it to leave this process no descriptor; all come back after the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def exhaust() -> None:
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))

    yield exhaust
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_no_descriptor_left_is_503_too(gateway: Gateway, descriptors: Callable[[], None]) -> None:
    """A process without descriptors still answers each connection, and goes on when there are some again."""
    host, _, port = gateway.address.rpartition(":")
    loop = asyncio.get_running_loop()
    made = [socket.socket() for _ in range(3)]
    descriptors()
    with pytest.raises(OSError, match="Too many open files"):
        os.dup(0)
    for one in made:
        one.settimeout(0)
        await loop.sock_connect(one, (host, int(port)))
        async with asyncio.timeout(60):
            said = await loop.sock_recv(one, 4096)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"no descriptor left" in said
    for one in made:
        one.close()
    async with web_client() as client:
        assert (await client.get(f"http://{gateway.address}/healthz")).status_code == 200


async def test_a_head_that_does_not_end_is_408(
    gateway: Gateway, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither silence nor a byte now and then holds a connection open."""
    monkeypatch.setattr(connection, "HEAD_WAIT_S", 0.2)
    silent, writer = await opened(gateway.address)
    assert (await answered(silent))[0] == 408
    writer.close()
    reader, writer = await opened(gateway.address)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")
    trickle = asyncio.create_task(_trickle(writer))
    with contextlib.suppress(ConnectionResetError):  # Bytes were still under way when it was ended.
        assert (await answered(reader))[0] == 408
    trickle.cancel()
    writer.close()
    monkeypatch.undo()
    assert (await client.get("/healthz")).status_code == 200


async def _trickle(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"X-A: b\r\n")
        await asyncio.sleep(0.03)


async def test_a_body_that_trickles_behind_its_answer_ends(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is refused and goes on sending is not listened to for ever."""
    monkeypatch.setattr(connection, "HEAD_WAIT_S", 0.2)
    reader, writer = await opened(gateway.address)
    writer.write(b"POST /api/v1/commands HTTP/1.1\r\nHost: a\r\nContent-Length: 16000\r\n\r\n")
    trickle = asyncio.create_task(_trickle(writer))
    async with asyncio.timeout(60):
        assert b"401" in await reader.readline()
        with contextlib.suppress(ConnectionResetError):  # Bytes were still under way.
            await reader.read()
    trickle.cancel()
    writer.close()


async def test_a_head_over_the_limit_is_431(gateway: Gateway) -> None:
    """The problem says how large a head may be."""
    reader, writer = await opened(gateway.address)
    writer.write(b"GET /healthz HTTP/1.1\r\nX-A: " + b"a" * (HEAD_MAX + 1))
    status, body = await answered(reader)
    assert status == 431
    assert str(HEAD_MAX) in str(body["detail"])
    writer.close()


async def test_what_is_not_http_is_a_problem_too(gateway: Gateway) -> None:
    """400 with a body of the same form as everywhere."""
    reader, writer = await opened(gateway.address)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    status, body = await answered(reader)
    assert status == 400
    assert str(body["type"]).endswith("malformed-request")
    writer.close()


async def test_connections_leave_the_low_descriptors_to_others(gateway: Gateway, client: httpx.AsyncClient) -> None:
    """Libraries that use select() know no descriptor above 1,023: clients get higher ones."""
    await client.get("/healthz")
    (one,) = gateway._server.server_state.connections
    assert one.transport.get_extra_info("socket").fileno() >= LOW_DESCRIPTORS


def test_more_connections_than_streams() -> None:
    """Streams alone never fill the house: a command still finds a place."""
    assert server.CONNECTIONS_MAX >= server.STREAMS_MAX + 200
