"""Which records of a site's blocks the fleet's history takes, and where they do not follow what it has. Pure.

    a link of the block, or what it follows, is our head   the records behind it follow
    lower epoch than the last                              stale
    all of it is below our head, in the same life          repeat
    higher epoch, or it brings states                      taken whole: the site says itself where it goes on
    blocks before it are known to be gone for us           taken whole
    else                                                   hole: the site is being asked to send again

Asking is the processor's part. The history takes the site's own events with the inputs of the block: they are the bytes
that ampward.events.v1 has, whatever the centre's own derivation says of them (docs/adr/0090).
Promises: the same blocks give the same parts, whatever their cut and repeats.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from services.history.tally import Place
from shared.wire.blocks import Block
from shared.wire.rows import EventBytes, InputRow

STARTS_MAX: Final = 64
DECISION: Final = ""
"""The name under which states hold the decision version."""


class Passed(StrEnum):
    """Why nothing of a block is taken."""

    STALE = "stale"
    REPEAT = "repeat"
    HOLE = "hole"


class Part(NamedTuple):
    """What is taken of a block."""

    inputs: Sequence[InputRow]
    events: Sequence[EventBytes]
    begins: Place | None = None
    """Where it begins, when it does not follow what was taken before."""
    reason: str = ""
    """Of a hole before it; "" for none."""
    version: str = ""
    """The decision version that the states of the block name."""


@dataclass(slots=True)
class Chain:
    """Where a site stands."""

    epoch: int = 0
    hash: str = ""
    """Hexadecimal; "" before the first block."""
    log_id: str = ""
    last_seq: int = 0
    starts: tuple[tuple[int, str], ...] = ()
    """(first number, log_id) of the newest starts."""
    may_jump: bool = False
    """Something behind the head is gone for us: the next block need not follow."""

    def take(self, block: Block) -> Part | Passed:
        """The block's part."""
        if block.epoch < self.epoch:
            return Passed.STALE
        found = self._next(block)
        if found is None:
            found = self._elsewhere(block)
        if found is not Passed.HOLE:
            self.epoch = block.epoch
        if isinstance(found, Part):
            if block.log_id != self.log_id:
                self.starts = (*self.starts, (block.first_seq, block.log_id))[-STARTS_MAX:]
            self.log_id, self.last_seq, self.hash = block.log_id, block.last_seq, block.head_hash.hex()
            self.may_jump = False
        return found

    def _next(self, block: Block) -> Part | Passed | None:
        """What stands on our head; None when nothing does."""
        if not self.hash:
            return None
        if block.prev_hash.hex() == self.hash:
            return Part(block.inputs, block.events)
        for last_seq, digest in block.links:
            if digest.hex() == self.hash:
                inputs = tuple(row for row in block.inputs if row.site_seq > last_seq)
                events = tuple(event for event in block.events if event.site_seq > last_seq)
                return Part(inputs, events) if inputs or events else Passed.REPEAT
        return None

    def _elsewhere(self, block: Block) -> Part | Passed:
        is_other_life = self._is_other_life(block)
        if self.hash and block.last_seq <= self.last_seq and not is_other_life:
            return Passed.REPEAT
        if not self.hash:
            return _whole(block, "", block.first_seq - 1, "")
        if block.epoch > self.epoch or block.states or self.may_jump:
            if is_other_life or block.first_seq <= self.last_seq:
                return _whole(block, self.log_id, block.first_seq - 1, "an older log was put in its place")
            return _whole(block, self.log_id, self.last_seq, "lost on the way")
        return Passed.HOLE

    def _is_other_life(self, block: Block) -> bool:
        """Whether other records came under these numbers."""
        known = [log_id for first, log_id in self.starts if first <= block.first_seq]
        return block.first_seq <= self.last_seq and bool(known) and known[-1] != block.log_id


def _whole(block: Block, log_id: str, after: int, reason: str) -> Part:
    """All of it, behind number ``after``; ``log_id`` is the one before a Start that it begins with."""
    is_start = bool(block.inputs) and block.inputs[0].kind == "start"
    begins = Place(log_id if is_start else block.log_id, after)
    version = block.states.get(DECISION, b"").decode("utf-8", "replace")
    return Part(block.inputs, block.events, begins, reason, version)


def encode_chain(chain: Chain) -> str:
    return json.dumps(asdict(chain))


def decode_chain(text: str) -> Chain:
    """What ``encode_chain`` made."""
    known = json.loads(text)
    return Chain(**{**known, "starts": tuple((first, log_id) for first, log_id in known["starts"])})
