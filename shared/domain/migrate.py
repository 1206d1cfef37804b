"""A new rule set: what is still in the plan keeps its state by id, or by the id that it had before.

Points, scans, detectors, batteries and outputs keep theirs by id; detectors, batteries and outputs that were renamed by
their alarms, which know it; a condition row by its alarm, its kind and its place among the alarm's rows of that kind.
An open alarm whose rule is gone is closed as retired. A condition that was TRUE stays TRUE until a good value says
otherwise, whatever its rule was before. A renamed room takes the state of the old one and counts its events anew.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from shared.domain import alarms, baselines, detectors, dues, modes, timers, trip
from shared.domain.alarm_machine import ACTIVE
from shared.domain.column_lists import copy_points, copy_temperatures
from shared.domain.conditions import FALSE, TRUE, RowKind
from shared.domain.events import EventType
from shared.domain.ids import PointId
from shared.domain.index import Index
from shared.domain.inputs import Rules
from shared.domain.lateness import counted
from shared.domain.plan import NONE, RoomPlan
from shared.domain.snapshot import fresh
from shared.domain.state import PartState, RoomState
from shared.domain.trip import FAR_MS, TripState
from shared.domain.turn import Turn


def migrate(turn: Turn, rules: Rules) -> None:
    """Put the room under a new plan."""
    old = turn.state
    plan = rules.plan
    new = fresh(plan, rules.version, old.log_id, turn.now, old)
    new.room_no = old.room_no if plan.id == old.plan.id else 0
    new.site_seq, new.boot, new.begun = old.site_seq, old.boot, old.begun
    before = _renamer(old, new)
    points = _pairs((p.id for p in old.plan.points), (before(p.id) for p in plan.points))
    copy_points(old.columns, new.columns, points)
    copy_temperatures(old.columns, new.columns, points)
    scans = _pairs((s.device for s in old.plan.scans), (s.device for s in plan.scans))
    for o, n in scans:
        new.scans[n] = old.scans[o]
    kept = _kept_alarms(old.plan, plan, before)
    _carry_detectors(turn, old, new, kept)
    batteries = _kept_batteries(old.plan, plan, kept, before)
    _carry_parts(old, new, before)
    for o, n in batteries.items():
        new.batteries[n] = old.batteries[o]
        modes.apply_limits(new, n)
    outputs = _kept_outputs(old.plan, plan, kept, before)
    for o, n in outputs:
        new.outputs[n] = old.outputs[o]
    point_of = dict(points)
    new.histograms = {
        (point_of[p], batteries[b]): x for (p, b), x in old.histograms.items() if p in point_of and b in batteries
    }
    new.maintenance = old.maintenance
    for at, due in enumerate(old.plan.dues):
        then = new.index.special.get((RowKind.DUE, _due_of(new, kept.get(due.alarm, NONE))))
        if then is not None:
            new.dues[new.index.rows[then].at] = old.dues[at]
    turn.replace(new)
    turn.emit(EventType.RULES_CHANGED, f"{plan.site}/{plan.id}", reason=rules.version, actor=rules.actor)
    _carry_rows(old, new, kept)
    _carry_records(turn, old, kept)
    for row in [r for r, (kind, *_) in enumerate(new.index.rows) if kind is RowKind.DUE]:
        dues.look(turn, row)
    _release(turn, old, outputs)
    _tell_late(turn, old, {o for o, _ in scans})
    timers.set_all(new)
    alarms.suppress_open(turn)
    turn.dirty.update(new.records)
    turn.rows_dirty.update(r for counts in new.index.counts_of.values() for r in counts)
    turn.outputs_dirty = True


def _renamer(old: RoomState, new: RoomState) -> Callable[[str], str]:
    """From an id of the new plan to what it was in the old one, for a renamed room."""
    prefix, was = f"{new.plan.site}/{new.plan.id}/", f"{old.plan.site}/{old.plan.id}/"
    return lambda name: was + name.removeprefix(prefix) if name.startswith(prefix) else name


def _pairs(old: Iterable[str], new: Iterable[str]) -> list[tuple[int, int]]:
    """Positions of what is in both, (old, new)."""
    places = {name: i for i, name in enumerate(old)}
    return [(places[name], n) for n, name in enumerate(new) if name in places]


def _kept_alarms(old: RoomPlan, new: RoomPlan, before: Callable[[str], str]) -> dict[int, int]:
    """From alarms of the old plan to those of the new one: by id, else by the id that the alarm had before.

    A ``was`` that is left in the site file after the rename names nothing any more.
    """
    return _same_or_was([alarm.id for alarm in old.alarms], [(before(alarm.id), alarm.was) for alarm in new.alarms])


def _same_or_was(old: Sequence[str], new: Sequence[tuple[str, str]]) -> dict[int, int]:
    """From positions of old names to those of the new ones, each with what it was before."""
    places = {name: i for i, name in enumerate(old)}
    renamed = {places[was]: n for n, (name, was) in enumerate(new) if name not in places and was in places}
    same = {places[name]: n for n, (name, _) in enumerate(new) if name in places}
    return {**same, **renamed}


def _kept_batteries(old: RoomPlan, new: RoomPlan, kept: dict[int, int], before: Callable[[str], str]) -> dict[int, int]:
    """From batteries of the old plan to those of the new one: by id, else by an alarm of theirs that knows a rename."""
    renamed = {
        old.alarms[o].battery: new.alarms[n].battery
        for o, n in kept.items()
        if NONE not in (old.alarms[o].battery, new.alarms[n].battery)
    }
    return {**renamed, **dict(_pairs((b.id for b in old.batteries), (before(b.id) for b in new.batteries)))}


def _kept_outputs(
    old: RoomPlan, new: RoomPlan, kept: dict[int, int], before: Callable[[str], str]
) -> list[tuple[int, int]]:
    """Positions of outputs in both plans: by id, else by an alarm of theirs that knows a rename."""
    known = {output.id for output in old.outputs}
    renamed = {new.alarms[n].subject: old.alarms[o].subject for o, n in kept.items()}
    names = [before(x.id) if before(x.id) in known else renamed.get(x.id, x.id) for x in new.outputs]
    return _pairs((x.id for x in old.outputs), names)


def _due_of(state: RoomState, alarm: int) -> int:
    """The due of an alarm; NONE has none."""
    return next((at for at, due in enumerate(state.plan.dues) if due.alarm == alarm), NONE)


def _carry_parts(old: RoomState, new: RoomState, before: Callable[[str], str]) -> None:
    """Serials that were known, whatever the site file calls them now, and baselines: by id, else by the id before."""
    for o, n in _same_or_was([x.id for x in old.plan.parts], [(before(x.id), x.was) for x in new.plan.parts]).items():
        serial = old.plan.parts[o].serial
        if o in old.parts:
            new.parts[n] = old.parts[o]
        elif serial not in ("", new.plan.parts[n].serial):
            new.parts[n] = PartState(serial)
    pairs = _same_or_was([x.jar for x in old.plan.baselines], [(before(x.jar), x.was) for x in new.plan.baselines])
    baselines.carry(old, new, pairs.items())


def _carry_detectors(turn: Turn, old: RoomState, new: RoomState, kept: dict[int, int]) -> None:
    """Detectors by their first alarm, which knows a rename (else by id); one that is new is watched from now on."""
    before = _renamer(old, new)
    by_alarm = {kept[d.alarm_1]: o for o, d in enumerate(old.plan.detectors) if d.alarm_1 in kept}
    by_id = {d.id: o for o, d in enumerate(old.plan.detectors)}
    for n, plan in enumerate(new.plan.detectors):
        o = by_alarm.get(plan.alarm_1, by_id.get(PointId(before(plan.id)), NONE))
        if o == NONE:
            new.detectors[n] = trip.restart(TripState(), turn.now)
        else:
            new.detectors[n] = detectors.carry(old.detectors[o], old.plan.detectors[o], plan, turn.now)


def _keys(index: Index) -> list[tuple[int, RowKind, int]]:
    """(alarm, kind, place among the alarm's rows of the kind) of each row."""
    counts: dict[tuple[int, RowKind], int] = defaultdict(int)
    keys = []
    for kind, _, alarm, _, _ in index.rows:
        keys.append((alarm, kind, counts[(alarm, kind)]))
        counts[(alarm, kind)] += 1
    return keys


def _carry_rows(old: RoomState, new: RoomState, alarm_of: dict[int, int]) -> None:
    """Conditions and delays of rows whose alarm is in both plans."""
    places = {key: row for row, key in enumerate(_keys(new.index))}
    for row, (alarm, kind, place) in enumerate(_keys(old.index)):
        then = places.get((alarm_of.get(alarm, -1), kind, place))
        if then is None:
            continue
        new.columns.cond[then] = old.columns.cond[row]
        new.columns.pend[then] = old.columns.pend[row]
        if row in old.rises:
            new.rises[then] = old.rises[row]
        for marks, kept in ((old.unknown, new.unknown), (old.silent, new.silent)):
            if row in marks:
                kept.add(then)
        if kind is RowKind.RATE and old.index.rows[row].at in old.rates:
            new.rates[new.index.rows[then].at] = old.rates[old.index.rows[row].at]
        if row in old.pending:
            pending = old.pending[row]
            plan = new.plan.alarms[new.index.rows[then].alarm]
            if pending.due_ms < FAR_MS:
                pending.due_ms = pending.since_ms + (plan.on_delay_ms if pending.on else plan.off_delay_ms)
            new.pending[then] = pending
    for row in range(new.index.column_rows):
        new.columns.bound(row)


def _carry_records(turn: Turn, old: RoomState, alarm_of: dict[int, int]) -> None:
    """Open alarms and overrides; those without a place any more are retired."""
    new = turn.state
    for a, record in sorted(old.records.items()):
        then = alarm_of.get(a)
        if then is not None:
            new.records[then] = record
            rows = new.index.alarm_rows[then]
            if record.state in ACTIVE and rows and all(new.columns.cond[row] != TRUE for row in rows):
                new.columns.cond[rows[0]] = TRUE
                new.pending.pop(rows[0], None)
                new.columns.pend[rows[0]] = FALSE
                if rows[0] < new.index.column_rows:
                    new.columns.bound(rows[0])
        elif record.occurrence:
            plan = old.plan.alarms[a]
            turn.emit(
                EventType.ALARM_RETIRED,
                plan.id,
                occurrence=record.occurrence,
                rule=plan.rule,
                severity=record.severity.label,
                state="A",
                reason="its rule is no longer in the rule set",
            )


def _release(turn: Turn, old: RoomState, kept: list[tuple[int, int]]) -> None:
    """Outputs that are gone are demanded no more; those renamed within their room are demanded by the new name."""
    places = dict(kept)
    for o, output in enumerate(old.outputs):
        was = old.plan.outputs[o].id
        now = turn.state.plan.outputs[places[o]].id if o in places else ""
        if output.on and now != was and (not now or turn.state.plan.id == old.plan.id):
            reason = f"it is called {now} now" if now else "it is no longer in the plan"
            turn.emit(EventType.OUTPUT_RELEASED, was, state="off", reason=reason)
            if now:
                turn.emit(EventType.OUTPUT_DEMANDED, now, state="on", reason=", ".join(output.by))


def _tell_late(turn: Turn, old: RoomState, kept: set[int]) -> None:
    """Late scans of devices that are gone, which were counted and not yet told."""
    for s, known in enumerate(old.scans):
        if known.late_count and s not in kept:
            device = f"{old.plan.site}/{old.plan.id}/{old.plan.scans[s].device}"
            turn.emit(EventType.INPUT_LATE, device, reason=counted(known))
