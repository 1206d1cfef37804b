"""What was taken already is known, within a stated number."""

from services.bridge.seen import RECENT, Seen
from shared.devices.frame import Frame
from shared.domain.units import NoData


def frame(number: int, device: str = "gas1", boot: str = "b1") -> Frame:
    return Frame(device, boot, number, 0, 0, False, NoData.TIMEOUT, "", ())  # noqa: FBT003 - a tuple


def test_a_frame_is_new_once() -> None:
    """Whatever came between; another device's or another boot's same number is another frame."""
    seen = Seen()
    assert [seen.is_new(frame(number)) for number in (1, 2, 1, 3, 2)] == [True, True, False, True, False]
    assert seen.is_new(frame(1, device="gas2"))
    assert seen.is_new(frame(1, boot="b2"))


def test_what_came_late_is_new_when_it_never_came() -> None:
    """The core says that it is late; here it is only no repeat."""
    seen = Seen()
    assert [seen.is_new(frame(number)) for number in (1, 3, 2, 2)] == [True, True, True, False]


def test_the_log_is_remembered() -> None:
    """After a start nothing that the log has is taken again."""
    seen = Seen()
    seen.remember(map(frame, range(10)))
    assert not any(seen.is_new(frame(number)) for number in range(10))


def test_what_is_remembered_is_bounded() -> None:
    """The oldest go; what is left are the newest."""
    seen = Seen()
    seen.remember(map(frame, range(RECENT + 1)))
    assert not seen.is_new(frame(1))
    assert seen.is_new(frame(0))
