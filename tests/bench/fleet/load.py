"""The same readings in three packings: our signed blocks, JSON frames, and blocks of ten raw scans.

A scan is 50 modules of voltage, resistance, temperature and level; noise moves every value, and a share of the readings
changes its state in each scan. Each of ``SITES`` sites sends the same scans.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np
import orjson

from services.processor.runner import Runner
from services.uplink.cutting import BYTES_MAX, FRAMES_MAX
from services.uplink.links import RECORD_BYTES
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place
from shared.log.memory import MemoryLog
from shared.log.store import MemoryStore
from shared.runtime.clocks import ManualClock
from shared.wire.blocks import encode_block
from tests.bench.rooms import scans
from tests.bench.site import MODULES, STEPS, decision, frames
from tests.fleet.centre import KEY, Centre
from tests.services.processor.recorded import Link, block_from, bodies, links_of

SITES = 40
GROUP = 20
"""Frames in a commit: 50 ms of 400 a second."""
SCANS_IN_BLOCK = 10
CHANNELS = ("voltage", "resistance", "temperature", "level")


def site_names() -> list[str]:
    return [f"site-{n}" for n in range(SITES)]


def recorded_log(count: int, changing: float, group: int = GROUP) -> MemoryLog:
    """What the site's own runner makes of the frames; ``group`` of them are a commit."""
    store, clock = MemoryStore(), ManualClock()
    runner = Runner(store, decision(MODULES), clock, new_id=lambda: "l" * 32)
    runner.open("bench")
    given = frames(MODULES, count, changing=changing)
    for at in range(0, count, group):
        clock.advance(50)
        runner.commit(given[at : at + group])
    return store.log


def _cut(links: list[Link]) -> Iterator[list[Link]]:
    yield links[:1]
    part: list[Link] = []
    frames = size = 0
    for each in links[1:]:
        its_size = sum(len(row.data) + RECORD_BYTES for rows in each[2:] for row in rows)
        if part and (frames + len(each[2]) > FRAMES_MAX or size + its_size > BYTES_MAX):
            yield part
            part, frames, size = [], 0, 0
        part.append(each)
        frames, size = frames + len(each[2]), size + its_size
    yield part


async def fill_centre(centre: Centre, count: int, changing: float) -> int:
    """Our blocks of all sites, in turns, as an uplink cuts a backlog; registered and with their rule set.

    How many of them have events, of which the processor makes a record each.
    """
    log = recorded_log(count, changing)
    names = list(log.log_ids())
    parts = list(_cut(list(links_of(log))))
    await centre.register(*site_names())
    await centre.rules(bodies(log))
    for part in parts:
        for site in site_names():
            await centre.send(site, [encode_block(block_from(part, site=site, names=names), KEY, pack=True)])
    return SITES * sum(any(made for _, _, _, made in part) for part in parts)


def _words(count: int, changing: float) -> Iterator["np.ndarray[tuple[int, int], np.dtype[np.int64]]"]:
    """Each scan as registers count it, channel by channel."""
    for scan in scans(MODULES, count, changing=changing):
        yield (scan.values.reshape(-1, len(CHANNELS)) // STEPS).T


async def json_frames(count: int, changing: float) -> AsyncIterator[tuple[bytes, bytes]]:
    """(site, frame): one scan a record."""
    for number, words in enumerate(_words(count, changing)):
        frame = {"seq": number, **{name: row.tolist() for name, row in zip(CHANNELS, words, strict=True)}}
        data = orjson.dumps(frame)
        for site in site_names():
            yield site.encode(), data


async def raw_blocks(count: int, changing: float) -> AsyncIterator[tuple[bytes, bytes]]:
    """(site, block): ten scans of big-endian words a record."""
    waiting: list[bytes] = []
    for words in _words(count, changing):
        waiting.append(words.astype(">u2").tobytes())
        if len(waiting) == SCANS_IN_BLOCK:
            data = b"".join(waiting)
            waiting = []
            for site in site_names():
                yield site.encode(), data


async def fill(producer: Producer, topic: str, partitions: int, records: AsyncIterator[tuple[bytes, bytes]]) -> None:
    """Each site to a partition of its own choice; returns when all are confirmed."""
    places = {site.encode(): Place(topic, n % partitions) for n, site in enumerate(site_names())}
    pending: list[asyncio.Future[object]] = []
    async for site, data in records:
        pending.append(await producer.hand_over(places[site], site, data))  # type: ignore[arg-type]
        if len(pending) >= 5_000:
            await asyncio.gather(*pending)
            pending = []
    await asyncio.gather(*pending)
