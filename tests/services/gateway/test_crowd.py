"""A thousand readers of one gateway, over real connections."""

import asyncio

from services.gateway.cursors import decode_cursor
from tests.services.gateway.crowd import TOKEN, Crowd, ask, gateway_process

READERS = 1_000
SLOW = 20
EVENTS = 15
IDLE = 100
LONG = 20_000
IDLE_MIB_MAX = 48
"""A page of 70 KiB and the buffer of 32 KiB for each are 10 MiB, shared pages 5; the log is 13 MiB of text, and a queue
of it for each reader would be over a GiB."""
GROWTH_MIB_MAX = 128
"""About 40 KiB for each of them is 40 MiB; three times that is a leak or a queue."""


async def test_a_thousand_readers_have_every_event_once_and_in_order() -> None:
    """All of them from one shared reader, with others that take nothing between them; memory stays bounded."""
    with gateway_process() as process:
        address = await asyncio.to_thread(ask, process)
        before = float(await asyncio.to_thread(ask, process, "memory"))
        crowd, idle = Crowd(address), Crowd(address)
        try:
            async with asyncio.timeout(200):
                await idle.come(SLOW, paused=True)
                await crowd.come(READERS - SLOW)
                await asyncio.to_thread(ask, process, f"add {EVENTS}")
                await crowd.have(EVENTS)
                late = Crowd(address)
                await late.come(1, "?follow=false")
                await late.have(EVENTS)
                plain = await _status(address)
            after = float(await asyncio.to_thread(ask, process, "memory"))
            expected = late.readers[0].cursors
            places = [decode_cursor(text.decode()) for text in expected]
            assert [place.site_seq for place in places if place is not None] == list(range(1, EVENTS + 1))
            assert all(reader.cursors == expected for reader in crowd.readers)
            assert not any(reader.is_lost for reader in (*crowd.readers, *idle.readers))
            assert plain == 200
            assert after - before < GROWTH_MIB_MAX
        finally:
            crowd.leave()
            idle.leave()


async def test_readers_that_take_nothing_cost_a_page_each() -> None:
    """A hundred of them before a long log: none is queued for, and one that reads has everything at its own pace."""
    with gateway_process() as process:
        address = await asyncio.to_thread(ask, process)
        await asyncio.to_thread(ask, process, f"fill {LONG}")
        before = float(await asyncio.to_thread(ask, process, "memory"))
        idle, crowd = Crowd(address), Crowd(address)
        try:
            async with asyncio.timeout(200):
                await idle.come(IDLE, paused=True)
                await crowd.come(1, "?follow=false")
                await crowd.have(LONG)
            after = float(await asyncio.to_thread(ask, process, "memory"))
            assert len(set(crowd.readers[0].cursors)) == LONG
            assert after - before < IDLE_MIB_MAX
        finally:
            crowd.leave()
            idle.leave()


async def _status(address: str) -> int:
    """A plain request while all the streams are open."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"GET /api/v1/status HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])
