"""Signals that are lost and restored: one event for a silent device, one for each point of a device that answers.

When more than POINTS_MAX points of one device go (or come back) at once there is one event, under the device.
"""

from itertools import groupby

from shared.domain.events import EventType
from shared.domain.plan import NONE
from shared.domain.turn import Turn
from shared.domain.units import NoData

POINTS_MAX = 8


def lose(turn: Turn, points: list[int]) -> None:
    """These points (in order) had no good value for their stale time."""
    state = turn.state
    for s, group in groupby(points, key=lambda p: state.index.point_scan[p]):
        gone = list(group)
        if s == NONE:
            continue
        stale_ms = min(state.plan.points[p].stale_ms for p in gone)
        if turn.now - state.scans[s].answered_ms >= stale_ms:
            if not state.scans[s].lost:
                state.scans[s].lost = True
                turn.emit(EventType.SIGNAL_LOST, device_path(turn, s), reason=_reason(turn, gone[0]))
        else:
            _tell(turn, EventType.SIGNAL_LOST, s, gone)


def restore(turn: Turn, s: int, points: list[int]) -> None:
    """These points of a scan were lost and have a good value again."""
    state = turn.state
    if not state.scans[s].lost:
        _tell(turn, EventType.SIGNAL_RESTORED, s, points)
        return
    state.scans[s].lost = False
    turn.emit(EventType.SIGNAL_RESTORED, device_path(turn, s))
    scan = state.plan.scans[s]
    still = [p for p in range(scan.first, scan.first + scan.count) if state.columns.lost[p]]
    _tell(turn, EventType.SIGNAL_LOST, s, still)


def device_path(turn: Turn, s: int) -> str:
    plan = turn.state.plan
    return f"{plan.site}/{plan.id}/{plan.scans[s].device}"


def _tell(turn: Turn, kind: str, s: int, points: list[int]) -> None:
    if len(points) > POINTS_MAX:
        turn.emit(kind, device_path(turn, s), reason=f"{len(points)} points")
        return
    for p in points:
        reason = _reason(turn, p) if kind == EventType.SIGNAL_LOST else ""
        turn.emit(kind, turn.state.plan.points[p].id, reason=reason)


def _reason(turn: Turn, point: int) -> str:
    return NoData(int(turn.state.columns.reasons[point])).label
