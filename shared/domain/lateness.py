"""Scans that come too late to be evaluated: which they are, and one run of them told in two events.

    in time --(a late scan: told with its reason)--> late
    late --(a late scan: counted)--> late
    late --(a minute is over, and some were counted: told)--> late
    late --(a minute is over without one, a scan in time, another boot: what was counted is told)--> in time

Late is a scan that is older than its points' stale time, lies in the future, or whose device_seq is not above the last
one of its boot. guard keeps a minute of frames for a site process that was away, and all of those that are too old
come at once: they are one run. Promises: the events of a run name each late scan, by itself or in a count with its
range of device_seq; what is counted is part of the state, so a restart loses none. Limit: one event a minute and device
while scans stay late.
"""

from shared.domain import signals
from shared.domain.events import EventType
from shared.domain.inputs import Scan
from shared.domain.state import RoomState, ScanState
from shared.domain.trip import FAR_MS, NEVER_MS
from shared.domain.turn import Turn, Wake

RUN_MS = 60_000
"""A run that lasts so long is told of again; without a late scan for so long it is over."""


def is_late(turn: Turn, s: int, scan: Scan) -> bool:
    """Whether a scan comes too late to be evaluated; tells of it, of a run that it ends, and of holes before it."""
    known = turn.state.scans[s]
    reason = _reason(turn, s, scan)
    if known.late_ms != NEVER_MS and (not reason or scan.boot != known.boot):
        end(turn, s)
    if reason:
        _count(turn, s, scan, reason)
    # A scan that is too old was still counted by guard: only the newest number matters for holes.
    if scan.boot == known.boot and scan.device_seq > known.device_seq + 1:
        lost = scan.device_seq - known.device_seq - 1
        turn.emit(EventType.INPUT_GAP, signals.device_path(turn, s), reason=f"{lost} lost before {scan.device_seq}")
    if reason and (scan.boot != known.boot or scan.device_seq > known.device_seq):
        known.boot, known.device_seq = scan.boot, scan.device_seq
    return bool(reason)


def fire(turn: Turn, s: int) -> None:
    """A minute of a run is over."""
    known = turn.state.scans[s]
    goes_on = known.late_count > 0
    end(turn, s)
    if goes_on:
        known.late_ms = turn.now


def end(turn: Turn, s: int) -> None:
    """Tell what was counted; the run is over."""
    known = turn.state.scans[s]
    if known.late_count:
        turn.emit(EventType.INPUT_LATE, signals.device_path(turn, s), reason=counted(known))
    known.late_ms, known.late_count = NEVER_MS, 0


def counted(known: ScanState) -> str:
    """The late scans that no event has named yet, in words."""
    return f"{known.late_count} more late, device_seq {known.late_first} to {known.late_last}"


def due_ms(state: RoomState, s: int) -> int:
    """When the run is told of again or is over, FAR_MS when there is none."""
    known = state.scans[s]
    return FAR_MS if known.late_ms == NEVER_MS else known.late_ms + RUN_MS


def _reason(turn: Turn, s: int, scan: Scan) -> str:
    known, late_ms = turn.state.scans[s], turn.state.index.scan_late_ms[s]
    if scan.age_ms > late_ms:
        return f"age {scan.age_ms} ms is over {late_ms} ms"
    if scan.age_ms < 0:
        return f"age {scan.age_ms} ms lies in the future"
    if scan.boot == known.boot and scan.device_seq <= known.device_seq:
        return f"device_seq {scan.device_seq} is not above {known.device_seq}"
    return ""


def _count(turn: Turn, s: int, scan: Scan, reason: str) -> None:
    known = turn.state.scans[s]
    if known.late_ms == NEVER_MS:
        known.late_ms = turn.now
        turn.emit(EventType.INPUT_LATE, signals.device_path(turn, s), reason=f"device_seq {scan.device_seq}: {reason}")
        turn.wake(Wake.LATE, s, due_ms(turn.state, s))
        return
    if known.late_count == 0:
        known.late_first = known.late_last = scan.device_seq
    known.late_count += 1
    known.late_first = min(known.late_first, scan.device_seq)
    known.late_last = max(known.late_last, scan.device_seq)
