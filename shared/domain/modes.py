"""What a battery is doing: float, boost, discharge, recovery, or unknown.

    any --(the signals say another mode for hold_ms)--> that mode
    DISCHARGE --(over)--> RECOVERY instead of FLOAT until recovery_ms have passed
    RECOVERY --(its time is over)--> FLOAT

The signal is the BACS general flags, else a contact (1 = boost) with the current's sign, else current and volts per
cell. A signal that is missing makes the mode unknown after the same hold: the stricter limits and boost ventilation.
BOOST goes before RECOVERY, so that its ventilation is never lost.
"""

from shared.domain import alarms
from shared.domain.conditions import RowKind
from shared.domain.events import EventType
from shared.domain.plan import NONE, BatteryPlan, Mode
from shared.domain.rows import observe
from shared.domain.state import BatteryState, RoomState
from shared.domain.trip import FAR_MS, NEVER_MS
from shared.domain.turn import Turn, Wake
from shared.domain.units import NoData

DISCHARGING = 0x0008
CHARGING = 0x0010
FLOATING = 0x0040
EQUALISING = 0x0080
"""BACS general flags; zero is a dead bus, not a healthy one."""
GASSING = (Mode.BOOST, Mode.UNKNOWN)
"""Modes that ask for boost ventilation."""


def evaluate(turn: Turn, b: int) -> None:
    """Look at the battery's signals, and at the time."""
    state = turn.state
    plan, battery = state.plan.batteries[b], state.batteries[b]
    seen = _seen(state, plan)
    if battery.recovery_until_ms <= turn.now:
        battery.recovery_until_ms = NEVER_MS
    if seen is Mode.FLOAT and (battery.recovery_until_ms != NEVER_MS or battery.mode is Mode.DISCHARGE):
        seen = Mode.RECOVERY
    if seen is not battery.candidate:
        # Float and recovery are one signal: the end of recovery does not begin the hold anew. So are boost and unknown
        # while nobody ventilates for them: whichever it is, the fan must run.
        if {seen, battery.candidate} != {Mode.FLOAT, Mode.RECOVERY} and not (
            battery.mode not in GASSING and seen in GASSING and battery.candidate in GASSING
        ):
            battery.candidate_ms = turn.now
        battery.candidate = seen
    if seen is not battery.mode and turn.now >= battery.candidate_ms + plan.hold_ms:
        _change(turn, b, seen)
    turn.wake(Wake.BATTERY, b, due_ms(state, b))


def due_ms(state: RoomState, b: int) -> int:
    """When the hold of a new mode, or the recovery, ends."""
    plan, battery = state.plan.batteries[b], state.batteries[b]
    due = battery.recovery_until_ms if battery.recovery_until_ms != NEVER_MS else FAR_MS
    if battery.candidate is not battery.mode:
        due = min(due, battery.candidate_ms + plan.hold_ms)
    return due


def apply_limits(state: RoomState, b: int) -> None:
    """Set the limits of the battery's mode."""
    mode = state.batteries[b].mode
    for row in state.index.battery_rows[b]:
        limit = state.plan.limits[state.index.rows[row].at]
        value = next((m.limit for m in limit.by_mode if m.mode is mode), limit.limit)
        for at in state.index.compensations.get(row, ()):
            state.columns.compensate(at, mode)
        state.columns.set_limit(row, value, limit.deadband)
        state.columns.bound(row)


def _change(turn: Turn, b: int, mode: Mode) -> None:
    state = turn.state
    battery = state.batteries[b]
    was, battery.mode = battery.mode, mode
    if was is Mode.DISCHARGE:
        battery.recovery_until_ms = turn.now + state.plan.batteries[b].recovery_ms
    elif mode is Mode.DISCHARGE:
        battery.recovery_until_ms = NEVER_MS
    if battery.boosting:
        battery.boost_ms = turn.now
    battery.boosting = mode is Mode.BOOST or (battery.boosting and mode is Mode.UNKNOWN)
    turn.emit(EventType.MODE_CHANGED, state.plan.batteries[b].id, state=mode.value, reason=f"was {was}")
    apply_limits(state, b)
    for row in state.index.battery_rows[b]:
        observe(turn, row, state.columns.raw(row))
    for row, (kind, *_) in enumerate(state.index.rows):
        if kind in (RowKind.MEDIAN, RowKind.RUNAWAY):
            turn.rows_dirty.add(row)
    alarms.suppress_open(turn)
    turn.outputs_dirty = True


def _seen(state: RoomState, plan: BatteryPlan) -> Mode:
    """What the signals say now."""
    if plan.flags != NONE:
        flags = state.columns.value(plan.flags)
        return Mode.UNKNOWN if isinstance(flags, NoData) else _by_flags(flags)
    current = NoData.NOT_PRESENT if plan.current == NONE else state.columns.value(plan.current)
    if plan.contact != NONE:
        contact = state.columns.value(plan.contact)
        if isinstance(contact, NoData):
            return Mode.UNKNOWN
        if not isinstance(current, NoData) and current < -plan.idle_ma:
            return Mode.DISCHARGE
        return Mode.BOOST if contact >= 1 else Mode.FLOAT
    if isinstance(current, NoData):
        return Mode.UNKNOWN
    if current < -plan.idle_ma:
        return Mode.DISCHARGE
    voltage = NoData.NOT_PRESENT if plan.voltage == NONE else state.columns.value(plan.voltage)
    if isinstance(voltage, NoData):
        return Mode.UNKNOWN
    return Mode.BOOST if voltage >= plan.boost_mv_per_cell * plan.cells else Mode.FLOAT


def _by_flags(flags: int) -> Mode:
    if flags & DISCHARGING:
        return Mode.DISCHARGE
    if flags & EQUALISING:
        return Mode.BOOST
    if flags & FLOATING:
        return Mode.FLOAT
    return Mode.BOOST if flags & CHARGING else Mode.UNKNOWN


def fresh(now_ms: int) -> BatteryState:
    return BatteryState(candidate_ms=now_ms)
