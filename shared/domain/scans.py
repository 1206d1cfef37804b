"""One scan of one device: checked, stored as columns, and everything that rests on its points looked at."""

from shared.domain import alarms, baselines, detectors, rows, rules, signals
from shared.domain.events import EventType
from shared.domain.inputs import Scan
from shared.domain.lateness import is_late
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
    if is_late(turn, s, scan):
        return
    known = state.scans[s]
    known.boot, known.device_seq = scan.boot, scan.device_seq
    taken = state.columns.take(s, scan, turn.now)
    if scan.outcome == NoData.PRESENT:
        known.answered_ms = known.heard_ms = turn.now
        known.is_cut = False
        for row in state.index.scan_losts[s]:
            rules.answered(turn, row)
    else:
        rules.no_values(turn, s, scan.outcome)
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
    if state.measuring:
        baselines.sample(turn, s)
    look_at(turn, s)
    for d in state.index.scan_detectors[s]:
        detectors.evaluate(turn, d)


def _calm(turn: Turn, s: int) -> None:
    """Stale rows whose point has a good value again, or for the first time."""
    state = turn.state
    for row in sorted(state.unrest):
        point = state.index.rows[row].point
        if state.index.point_scan[point] == s and not state.columns.reasons[point]:
            rules.answered(turn, row)
