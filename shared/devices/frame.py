"""A frame: the raw bytes of one scan of one device, as they came, with address, id and outcome.

Nothing decoded is stored as truth: a frame is what the log keeps and what every alarm can be derived from again.
"""

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
