"""Recorded logs, and their chains cut into blocks as a seed says, as the uplink would send them."""

import random
from collections.abc import Iterator
from functools import cache

from shared.domain.version import CORE_VERSION
from shared.log.chain import link
from shared.log.memory import MemoryLog
from shared.log.port import EventRow, InputRow, Reading
from shared.log.store import MemoryStore
from shared.runtime.clocks import ManualClock
from shared.wire.blocks import Block, BlockLink
from shared.wire.rows import EventBytes
from tests.soak.rig import feed, log_ids, open_runner
from tests.soak.world import World

INPUTS = 200
Link = tuple[bytes, BlockLink, tuple[InputRow, ...], tuple[EventRow, ...]]


@cache
def recorded(seed: int) -> MemoryLog:
    """A site's log over three starts, one of them after a kill, with commands, trouble and snapshots."""
    store, clock, ids = MemoryStore(), ManualClock(), log_ids(f"s{seed}-")
    for life in range(3):
        runner = open_runner(store, clock, ids)
        feed(runner, clock, World(seed * 10 + life, boot=f"g{seed}-{life}"), INPUTS, (1, 7, 40)[life])
        if life == 1:
            runner.close()
        clock.advance(5_000)
    return store.log


def bodies(log: Reading) -> dict[str, bytes]:
    """The rule sets of a recorded log."""
    rows = [row.data for row in log.inputs(0, 100_000) if row.kind == "ruleset"]
    versions = {data.partition(b'"version":"')[2][:32].decode() for data in rows}
    return {version: log.ruleset(version) or b"" for version in versions}


def links_of(log: Reading) -> Iterator[Link]:
    """(the hash before, the link, its inputs, its events) of the whole log, in order."""
    before = log.genesis()
    for stretch in log.stretches():
        begin = 0
        for last in stretch.links:
            rows = tuple(row for row in stretch.inputs if begin < row.site_seq <= last)
            events = tuple(row for row in stretch.events if begin < row.site_seq <= last)
            made = link(before, rows, events)
            yield before, BlockLink(last, made.hash), rows, events
            before, begin = made.hash, last


def blocks_of(log: Reading, *, site: str, seed: int = 0, most: int = 8, epoch: int = 1) -> list[Block]:
    """The log in blocks of one to ``most`` links; a Start begins a block of its own, as the uplink cuts."""
    draw = random.Random(seed)
    blocks: list[Block] = []
    waiting: list[Link] = []
    size = draw.randint(1, most)
    names = list(log.log_ids())
    for each in links_of(log):
        is_start = each[2][0].kind == "start"
        if waiting and (is_start or len(waiting) >= size):
            blocks.append(block_from(waiting, site=site, names=names, epoch=epoch))
            waiting, size = [], draw.randint(1, most)
        waiting.append(each)
    return [*blocks, block_from(waiting, site=site, names=names, epoch=epoch)]


def block_from(links: list[Link], *, site: str, names: list[tuple[int, str]], epoch: int = 1) -> Block:
    """One block of these links."""
    rows = tuple(row for _, _, inputs, _ in links for row in inputs)
    events = tuple(EventBytes(e.site_seq, e.ordinal, e.data) for _, _, _, made in links for e in made)
    first = min([rows[0].site_seq, *(event.site_seq for event in events[:1])])
    return Block(
        site=site,
        epoch=epoch,
        log_id=[name for begin, name in names if begin <= first][-1],
        first_seq=first,
        last_seq=rows[-1].site_seq,
        prev_hash=links[0][0],
        links=tuple(each for _, each, _, _ in links),
        core_version=CORE_VERSION,
        inputs=rows,
        events=events,
    )
