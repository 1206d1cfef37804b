"""Blocks for tests: real inputs and events of a made-up room, in real links of a chain."""

from collections.abc import Sequence
from dataclasses import replace

from shared.log.chain import GENESIS, Link, link
from shared.log.port import Group
from shared.wire.blocks import Block, BlockLink
from shared.wire.rows import EventBytes
from shared.wire.signing import SigningKey
from tests.contract.rows import LOG_ID, event, frames, start, tick

KEY = SigningKey(bytes(range(32)))
OTHER_KEY = SigningKey(bytes(32))
SITE = "s"


def block_of(groups: Sequence[Group], prev_hash: bytes = GENESIS, *, epoch: int = 1, log_id: str = LOG_ID) -> Block:
    """The block that holds these groups of a log whose chain stands at ``prev_hash``."""
    links: list[Link] = []
    for group in groups:
        made = link(prev_hash if not links else links[-1].hash, group.inputs, group.events)
        links.append(made)
    return Block(
        site=SITE,
        epoch=epoch,
        log_id=log_id,
        first_seq=links[0].first_seq,
        last_seq=links[-1].last_seq,
        prev_hash=prev_hash,
        links=tuple(BlockLink(each.last_seq, each.hash) for each in links),
        core_version=1,
        inputs=tuple(row for group in groups for row in group.inputs),
        events=tuple(EventBytes(row.site_seq, row.ordinal, row.data) for group in groups for row in group.events),
    )


GROUPS = (
    start(),
    frames(2, 3, [event(2, 0, 1), event(2, 1, 2), event(4, 0, 3)]),
    tick(5),
    replace(frames(9, 2, [event(7, 2, 4), event(10, 0, 5)]), hole=True),
)
"""With events of an input that was lost while the log was undurable, and the hole that it left."""
BLOCK = block_of(GROUPS)
