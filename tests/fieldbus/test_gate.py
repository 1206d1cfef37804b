"""Turns on a line: writers first, nobody forgotten, nobody twice."""

import asyncio

from shared.fieldbus.gate import Gate


async def test_waiting_writers_go_before_waiting_readers() -> None:
    """Readers and writers that wait for a held line get it writers first, each class in order of arrival."""
    gate, order = Gate(), list[str]()

    async def use(name: str, *, urgent: bool) -> None:
        async with gate.turn(urgent=urgent):
            order.append(name)

    async with gate.turn():
        tasks = [asyncio.create_task(use(name, urgent=name[0] == "w")) for name in ("r1", "w1", "r2", "w2")]
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*tasks)
    assert order == ["w1", "w2", "r1", "r2"]


async def test_who_is_cancelled_in_the_moment_of_its_turn_passes_it_on() -> None:
    """A waiter that is handed the line and cancelled at once does not keep it."""
    gate, order = Gate(), list[str]()

    async def use(name: str) -> None:
        async with gate.turn():
            order.append(name)

    async with gate.turn():
        first, second = (asyncio.create_task(use(name)) for name in ("first", "second"))
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    await asyncio.wait_for(use("third"), 60)
    assert order == ["second", "third"]


async def test_an_error_inside_gives_the_line_back() -> None:
    """An exception in the middle of a turn does not lock the line."""
    gate = Gate()
    try:
        async with gate.turn():
            raise ValueError("x")
    except ValueError:
        pass
    async with asyncio.timeout(60), gate.turn():
        held = True
    assert held


async def test_holder_and_waiter_may_be_cancelled_together() -> None:
    """An engine that stops cancels all at once: each ends by that alone, and the line is free afterwards."""
    gate = Gate()

    async def use() -> None:
        async with gate.turn():
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(use()) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 3
    async with asyncio.timeout(60), gate.turn():
        held = True
    assert held
