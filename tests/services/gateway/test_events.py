"""The event stream over real HTTP: replay, live, filters, cursors, resets."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.gateway import connection, stream
from services.gateway.cursors import decode_cursor, encode_cursor
from services.gateway.fake import FakeViews
from services.gateway.server import Gateway
from shared.domain.events import EventType
from shared.log.port import Cursor
from tests.services.gateway.conftest import TOKEN
from tests.services.gateway.samples import event


async def blocks(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """The fields of each block of a stream; a comment is a block with the field ``comment``."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line == "":
            if fields:
                yield fields
            fields = {}
        else:
            name, _, value = line.partition(":")
            fields[name or "comment"] = value.removeprefix(" ")


async def read(client: httpx.AsyncClient, **params: str) -> list[dict[str, Any]]:
    """Every event up to the head."""
    answer = await client.get("/api/v1/events", params={"follow": "false", **params})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [fields async for fields in blocks(answer) if "data" in fields]


async def test_everything_kept_comes_in_order(client: httpx.AsyncClient, views: FakeViews) -> None:
    """Without a cursor all events are read, each a CloudEvent under its type and a cursor."""
    for seq in range(1, 1001):
        views.add(event(seq))
    found = await read(client)
    assert [json.loads(fields["data"])["id"] for fields in found] == [event(seq).id for seq in range(1, 1001)]
    first = json.loads(found[0]["data"])
    assert (first["source"], first["type"]) == ("/demo", "ampward.alarm.raised.v1")
    assert first["data"]["alarm"] == "demo/r1/gas1-h2/h2_prealarm"
    assert found[0]["event"] == "ampward.alarm.raised.v1"


@pytest.mark.parametrize("header", [False, True])
async def test_reading_goes_on_behind_a_cursor(client: httpx.AsyncClient, views: FakeViews, header: bool) -> None:
    """The id of the last event read gives exactly the rest, as parameter or as Last-Event-ID."""
    for seq in range(1, 11):
        views.add(event(seq))
    cursor = (await read(client))[3]["id"]
    if header:
        client.headers["Last-Event-ID"] = cursor
        rest = await read(client)
    else:
        rest = await read(client, since=cursor)
    assert [json.loads(fields["data"])["id"] for fields in rest] == [event(seq).id for seq in range(5, 11)]


async def test_a_follower_sees_replay_then_live_without_a_hole(client: httpx.AsyncClient, views: FakeViews) -> None:
    """What comes while the stream is open follows what was there before."""
    views.add(event(1))
    async with client.stream("GET", "/api/v1/events") as answer, asyncio.timeout(60):
        found = (fields async for fields in blocks(answer) if "data" in fields)
        seen = [json.loads((await anext(found))["data"])["id"]]
        for seq in range(2, 6):
            views.add(event(seq))
            seen.append(json.loads((await anext(found))["data"])["id"])
    assert seen == [event(seq).id for seq in range(1, 6)]


async def test_now_reads_only_what_comes(client: httpx.AsyncClient, views: FakeViews) -> None:
    """since=now skips the past."""
    views.add(event(1))
    async with client.stream("GET", "/api/v1/events", params={"since": "now"}) as answer, asyncio.timeout(60):
        found = blocks(answer)
        assert "retry" in await anext(found)
        views.add(event(2))
        assert json.loads((await anext(found))["data"])["id"] == event(2).id


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"room": "r2"}, [2]),
        ({"site": "demo"}, [1, 2, 3, 4]),
        ({"site": "demo", "room": "_site"}, []),
        ({"type": "ampward.alarm."}, [1, 2, 3]),
        ({"type": "ampward.output.demanded.v1"}, [4]),
        ({"severity": "alarm"}, [2, 3]),
        ({"severity": "critical", "room": "r1"}, [3]),
    ],
)
async def test_a_filter_keeps_what_is_wanted(
    client: httpx.AsyncClient, views: FakeViews, params: dict[str, str], wanted: list[int]
) -> None:
    """Site, room, type prefix and least severity each narrow the stream."""
    views.add(event(1))
    views.add(event(2, room="r2", severity="alarm"))
    views.add(event(3, severity="critical"))
    views.add(event(4, kind=EventType.OUTPUT_DEMANDED, severity=""))
    found = await read(client, **params)
    assert [int(json.loads(fields["data"])["causationid"].rpartition("/")[2]) for fields in found] == wanted


async def test_an_old_cursor_resets(client: httpx.AsyncClient, views: FakeViews) -> None:
    """A cursor older than what is kept gives a reset event, then everything that is kept."""
    first = views.add(event(1))
    for seq in range(2, 5):
        views.add(event(seq))
    views.drop(2)
    found = await read(client, since=encode_cursor(first))
    assert [fields["event"] for fields in found] == ["reset", "ampward.alarm.raised.v1", "ampward.alarm.raised.v1"]
    assert decode_cursor(json.loads(found[0]["data"])["oldest"]) is not None


async def test_a_quiet_stream_gives_signs_of_life(
    client: httpx.AsyncClient, views: FakeViews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nothing happens a comment comes, so that a dead link is noticed."""
    del views
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.01)
    async with client.stream("GET", "/api/v1/events") as answer, asyncio.timeout(60):
        found = blocks(answer)
        assert await anext(found) == {"retry": "3000"}
        assert await anext(found) == {"comment": "still here"}


async def test_streams_are_counted(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stream too many is a problem with a time to come back, and a closed one makes room."""
    monkeypatch.setattr("services.gateway.api.STREAMS_MAX", 1)
    async with client.stream("GET", "/api/v1/events") as answer, asyncio.timeout(60):
        assert await anext(blocks(answer))
        refused = await client.get("/api/v1/events")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
    async with asyncio.timeout(60):
        while (await client.get("/api/v1/events", params={"follow": "false"})).status_code != 200:
            await asyncio.sleep(0.01)


async def test_stopping_ends_open_streams(client: httpx.AsyncClient, gateway: Gateway) -> None:
    """A server that stops closes its streams at once."""
    async with client.stream("GET", "/api/v1/events") as answer, asyncio.timeout(60):
        found = blocks(answer)
        await anext(found)
        await gateway.stop()
        assert [fields async for fields in found] == []


async def test_a_stop_does_not_wait_for_who_takes_nothing(
    gateway: Gateway, views: FakeViews, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader that has stopped reading is let go at once, without a word of it as a fault."""
    for seq in range(1, 20_001):
        views.add(event(seq))
    host, port = gateway.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(f"GET /api/v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    async with asyncio.timeout(60):
        while not any(one.flow.write_paused for one in gateway._server.server_state.connections):
            await asyncio.sleep(0.01)
    await gateway.stop()
    writer.close()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


GOOD_CURSOR = encode_cursor(Cursor("0" * 32, 7, 1))

BAD_CURSORS = [
    "x",
    "=",
    "%00",
    GOOD_CURSOR[:-1],
    GOOD_CURSOR[1:],
    GOOD_CURSOR.swapcase(),
    "A" + GOOD_CURSOR[1:] if GOOD_CURSOR[0] != "A" else "B" + GOOD_CURSOR[1:],
    GOOD_CURSOR + "AAAA",
    "é" * 10,
    "A" * 10_000,
    "now ",
]


@pytest.mark.parametrize("cursor", BAD_CURSORS, ids=range(len(BAD_CURSORS)))
async def test_a_cursor_that_was_never_given_is_422(client: httpx.AsyncClient, cursor: str) -> None:
    """Cut, edited and invented cursors are refused with what is allowed."""
    answer = await client.get("/api/v1/events", params={"since": cursor, "follow": "false"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "since" in answer.text


def test_a_cursor_comes_back_as_it_went() -> None:
    """Encoding and decoding give the same place, for the smallest and the largest numbers."""
    for cursor in (Cursor("", 0, 0), Cursor("a" * 64, 2**64 - 1, 2**32 - 1), Cursor("0" * 32, 7, 1)):
        assert decode_cursor(encode_cursor(cursor)) == cursor


@pytest.mark.parametrize(
    "params",
    [
        {"room": "R 1"},
        {"site": "../x"},
        {"severity": "fatal"},
        {"type": "x" * 81},
        {"type": "ampward.alarms"},
        {"follow": "perhaps"},
        {"room": "a" * 41},
        {"sevrity": "critical"},
    ],
)
async def test_a_wrong_filter_is_422(client: httpx.AsyncClient, params: dict[str, str]) -> None:
    """A filter that can match nothing is a slip, and is said to be one."""
    answer = await client.get("/api/v1/events", params={"follow": "false", **params})
    assert answer.status_code == 422
    assert next(iter(params)) in answer.text
    assert all(fault["allowed"] for fault in answer.json()["errors"])


async def test_a_room_or_site_that_there_is_not_is_422_with_those_that_there_are(client: httpx.AsyncClient) -> None:
    """A stream that stays silent for a slip would be taken for good news."""
    answer = await client.get("/api/v1/events", params={"follow": "false", "site": "other", "room": "r9"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "site", "message": "is not a site here", "allowed": "demo"},
        {"field": "room", "message": "is no room of this site", "allowed": "r1, r2, _site (the box itself)"},
    ]


async def test_a_filter_that_is_given_twice_is_422(client: httpx.AsyncClient) -> None:
    """Nobody guesses which of the two was meant."""
    answer = await client.get("/api/v1/events?follow=false&room=r1&room=r2")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "room", "message": "is given twice", "allowed": "once"}]


async def test_a_reader_that_takes_nothing_is_dropped(
    client: httpx.AsyncClient, gateway: Gateway, views: FakeViews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that stops reading loses its stream; nothing is queued for it, and its place is free again."""
    monkeypatch.setattr(connection, "SEND_WAIT_S", 0.2)
    monkeypatch.setattr("services.gateway.api.STREAMS_MAX", 1)
    for seq in range(1, 20_001):
        views.add(event(seq))
    host, port = gateway.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    request = f"GET /api/v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: {client.headers['Authorization']}\r\n\r\n"
    writer.write(request.encode())
    await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    async with asyncio.timeout(60):
        while (await client.get("/api/v1/events", params={"follow": "false", "since": "now"})).status_code != 200:
            await asyncio.sleep(0.05)
    writer.close()
