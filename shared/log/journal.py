"""The log behind a ring in memory: groups go on being taken while the disk takes none.

    append -> log.commit        durable
                 | LogFull: free the ballast but for its last part, once more
                 | LogFull, LogBroken, LogDamaged
                 v
              the ring          undurable; tried again once a second, in order, before anything new

Promises: what the ring still holds is written in order before anything that came later; a group that landed although
its fsync failed is not written twice. Raises LogDamaged when the log, opened again, is not what was written: then
the process ends, and its next start sets the log aside.
Limits: 60 s or 32 MiB of groups [2,500 frames a second of 200 readings with their events: 3 s; a usual site: all 60 s].
Beyond, the oldest go: frames and Ticks first, up to the next checkpoint, a group that holds a Resync of every room, so
that replay starts again there; commands, Reports and events before it stay as evidence, at most 8 MiB of them. On a
full disk this evidence is written at once, into the last part of the ballast: a person's act is not only in memory for
longer than the ring is. From then on the ring is written only when the disk has room for all of it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from shared.domain.errors import LogDamaged, LogError, LogFull
from shared.log.port import EventRow, Group, InputRow, Log
from shared.log.store import Store, write_groups

RING_MS_MAX = 60_000
RING_BYTES_MAX = 32 << 20
EVIDENCE_BYTES_MAX = 8 << 20
CHECKPOINT_MS = 20_000
"""A third of the ring: so much more than needed is lost at most."""
CHECKPOINT_BYTES = RING_BYTES_MAX // 4
RETRY_MS = 1_000
ROOM_BYTES = 4 << 20
"""A WAL as long as it gets between two checkpoints."""
_REPLACEABLE = {"frame", "tick", "resync"}


class Open(Protocol):
    def __call__(self, groups: Sequence[Group], *, is_tight: bool = False) -> Log:
        """Opens the log again and writes these groups; raises LogError when it cannot yet.

        ``is_tight``: no byte that is still free goes into anything else.
        """
        ...


class _Held(NamedTuple):
    group: Group
    at_ms: int
    size: int
    is_checkpoint: bool


class Journal:
    """One owner, the writer. ``log`` is None while the log cannot be written."""

    def __init__(self, log: Log | None, open_log: Open, store: Store) -> None:
        self._log = log
        self._open = open_log
        self._store = store
        self._ring: deque[_Held] = deque()
        self._tried_at_ms = -RETRY_MS
        self.trouble = ""
        """Why the log is undurable; "" while it is durable."""
        self.lost = 0
        """Inputs that fell out of the ring since it began."""
        self.is_full = False
        """The trouble is a full disk."""
        self._is_last_out = False
        """The last part of the ballast is given up."""

    @property
    def log(self) -> Log | None:
        """The log, when it can be written and nothing waits in the ring."""
        return None if self._ring else self._log

    def append(self, group: Group, now_ms: int, *, is_checkpoint: bool = False) -> bool:
        """Takes the group; True when it is durable on return."""
        if self._log is not None and not self._ring and self._commit(group):
            return True
        self._ring.append(_Held(group, now_ms, group_size(group), is_checkpoint))
        if self.retry_due(now_ms):
            self.retry(now_ms)
        self._trim(now_ms)
        return not self._ring

    def _commit(self, group: Group) -> bool:
        assert self._log is not None
        try:
            self._log.commit(group)
        except LogFull as fault:
            return (self._store.free_ballast() and self._commit(group)) or self._failed(fault)
        except LogError as fault:
            return self._failed(fault)
        return True

    def _failed(self, fault: LogError) -> bool:
        self.trouble = f"{type(fault).__name__}: {fault}"
        self.is_full = isinstance(fault, LogFull)
        self._log = None
        return False

    def retry(self, now_ms: int) -> bool:
        """Tries to write the ring now; True when nothing waits any more."""
        self._tried_at_ms = now_ms
        if not self._ring and self._log is not None:
            return True
        if self._is_last_out and not self._has_room():
            return False
        groups = [held.group for held in self._ring]
        try:
            self._log = self._open(groups)
        except LogDamaged:
            raise
        except LogFull as fault:
            return (self._store.free_ballast() and self.retry(now_ms)) or self._failed(fault)
        except LogError as fault:
            return self._failed(fault)
        self._ring.clear()
        self.is_full = self._is_last_out = False
        self.trouble = ""
        self.lost = 0
        return True

    def _has_room(self) -> bool:
        """Enough for all that waits, so that what was kept for commands is not filled with frames."""
        return self._store.free_bytes() >= ROOM_BYTES + sum(held.size for held in self._ring)

    def retry_due(self, now_ms: int) -> bool:
        return now_ms - self._tried_at_ms >= RETRY_MS

    def suspect(self) -> None:
        """The log failed at something else than a commit: the next group opens it again."""
        self._log = None

    @property
    def committed(self) -> Log | None:
        """The log as far as it is written, whatever waits in the ring."""
        return self._log

    def waiting(self) -> list[InputRow]:
        """Inputs that are in the ring only."""
        return [row for held in self._ring for row in held.group.inputs]

    def wants_checkpoint(self, now_ms: int) -> bool:
        """Whether a Resync of every room should be appended now, so that the oldest can go."""
        if not self._ring:
            return False
        size = 0
        for held in reversed(self._ring):
            if held.is_checkpoint:
                return size > CHECKPOINT_BYTES or now_ms - held.at_ms >= CHECKPOINT_MS
            size += held.size
        return True

    def _trim(self, now_ms: int) -> None:
        while self._is_over(now_ms):
            later = (n for n, held in enumerate(self._ring) if n > 0 and held.is_checkpoint)
            index = next(later, None)
            if index is None:
                return
            dropped = [self._ring.popleft().group for _ in range(index)]
            checkpoint = self._ring.popleft()
            merged = _merge(dropped, checkpoint.group)
            self.lost += sum(len(group.inputs) for group in (*dropped, checkpoint.group)) - len(merged.inputs)
            self._ring.appendleft(_Held(merged, checkpoint.at_ms, group_size(merged), is_checkpoint=True))
            is_evidence = any(row.kind not in _REPLACEABLE for row in merged.inputs)
            if self.is_full and is_evidence and len(self._ring) > 1:
                self._keep_evidence(merged)

    def _keep_evidence(self, merged: Group) -> None:
        """What stays of the oldest goes to the disk, for which the last of the ballast was kept.

        It is freed when the log is open: to close one moves as much of its WAL as there is room for.
        """
        try:
            self._log = self._log or self._open((), is_tight=True)
            self._is_last_out = self._store.free_last_ballast() or self._is_last_out
            write_groups(self._log, [merged])
        except LogDamaged:
            raise
        except LogError as fault:
            self._failed(fault)
            return
        self._ring.popleft()

    def _is_over(self, now_ms: int) -> bool:
        total = sum(held.size for held in self._ring)
        return total > RING_BYTES_MAX or now_ms - self._ring[0].at_ms > RING_MS_MAX if self._ring else False

    def position(self, name: str) -> bytes | None:
        """The newest value, in the ring or in the log."""
        for held in reversed(self._ring):
            if name in held.group.positions:
                return held.group.positions[name]
        return None if self._log is None else self._log.position(name)

    def ruleset(self, version: str) -> bytes | None:
        for held in reversed(self._ring):
            if version in held.group.rulesets:
                return held.group.rulesets[version]
        return None if self._log is None else self._log.ruleset(version)

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


def group_size(group: Group) -> int:
    """Bytes that a group holds in memory, about."""
    return sum(len(row.data) + 200 for row in group.inputs) + sum(len(row.data) + 300 for row in group.events)


def _merge(dropped: list[Group], checkpoint: Group) -> Group:
    """One group: what must stay of the dropped ones, then the checkpoint."""
    inputs = [row for group in dropped for row in group.inputs if row.kind not in _REPLACEABLE]
    events = [row for group in dropped for row in group.events]
    size = sum(len(row.data) for row in inputs) + sum(len(row.data) for row in events)
    if size > EVIDENCE_BYTES_MAX:
        inputs, events = _youngest(inputs, events)
    positions: dict[str, bytes] = {}
    rulesets: dict[str, bytes] = {}
    dead_letters: dict[str, bytes] = {}
    for group in (*dropped, checkpoint):
        positions.update(group.positions)
        rulesets.update(group.rulesets)
        dead_letters.update(group.dead_letters)
    return replace(
        checkpoint,
        inputs=(*inputs, *checkpoint.inputs),
        events=(*events, *checkpoint.events),
        positions=positions,
        rulesets=rulesets,
        dead_letters=dead_letters,
        log_id=checkpoint.log_id or next((group.log_id for group in dropped if group.log_id), ""),
        hole=True,
    )


def _youngest(inputs: list[InputRow], events: list[EventRow]) -> tuple[list[InputRow], list[EventRow]]:
    """The younger half by number; a start and a rule set are kept whatever their age."""
    numbers = sorted({row.site_seq for row in inputs} | {row.site_seq for row in events})
    border = numbers[len(numbers) // 2]
    kept = [row for row in inputs if row.site_seq >= border or row.kind in {"start", "ruleset"}]
    return kept, [row for row in events if row.site_seq >= border]
