"""What every adapter decides alike: the order of numbers, whose they are, whether a snapshot is what was written."""

from bisect import bisect_right
from itertools import pairwise

from shared.domain.errors import CursorUnknown, LogDamaged
from shared.log.chain import states_hash
from shared.log.port import Cursor, Group, Head, Snapshot

END = 1 << 62
"""After every ordinal and every site_seq."""


def check_group(head: Head, group: Group) -> None:
    """The writer's own mistakes: numbers that fall, or a hole that nobody declared."""
    seqs = [row.site_seq for row in group.inputs]
    assert seqs[0] > head.site_seq, f"input {seqs[0]} after {head.site_seq}"
    assert all(a < b for a, b in pairwise(seqs)), "site_seq must rise"
    dense = seqs[-1] - head.site_seq == len(seqs)
    assert dense or group.hole, f"a hole between {head.site_seq} and {seqs[-1]} that nobody declared"


def log_id_at(site_seq: int, log_ids: list[tuple[int, str]]) -> str:
    """The log_id that ``site_seq`` was minted under; ``log_ids`` are (first site_seq, log_id) in order."""
    at = bisect_right(log_ids, site_seq, key=lambda pair: pair[0])
    return log_ids[at - 1][1] if at else ""


def resume_place(after: Cursor, log_ids: list[tuple[int, str]]) -> tuple[int, int]:
    """(site_seq, ordinal) behind which a reader at ``after`` goes on.

    Numbers lost with a power cut come again under another log_id: such a reader goes on where its log_id ended here.
    """
    if log_id_at(after.site_seq, log_ids) == after.log_id:
        return after.site_seq, after.ordinal
    for index, (_, log_id) in enumerate(log_ids):
        if log_id == after.log_id:
            later = log_ids[index + 1 :]
            end = later[0][0] - 1 if later else after.site_seq
            return (after.site_seq, after.ordinal) if after.site_seq <= end else (end, END)
    raise CursorUnknown(f"this log was never called {after.log_id!r}")


def check_snapshot(snapshot: Snapshot, expected: bytes) -> Snapshot:
    """The snapshot, when its states have the hash that the log names; raises LogDamaged."""
    if states_hash(snapshot.states) != expected:
        raise LogDamaged(snapshot.site_seq, "the snapshot after this record is not what was written")
    return snapshot
