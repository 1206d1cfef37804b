"""A sender whose broker takes connections and says nothing."""

import asyncio

import pytest

from shared.log.kafka.access import Access
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place, Unconfirmed

WITHIN_S = 60.0


async def test_a_sender_that_gives_up_does_not_begin_its_connection_anew() -> None:
    """A connection that is cut short half-way stays open: a live lane would leave one more behind with each record."""
    connected: list[asyncio.StreamWriter] = []

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    sender = Producer(Access(f"{host}:{port}"), "sender", give_up_s=0.05)

    async def give_up() -> None:
        with pytest.raises(Unconfirmed):
            await sender.send(Place("t", 0), b"", b"x")

    async with asyncio.timeout(WITHIN_S):
        while not connected:
            await give_up()
        for _ in range(3):
            await give_up()
    assert len(connected) == 1
    for writer in connected:
        writer.close()
    server.close()
    await sender.close()
