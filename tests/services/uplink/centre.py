"""What a centre makes of the blocks that came: the plain way, one block after the other."""

from dataclasses import dataclass, field

from shared.wire.blocks import Block, decode_block
from shared.wire.rows import EventBytes, InputRow
from shared.wire.signing import PublicKey, SigningKey

KEY = SigningKey(bytes(range(32)))
KEYS = {KEY.id: KEY.public}


@dataclass
class Centre:
    """Takes what follows, passes over what it has, and notes what it can make nothing of."""

    key: PublicKey = KEY.public
    epoch: int = 0
    head: bytes = bytes(32)
    inputs: dict[tuple[str, int], InputRow] = field(default_factory=dict)
    events: dict[tuple[str, int, int], EventBytes] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    """site_seq of each input as it was taken first."""
    begun_at: list[int] = field(default_factory=list)
    """Where states came in."""
    starts: int = 0
    """Logs that began under a higher epoch."""
    holes: list[int] = field(default_factory=list)
    repeats: int = 0
    heads: set[bytes] = field(default_factory=lambda: {bytes(32)})
    """Of all links that were taken."""
    kept: int = 0
    """Blocks of folded intervals."""

    def take(self, data: bytes) -> None:
        block = decode_block(data, self.key)
        if block.epoch < self.epoch:
            self.repeats += 1
            return
        rises, self.epoch = block.epoch > self.epoch, block.epoch
        if block.states:
            self.begun_at.append(block.first_seq)
        elif rises and block.inputs[0].kind == "start":
            self.starts += 1
        elif block.prev_hash != self.head and block.prev_hash not in self.heads:
            self.holes.append(block.first_seq)
            return
        elif block.links[-1].hash in self.heads and not rises:
            self.repeats += 1
            return
        self._add(block)

    def _add(self, block: Block) -> None:
        self.kept += block.folded
        for row in block.inputs:
            if (block.log_id, row.site_seq) not in self.inputs:
                self.order.append(row.site_seq)
            self.inputs[block.log_id, row.site_seq] = row
        for event in block.events:
            self.events[block.log_id, event.site_seq, event.ordinal] = event
        self.heads |= {link.hash for link in block.links}
        self.head = block.head_hash


def made_of(blocks: list[bytes]) -> Centre:
    centre = Centre()
    for data in blocks:
        centre.take(data)
    return centre
