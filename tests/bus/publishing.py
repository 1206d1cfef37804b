"""A site in memory for the publisher's tests: events by FakeViews, frames as rows of a log, positions in a dict."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.site.mqtt_publisher import DeviceItem
from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.inputs import Tick
from shared.domain.units import NoData
from shared.log.port import InputRow
from shared.wire.inputs import encode_input


def frame(number: int, outcome: NoData = NoData.PRESENT) -> Frame:
    blocks = (Block(Table.HOLDING, 0, 2, number.to_bytes(4, "big")),) if outcome is NoData.PRESENT else ()
    return Frame("gas1", "b" * 32, number, 1_767_225_600_000 + number, 3, True, outcome, "", blocks)  # noqa: FBT003 - a tuple


@dataclass
class FakeFeed:
    """Implements services.site.mqtt_publisher.Feed."""

    rows: list[InputRow] = field(default_factory=list)
    positions: dict[str, bytes] = field(default_factory=dict)
    items: list[DeviceItem] = field(default_factory=lambda: [DeviceItem("gas1", "r1", True, "", 1_767_225_600_000)])  # noqa: FBT003

    def add_frames(self, count: int) -> None:
        """Frames with a tick between each two, as in a log."""
        for _ in range(count):
            for kind, body in (("frame", frame(len(self.rows) // 2 + 1)), ("tick", Tick("r1"))):
                seq = len(self.rows) + 1
                self.rows.append(InputRow(seq, kind, encode_input("l", seq, seq, seq, body)))

    def devices(self) -> Sequence[DeviceItem]:
        return self.items

    def head_seq(self) -> int:
        return len(self.rows)

    async def inputs_after(self, site_seq: int, limit: int) -> Sequence[InputRow]:
        return self.rows[site_seq : site_seq + limit]

    def position(self, name: str) -> bytes | None:
        return self.positions.get(name)

    def keep_position(self, name: str, value: bytes) -> None:
        self.positions[name] = value
