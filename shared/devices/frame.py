"""A frame: the raw bytes of one scan of one device, as they came, with address, id and outcome.

Nothing decoded is stored as truth: a frame is what the log keeps and what every alarm can be derived from again.
"""

from collections.abc import Sequence
from typing import NamedTuple

from shared.devices.profile import Table
from shared.domain.units import NoData


class Block(NamedTuple):
    """One batched read of ``size`` registers or bits.

    Registers are two bytes each, high byte first; bits are packed, the lowest address in bit 0.
    """

    table: Table
    address: int
    size: int
    words: bytes


class Frame(NamedTuple):
    """One scan, or a failed or skipped poll with its typed reason and no blocks."""

    device: str
    boot: str
    """Random id of the guard process that polled: device_seq starts again with it."""
    device_seq: int
    sampled_at_ms: int
    """Wall clock at the poll, UTC; for history only."""
    age_ms: int
    """Monotonic milliseconds from the poll to the hand-over to the log."""
    synced: bool
    """Whether the wall clock was synchronised."""
    outcome: NoData
    detail: str
    blocks: tuple[Block, ...]


class FrameRun(NamedTuple):
    """Frames of one device and boot that follow one another, with values, read as columns."""

    device: str
    boot: str
    log_id: str
    site_seq: int
    """Of the first; the next ones rise by one."""
    device_seq: int
    """Of the first; the next ones rise by one."""
    ticks: Sequence[int]
    """Never falling."""
    stamps: Sequence[int]
    """Wall clock's, of each input."""
    sampled_at: Sequence[int]
    ages: Sequence[int]
    layout: tuple[tuple[Table, int, int], ...]
    """(table, address, size) of the blocks of each."""
    words: bytes
    """Of all frames, one after another."""

    @property
    def frames(self) -> int:
        return len(self.ticks)

    def shortened(self, count: int) -> "FrameRun":
        """The first ``count`` of them."""
        if count == self.frames:
            return self
        size = len(self.words) // self.frames
        return self._replace(
            ticks=self.ticks[:count],
            stamps=self.stamps[:count],
            sampled_at=self.sampled_at[:count],
            ages=self.ages[:count],
            words=self.words[: count * size],
        )
