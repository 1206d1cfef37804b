"""The log in memory: the reference adapter, for tests, the simulator and the oracle of replay.

Promises: what tests/contract/log_contract.py asks of every adapter, except that nothing outlives the process. ``fail``
makes the next commits raise, as a full disk would. Limits: everything stays in memory; nothing is ever packed.
"""

from collections.abc import Iterator
from dataclasses import replace

from shared.domain.errors import LogError
from shared.log.chain import GENESIS, Link, link, states_hash
from shared.log.order import END, check_group, log_id_at, resume_place
from shared.log.port import Cursor, EventRow, Group, Head, InputRow, Snapshot, Stretch
from shared.wire.inputs import decode_input

DEAD_LETTERS_MAX = 1000
IS_FOLDED = True


class MemoryLog:
    """See the module. One object is the writer and every reader."""

    def __init__(self, start_after: int = 0, follows: bytes = GENESIS) -> None:
        self.start_after = start_after
        """The last site_seq of the log before this one."""
        self.follows = follows
        self.spare = 0
        """What ``spare_bytes`` says."""
        self.fail: list[LogError] = []
        """Each commit takes the first of these and raises it."""
        self._inputs: dict[int, InputRow] = {}
        self._events: dict[int, tuple[EventRow, ...]] = {}
        self._stretches: list[tuple[Link, bool]] = []
        self._positions: dict[str, bytes] = {}
        self._rulesets: dict[str, bytes] = {}
        self._dead: dict[str, bytes] = {}
        self._snapshots: dict[int, Snapshot] = {}
        self._log_ids: list[tuple[int, str]] = []
        self._head: Head | None = None

    def head(self) -> Head:
        return self._head or Head("", self.start_after, 0, 0, self.follows)

    def first_seq(self) -> int:
        return self.start_after + 1

    def genesis(self) -> bytes:
        return self.follows

    def commit(self, group: Group) -> Head:
        if self.fail:
            raise self.fail.pop(0)
        head = self.head()
        if group.inputs:
            check_group(head, group)
            head = self._append(head, group)
        self._positions.update(group.positions)
        self._rulesets.update(group.rulesets)
        self._dead.update(group.dead_letters)
        while len(self._dead) > DEAD_LETTERS_MAX:
            del self._dead[next(iter(self._dead))]
        if group.folding is not None:
            self._fold(group.folding.first_seq, group.folding.last_seq, group.folding.keep)
        return head

    def _append(self, head: Head, group: Group) -> Head:
        made = link(head.hash, group.inputs, group.events)
        if group.log_id:
            self._log_ids.append((made.first_seq, group.log_id))
        if group.snapshots:
            at = made.first_seq - 1
            self._snapshots[at] = Snapshot(head.log_id, at, dict(group.snapshots))
        self._inputs.update((row.site_seq, row) for row in group.inputs)
        for row in group.events:
            self._events[row.site_seq] = (*self._events.get(row.site_seq, ()), row)
        self._stretches.append((made, not IS_FOLDED))
        last = decode_input(group.inputs[-1].data)
        self._head = Head(group.log_id or head.log_id, made.last_seq, last.tick_ms, last.at_ms, made.hash)
        return self._head

    def _fold(self, first: int, last: int, keep: frozenset[int]) -> None:
        for seq in [seq for seq in self._inputs if first <= seq <= last and seq not in keep]:
            del self._inputs[seq]
        inside = [made for made, _ in self._stretches if first <= made.first_seq and made.last_seq <= last]
        one = replace(inside[-1], first_seq=first)
        before = [each for each in self._stretches if each[0].last_seq < first]
        after = [each for each in self._stretches if each[0].first_seq > last]
        self._stretches = [*before, (one, IS_FOLDED), *after]
        for seq in [seq for seq in self._snapshots if seq < last]:
            del self._snapshots[seq]

    def inputs(self, after_seq: int, limit: int = 1000) -> Iterator[InputRow]:
        yield from sorted(row for seq, row in self._inputs.items() if seq > after_seq)[:limit]

    def events(self, after: Cursor | None, limit: int = 1000) -> Iterator[tuple[Cursor, EventRow]]:
        place = (0, -1) if after is None else resume_place(after, self._log_ids)
        rows = (row for seq in sorted(self._events) if seq >= place[0] for row in self._events[seq])
        chosen = (row for row in rows if (row.site_seq, row.ordinal) > place)
        for _, row in zip(range(limit), chosen, strict=False):
            yield Cursor(log_id_at(row.site_seq, self._log_ids), row.site_seq, row.ordinal), row

    def position(self, name: str) -> bytes | None:
        return self._positions.get(name)

    def positions(self) -> dict[str, bytes]:
        return dict(self._positions)

    def ruleset(self, version: str) -> bytes | None:
        return self._rulesets.get(version)

    def dead_letter(self, sha256: str) -> bytes | None:
        return self._dead.get(sha256)

    def snapshot(self, at_or_before: int | None = None) -> Snapshot | None:
        limit = END if at_or_before is None else at_or_before
        chosen = [seq for seq in self._snapshots if seq <= limit]
        return self._snapshots[max(chosen)] if chosen else None

    def folded_to(self) -> int:
        return max((made.last_seq for made, folded in self._stretches if folded), default=self.start_after)

    def snapshots(self) -> tuple[tuple[int, bytes], ...]:
        return tuple((seq, states_hash(self._snapshots[seq].states)) for seq in sorted(self._snapshots))

    def stretches(self, after_seq: int = 0) -> Iterator[Stretch]:
        for made, folded in list(self._stretches):
            if made.last_seq <= after_seq:
                continue
            inputs = tuple(sorted(row for seq, row in self._inputs.items() if made.first_seq <= seq <= made.last_seq))
            events = tuple(
                row
                for seq in sorted(self._events)
                if made.first_seq <= seq <= made.last_seq
                for row in self._events[seq]
            )
            yield Stretch(made.first_seq, made.last_seq, (made.last_seq,), made.hash, folded, inputs, events, 0)

    def log_ids(self) -> tuple[tuple[int, str], ...]:
        return tuple(self._log_ids)

    def check(self) -> None:
        """Nothing changes behind the back of a dictionary."""

    def spare_bytes(self) -> int:
        return self.spare

    def tidy(self) -> bool:
        return False

    def reader(self) -> "MemoryLog":
        return self

    def close(self) -> None:
        """Nothing to give back: the same object may be opened again, as after a restart."""
