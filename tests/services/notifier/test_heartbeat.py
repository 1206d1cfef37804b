"""The heartbeat to an outsider: comes while the site is well, stays away when it is not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from services.notifier import heartbeat
from shared.domain.notify_plan import HeartbeatPlan
from shared.runtime.clocks import SystemClock
from tests.testkit.http_sink import POLITE, Answer, HttpSink

EVERY_MS = 20


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as made:
        yield made


@asynccontextmanager
async def _beating(
    url: str, alive: Callable[[], bool], allow: tuple[str, ...] = ("127.0.0.0/8",), timeout_s: float = 60.0
) -> AsyncIterator[list[str]]:
    """A heartbeat that runs; what it told."""
    told: list[str] = []
    stop = asyncio.Event()
    plan = HeartbeatPlan(url, EVERY_MS, allow)
    beating = heartbeat.run(plan, stop, alive, clock=SystemClock(), told=told.append, timeout_s=timeout_s)
    task = asyncio.create_task(beating)
    try:
        yield told
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def _until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.005)


async def test_it_beats_while_the_site_is_well(sink: HttpSink) -> None:
    """A GET of the URL again and again, said once."""
    async with _beating(sink.url, lambda: True) as told:
        await _until(lambda: len(sink.requests) >= 3)
    assert {(request.method, request.target) for request in sink.requests} == {("GET", "/hook")}
    assert told == [""]


async def test_it_stays_away_while_the_site_is_not_well(sink: HttpSink) -> None:
    """Not one beat, and it comes back when the site does."""
    is_well = [False]
    asked: list[int] = []

    def alive() -> bool:
        asked.append(1)
        return is_well[0]

    async with _beating(sink.url, alive):
        await _until(lambda: len(asked) >= 5)
        assert sink.connections == 0
        is_well[0] = True
        await _until(lambda: sink.requests)


async def test_trouble_is_told_once_and_its_end_too(sink: HttpSink) -> None:
    """Why beats fail when they begin to, not at each."""
    sink.manner = Answer(status=500)
    async with _beating(sink.url, lambda: True) as told:
        await _until(lambda: len(sink.requests) >= 4)
        sink.manner = POLITE
        await _until(lambda: told[-1] == "")
    assert told == [f"the heartbeat's 127.0.0.1:{sink.port} answers HTTP 500", ""]


async def test_a_hanging_outsider_holds_nothing_up(sink: HttpSink) -> None:
    """A beat ends in its time and the next one is tried."""
    sink.manner = Answer(hang_at="answer")
    async with _beating(sink.url, lambda: True, timeout_s=1.0) as told:
        await _until(lambda: sink.connections >= 2)
    assert told == [f"the heartbeat's 127.0.0.1:{sink.port} gave no answer within 1 s"]


async def test_it_reaches_only_what_is_allowed(sink: HttpSink) -> None:
    """The same bounds as a webhook's."""
    async with _beating(sink.url, lambda: True, allow=()) as told:
        await _until(lambda: told)
    assert "is no public address" in told[0]
    assert sink.connections == 0


def test_a_plan_that_cannot_work_is_named() -> None:
    """The same sentences as a webhook's."""
    assert heartbeat.faults(HeartbeatPlan("ftp://x/", 60_000))
    assert not heartbeat.faults(HeartbeatPlan("https://hc.example.org/ping/x", 60_000))
