"""The bell between a site's process and its uplink's."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.runtime import places
from shared.runtime.bell import Bell, Rope

WITHIN_S = 60.0
LONG_S = 3600.0


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder; nothing of it stays in memory."""
    yield tmp_path
    places.leave_memory(tmp_path, places.IN_MEMORY)


async def test_who_waits_is_woken(data: Path) -> None:
    """Everybody who waits, long before his time."""
    with Bell(data) as bell:
        waiting = [asyncio.create_task(bell.wait(bell.rings, LONG_S)) for _ in range(2)]
        await asyncio.sleep(0)
        Rope(data).ring()
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(*waiting)


async def test_a_ring_before_the_waiting_counts(data: Path) -> None:
    """What rang while somebody looked makes him look again at once."""
    with Bell(data) as bell:
        seen = bell.rings
        Rope(data).ring()
        async with asyncio.timeout(WITHIN_S):
            while bell.rings == seen:
                await asyncio.sleep(0)
            await bell.wait(seen, LONG_S)


async def test_a_bell_that_nobody_hears_costs_nothing(data: Path) -> None:
    """Rings without an uplink, and in a crowd that nobody takes, do not wait and do not fail."""
    rope = Rope(data)
    rope.ring()
    with Bell(data) as bell:
        for _ in range(10_000):
            rope.ring()
        assert bell.rings == 0
        await bell.wait(0, LONG_S)
    rope.ring()


async def test_who_hears_nothing_looks_by_himself(data: Path) -> None:
    """After his seconds he goes on."""
    with Bell(data) as bell:
        async with asyncio.timeout(WITHIN_S):
            await bell.wait(bell.rings, 0.01)
    assert bell.rings == 0


async def test_a_bell_that_was_left_hanging_is_taken_down(data: Path) -> None:
    """An uplink that was killed leaves its socket; the next one is heard all the same."""
    with Bell(data), Bell(data) as bell:
        Rope(data).ring()
        async with asyncio.timeout(WITHIN_S):
            await bell.wait(0, LONG_S)
