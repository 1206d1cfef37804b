"""The timers of a room: what each wake is for, and how they are set anew for a state that has none."""

from heapq import heappop

from shared.domain import alarms, detectors, dues, lateness, modes, outputs, rows, rules, signals
from shared.domain.alarm_machine import ACTIVE
from shared.domain.commands import advance_maintenance
from shared.domain.conditions import RowKind
from shared.domain.settle import settle
from shared.domain.state import AlarmRecord, RoomState
from shared.domain.trip import FAR_MS, NEVER_MS
from shared.domain.turn import Turn, Wake, set_wake


def run(turn: Turn) -> None:
    """Let everything happen that time alone has made due, in the order in which it was due.

    What is due in the same millisecond happens together: nothing is announced that ends in that very moment.
    """
    heap = turn.state.heap
    while heap and heap[0][0] <= turn.now:
        due = heap[0][0]
        while heap and heap[0][0] == due:
            _, number, index = heappop(heap)
            _wake_up(turn, Wake(number), index, due)
        settle(turn)


def _wake_up(turn: Turn, kind: Wake, index: int, due: int) -> None:
    state = turn.state
    if state.wakes.get((kind, index)) != due:
        return
    del state.wakes[(kind, index)]
    if due_ms(state, kind, index) <= due:
        _fire(turn, kind, index, due)
    following = due_ms(state, kind, index)
    # Whatever a timer has done, it has moved on: a step always ends.
    turn.wake(kind, index, following if following > due else turn.now + 1)


def next_due_ms(state: RoomState) -> int:
    """No timer is due before this; FAR_MS when none is set."""
    while state.heap and state.wakes.get(state.heap[0][1:]) != state.heap[0][0]:
        heappop(state.heap)
    return state.heap[0][0] if state.heap else FAR_MS


def due_ms(state: RoomState, kind: Wake, index: int) -> int:
    """When the thing that a wake is for is really due."""
    match kind:
        case Wake.POINTS:
            return state.columns.expire_ms()
        case Wake.STALES:
            return rules.stale_due_ms(state, index)
        case Wake.LOST:
            return rules.lost_due_ms(state, index)
        case Wake.ROW:
            return rows.due_ms(state, index)
        case Wake.DETECTOR:
            return detectors.due_ms(state, index)
        case Wake.BATTERY:
            return modes.due_ms(state, index)
        case Wake.OUTPUT:
            return state.outputs[index].due_ms
        case Wake.ALARM:
            return alarms.due_ms(state, index)
        case Wake.MAINTENANCE:
            return min((min(m.until_ms, m.remind_ms) for m in state.maintenance.values()), default=FAR_MS)
        case Wake.LATE:
            return lateness.due_ms(state, index)
        case Wake.DUE:
            return dues.due_ms(state, index)


def _fire(turn: Turn, kind: Wake, index: int, due: int) -> None:
    match kind:
        case Wake.POINTS:
            _expire(turn, due)
        case Wake.STALES | Wake.LOST:
            rules.lose(turn, index)
        case Wake.ROW:
            rows.fire(turn, index)
        case Wake.DETECTOR:
            detectors.fire(turn, index)
        case Wake.BATTERY:
            modes.evaluate(turn, index)
        case Wake.OUTPUT:
            outputs.evaluate(turn)
        case Wake.ALARM:
            alarms.fire(turn, index)
        case Wake.MAINTENANCE:
            advance_maintenance(turn, due)
        case Wake.LATE:
            lateness.fire(turn, index)
        case Wake.DUE:
            dues.look(turn, index)


def _expire(turn: Turn, due: int) -> None:
    """Points go stale: nothing that rests on them is known any more."""
    state = turn.state
    gone = state.columns.expire(due)
    signals.lose(turn, gone)
    rows.cancel_unknown(turn)
    alarms.doubt(turn)
    for s in sorted({state.index.point_scan[p] for p in gone} - {-1}):
        look_at(turn, s)
        for d in state.index.scan_detectors[s]:
            detectors.go_blind(turn, d)


def look_at(turn: Turn, s: int) -> None:
    """Everything that is no column and rests on this scan's points."""
    index = turn.state.index
    for row in index.scan_rows[s]:
        rules.look(turn, row)
    for b in index.scan_batteries[s]:
        modes.evaluate(turn, b)
    if index.scan_outputs[s]:
        turn.outputs_dirty = True


def set_all(state: RoomState) -> None:
    """Make the heap anew from the state."""
    state.heap.clear()
    state.wakes.clear()
    set_wake(state, Wake.POINTS, 0, state.columns.expire_ms())
    state.unrest.clear()
    for row, (kind, *_) in enumerate(state.index.rows):
        if kind is RowKind.LOST:
            set_wake(state, Wake.LOST, row, rules.lost_due_ms(state, row))
        elif kind is RowKind.STALE:
            set_wake(state, Wake.STALES, row, rules.stale_due_ms(state, row))
            if not rules.is_at_rest(state, row):
                state.unrest.add(row)
        elif kind is RowKind.DUE:
            set_wake(state, Wake.DUE, row, dues.due_ms(state, row))
    for row, pending in state.pending.items():
        set_wake(state, Wake.ROW, row, pending.due_ms)
    for d in range(len(state.detectors)):
        set_wake(state, Wake.DETECTOR, d, detectors.due_ms(state, d))
    for b in range(len(state.batteries)):
        set_wake(state, Wake.BATTERY, b, modes.due_ms(state, b))
    for o, output in enumerate(state.outputs):
        set_wake(state, Wake.OUTPUT, o, output.due_ms)
    state.doubted = {a for a in state.index.suppresses if a in state.records and _is_doubted(state.records[a])}
    for a in state.records:
        set_wake(state, Wake.ALARM, a, alarms.due_ms(state, a))
    for s in range(len(state.scans)):
        set_wake(state, Wake.LATE, s, lateness.due_ms(state, s))
    for maintenance in state.maintenance.values():
        set_wake(state, Wake.MAINTENANCE, 0, min(maintenance.until_ms, maintenance.remind_ms))


def _is_doubted(record: AlarmRecord) -> bool:
    return record.state in ACTIVE and (record.trusted_ms == FAR_MS or record.grace_ms != NEVER_MS)
