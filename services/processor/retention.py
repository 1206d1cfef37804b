"""Which inputs of an old interval stay when its frames and Ticks go.

Kept for ever: commands, rule sets, Starts, Reports, Resyncs, undecodables, and every event. Frames and Ticks go, but
for 15 minutes around each raised or escalated alarm (shared.devices.plan.LogLimits.keep_around_alarm_ms), also of the
intervals beside. Only whole intervals between two snapshots are folded, oldest first, one at a time, never the newest.
When there is no other space ``strip`` takes what was kept around alarms, too. services.processor.keeping says when.
"""

import json
from bisect import bisect_left
from typing import NamedTuple

from services.processor.restore import check_links
from shared.domain.errors import LogDamaged
from shared.domain.events import EventType
from shared.domain.inputs import Report, ReportKind
from shared.log.chain import kept_root
from shared.log.port import EventRow, Folding, InputRow, Reading
from shared.wire.events import decode_event
from shared.wire.inputs import decode_input, report

PASSING = {"frame", "tick"}
RAISES = {EventType.ALARM_RAISED.value, EventType.ALARM_ESCALATED.value}

AGE = "age"
"""Why an interval goes whose frames are older than the retention; other reasons begin with ``space``."""


class Told(NamedTuple):
    """What the Report of a folding says: its detail is this as JSON."""

    first: int
    last: int
    hash: str
    """Of the chain after ``last``."""
    kept: int
    deleted: int
    root: str
    """Of what is kept (shared.log.chain.kept_root)."""
    why: str = AGE


def read_told(detail: str) -> Told | None:
    """None for a text that is no such detail."""
    try:
        told = Told(**json.loads(detail))
    except (TypeError, ValueError):
        return None
    return told if isinstance(told.first, int) and isinstance(told.last, int) else None


class Due(NamedTuple):
    """An interval that is to be folded, and the Report that says so."""

    folding: Folding
    report: Report


def due(
    reading: Reading,
    now_tick_ms: int,
    *,
    keep_ms: int,
    around_ms: int,
    subject: str,
    why: str = AGE,
    up_to: int | None = None,
) -> Due | None:
    """The oldest interval that is older than ``keep_ms`` and ``around_ms``, or None; none that ends after ``up_to``.

    Raises LogDamaged when it is not what was written: what would show that is not deleted.
    """
    last = _oldest_end(reading, now_tick_ms - keep_ms - around_ms)
    if last is None or (up_to is not None and last > up_to):
        return None
    first = reading.folded_to() + 1
    raises = _raises(reading, first - 1, last, around_ms)
    inputs: list[InputRow] = []
    events: list[EventRow] = []
    deleted = 0
    digest = reading.genesis() if first == reading.first_seq() else next(reading.stretches(first - 2)).hash
    for stretch in reading.stretches(first - 1):
        if stretch.first_seq > last:
            break
        if stretch.bad:
            raise LogDamaged(stretch.bad, "the record's bytes are not its checksum's")
        digest = check_links(stretch, digest)
        for row in stretch.inputs:
            if row.kind in PASSING and not _is_near(row, raises, around_ms):
                deleted += 1
            else:
                inputs.append(row)
        events += stretch.events
    told = Told(first, last, digest.hex(), len(inputs), deleted, kept_root(inputs, events).hex(), why)
    return _due(told, inputs, subject)


def strip(reading: Reading, after_seq: int, *, subject: str, why: str) -> Due | None:
    """The oldest folded interval after ``after_seq`` that still has frames, without them; None when none has.

    Raises LogDamaged when a record of it does not fit its checksum.
    """
    for stretch in reading.stretches(after_seq):
        if not stretch.folded:
            return None
        if stretch.bad:
            raise LogDamaged(stretch.bad, "the record's bytes are not its checksum's")
        kept = [row for row in stretch.inputs if row.kind not in PASSING]
        deleted = len(stretch.inputs) - len(kept)
        if deleted:
            root = kept_root(kept, stretch.events).hex()
            place = (stretch.first_seq, stretch.last_seq, stretch.hash.hex())
            return _due(Told(*place, len(kept), deleted, root, why), kept, subject)
    return None


def _due(told: Told, inputs: list[InputRow], subject: str) -> Due:
    folding = Folding(told.first, told.last, frozenset(row.site_seq for row in inputs))
    return Due(folding, report(ReportKind.RETENTION, subject, pulse=True, detail=json.dumps(told._asdict())))


def _oldest_end(reading: Reading, before_tick_ms: int) -> int | None:
    """The site_seq of the oldest snapshot (never the newest) that ends an interval not folded yet, when old enough."""
    folded = reading.folded_to()
    for seq, _hash in reading.snapshots()[:-1]:
        if seq <= folded:
            continue
        row = next(reading.inputs(seq, 1), None)
        if row is None or decode_input(row.data).tick_ms >= before_tick_ms:
            return None
        return seq
    return None


def _raises(reading: Reading, after: int, last: int, around_ms: int) -> list[int]:
    """tick_ms of the raises in the interval, in the folded one before it, and in the 15 minutes after it."""
    found = []
    end_tick = None
    for stretch in reading.stretches(max(after - 1, 0)):
        if stretch.first_seq > last and stretch.inputs:
            tick = decode_input(stretch.inputs[0].data).tick_ms
            end_tick = tick if end_tick is None else end_tick
            if tick > end_tick + around_ms:
                break
        found += [decode_event(row.data).tick_ms for row in stretch.events if row.type in RAISES]
    return sorted(found)


def _is_near(row: InputRow, raises: list[int], around_ms: int) -> bool:
    if not raises:
        return False
    tick = decode_input(row.data).tick_ms
    at = bisect_left(raises, tick - around_ms)
    return at < len(raises) and raises[at] <= tick + around_ms
