"""What an event says about a condition: the value, its unit and limit as decimal strings, and its quality."""

from functools import lru_cache

from shared.domain.alarm_machine import ACTIVE
from shared.domain.conditions import NOTHING_MEASURED, Measured, RowKind
from shared.domain.plan import NONE
from shared.domain.state import RoomState
from shared.domain.units import NoData, Quality, format_scaled
from shared.domain.upkeep_plan import NO_LIMIT


def measure(state: RoomState, row: int) -> Measured:
    """Of one row, from the present values."""
    kind, at, _, _, point = state.index.rows[row]
    if row < state.index.column_rows:
        return of_column(state, row, state.columns.measure(row), state.columns.limit(row))
    if kind is RowKind.COUNT:
        count = state.plan.counts[at]
        return Measured(str(count_true(state, count.of)), "", str(count.at_least), _GOOD)
    if point == NONE:
        return NOTHING_MEASURED
    value = state.columns.value(point)
    shown = 0 if isinstance(value, NoData) else value
    if kind is RowKind.GAS_1:
        return _of_point(state, point, shown, state.plan.detectors[at].limit_1)
    if kind is RowKind.GAS_2:
        return _of_point(state, point, shown, state.plan.detectors[at].limit_2)
    if kind is RowKind.RATE:
        return _of_point(state, point, shown, state.plan.rates[at].limit)
    return _of_point(state, point, shown, None)


def of_column(state: RoomState, row: int, value: int, limit: int) -> Measured:
    """Of a column row that has this value and this limit."""
    return _of_point(state, state.index.rows[row].point, value, None if limit >= NO_LIMIT else limit)


def count_true(state: RoomState, alarms: tuple[int, ...]) -> int:
    """How many of these alarms have a TRUE condition."""
    return sum(1 for a in alarms if a in state.records and state.records[a].state in ACTIVE)


def _of_point(state: RoomState, point: int, value: int, limit: int | None) -> Measured:
    unit, decimals = state.index.point_units[point]
    shown_limit = "" if limit is None else _shown(limit, decimals)
    if state.columns.reasons.item(point):
        return Measured("", unit, shown_limit, _BAD)
    # As Measured(...) does it, in half the time.
    return tuple.__new__(Measured, (_shown(value, decimals), unit, shown_limit, _GOOD))


_GOOD, _BAD = Quality.GOOD.value, Quality.BAD.value
_shown = lru_cache(maxsize=8_192)(format_scaled)
"""Limits come again and again, and so do the values of a battery that is well."""
