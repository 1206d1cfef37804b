"""G16: a consumer that is stuck is noticed and made anew, and reads on within 60 s; what it reads is whole.

A run is a reader of its own or a member of a group, on a broker that all runs share. A number comes every half second.
At a moment drawn from the seed the client's fetching ends without an error, as after some restarts of a broker; in
between others are served. The time counts from there to the first record that was sent later; in the end every number
has come, in order, and whoever was not stuck was left alone. In `make test` the watch is quicker than the product's.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from shared.log.kafka.access import Access
from shared.log.kafka.group import GroupReader
from shared.log.kafka.kept import Kept
from shared.log.kafka.producer import Producer
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Place, Record
from shared.log.kafka.watching import STUCK_S, WATCH_S
from tests.fleet.lanes import first_ones, hang, topic
from tests.soak.limits import limit
from tests.soak.outcome import Outcome
from tests.testkit.fleet import KafkaBroker, unique

BACK_S = 60.0
EVERY_S = 0.5
BEFORE, BETWEEN = 4, 10
"""Numbers before anything happens; runs for one that nothing happens to."""
WHOLE_S = 120.0
Take = Callable[[], Awaitable[Sequence[Record]]]


def run(count: int, seed: int) -> Outcome:
    """``count`` consumers, all at once on one broker."""
    outcome = Outcome(runs=count)
    with tempfile.TemporaryDirectory(prefix="ampward-g16-") as folder, KafkaBroker(Path(folder, "kafka")) as broker:
        waits = asyncio.run(_all(Access(broker.bootstrap), count, seed, outcome))
    print(f"G16 seed {seed}: {len(waits)} stuck, the worst read on after {max(waits, default=0):.1f} s", flush=True)
    return outcome


async def _all(access: Access, count: int, seed: int, outcome: Outcome) -> list[float]:
    runs = [_one(access, number, random.Random(seed + number), outcome) for number in range(count)]
    return [wait for wait in await asyncio.gather(*runs) if wait]


async def _one(access: Access, number: int, draw: random.Random, outcome: Outcome) -> float:
    """How long it was stuck; 0 for one that was not."""
    place = Place(await topic(access, f"stuck{number}"), 0)
    watch_s, stuck_s = (WATCH_S, STUCK_S) if limit(1) == 1 else (0.2, 1.0)
    if number % 2:
        async with Reader(access, {place: 0}, "reader", watch_s=watch_s, stuck_s=stuck_s) as reader:
            return await _live(access, place, (reader._kept, reader.take), draw, number, outcome)
    async with GroupReader(access, unique("group"), [place.topic], "m", watch_s=watch_s, stuck_s=stuck_s) as member:

        async def take() -> Sequence[Record]:
            taken = await member.take()
            await member.confirm(taken)
            return taken.records

        return await _live(access, place, (member._kept, take), draw, number, outcome)


async def _live(
    access: Access, place: Place, client: tuple[Kept, Take], draw: random.Random, number: int, outcome: Outcome
) -> float:
    kept, take = client
    is_hung = number % BETWEEN != BETWEEN - 1
    found: list[Record] = []
    sent = hung_with = 0
    hung_at = back = 0.0
    async with Producer(access, "sender") as producer:
        reading = asyncio.create_task(_read(take, found))
        hang_from = BEFORE + draw.randrange(6)
        began = time.monotonic()
        try:
            while not back and time.monotonic() - began < WHOLE_S:
                await producer.send(place, b"", b"%d" % sent)
                sent += 1
                await asyncio.sleep(EVERY_S)
                if not is_hung and sent > hang_from:
                    break
                if is_hung and not hung_with and len(found) >= hang_from:
                    await hang(kept)
                    hung_at, hung_with = time.monotonic(), sent
                elif hung_with and found[-1].value == b"%d" % (sent - 1):
                    back = time.monotonic() - hung_at
            async with asyncio.timeout(limit(BACK_S)):
                while len(first_ones(found)) < sent:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            outcome.lost += sent - len(first_ones(found))
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    if first_ones(found) != [b"%d" % each for each in range(sent)]:
        outcome.faults.append(f"consumer {number}: {len(first_ones(found))} of {sent} numbers came, or not in order")
    if is_hung and not 0 < back <= limit(BACK_S):
        outcome.faults.append(f"consumer {number}: stuck, and read on after {back:.1f} s")
    if not is_hung and kept.rebuilt:
        outcome.faults.append(f"consumer {number}: made anew {kept.rebuilt} times, and was not stuck")
    return back


async def _read(take: Take, found: list[Record]) -> None:
    while True:
        found += await take()
