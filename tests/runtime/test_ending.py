"""The end of tasks, also of those whose cancellation gets lost on its way."""

import asyncio

import pytest

from shared.runtime import ending


class Database:
    """A statement that hangs; who leaves it hears that nobody answers, until it is let go of."""

    def __init__(self) -> None:
        self.is_hanging = True
        self.asked = 0

    def let_go(self) -> None:
        self.is_hanging = False

    async def ask(self) -> None:
        self.asked += 1
        try:
            await asyncio.sleep(3600)
        finally:
            if self.is_hanging:
                raise TimeoutError

    async def ask_for_ever(self) -> None:
        while True:
            try:
                await self.ask()
            except TimeoutError:
                continue


async def test_a_cancellation_that_trouble_has_taken_the_place_of_is_said_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who tries again while the database is away ends all the same, once it is let go of."""
    monkeypatch.setattr(ending, "END_S", 0.05)
    monkeypatch.setattr(ending, "AGAIN_S", 0.01)
    database = Database()
    tasks = [asyncio.create_task(database.ask_for_ever()) for _ in range(2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await ending.ended(tasks, database.let_go)
    assert database.asked > len(tasks), "one cancellation was not enough"
    assert all(task.cancelled() for task in tasks)


async def test_who_ends_in_order_is_cancelled_once() -> None:
    """What he does last is not disturbed, and nothing is let go of."""
    done: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.05)
            done.append("last thing")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await ending.ended([task], lambda: done.append("let go"))
    await ending.ended([], lambda: done.append("let go"))
    assert done == ["last thing"]
