"""Commands about upkeep: replace a part, set a baseline, tell of a calibration or a proof test.

A replaced jar begins anew: its resistance without a baseline until one is given or measured, its delays and counts
forgotten, conditions that were false unknown until the next good value, latches of what the old jar did let go. What is
true stays true until a value says otherwise. A new gas head was calibrated by its maker: its calibration is due from
now, or from the day of its certificate when a person names that afterwards. A new current sensor's seven-day median
begins anew. No output is touched by any of this.
"""

from shared.domain import alarms, baselines, dues, rows
from shared.domain.alarm_machine import State, Trigger
from shared.domain.conditions import RowKind
from shared.domain.events import EventType
from shared.domain.inputs import Command, Refusal, Rejected
from shared.domain.state import PartState, RoomState
from shared.domain.turn import Turn
from shared.domain.upkeep_plan import DueKind, PartKind

VALUE_MAX = 100_000_000
"""100 Ohm in uOhm: no jar has so much."""
DAY_MS = 86_400_000
UNKNOWN_SERIAL = "unknown"


def _no(refusal: Refusal, text: str = "") -> Rejected:
    return Rejected(refusal, text, "", None)


def serial_of(state: RoomState, part: int) -> str:
    """The serial that is known, empty for none."""
    known = state.parts.get(part)
    return state.plan.parts[part].serial if known is None else known.serial


# Replace


def replace(turn: Turn, command: Command) -> Rejected | None:
    """A part was exchanged for another one of its kind."""
    state = turn.state
    part = state.index.part_by_id.get(command.subject)
    if part is None:
        return _no(Refusal.UNKNOWN_SUBJECT)
    if not command.reason.strip():
        return _no(Refusal.REASON_MISSING)
    known, old, new = serial_of(state, part), command.old_serial.strip(), command.new_serial.strip()
    if not new:
        return _no(Refusal.SERIAL_MISSING, "the new serial")
    if known and not old:
        return _no(Refusal.SERIAL_MISSING, f"the old serial; {known} is known")
    if known and old != known:
        return _no(Refusal.OTHER_SERIAL, f"{known} is known")
    if new == (known or old):
        return _no(Refusal.ALREADY, f"its serial is {new}")
    kind = state.plan.parts[part].kind
    if command.value and (kind is not PartKind.JAR or _baseline(state, command.subject) is None):
        return _no(Refusal.NOT_SUPPORTED, "only a jar whose resistance is measured has a baseline")
    if not 0 <= command.value <= VALUE_MAX:
        return _no(Refusal.OUT_OF_RANGE, "a baseline is above 0 and at most 100000 mOhm")
    before = state.parts.get(part)
    times = 1 if before is None else before.times + 1
    state.parts[part] = PartState(new, turn.entry.at_ms, command.actor, command.reason.strip(), times)
    turn.emit(
        EventType.PART_REPLACED,
        command.subject,
        rule=kind.value,
        reason=f"{old or known or UNKNOWN_SERIAL} -> {new}: {command.reason.strip()}",
        actor=command.actor,
    )
    if kind is PartKind.JAR:
        _renew_jar(turn, command)
    elif kind is PartKind.GAS_HEAD:
        due = dues.find(state, DueKind.CALIBRATION, command.subject)
        if due is not None:
            dues.done(turn, due, age_ms=0, reason="a new gas head", actor=command.actor, is_taken_for_done=True)
    elif kind is PartKind.SENSOR:
        _forget_medians(turn, command.subject)
    return None


def _renew_jar(turn: Turn, command: Command) -> None:
    state = turn.state
    for a, alarm in enumerate(state.plan.alarms):
        if alarm.id.startswith(command.subject + "/"):
            for row in state.index.alarm_rows[a]:
                rows.renew(turn, row)
            _let_go(turn, a, command.actor)
    b = _baseline(state, command.subject)
    if b is None:
        return
    baselines.forget(turn, b)
    if command.value:
        baselines.give(turn, b, command.value, reason="given with the new jar", actor=command.actor)
    else:
        baselines.measure(turn, b, reason="a new jar", actor=command.actor)


def _let_go(turn: Turn, a: int, actor: str) -> None:
    """The latch of what the old jar did."""
    record = turn.state.records.get(a)
    if record is None or record.state not in (State.E, State.F):
        return
    if record.state is State.E:
        alarms.move(turn, a, Trigger.ACK)
        alarms.tell(turn, a, EventType.ALARM_ACKED, reason="the jar was replaced", actor=actor)
    alarms.move(turn, a, Trigger.RESET)
    alarms.tell(turn, a, EventType.ALARM_RESET, reason="the jar was replaced", actor=actor)
    alarms.close_if_normal(turn, a, actor=actor)


def _forget_medians(turn: Turn, point: str) -> None:
    state = turn.state
    for p, battery in state.index.medians:
        if state.plan.points[p].id == point:
            state.histograms.pop((p, battery), None)
            kinds = (RowKind.MEDIAN, RowKind.RUNAWAY)
            turn.rows_dirty.update(r for r, row in enumerate(state.index.rows) if row.kind in kinds)


def _baseline(state: RoomState, jar: str) -> int | None:
    return next((b for b, plan in enumerate(state.plan.baselines) if plan.jar == jar), None)


# Baseline


def baseline(turn: Turn, command: Command) -> Rejected | None:
    """Set the baseline of a jar, of all jars of a string, or of a battery; measured when no value is given."""
    state = turn.state
    under = command.subject + "/"
    meant = [
        b
        for b, plan in enumerate(state.plan.baselines)
        if command.subject in (plan.jar, plan.string) or plan.jar.startswith(under)
    ]
    if command.subject in (state.plan.site, f"{state.plan.site}/{state.plan.id}"):
        meant = []
    if not meant:
        is_part = command.subject in state.index.part_by_id
        text = "no resistance is measured there, or its limits are fixed"
        return _no(Refusal.NOT_SUPPORTED, text) if is_part else _no(Refusal.UNKNOWN_SUBJECT)
    if not 0 <= command.value <= VALUE_MAX:
        return _no(Refusal.OUT_OF_RANGE, "above 0 and at most 100000 mOhm")
    reason = command.reason.strip()
    if command.value == 0:
        asked = f"{len(meant)} to measure, {baselines.SAMPLES} good values each{': ' if reason else ''}{reason}"
        turn.emit(EventType.BASELINE_REQUESTED, command.subject, reason=asked, actor=command.actor)
    for b in meant:
        if command.value:
            said = f"given: {reason}" if reason else "given"
            baselines.give(turn, b, command.value, reason=said, actor=command.actor)
        else:
            baselines.measure(turn, b, reason=reason, actor=command.actor)
    return None


# Calibration and proof test


def calibrated(turn: Turn, command: Command) -> Rejected | None:
    """A person has calibrated a detector."""
    return _done(turn, command, DueKind.CALIBRATION)


def proof_tested(turn: Turn, command: Command) -> Rejected | None:
    """A person has proven an output."""
    return _done(turn, command, DueKind.PROOF_TEST)


def _done(turn: Turn, command: Command, kind: DueKind) -> Rejected | None:
    state = turn.state
    at = dues.find(state, kind, command.subject)
    if at is None:
        plans = state.plan.detectors if kind is DueKind.CALIBRATION else state.plan.outputs
        is_there = any(plan.id == command.subject for plan in plans)
        return _no(Refusal.NOT_SUPPORTED, "its rule is switched off") if is_there else _no(Refusal.UNKNOWN_SUBJECT)
    if command.age_ms < 0:
        return _no(Refusal.OUT_OF_RANGE, "the day is still to come")
    due = state.dues[at]
    if due.done_at_ms and not due.is_taken_for_done and turn.now - command.age_ms < due.since_ms:
        days = (turn.now - due.since_ms) // DAY_MS
        return _no(Refusal.ALREADY, f"{due.by} told of one {days} days ago, which is later; a later day counts")
    dues.done(turn, at, age_ms=command.age_ms, reason=command.reason.strip(), actor=command.actor)
    return None
