"""Which blocks of a partition make up a site's log: the order of its chain, whatever was sent twice or anew.

    follows the head                        NEXT     the log grows
    ends where a block that we have ends    REPEAT   sent twice
    lower epoch than the last taken         STALE    sent before the site was asked to send anew
    higher epoch, follows a block we have   ANEW     what came after that block is taken back and comes again
    carries states, follows nothing we have BEGINS   inputs before it are lost here; the states bridge the gap
    else                                    HOLE     something is missing; ignored until it is sent anew

Promises: pure; the same records in the same order give the same index. The bytes are looked at by who reads them.
"""

from bisect import bisect_left
from enum import Enum, auto
from typing import NamedTuple

from shared.wire.blocks import BlockHead


class Verdict(Enum):
    """What a block is to the log."""

    NEXT = auto()
    REPEAT = auto()
    STALE = auto()
    ANEW = auto()
    BEGINS = auto()
    HOLE = auto()


class Entry(NamedTuple):
    """A block of the log, and where its bytes are."""

    offset: int
    head: BlockHead


class BlockIndex:
    """Blocks of one site, in the order of its chain."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.epoch = 0

    def take(self, offset: int, head: BlockHead) -> Verdict:
        """Judges the next record of the site, and keeps it when it belongs."""
        verdict = self._judge(head)
        if verdict in (Verdict.NEXT, Verdict.ANEW, Verdict.BEGINS):
            if verdict is Verdict.ANEW:
                del self.entries[self._after(head.prev_hash) :]
            self.entries.append(Entry(offset, head))
            self.epoch = head.epoch
        return verdict

    def _judge(self, head: BlockHead) -> Verdict:
        if head.epoch < self.epoch:
            return Verdict.STALE
        if not self.entries:
            return Verdict.NEXT
        if head.prev_hash == self.entries[-1].head.head_hash:
            return Verdict.NEXT
        if head.epoch > self.epoch and self._after(head.prev_hash) >= 0:
            return Verdict.ANEW
        if self._after(head.head_hash) >= 0:
            return Verdict.REPEAT
        return Verdict.BEGINS if head.has_states else Verdict.HOLE

    def _after(self, digest: bytes) -> int:
        """The index behind the block whose chain ends with this hash; 0 for what the first follows, -1 for none."""
        if self.entries and digest == self.entries[0].head.prev_hash:
            return 0
        for at in range(len(self.entries), 0, -1):
            if self.entries[at - 1].head.head_hash == digest:
                return at
        return -1

    def from_seq(self, seq: int) -> int:
        """The index of the first block that ends at ``seq`` or later."""
        return bisect_left(self.entries, seq, key=lambda entry: entry.head.last_seq)

    def log_ids(self) -> list[tuple[int, str]]:
        """(first number, log_id) of each start that is here, in order."""
        found: list[tuple[int, str]] = []
        for _, head in self.entries:
            if not found or found[-1][1] != head.log_id:
                found.append((head.first_seq, head.log_id))
        return found
