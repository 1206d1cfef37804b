"""From a log to the state of its rooms: the newest snapshot, then everything after it, the chain checked on the way.

Promises: never raises for a damaged log; it stops before the first bad record and says where, with the state as it was
then. A snapshot that is bad itself is passed over for the one before. Limits: the tail after a snapshot is at most an
hour or 20,000 inputs (services.processor.runner), one second of work when calm, four when each changes alarms.
"""

from dataclasses import dataclass
from itertools import pairwise

from services.processor.fold import Fold, RuleSets
from shared.domain.errors import LogDamaged, LogError, WireError
from shared.domain.inputs import Report, ReportKind
from shared.log.chain import link
from shared.log.port import InputRow, Reading, Snapshot, Stretch
from shared.wire.inputs import KINDS, Input, decode_input

CLOSED = "close"
"""The last word of the snapshot Report with which a clean stop ends the log."""


@dataclass(slots=True)
class Restored:
    """State, place and soundness of a log; ``damage`` is None when all that was read is sound."""

    fold: Fold
    log_id: str = ""
    site_seq: int = 0
    tick_ms: int = 0
    at_ms: int = 0
    hash: bytes = b""
    """Of the last good link."""
    last_found: int = 0
    """The highest number that any record has, good or not."""
    clean: bool = False
    since_snapshot: int = 0
    damage: LogDamaged | None = None


def restore(reading: Reading, rulesets: RuleSets | None = None, *, before: int | None = None) -> Restored:
    """The state at the end of the log, or before its first bad record (``before``, when that is known already)."""
    fold = Fold(rulesets or reading.ruleset)
    found = Restored(fold, hash=reading.genesis(), site_seq=reading.first_seq() - 1)
    try:
        snapshot = _newest_good(reading, found, None if before is None else before - 1)
        if snapshot is not None:
            fold.restore(snapshot)
            found.log_id, found.site_seq = snapshot.log_id, snapshot.site_seq
        _walk(reading, found, before)
    except LogDamaged as damage:
        found.damage = found.damage or damage
    except (WireError, ValueError, KeyError, TypeError, AssertionError) as fault:
        found.damage = LogDamaged(found.site_seq + 1, f"{type(fault).__name__}: {fault}")
    found.last_found = max(found.site_seq, _last_found(reading))
    return found


def _newest_good(reading: Reading, found: Restored, limit: int | None) -> Snapshot | None:
    for _ in range(len(reading.snapshots()) + 1):
        try:
            return reading.snapshot(limit)
        except LogDamaged as damage:
            found.damage = damage
            limit = damage.record - 1
    return None


def _walk(reading: Reading, found: Restored, before: int | None) -> None:
    """Apply everything after the place where ``found`` stands."""
    start = found.site_seq
    previous = found.hash
    for stretch in reading.stretches(max(start - 1, 0)):
        if stretch.last_seq <= start:
            previous = found.hash = stretch.hash
            continue
        if stretch.folded:
            found.fold.site_seq = 0
            found.hash = previous = stretch.hash
            found.site_seq = stretch.last_seq
            continue
        bad = stretch.bad or (before if before is not None and before <= stretch.last_seq else 0)
        if bad:
            for row in stretch.inputs:
                if row.site_seq < bad:
                    _apply(found, row)
            raise LogDamaged(bad, "the record's bytes are not its checksum's")
        previous = check_links(stretch, previous)
        for row in stretch.inputs:
            _apply(found, row)
        found.hash = previous


def check_links(stretch: Stretch, previous: bytes) -> bytes:
    """The hash after the stretch; LogDamaged with its first record when that is not the one that is stored."""
    first = 0
    events = 0
    digest = previous
    for last in stretch.links:
        inputs = []
        while first < len(stretch.inputs) and stretch.inputs[first].site_seq <= last:
            inputs.append(stretch.inputs[first])
            first += 1
        begin = events
        while events < len(stretch.events) and stretch.events[events].site_seq <= last:
            events += 1
        if not inputs or inputs[-1].site_seq != last:
            raise LogDamaged(inputs[0].site_seq if inputs else last, "a record is missing")
        digest = link(digest, inputs, stretch.events[begin:events]).hash
    if digest != stretch.hash:
        raise LogDamaged(_suspect(stretch), "the chain breaks at this record")
    return digest


def _suspect(stretch: Stretch) -> int:
    """The first number that is missing in a broken stretch, else its first."""
    numbers = [row.site_seq for row in stretch.inputs]
    gaps = (before + 1 for before, after in pairwise(numbers) if after != before + 1)
    return next(gaps, stretch.first_seq)


def read_input(row: InputRow) -> Input:
    """The input of a row; raises LogDamaged when it is not the one that the row says."""
    try:
        entry = decode_input(row.data)
    except WireError as fault:
        raise LogDamaged(row.site_seq, str(fault)) from fault
    if entry.site_seq != row.site_seq or KINDS[type(entry.body)] != row.kind:
        raise LogDamaged(entry.site_seq, f"stored as {row.kind} {row.site_seq}, but it is another record")
    return entry


def _apply(found: Restored, row: InputRow) -> None:
    entry = read_input(row)
    found.fold.apply(entry)
    found.log_id, found.site_seq = entry.log_id, entry.site_seq
    found.tick_ms, found.at_ms = entry.tick_ms, entry.at_ms
    found.clean = is_clean_end(entry)
    found.since_snapshot += 1


def is_clean_end(entry: Input) -> bool:
    """Whether this is the snapshot Report of a clean stop."""
    body = entry.body
    return isinstance(body, Report) and body.kind == ReportKind.SNAPSHOT.value and body.detail.endswith(CLOSED)


def _last_found(reading: Reading) -> int:
    try:
        return reading.head().site_seq
    except LogError:
        return 0
