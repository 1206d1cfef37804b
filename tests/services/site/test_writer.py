"""The writer's groups: who is committed with whom, and what happens between two groups."""

import threading
from collections.abc import Iterator

import pytest

from services.site.writer import GROUP_BYTES, Item, Writer
from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.errors import LogError
from shared.domain.inputs import Command, What
from shared.domain.units import NoData
from tests.services.site.fake_guard import frame
from tests.testkit.process import wait_for


class Notes:
    """What the writer committed, and a brake that holds a commit up."""

    def __init__(self) -> None:
        self.groups: list[list[Item]] = []
        self.go = threading.Event()
        self.go.set()
        self.in_commit = threading.Event()
        self.turns = 0
        self.offered = 0
        self.urgent: set[int] = set()
        """Numbers of frames that raise an alarm."""
        self.writer = Writer(self._offer, self._commit, self._idle)

    def _offer(self, item: Item) -> bool:
        self.offered += 1
        body = item.body
        return isinstance(body, Command) or (isinstance(body, Frame) and body.device_seq in self.urgent)

    def _commit(self, items: list[Item]) -> None:
        self.in_commit.set()
        self.go.wait(60)
        self.groups.append(items)

    def _idle(self) -> None:
        self.turns += 1


@pytest.fixture
def notes() -> Iterator[Notes]:
    made = Notes()
    made.writer.start()
    yield made
    made.go.set()
    made.writer.end(5)


def ack(number: int) -> Command:
    return Command(f"c{number}", What.ACK, "s/r1/p/h2_alarm", "", None, "seen", "anna", 0)


def test_what_comes_while_a_commit_runs_is_one_group(notes: Notes) -> None:
    """One fsync for all of it."""
    notes.go.clear()
    notes.writer.put(Item(frame(1)))
    assert notes.in_commit.wait(60)
    for seq in range(2, 50):
        notes.writer.put(Item(frame(seq)))
    notes.go.set()
    wait_for(lambda: sum(map(len, notes.groups)) == 49, within_s=60)
    assert [len(group) for group in notes.groups] == [1, 48]


def test_an_alarm_closes_its_group(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames wait for others to share an fsync with; one that raises an alarm takes them along at once."""
    monkeypatch.setattr("services.site.writer.GROUP_S", 3600.0)
    monkeypatch.setattr("services.site.writer.TURN_S", 3600.0)
    notes.urgent = {3}
    for seq in (1, 2):
        notes.writer.put(Item(frame(seq)))
    wait_for(lambda: notes.offered == 2, within_s=60)
    assert notes.groups == [], "stepped at once, acted on only after the commit"
    notes.writer.put(Item(frame(3)))
    wait_for(lambda: [len(group) for group in notes.groups] == [3], within_s=60)


def test_order_is_kept(notes: Notes) -> None:
    """The log's order is the order of arrival."""
    for seq in range(500):
        notes.writer.put(Item(frame(seq)))
    wait_for(lambda: sum(map(len, notes.groups)) == 500, within_s=60)
    seqs = [item.body.device_seq for group in notes.groups for item in group if isinstance(item.body, Frame)]
    assert seqs == list(range(500))


def test_a_large_group_is_closed(notes: Notes) -> None:
    """At most 256 KiB and one frame are committed together."""
    big = frame(1)._replace(outcome=NoData.PRESENT, blocks=(Block(Table.HOLDING, 0, 20_000, bytes(40_000)),))
    notes.go.clear()
    notes.writer.put(Item(big))
    assert notes.in_commit.wait(60)
    for _ in range(20):
        notes.writer.put(Item(big))
    notes.go.set()
    wait_for(lambda: sum(map(len, notes.groups)) == 21, within_s=60)
    assert max(len(group) for group in notes.groups) <= GROUP_BYTES // 40_000 + 1


def test_a_call_is_done_between_groups(notes: Notes) -> None:
    """Rule changes and snapshots need the runner to themselves."""
    notes.writer.put(Item(frame(1)))
    assert notes.writer.call(lambda: threading.current_thread().name).result(60) == "writer"


def test_a_call_that_fails_says_so_to_its_caller(notes: Notes) -> None:
    """And the writer goes on."""

    def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        notes.writer.call(fails).result(60)
    notes.writer.put(Item(ack(1)))
    wait_for(lambda: bool(notes.groups), within_s=60)


def test_the_end_commits_what_is_queued(notes: Notes) -> None:
    """A clean stop loses nothing that was handed in."""
    for seq in range(100):
        notes.writer.put(Item(frame(seq)))
    notes.writer.end(60)
    assert sum(map(len, notes.groups)) == 100
    assert not notes.writer.is_alive()


def test_a_commit_that_breaks_ends_the_writer_with_its_reason() -> None:
    """The process ends and is started again: nothing goes on half decided."""

    def breaks(items: list[Item]) -> None:
        raise RuntimeError(f"cannot commit {len(items)}")

    writer = Writer(lambda _item: False, breaks, lambda: None)
    threading.excepthook, before = (lambda _arguments: None), threading.excepthook
    try:
        writer.start()
        writer.put(Item(frame(1)))
        writer.join(60)
    finally:
        threading.excepthook = before
    assert isinstance(writer.failed, RuntimeError)


def test_time_is_looked_at_while_nothing_comes(notes: Notes) -> None:
    """Ticks, leases and the sign of life need no input."""
    wait_for(lambda: notes.turns >= 3, within_s=60)
    assert notes.groups == []


def test_who_wants_something_done_does_not_wait_for_ever_for_a_full_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that is ended while it is stuck empties its queue no more: who waits for a place in it is told so."""
    monkeypatch.setattr("services.site.writer.QUEUE_MAX", 1)
    monkeypatch.setattr("services.site.writer.WAIT_S", 0.05)
    notes, asked = Notes(), []
    notes.go.clear()
    notes.writer.start()
    notes.writer.put(Item(frame(1)))
    assert notes.in_commit.wait(60)
    notes.writer.put(Item(frame(2)))
    waiting = threading.Thread(target=lambda: asked.append(notes.writer.call(lambda: None)), daemon=True)
    waiting.start()
    notes.writer.end(0.1)
    waiting.join(30)
    ended = list(asked)
    notes.go.set()
    notes.writer.end(60)
    assert len(ended) == 1
    with pytest.raises(LogError, match="its queue is full"):
        ended[0].result(0)
