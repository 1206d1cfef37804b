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


def test_a_loop_that_ends_waits_for_the_work() -> None:
    """It cancels every task that is left: what is put away behind the work is put away when no thread uses it."""
    steps: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(60)
        steps.append("worked")

    async def ask() -> None:
        try:
            await finished(work)
        finally:
            steps.append("put away")

    async def main() -> asyncio.Task[None]:
        task = asyncio.create_task(ask())
        await asyncio.to_thread(begun.wait, 60)
        asyncio.get_running_loop().call_later(0.2, go.set)
        return task

    asyncio.run(main())
    assert steps == ["worked", "put away"]
