"""Links -> blocks: whole links, in order, as many as fit.

A block ends before it has more than 1,024 frames or 4 MiB unpacked, unless one link alone is larger; at the end of what
the log has, so that it has so many only while a backlog drains; before a Start, whose log_id is another; before a link
that another version of the core has decided; before and behind what is left of a folded interval.
"""

from collections.abc import Iterable, Iterator

from services.uplink.links import Link
from shared.domain.errors import LogDamaged
from shared.wire.blocks import Block, BlockLink

FRAMES_MAX = 1024
BYTES_MAX = 4 << 20
"""A calm room's 1,024 frames of 200 readings are 0.7 MiB, 0.1 packed, and some 10 ms of work at the centre; of a busy
one with a dozen events a frame some 550 are 4 MiB, 0.3 packed, and some 30 ms: so long others wait."""


def gather(links: Iterable[tuple[Link, int]]) -> Iterator[tuple[list[Link], int]]:
    """The links of each block, and its core version; raises LogDamaged behind the last good one."""
    held: list[Link] = []
    version = frames = size = 0
    faults: list[LogDamaged] = []
    for link, core_version in _until_damage(links, faults):
        is_other = core_version != version or link.starts or link.folded or (held and held[0].folded)
        is_full = frames + link.frames > FRAMES_MAX or size + link.size > BYTES_MAX
        if held and (is_other or is_full):
            yield held, version
            held, frames, size = [], 0, 0
        held.append(link)
        version, frames, size = core_version, frames + link.frames, size + link.size
    if held:
        yield held, version
    if faults:
        raise faults[0]


def _until_damage(links: Iterable[tuple[Link, int]], faults: list[LogDamaged]) -> Iterator[tuple[Link, int]]:
    """The links before a damaged record, which is put into ``faults``: those before it go up all the same."""
    try:
        yield from links
    except LogDamaged as damage:
        faults.append(damage)


def block_of(links: list[Link], *, site: str, epoch: int, core_version: int, states: dict[str, bytes]) -> Block:
    """One block of these links; ``states`` as they were before the first."""
    return Block(
        site=site,
        epoch=epoch,
        log_id=links[-1].log_id,
        first_seq=links[0].first_seq,
        last_seq=links[-1].last_seq,
        prev_hash=links[0].prev,
        links=tuple(BlockLink(link.last_seq, link.hash) for link in links),
        core_version=core_version,
        inputs=tuple(row for link in links for row in link.inputs),
        events=tuple(event for link in links for event in link.events),
        folded=links[0].folded,
        states=states,
    )
