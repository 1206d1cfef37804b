"""Baselines of resistance: what the limits of jar_resistance_* are so many per cent of.

The site file's figure counts until a person has another one recorded, given or measured, and again when the file's own
figure changes. A measurement is the median of the next SAMPLES good values outside a discharge; the baseline before it
holds until then, and of a jar that was replaced none does. Without a baseline there is no limit: stock and due say so.
"""

from collections.abc import Iterable

from shared.domain.conditions import Measured
from shared.domain.events import EventType
from shared.domain.plan import Mode
from shared.domain.rows import observe
from shared.domain.state import BaselineState, RoomState
from shared.domain.turn import Turn
from shared.domain.units import NoData, Quality, Unit, format_value, round_div
from shared.domain.upkeep_plan import NO_LIMIT

SAMPLES = 9
"""Odd, so that the median is a value that was measured."""


def value_of(state: RoomState, b: int) -> int:
    """The baseline in force, uOhm; 0 for none."""
    known = state.baselines.get(b)
    return state.plan.baselines[b].given if known is None else known.value


def measure(turn: Turn, b: int, *, reason: str, actor: str) -> None:
    """Begin to measure; what was being measured begins anew."""
    known = _record(turn.state, b)
    known.left, known.samples, known.reason, known.asked_by = SAMPLES, (), reason, actor
    turn.state.measuring.add(b)


def give(turn: Turn, b: int, value: int, *, reason: str, actor: str) -> None:
    """Set a baseline; one that is being measured is measured no more."""
    state = turn.state
    known = _record(state, b)
    known.value, known.at_ms, known.by = value, turn.entry.at_ms, actor
    _rest(state, b)
    apply(state, b)
    measured = Measured(format_value(value, Unit.MILLIOHM), Unit.MILLIOHM.value, "", Quality.GOOD.value)
    turn.emit(EventType.BASELINE_SET, state.plan.baselines[b].jar, measured=measured, reason=reason, actor=actor)
    _look(turn, b)


def forget(turn: Turn, b: int) -> None:
    """There is none until one is set."""
    _record(turn.state, b).value = 0
    apply(turn.state, b)
    _look(turn, b)


def sample(turn: Turn, s: int) -> None:
    """Take what a scan brings for the baselines that are being measured."""
    state = turn.state
    for b in sorted(state.measuring):
        plan = state.plan.baselines[b]
        if state.index.point_scan[plan.point] != s or state.batteries[plan.battery].mode is Mode.DISCHARGE:
            continue
        value = state.columns.value(plan.point)
        if isinstance(value, NoData) or value <= 0:
            continue
        known = state.baselines[b]
        known.samples, known.left = (*known.samples, value), known.left - 1
        if known.left == 0:
            middle = sorted(known.samples)[SAMPLES // 2]
            why = f": {known.reason}" if known.reason else ""
            give(turn, b, middle, reason=f"measured, median of {SAMPLES}{why}", actor=known.asked_by)


def apply(state: RoomState, b: int) -> None:
    """Set the limits that follow a baseline."""
    value = value_of(state, b)
    for row, at in state.index.baseline_rows[b]:
        factor = state.plan.factors[at]
        limit = round_div(value * factor.percent, 100) if value > 0 else NO_LIMIT
        state.columns.set_limit(row, limit, factor.deadband or (limit // 50 if value > 0 else 1))
        state.columns.bound(row)


def restore(state: RoomState, known: dict[int, BaselineState]) -> None:
    """Go on with these baselines, before the conditions of their rows are known."""
    state.baselines = known
    state.measuring = {b for b, one in known.items() if one.left > 0}
    for b in sorted(known):
        apply(state, b)


def carry(old: RoomState, new: RoomState, pairs: Iterable[tuple[int, int]]) -> None:
    """Take over what was recorded, (old, new), unless the site file's own figure is another one now."""
    kept = {}
    for o, n in pairs:
        given = new.plan.baselines[n].given
        if o in old.baselines and given in (0, old.plan.baselines[o].given):
            kept[n] = old.baselines[o]
    restore(new, kept)


def _record(state: RoomState, b: int) -> BaselineState:
    known = state.baselines.get(b)
    if known is None:
        known = state.baselines[b] = BaselineState(value=state.plan.baselines[b].given)
    return known


def _rest(state: RoomState, b: int) -> None:
    known = state.baselines[b]
    known.left, known.samples, known.reason, known.asked_by = 0, (), "", ""
    state.measuring.discard(b)


def _look(turn: Turn, b: int) -> None:
    """The limits have moved."""
    for row, _ in turn.state.index.baseline_rows[b]:
        observe(turn, row, turn.state.columns.raw(row))
