"""How long a site waits for its events when its worker is killed, and when it is asked to leave.

Two workers, sites that send a block every half second. A worker is killed (or told to leave); for each site the longest
time without a batch of events around that moment is taken, by the broker's clock, and of these the longest.
"""

import asyncio
import itertools
import time

from shared.bus.registry import EVENTS
from shared.wire.batches import decode_batch
from shared.wire.blocks import encode_block
from tests.bench.fleet import load
from tests.fleet.centre import KEY, Centre
from tests.services.processor.recorded import block_from, bodies, links_of
from tests.testkit.fleet import KafkaBroker

PARTITIONS = 12
SITES = 12
EVERY_S = 0.5
BEFORE_S = 12.0
AFTER_S = 30.0
WITHIN_S = 300


async def measure(broker: KafkaBroker) -> dict[str, float]:
    """Seconds."""
    return {
        "processor_takeover_s": await _pause(broker, leaves=False),
        "processor_hand_over_s": await _pause(broker, leaves=True),
    }


async def _pause(broker: KafkaBroker, *, leaves: bool) -> float:
    count = int((BEFORE_S + AFTER_S + WITHIN_S) / EVERY_S)
    log = load.recorded_log(count, 0.04, group=1)
    names = list(log.log_ids())
    blocks = [[each] for each in links_of(log)]
    sites = [f"site-{n}" for n in range(SITES)]
    stamps: dict[str, list[int]] = {site: [] for site in sites}
    async with Centre(broker, partitions=PARTITIONS, save_s=5.0) as centre:
        await centre.register(*sites)
        await centre.rules(bodies(log))
        workers = [centre.start(), centre.start()]
        follower = asyncio.create_task(_follow(centre, stamps))
        began: float | None = None
        for number in itertools.count():
            for site in sites:
                await centre.send(site, [encode_block(block_from(blocks[number], site=site, names=names), KEY)])
            await asyncio.sleep(EVERY_S)
            now = time.time()
            if began is None and all(len(found) * EVERY_S > BEFORE_S for found in stamps.values()):
                began = now
                (workers[0].leave if leaves else workers[0].kill)()
            if began is not None and now - began > AFTER_S:
                break
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
    assert began is not None
    return max(_longest(found, began * 1000) for found in stamps.values()) / 1000


def _longest(stamps: list[int], began_ms: float) -> float:
    """The longest time without events that ended after the beginning."""
    return max(b - a for a, b in itertools.pairwise(stamps) if b > began_ms)


async def _follow(centre: Centre, stamps: dict[str, list[int]]) -> None:
    async with centre.reader(EVENTS) as reader:
        while True:
            for record in await reader.take():
                stamps[decode_batch(record.value or b"").site].append(record.at_ms)
