"""Rules that are no columns: rate, median factor, count, runaway, lost, stale and report rows.

Each gives one raw per look: TRUE, FALSE, UNKNOWN when a value it needs cannot be seen, KEEP in the deadband.
"""

from shared.domain import medians
from shared.domain.columns import LOW, as_column
from shared.domain.conditions import FALSE, TRUE, UNKNOWN, RowKind, over
from shared.domain.measures import count_true
from shared.domain.plan import NONE, LostBy, Mode, RateRow
from shared.domain.rows import observe
from shared.domain.state import Histogram, RoomState
from shared.domain.trip import FAR_MS
from shared.domain.turn import Turn, Wake
from shared.domain.units import NoData

BUCKETS = 16
"""A rate's window is sampled in so many buckets."""


def look(turn: Turn, row: int) -> None:
    """Evaluate one rate, median, count or runaway row."""
    state = turn.state
    kind, at, *_ = state.index.rows[row]
    if kind is RowKind.RATE:
        raw = _rate(turn, at)
    elif kind is RowKind.MEDIAN:
        raw = _median(state, at)
    elif kind is RowKind.RUNAWAY:
        raw = _runaway(state, at)
    else:
        assert kind is RowKind.COUNT, "the other kinds are not looked at by row"
        raw = _count(state, at)
    observe(turn, row, raw)


def record_medians(turn: Turn, s: int) -> None:
    """Count the string currents of a scan into their histograms."""
    state = turn.state
    for point, battery in state.index.medians:
        if state.index.point_scan[point] != s or state.batteries[battery].mode is not Mode.FLOAT:
            continue
        value = state.columns.value(point)
        if not isinstance(value, NoData):
            medians.record(state.histograms.setdefault((point, battery), Histogram()), value, turn.now)


def _median_or_floor(state: RoomState, point: int, battery: int, floor: int) -> int:
    """The seven-day median of a current, at least ``floor``, which stands while none is known (see medians)."""
    histogram = state.histograms.get((point, battery))
    return max(floor, histogram.median if histogram is not None else 0)


def _rate(turn: Turn, at: int) -> int:
    state = turn.state
    plan = state.plan.rates[at]
    value = state.columns.value(plan.point)
    if isinstance(value, NoData):
        return UNKNOWN
    return over(_rise(turn, at, plan, value), plan.limit, plan.deadband)


def _rise(turn: Turn, at: int, plan: RateRow, value: int) -> int:
    """Rise since the oldest bucket of the window; the present value is put into its own bucket."""
    bucket = turn.now // max(plan.window_ms // BUCKETS, 1)
    kept = [sample for sample in turn.state.rates.get(at, []) if sample[0] > bucket - BUCKETS - 1]
    if not kept or kept[-1][0] != bucket:
        kept.append((bucket, value))
    turn.state.rates[at] = kept
    return value - kept[0][1]


def _median(state: RoomState, at: int) -> int:
    plan = state.plan.median_factors[at]
    mode = state.batteries[plan.battery].mode
    value = state.columns.value(plan.point)
    if isinstance(value, NoData) or mode is Mode.UNKNOWN:
        return UNKNOWN
    if mode is not Mode.FLOAT:
        return FALSE
    histogram = state.histograms.get((plan.point, plan.battery))
    if histogram is None or not histogram.known:
        return UNKNOWN
    median = max(plan.floor, histogram.median)
    return TRUE if abs(value) * 100 >= plan.factor_percent * median else FALSE


def _count(state: RoomState, at: int) -> int:
    plan = state.plan.counts[at]
    true = count_true(state, plan.of)
    if true >= plan.at_least:
        return TRUE
    cond, rows = state.columns.cond, state.index.alarm_rows
    unknown = sum(1 for a in plan.of if any(cond[r] == UNKNOWN for r in rows[a]))
    return UNKNOWN if true + unknown >= plan.at_least else FALSE


def _runaway(state: RoomState, at: int) -> int:
    plan = state.plan.runaways[at]
    hottest, all_good = state.columns.highest(as_column(plan.temperatures))
    mode = state.batteries[plan.battery].mode
    if hottest >= plan.hot and mode is not Mode.DISCHARGE:
        return TRUE
    if NONE in (plan.ambient, plan.current):
        return FALSE if all_good else UNKNOWN
    ambient, current = state.columns.value(plan.ambient), state.columns.value(plan.current)
    if isinstance(ambient, NoData) or isinstance(current, NoData):
        return UNKNOWN
    median = _median_or_floor(state, plan.current, plan.battery, plan.floor)
    if hottest != LOW and hottest - ambient >= plan.rise and abs(current) * 100 >= plan.factor_percent * median:
        return TRUE
    return FALSE if all_good else UNKNOWN


# Silence: rows whose raw changes with time alone


def lost_due_ms(state: RoomState, row: int) -> int:
    """When a lost row becomes TRUE if none of its scans answers, FAR_MS when it is already."""
    if row in state.silent:
        return FAR_MS
    plan = state.plan.losts[state.index.rows[row].at]
    scans = [state.scans[s] for s in plan.scans]
    match plan.by:
        case LostBy.VALUES:
            return max(scan.answered_ms for scan in scans) + plan.after_ms
        case LostBy.LINK if not any(scan.is_cut for scan in scans):
            return FAR_MS
        case LostBy.ANSWERS | LostBy.LINK:
            return max(scan.heard_ms for scan in scans) + plan.after_ms


def no_values(turn: Turn, s: int, outcome: int) -> None:
    """A scan without values: what it says of the device's line. A device that was not asked says nothing."""
    if outcome == NoData.QUARANTINED:
        return
    state = turn.state
    known = state.scans[s]
    known.is_cut = outcome == NoData.DISCONNECTED
    is_heard = outcome not in (NoData.TIMEOUT, NoData.DISCONNECTED)
    if is_heard:
        known.heard_ms = turn.now
    for row in state.index.scan_losts[s]:
        plan = state.plan.losts[state.index.rows[row].at]
        if plan.by is LostBy.LINK and known.is_cut:
            wake_silence(turn, row)
        elif plan.by is LostBy.LINK:
            for other in plan.scans:
                state.scans[other].is_cut = False
            answered(turn, row)
        elif plan.by is LostBy.ANSWERS and is_heard:
            answered(turn, row)


def lose(turn: Turn, row: int) -> None:
    """A lost or stale row's time is over."""
    turn.state.silent.add(row)
    if turn.state.index.rows[row].kind is RowKind.STALE:
        turn.state.unrest.add(row)
    observe(turn, row, TRUE)


def answered(turn: Turn, row: int) -> None:
    """A lost row's device or a stale row's point is there."""
    state = turn.state
    state.silent.discard(row)
    if not is_at_rest(state, row):
        observe(turn, row, FALSE)
        wake_silence(turn, row)
    if is_at_rest(state, row):
        state.unrest.discard(row)


def is_at_rest(state: RoomState, row: int) -> bool:
    """A good value changes nothing about this lost or stale row."""
    return row not in state.silent and state.columns.cond[row] == FALSE and row not in state.pending


def stale_due_ms(state: RoomState, row: int) -> int:
    """When a stale row becomes TRUE if its point has no good value, FAR_MS when it is already."""
    if row in state.silent:
        return FAR_MS
    plan = state.plan.stales[state.index.rows[row].at]
    return int(state.columns.good_ms[plan.point]) + plan.after_ms


def wake_silence(turn: Turn, row: int) -> None:
    """Set the timer of a lost or stale row."""
    kind = turn.state.index.rows[row].kind
    if kind is RowKind.LOST:
        turn.wake(Wake.LOST, row, lost_due_ms(turn.state, row))
    elif kind is RowKind.STALE:
        turn.wake(Wake.STALES, row, stale_due_ms(turn.state, row))
