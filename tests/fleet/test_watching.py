"""The rule by which a stuck reader is known, second by second; and how its client comes to be."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer

from shared.log.kafka.access import Access
from shared.log.kafka.kept import Kept
from shared.log.kafka.records import Place, silent
from shared.log.kafka.watching import Watch

A, B = Place("t", 0), Place("t", 1)


@pytest.mark.parametrize(
    ("looks", "stuck_at"),
    [
        # (second, places, ends, busy)
        ([(5 * n, {A: n}, {A: 100}, False) for n in range(1, 20)], None),
        ([(5 * n, {A: 7}, {A: 7}, False) for n in range(1, 20)], None),
        ([(5 * n, {A: 7}, {A: 9}, False) for n in range(1, 20)], 25),
        ([(5 * n, {A: 7}, {A: 9}, n < 10) for n in range(1, 20)], 65),
        ([(5 * n, {A: n, B: 3}, {A: 99, B: 4}, False) for n in range(1, 20)], 25),
        ([(5 * n, {A: 7}, None, False) for n in range(1, 20)], 20),
        ([(5 * n, {A: 7}, None if n < 3 else {A: 7}, False) for n in range(1, 20)], None),
        ([(5 * n, {}, {}, False) for n in range(1, 20)], None),
        ([(5 * n, {}, None, False) for n in range(1, 20)], 20),
        ([(5 * n, {A: -1}, {A: 0}, False) for n in range(1, 20)], 25),
        ([(5 * n, {A: 7} if n % 3 else {}, {A: 9}, False) for n in range(1, 20)], None),
        ([(5 * n, {A: 7}, {A: 7 if n < 9 else 8}, False) for n in range(1, 20)], 60),
    ],
    ids=[
        "it moves",
        "it stands at the end",
        "there is more and it stands",
        "who works on the records is not watched",
        "one place of two stands",
        "nobody says where the end is",
        "the end is known again",
        "it has no places",
        "nobody knows its places",
        "its beginning is not known",
        "it is shared out anew all the time",
        "something came and is not read",
    ],
)
def test_a_reader_is_stuck_when_there_is_more_and_it_stands(
    looks: list[tuple[float, dict[Place, int], dict[Place, int] | None, bool]], stuck_at: float | None
) -> None:
    """Twenty seconds after its place last moved, or after somebody last knew anything; never before."""
    watch = Watch(0.0, stuck_s=20.0)
    said = [(now, why) for now, places, ends, busy in looks if (why := watch.look(now, places, ends, busy=busy))]
    assert (said[0][0] if said else None) == stuck_at, said
    assert all(why for _, why in said)


class Slow:
    """Reads by a client that is long in coming."""

    def __init__(self) -> None:
        self.may_begin = asyncio.Event()
        self.begun = 0

    async def begin(self, client: AIOKafkaConsumer) -> None:
        del client
        self.begun += 1
        await self.may_begin.wait()

    async def places(self) -> None:
        return None

    def is_busy(self) -> bool:
        return True

    def lost(self) -> None:
        return None


async def test_who_is_cancelled_while_he_waits_for_a_client_does_not_begin_it_anew() -> None:
    """A client whose every attempt is cut short would never be made, and each would leave its connection open."""
    owner = Slow()
    kept = Kept(Access("127.0.0.1:1"), owner, {}, tell=silent)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await kept.client()
    owner.may_begin.set()
    async with asyncio.timeout(60):
        assert await kept.client() is await kept.client()
    assert owner.begun == 1
    await kept.close()
