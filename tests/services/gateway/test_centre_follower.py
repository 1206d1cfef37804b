"""How the fleet's gateway reads: what holds up whom, and what is trouble."""

import asyncio
from time import thread_time

import pytest

from services.gateway.centre import follower as follower_module
from services.gateway.centre.follower import Follower, Wanted
from services.gateway.centre.picture import Picture
from shared.bus.registry import EVENTS
from shared.log.kafka.access import Access
from shared.log.kafka.records import Place, Record, silent
from shared.log.kafka.watching import Standing


class Stands:
    """A reader as the test says that it stands."""

    def __init__(self) -> None:
        self.standing = Standing(is_away=False)


def follower(*readers: Stands) -> Follower:
    made = Follower(Wanted(Access("127.0.0.1:1"), "", 1), Picture(lambda: 0), None, wall_ms=lambda: 0, tell=silent)  # type: ignore[arg-type]
    made._readers = readers  # type: ignore[assignment]
    return made


def test_a_broker_that_is_away_is_trouble_and_silence_is_none() -> None:
    """After a bounce of Kafka it is over when the broker answers, not when some site says something again."""
    lively, silent_one = Stands(), Stands()
    made = follower(lively, silent_one)
    assert made.trouble() == ""
    silent_one.standing = Standing(is_away=True)
    assert made.trouble().startswith("no broker answers")
    silent_one.standing = Standing(is_away=False)
    assert made.trouble() == ""


async def test_a_backlog_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two records of a long row others have their turn: an alarm, a stream, a probe."""
    monkeypatch.setattr(follower_module, "TURN_S", 0.0)
    made, place = follower(), Place(EVENTS.name, 0)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    await made._take([Record(place, number, b"s", b"no batch", (), 0) for number in range(50)])
    running.cancel()
    assert turns >= 50


async def test_who_reads_blocks_leaves_streams_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two turns of a backlog whoever has something to do works for several times as long as one turn."""
    made, place = follower(), Place(EVENTS.name, 0)
    turns, read = 0, 0

    def take_batch(_: Record) -> None:
        nonlocal read
        read += 1
        _work(follower_module.TURN_S)

    async def stream() -> None:
        nonlocal turns
        while True:
            turns += 1
            _work(follower_module.TURN_S)
            await asyncio.sleep(0)

    monkeypatch.setattr(made, "_take_batch", take_batch)
    running = asyncio.create_task(stream())
    await made._take([Record(place, number, b"s", b"", (), 0) for number in range(5)])
    running.cancel()
    assert (read, turns >= 4 * follower_module.OTHERS_SHARE) == (5, True)


def _work(seconds: float) -> None:
    began = thread_time()
    while thread_time() - began < seconds:
        pass
