"""One scan of one device: checked, stored as columns, and everything that rests on its points looked at."""

from shared.domain import alarms, detectors, rows, rules, signals
from shared.domain.events import EventType
from shared.domain.inputs import Scan
from shared.domain.timers import look_at
from shared.domain.turn import Turn, Wake
from shared.domain.units import NoData


def take(turn: Turn, scan: Scan) -> None:
    """Take a scan, or say why it is not evaluated."""
    state = turn.state
    s = state.index.scan_by_device.get(scan.device)
    if s is None or len(scan.values) != state.plan.scans[s].count or len(scan.reasons) != len(scan.values):
        what = "unknown-device" if s is None else "wrong-shape"
        turn.emit(
            EventType.INPUT_REJECTED,
            f"{state.plan.site}/{state.plan.id}/{scan.device}",
            reason=f"{what}: {scan.device}",
        )
        return
    if _is_late(turn, s, scan):
        return
    known = state.scans[s]
    known.boot, known.device_seq = scan.boot, scan.device_seq
    taken = state.columns.take(s, scan, turn.now)
    if scan.outcome == NoData.PRESENT:
        known.answered_ms = turn.now
        for row in state.index.scan_losts[s]:
            rules.answered(turn, row)
    for row, raw in taken.rows:
        rows.observe(turn, row, raw)
    if taken.became_known:
        turn.rows_dirty.update(r for counts in state.index.counts_of.values() for r in counts)
    if taken.worsened:
        alarms.doubt(turn)
        if state.pending:
            rows.cancel_unknown(turn)
    if state.doubted:
        turn.dirty.update(state.doubted)
    if state.unrest:
        _calm(turn, s)
    if taken.restored:
        turn.wake(Wake.POINTS, 0, turn.now + min(state.plan.points[p].stale_ms for p in taken.restored))
        signals.restore(turn, s, taken.restored)
    if state.index.medians:
        rules.record_medians(turn, s)
    look_at(turn, s)
    for d in state.index.scan_detectors[s]:
        detectors.evaluate(turn, d)


def _is_late(turn: Turn, s: int, scan: Scan) -> bool:
    """Say whether a scan comes too late to be evaluated, and tell of holes before it."""
    state = turn.state
    known = state.scans[s]
    if scan.age_ms > state.index.scan_late_ms[s]:
        reason = f"age {scan.age_ms} ms is over {state.index.scan_late_ms[s]} ms"
    elif scan.age_ms < 0:
        reason = f"age {scan.age_ms} ms lies in the future"
    elif scan.boot == known.boot and scan.device_seq <= known.device_seq:
        reason = f"device_seq {scan.device_seq} is not above {known.device_seq}"
    else:
        reason = ""
    if reason:
        turn.emit(EventType.INPUT_LATE, signals.device_path(turn, s), reason=reason)
    # A scan that is too old was still counted by guard: only the newest number matters for holes.
    if scan.boot == known.boot and scan.device_seq > known.device_seq + 1:
        lost = scan.device_seq - known.device_seq - 1
        turn.emit(EventType.INPUT_GAP, signals.device_path(turn, s), reason=f"{lost} lost before {scan.device_seq}")
    if reason and (scan.boot != known.boot or scan.device_seq > known.device_seq):
        known.boot, known.device_seq = scan.boot, scan.device_seq
    return bool(reason)


def _calm(turn: Turn, s: int) -> None:
    """Stale rows whose point has a good value again, or for the first time."""
    state = turn.state
    for row in sorted(state.unrest):
        point = state.index.rows[row].point
        if state.index.point_scan[point] == s and not state.columns.reasons[point]:
            rules.answered(turn, row)
