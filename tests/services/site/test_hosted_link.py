"""What a hosted site's devices hand in on its way to the log."""

from services.bridge.pulse import UNKNOWN_MS
from services.bridge.session import Broker, Poison
from services.site.hosted_link import HostedLink
from services.site.writer import Item, Writer
from shared.bus.address import Credentials, parse_url
from shared.devices.frame import Frame
from shared.domain.units import NoData
from shared.runtime.clocks import ManualClock


class Taken(Writer):
    """What would be written."""

    def __init__(self) -> None:
        super().__init__(lambda _: False, lambda _: None, lambda: None)
        self.items: list[Item] = []

    def put(self, item: Item) -> None:
        self.items.append(item)


def test_a_frame_was_made_before_it_waited() -> None:
    """After a pause of this process the log's time is that of what comes: a frame that waited does not become new."""
    clock, taken = ManualClock(mono=2 * UNKNOWN_MS), Taken()
    broker = Broker(parse_url("mqtt://127.0.0.1:1"), Credentials)
    link = HostedLink("far", broker, taken, clock, "", frozenset, lambda: iter(()))
    for n, age_ms in enumerate((0, 700, UNKNOWN_MS)):
        link.take(Frame("gas1", "b1", n, 0, age_ms, False, NoData.TIMEOUT, "", ()), n)  # noqa: FBT003 - a tuple
    link.take(Poison(b"x", "", "no frame"), 3)
    made = [clock.mono - item.source.made_ms for item in taken.items if item.source and item.source.made_ms >= 0]
    assert made == [0, 700, 0]
    assert [item.source and item.source.made_ms for item in taken.items][2] == -1
