"""Work in a thread is over when who asked for it is."""

import asyncio
import threading

import pytest

from services.uplink.threads import finished


async def test_who_is_cancelled_ends_after_the_work() -> None:
    """Also when it is cancelled twice."""
    over: list[bool] = []
    go = threading.Event()

    def work() -> None:
        over.append(go.wait(60))

    task = asyncio.create_task(finished(work))
    for _ in range(2):
        await asyncio.sleep(0.05)
        task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert over == [True]


async def test_what_it_gives_and_raises_is_passed_on() -> None:
    """As if it were called."""
    assert await finished(max, 1, 2) == 2
    with pytest.raises(ValueError, match="invalid literal"):
        await finished(int, "x")
