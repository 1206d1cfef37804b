"""A room's state as plain data and back: integers, strings, lists and dicts in one fixed order, ready for any codec.

A state that comes back goes on exactly as the one that was taken: what is left out (the index, limits by mode, the heap
of wakes) follows from the plan and from what is kept. Refuses data of another form or room by ValueError.
"""

from dataclasses import fields
from enum import Enum
from typing import Any

from shared.domain import baselines, medians, modes, timers
from shared.domain.column_lists import as_lists, restore_lists
from shared.domain.columns import Columns
from shared.domain.conditions import FALSE, RowKind
from shared.domain.index import build
from shared.domain.plan import RoomPlan
from shared.domain.state import (
    AlarmRecord,
    BaselineState,
    BatteryState,
    DueState,
    Histogram,
    Maintenance,
    OutputState,
    PartState,
    Pending,
    RoomState,
    ScanState,
)
from shared.domain.trip import TripState

FORM = 1
"""Raised when the shape of the data changes beyond fields added or dropped; older shapes are read by upcasting here."""
RECORDS = (
    ScanState,
    TripState,
    BatteryState,
    OutputState,
    AlarmRecord,
    Pending,
    Maintenance,
    PartState,
    BaselineState,
    DueState,
)


def fresh(plan: RoomPlan, version: str, log_id: str, now_ms: int = 0, old: RoomState | None = None) -> RoomState:
    """The state before the first input: all unknown, but that nothing has been reported or is overdue is known.

    Takes the index of an ``old`` state of the same plan.
    """
    index = old.index if old is not None and old.plan is plan else build(plan)
    columns = Columns(index, now_ms)
    for row, (kind, *_) in enumerate(index.rows):
        if kind in (RowKind.REPORT, RowKind.DUE):
            columns.cond[row] = FALSE
    return RoomState(
        plan=plan,
        version=version,
        log_id=log_id,
        index=index,
        columns=columns,
        tick_ms=now_ms,
        scans=[ScanState(answered_ms=now_ms, heard_ms=now_ms) for _ in plan.scans],
        detectors=[TripState() for _ in plan.detectors],
        batteries=[modes.fresh(now_ms) for _ in plan.batteries],
        outputs=[OutputState() for _ in plan.outputs],
        dues=[DueState(since_ms=now_ms) for _ in plan.dues],
    )


def state_to_data(state: RoomState) -> dict[str, Any]:
    """The whole state as plain data."""
    return {
        "form": FORM,
        "room": f"{state.plan.site}/{state.plan.id}",
        "version": state.version,
        "log_id": state.log_id,
        "room_no": state.room_no,
        "site_seq": state.site_seq,
        "tick_ms": state.tick_ms,
        "boot": state.boot,
        "begun": int(state.begun),
        "fields": {kind.__name__: _names(kind) for kind in RECORDS},
        "columns": as_lists(state.columns),
        "scans": [_pack(x) for x in state.scans],
        "detectors": [_pack(x) for x in state.detectors],
        "batteries": [_pack(x) for x in state.batteries],
        "outputs": [_pack(x) for x in state.outputs],
        "records": [[a, *_pack(x)] for a, x in sorted(state.records.items())],
        "pending": [[row, *_pack(x)] for row, x in sorted(state.pending.items())],
        "rises": [[row, *ticks] for row, ticks in sorted(state.rises.items())],
        "unknown": sorted(state.unknown),
        "silent": sorted(state.silent),
        "rates": [[at, *(list(s) for s in samples)] for at, samples in sorted(state.rates.items())],
        "histograms": [
            [*key, x.next_ms, x.day_ms, x.median, *([list(i) for i in sorted(day.items())] for day in x.days)]
            for key, x in sorted(state.histograms.items())
        ],
        "maintenance": [[subject, *_pack(x)] for subject, x in sorted(state.maintenance.items())],
        "parts": [[part, *_pack(x)] for part, x in sorted(state.parts.items())],
        "baselines": [[b, *_pack(x)] for b, x in sorted(state.baselines.items())],
        "dues": [_pack(x) for x in state.dues],
    }


def state_from_data(plan: RoomPlan, version: str, data: dict[str, Any]) -> RoomState:
    """The state that :func:`state_to_data` took, under the same plan."""
    room = f"{plan.site}/{plan.id}"
    if data.get("form") != FORM or data.get("room") != room:
        raise ValueError(f"form {data.get('form')} of {data.get('room')} is not form {FORM} of {room}")
    state = fresh(plan, version, data["log_id"])
    state.room_no, state.site_seq, state.tick_ms = data["room_no"], data["site_seq"], data["tick_ms"]
    state.boot, state.begun = data["boot"], bool(data["begun"])
    reader = _Reader(data["fields"])
    state.scans = [reader.read(ScanState, x) for x in data["scans"]]
    state.detectors = [reader.read(TripState, x) for x in data["detectors"]]
    state.batteries = [reader.read(BatteryState, x) for x in data["batteries"]]
    state.outputs = [reader.read(OutputState, x) for x in data["outputs"]]
    state.records = {a: reader.read(AlarmRecord, x) for a, *x in data["records"]}
    state.pending = {row: reader.read(Pending, x) for row, *x in data["pending"]}
    state.rises = {row: tuple(ticks) for row, *ticks in data["rises"]}
    state.unknown, state.silent = set(data["unknown"]), set(data["silent"])
    state.rates = {at: [(bucket, value) for bucket, value in samples] for at, *samples in data["rates"]}
    state.histograms = {(x[0], x[1]): _histogram(x[2:]) for x in data["histograms"]}
    state.maintenance = {subject: reader.read(Maintenance, x) for subject, *x in data["maintenance"]}
    state.parts = {part: reader.read(PartState, x) for part, *x in data.get("parts", ())}
    state.dues = [reader.read(DueState, x) for x in data.get("dues", ())] or state.dues
    baselines.restore(state, {b: reader.read(BaselineState, x) for b, *x in data.get("baselines", ())})
    for b in range(len(plan.batteries)):
        modes.apply_limits(state, b)
    restore_lists(state.columns, data["columns"])
    timers.set_all(state)
    return state


def _names(kind: Any) -> list[str]:
    """Names of a record's fields in their order; the data says them once for each kind of record."""
    return list(kind._fields) if issubclass(kind, tuple) else [f.name for f in fields(kind)]


def _pack(record: Any) -> list[Any]:
    """A record's fields in their order, as integers, strings and lists."""
    return [_plain(getattr(record, name)) for name in _names(type(record))]


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


class _Reader:
    """Records by the field names that the data itself gives: a field it does not know keeps its default, one that we no
    longer have is left out."""

    def __init__(self, named: dict[str, list[str]]) -> None:
        self._named = named

    def read(self, kind: Any, values: list[Any]) -> Any:
        types = kind.__annotations__
        known = zip(self._named[kind.__name__], values, strict=True)
        return kind(**{name: _as(types[name], value) for name, value in known if name in types})


def _as(kind: Any, value: Any) -> Any:
    if kind is bool or (isinstance(kind, type) and issubclass(kind, Enum)):
        return kind(value)
    return tuple(value) if isinstance(value, list) else value


def _histogram(values: list[Any]) -> Histogram:
    next_ms, day_ms, median, *days = values
    histogram = Histogram(next_ms, day_ms, [dict(day) for day in days], median)
    medians.settle(histogram)
    return histogram
