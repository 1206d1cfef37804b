"""What guard keeps until the site process has it."""

from hypothesis import given
from hypothesis import strategies as st

from services.guard.outbox import FRAME_BYTES_MAX, KEEP_MS, REPORTS_MAX, Outbox
from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.inputs import Report
from shared.domain.units import NoData

REPORT = Report("write", "demo/r1/io1-do0", on=True, pulse=True, detail="")


def frame(seq: int, size: int = 2) -> Frame:
    block = Block(Table.HOLDING, 0, size // 2, bytes(size))
    return Frame("gas1", "boot", seq, 0, 1, synced=False, outcome=NoData.PRESENT, detail="", blocks=(block,))


def kept(outbox: Outbox, after: int = 0) -> list[int]:
    found = []
    while (item := outbox.next_after(after)) is not None:
        found.append(item.n)
        after = item.n
    return found


def test_everything_comes_back_in_order_until_it_is_acked() -> None:
    """Numbers are dense from 1; an ack covers everything up to it."""
    outbox = Outbox()
    for seq in range(5):
        outbox.add(frame(seq), seq)
    outbox.add(REPORT, 5)
    assert kept(outbox) == [1, 2, 3, 4, 5, 6]
    outbox.ack(4)
    assert kept(outbox) == [5, 6]
    assert kept(outbox, 5) == [6]
    assert outbox.dropped == 0


def test_frames_go_after_a_minute_and_reports_stay() -> None:
    """A site process that is away for an hour finds every Report and the last minute of frames."""
    outbox = Outbox()
    outbox.add(REPORT, 0)
    for second in range(3_600):
        outbox.add(frame(second), second * 1_000)
    assert kept(outbox)[0] == 1
    assert len(outbox) == KEEP_MS // 1_000 + 2
    assert outbox.dropped == 3_600 - KEEP_MS // 1_000 - 1


def test_memory_has_a_limit_whatever_the_frames_hold() -> None:
    """The largest frames there are do not make guard grow beyond its bound."""
    outbox = Outbox()
    for seq in range(200):
        outbox.add(frame(seq, size=250_000), seq)
    assert len(outbox) * 250_000 <= FRAME_BYTES_MAX


def test_reports_have_a_limit_too() -> None:
    """Beyond it the oldest go, and are counted."""
    outbox = Outbox()
    for number in range(REPORTS_MAX + 10):
        outbox.add(REPORT, number)
    assert len(outbox) == REPORTS_MAX
    assert outbox.dropped == 10


def test_an_ack_of_what_was_never_sent_acks_no_more_than_there_is() -> None:
    """The next frame is kept all the same."""
    outbox = Outbox()
    outbox.add(frame(1), 1)
    outbox.ack(1_000)
    outbox.add(frame(2), 2)
    assert kept(outbox) == [2]


@given(st.lists(st.one_of(st.just("frame"), st.just("report"), st.integers(0, 40)), max_size=80))
def test_what_is_neither_acked_nor_too_old_is_there(steps: list[str | int]) -> None:
    """Any order of frames, Reports and acks: exactly the numbers above the highest ack remain, in order."""
    outbox, acked, count = Outbox(), 0, 0
    for step in steps:
        if isinstance(step, int):
            outbox.ack(step)
            acked = max(acked, min(step, count))
        else:
            count += 1
            outbox.add(frame(count) if step == "frame" else REPORT, count)
    assert kept(outbox) == list(range(acked + 1, count + 1))
