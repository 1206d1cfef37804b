"""What every adapter of the log port must do. An adapter's test inherits a class and gives the fixture ``log``.

LogContract is for every adapter. StoreContract is for those that keep a site's own log on its own disk, and not for
Kafka's: readers' positions, dead letters by hash, packing and folding mean nothing there (docs/adr/0075).
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.domain.errors import CursorUnknown
from shared.log.chain import GENESIS, kept_root, link, states_hash
from shared.log.port import Cursor, Folding, Group, Log
from shared.wire.plans import decision_version
from tests.contract.rows import LOG_ID, WALL_MS, event, frame, frames, row, start, tick

Reopen = Callable[[], Log]


class LogContract:
    """Inherit, and give ``log`` (empty) and ``reopen`` (the same log after a restart)."""

    def test_an_empty_log_stands_at_zero(self, log: Log) -> None:
        """Before the first input the head is number 0 and the chain's genesis."""
        head = log.head()
        assert (head.log_id, head.site_seq, head.hash, log.first_seq()) == ("", 0, GENESIS, 1)
        assert (list(log.inputs(0)), list(log.events(None)), log.snapshot()) == ([], [], None)

    def test_a_group_comes_back_as_it_was_given(self, log: Log, reopen: Reopen) -> None:
        """Inputs and events survive a restart byte for byte and in order."""
        log.commit(start())
        group = frames(2, 3, [event(2, 0, 1), event(4, 0, 2), event(4, 1, 3)])
        log.commit(group)
        again = reopen()
        assert tuple(again.inputs(1)) == group.inputs
        assert tuple(row for _, row in again.events(None)) == group.events

    def test_the_head_tells_the_last_input(self, log: Log, reopen: Reopen) -> None:
        """log_id, number, tick and stamp are those of the last input, before and after a restart."""
        log.commit(start())
        head = log.commit(frames(2, 3))
        assert head[:4] == (LOG_ID, 4, 400, WALL_MS + 400)
        assert log.head() == head
        assert reopen().head() == head

    def test_each_group_is_one_link_of_the_chain(self, log: Log) -> None:
        """The head's hash is what the chain's definition makes of the groups."""
        groups = [start(), frames(2, 3, [event(2, 0, 1)]), tick(5)]
        previous = GENESIS
        for group in groups:
            previous = link(previous, group.inputs, group.events).hash
            assert log.commit(group).hash == previous
        assert [stretch.last_seq for stretch in log.stretches()] == [1, 4, 5]
        assert [stretch.last_seq for stretch in log.stretches(4)] == [5]
        assert all(stretch.bad == 0 and not stretch.folded for stretch in log.stretches())

    def test_the_numbers_are_dense(self, log: Log) -> None:
        """A number that falls, repeats or leaves a hole is the writer's mistake and changes nothing."""
        log.commit(start())
        for wrong in (frames(1, 1), frames(3, 1), replace(frames(2, 1), inputs=frames(2, 1).inputs * 2)):
            with pytest.raises(AssertionError):
                log.commit(wrong)
        assert log.head().site_seq == 1
        assert len(list(log.inputs(0))) == 1

    def test_a_declared_hole_is_kept(self, log: Log, reopen: Reopen) -> None:
        """What was lost while undurable leaves its numbers free."""
        log.commit(start())
        log.commit(replace(frames(10, 2), hole=True))
        assert [row.site_seq for row in reopen().inputs(0)] == [1, 10, 11]

    def test_reading_is_by_position_and_limit(self, log: Log) -> None:
        """Inputs come after a number, events after a cursor, at most as many as asked for."""
        log.commit(start())
        log.commit(frames(2, 5, [event(seq, n, seq * 2 + n) for seq in range(2, 7) for n in (0, 1)]))
        assert [row.site_seq for row in log.inputs(3, 2)] == [4, 5]
        first = list(log.events(None, 3))
        assert [cursor[1:] for cursor, _ in first] == [(2, 0), (2, 1), (3, 0)]
        rest = list(log.events(first[-1][0], 100))
        assert next(cursor[1:] for cursor, _ in rest) == (3, 1)
        assert len(first) + len(rest) == 10

    def test_a_cursor_of_lost_numbers_goes_on_where_its_log_id_ended(self, log: Log) -> None:
        """Numbers lost with a power cut come again under another log_id: such a reader misses none of the new ones."""
        log.commit(start())
        log.commit(frames(2, 1, [event(2, 0, 1)]))
        log.commit(start(3, "b" * 32))
        log.commit(frames(4, 1, [event(4, 0, 2)]))
        lost = Cursor(LOG_ID, 9, 3)
        assert [cursor for cursor, _ in log.events(lost)] == [Cursor("b" * 32, 4, 0)]
        with pytest.raises(CursorUnknown):
            list(log.events(Cursor("c" * 32, 1, 0)))

    def test_bodies_are_kept_by_their_hash(self, log: Log, reopen: Reopen) -> None:
        """Rule sets come back by the name they were given."""
        name = decision_version(b"body")
        log.commit(replace(start(), rulesets={name: b"body"}))
        again = reopen()
        assert (again.ruleset(name), again.ruleset(decision_version(b"other"))) == (b"body", None)

    def test_a_snapshot_is_of_the_moment_before_its_group(self, log: Log, reopen: Reopen) -> None:
        """The newest, or the newest at or before a number; its hash is over the states."""
        log.commit(start())
        for seq in (2, 5):
            log.commit(replace(frames(seq, 3), snapshots={"r1": b"%d" % seq, "": b"v"}))
        again = reopen()
        newest, older = again.snapshot(), again.snapshot(3)
        assert newest is not None and older is not None
        assert (newest.site_seq, newest.log_id, newest.states) == (4, LOG_ID, {"r1": b"5", "": b"v"})
        assert older.site_seq == 1
        assert again.snapshot(0) is None
        assert again.snapshots() == ((1, states_hash(older.states)), (4, states_hash(newest.states)))

    def test_a_reader_sees_what_was_committed(self, log: Log) -> None:
        """A second view of the same log, for another thread."""
        log.commit(start())
        reader = log.reader()
        log.commit(tick(2))
        assert reader.head() == log.head()
        assert len(list(reader.inputs(0))) == 2


class StoreContract(LogContract):
    """Inherit where the log is the site's own, on its own disk."""

    def test_positions_are_part_of_the_group(self, log: Log, reopen: Reopen) -> None:
        """A reader's position is stored with the group, or alone."""
        log.commit(replace(start(), positions={"guard": b"7"}))
        log.commit(Group((), (), positions={"mqtt": b"1", "guard": b"8"}))
        again = reopen()
        assert (again.position("guard"), again.position("mqtt"), again.position("none")) == (b"8", b"1", None)
        assert again.positions() == {"guard": b"8", "mqtt": b"1"}
        assert again.head().site_seq == 1

    def test_dead_letters_are_kept_by_their_hash(self, log: Log, reopen: Reopen) -> None:
        """What could not be read comes back byte for byte by the name it was given."""
        log.commit(replace(start(), dead_letters={"h": b"\x00poison"}))
        again = reopen()
        assert (again.dead_letter("h"), again.dead_letter("g")) == (b"\x00poison", None)

    def test_dead_letters_are_capped(self, log: Log) -> None:
        """Beyond a thousand the oldest go."""
        log.commit(replace(start(), dead_letters={f"h{n}": b"x" for n in range(1000)}))
        log.commit(Group((), (), dead_letters={"last": b"x"}))
        assert (log.dead_letter("h0"), log.dead_letter("h1"), log.dead_letter("last")) == (None, b"x", b"x")

    def test_packing_changes_nothing_that_is_read(self, log: Log, reopen: Reopen) -> None:
        """After housekeeping every input, event, link and hash is the same as before."""
        log.commit(start())
        for first in range(2, 12_000, 10):
            snapshots = {"r1": b"x"} if first in (4002, 7002) else {}
            group = frames(first, 10, [event(first + 3, 0, first)])
            log.commit(replace(group, snapshots=snapshots))
        before = _everything(log)
        while log.tidy():
            pass
        assert _everything(log) == before
        again = reopen()
        assert _everything(again) == before
        stretches = list(again.stretches())
        assert [link for stretch in stretches for link in stretch.links] == [1, *range(11, 12_002, 10)]
        assert {4001, 7001} <= {stretch.last_seq for stretch in stretches}
        assert [row.site_seq for row in again.inputs(5005, 3)] == [5006, 5007, 5008]
        assert [row.site_seq for _, row in again.events(Cursor(LOG_ID, 5005, 0), 2)] == [5015, 5025]

    def test_a_folded_interval_keeps_what_it_was_told_to(self, log: Log, reopen: Reopen) -> None:
        """Frames go, kept inputs and all events stay, the chain goes on from the same hash, its snapshots go."""
        log.commit(start())
        log.commit(replace(frames(2, 10, [event(3, 0, 1)]), snapshots={"r1": b"1"}))
        log.commit(replace(tick(12), snapshots={"r1": b"2"}))
        log.commit(tick(13))
        at_eleven = next(stretch for stretch in log.stretches(10)).hash
        head = log.commit(replace(tick(14), folding=Folding(1, 11, frozenset({1, 3}))))
        again = reopen()
        folded, *rest = again.stretches()
        assert (folded.first_seq, folded.last_seq, folded.folded, folded.hash) == (1, 11, True, at_eleven)
        assert [row.site_seq for row in folded.inputs] == [1, 3]
        assert [row.site_seq for row in folded.events] == [3]
        assert kept_root(folded.inputs, folded.events) == kept_root(
            (start().inputs[0], row(3, frame(3))), (event(3, 0, 1),)
        )
        assert [stretch.last_seq for stretch in rest] == [12, 13, 14]
        assert [seq for seq, _ in again.snapshots()] == [11]
        assert again.head() == head


def _everything(log: Log) -> tuple[object, ...]:
    return (
        list(log.inputs(0, 20_000)),
        list(log.events(None, 20_000)),
        log.head(),
        log.snapshots(),
    )
