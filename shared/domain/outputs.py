"""Demands of outputs: cause and effect, run-on, standby, and the proof that a demand had its effect.

A demand is a projection of conditions, faults, latches and modes; ack, shelving, out of service and maintenance do not
reach it, and silence reaches buzzers only. An output is on while anything demands it:

- gas at a detector (DETECTOR_1, DETECTOR_2), without delay, and run_on_ms after it;
- a detector that is faulty, silent or starting (DETECTOR_FAULT), until its good samples;
- an alarm whose condition is TRUE or whose latch holds (ALARM); a buzzer hears it from severity alarm on;
- a battery in boost, and run_on_ms after it, or whose mode is unknown (BOOST);
- a trip that guard made by itself (a local_trip Report), with run-on when its cause was gas;
- a test that a person asked for;
- a lease of the centre, of at most 15 minutes; it adds to the others and takes nothing away, has no run-on, and a boot
  of the machine ends it, because its time is that of one boot.

Proof, while on: within run_up_ms the read-back shows it and air flows (as far as there are points for them), else the
output has failed; a proof that is lost starts the same time again. The n-th standby fan is on when n fans before it in
the table are demanded and have failed: the first steps in for any of them, the second for two of them.
"""

from shared.domain import dues
from shared.domain.alarm_machine import DEMANDING
from shared.domain.conditions import FALSE, KEEP, TRUE, UNKNOWN, RowKind
from shared.domain.events import EventType
from shared.domain.modes import GASSING
from shared.domain.plan import NONE, CauseKind, CausePlan, OutputKind, OutputPlan, Severity
from shared.domain.rows import observe
from shared.domain.state import OutputState, RoomState
from shared.domain.trip import FAR_MS, NEVER_MS
from shared.domain.turn import Turn, Wake
from shared.domain.units import NoData

RENEW_MS = 60_000
"""A guard that was started anew says its trips again within this time, else they are over."""
AGAIN_MS = 10_000
"""When the gas value is missing, its fall is looked at again so much later."""
GAS_TRIPS = ("gas_1", "gas_2")
"""Causes in a local_trip Report that hold run-on."""


def evaluate(turn: Turn) -> None:
    """Bring all outputs up to what demands them now."""
    turn.outputs_dirty = False
    for o in range(len(turn.state.outputs)):
        _evaluate(turn, o)


def has_failed(state: RoomState, o: int) -> bool:
    """No proof within run-up, or an alarm about it that nobody has reset."""
    alarm = state.records.get(state.plan.outputs[o].alarm_fail)
    return state.outputs[o].failed or (alarm is not None and alarm.state in DEMANDING)


def local_trip(turn: Turn, o: int, *, on: bool, cause: str) -> None:
    """guard made or ended a trip by itself; ``cause`` is its word for it, as :func:`is_gas_trip` reads it."""
    output = turn.state.outputs[o]
    if is_gas_trip(output.local) or (on and is_gas_trip(cause)):
        output.local_gas_ms = turn.now
    output.local = (cause or "unknown") if on else ""
    output.local_until_ms = FAR_MS
    turn.outputs_dirty = True


def is_gas_trip(detail: str) -> bool:
    """Whether gas is among the causes that guard names: "gas_1 s/r/gas1-h2, start; not armed: never commissioned"."""
    causes = detail.partition(";")[0].split(", ")
    return any(cause.partition(" ")[0] in GAS_TRIPS for cause in causes)


def expect_renewal(turn: Turn) -> None:
    """guard was started anew: trips of the old one end unless they are said again."""
    for output in turn.state.outputs:
        if output.local:
            output.local_until_ms = turn.now + RENEW_MS
    turn.outputs_dirty = True


def end_leases(turn: Turn) -> None:
    """The machine was started: nobody knows how much of their time is over."""
    for output in turn.state.outputs:
        output.lease_until_ms = NEVER_MS


def _evaluate(turn: Turn, o: int) -> None:
    state = turn.state
    plan, output = state.plan.outputs[o], state.outputs[o]
    if output.local and output.local_until_ms <= turn.now:
        local_trip(turn, o, on=False, cause="")
        turn.outputs_dirty = False
    by, due = _demands(state, o, turn.now)
    if not by:
        output.silenced = False
    on = bool(by) and not output.silenced
    output.by = by
    if on and not output.on:
        output.on, output.confirmed, output.failed, output.proved = True, False, False, False
        output.run_up_ms = turn.now + plan.run_up_ms
        output.proof_due_ms = output.run_up_ms if _needs_proof(plan) else FAR_MS
        turn.emit(EventType.OUTPUT_DEMANDED, plan.id, state="on", reason=", ".join(by))
    elif output.on and not on:
        output.on, output.confirmed, output.failed, output.proved = False, False, False, False
        output.proof_due_ms = FAR_MS
        if not output.silenced:
            turn.emit(EventType.OUTPUT_RELEASED, plan.id, state="off")
    _prove(turn, o)
    _observe_airflow(turn, o)
    _observe_fall(turn, o)
    output.due_ms = min(due, output.proof_due_ms, output.falling_due_ms, output.local_until_ms)
    turn.wake(Wake.OUTPUT, o, output.due_ms)


def _demands(state: RoomState, o: int, now_ms: int) -> tuple[tuple[str, ...], int]:
    """Everything that demands an output now, and when the first of it ends by time."""
    plan, output = state.plan.outputs[o], state.outputs[o]
    by: list[str] = []
    ends: list[int] = []
    if plan.standby:
        failed = _failed_before(state, o)
        if len(failed) >= _standby_rank(state, o):
            by.append(f"standby for {', '.join(failed)}")
    else:
        for cause in plan.causes:
            name, held_ms = _cause(state, plan, cause)
            if held_ms == FAR_MS:
                by.append(name)
            elif held_ms != NEVER_MS and now_ms < held_ms + plan.run_on_ms:
                by.append(f"run-on {name}")
                ends.append(held_ms + plan.run_on_ms)
    if output.local:
        by.append(f"local_trip {output.local}")
    elif output.local_gas_ms != NEVER_MS and now_ms < output.local_gas_ms + plan.run_on_ms:
        by.append("run-on local_trip")
        ends.append(output.local_gas_ms + plan.run_on_ms)
    if now_ms < output.test_until_ms:
        by.append("test")
        ends.append(output.test_until_ms)
    if now_ms < output.lease_until_ms:
        by.append(f"central_lease {output.lease_by}")
        ends.append(output.lease_until_ms)
    return tuple(by), min(ends, default=FAR_MS)


def _cause(state: RoomState, plan: OutputPlan, cause: CausePlan) -> tuple[str, int]:
    """Name of a cause, and until when it held: FAR_MS while it holds, NEVER_MS when it has no run-on."""
    kind, index = cause.kind, cause.index
    if kind is CauseKind.ALARM:
        record = state.records.get(index)
        on = record is not None and record.state in DEMANDING
        if record is not None and plan.kind is OutputKind.BUZZER and record.severity < Severity.ALARM:
            on = False
        return f"alarm {state.plan.alarms[index].id}", FAR_MS if on else NEVER_MS
    if kind is CauseKind.BOOST:
        battery = state.batteries[index]
        on = battery.mode in GASSING
        return f"{battery.mode} {state.plan.batteries[index].id}", FAR_MS if on else battery.boost_ms
    detector = state.detectors[index]
    name = f"{kind} {state.plan.detectors[index].id}"
    if kind is CauseKind.DETECTOR_FAULT:
        return name, FAR_MS if detector.fault or detector.starting else NEVER_MS
    if kind is CauseKind.DETECTOR_2:
        return name, FAR_MS if detector.gas_2 else detector.gas_2_ms
    return name, FAR_MS if detector.gas_1 or detector.gas_2 else max(detector.gas_1_ms, detector.gas_2_ms)


def _failed_before(state: RoomState, o: int) -> list[str]:
    """The fans before this one that are demanded and have failed."""
    fans = (i for i in range(o) if state.plan.outputs[i].kind is OutputKind.FAN)
    return [state.plan.outputs[i].id for i in fans if state.outputs[i].by and has_failed(state, i)]


def _standby_rank(state: RoomState, o: int) -> int:
    """Which of the standby fans this one is, from 1."""
    return sum(x.kind is OutputKind.FAN and x.standby for x in state.plan.outputs[: o + 1])


def _needs_proof(plan: OutputPlan) -> bool:
    return plan.read_back != NONE or plan.airflow != NONE


def _missing_proof(state: RoomState, plan: OutputPlan) -> str:
    """Which proof is missing now, empty when none is."""
    for name, point in (("read-back", plan.read_back), ("airflow", plan.airflow)):
        if point != NONE:
            value = state.columns.value(point)
            if isinstance(value, NoData) or value < 1:
                return name
    return ""


def _prove(turn: Turn, o: int) -> None:
    """Confirm, or call failed, an output that is on."""
    state = turn.state
    plan, output = state.plan.outputs[o], state.outputs[o]
    if output.on and _needs_proof(plan):
        missing = _missing_proof(state, plan)
        if not missing:
            if not output.confirmed:
                output.confirmed, output.failed, output.proved = True, False, True
                output.proof_due_ms = FAR_MS
                turn.emit(EventType.OUTPUT_CONFIRMED, plan.id, state="on")
                dues.proven(turn, o)
        elif output.confirmed:
            output.confirmed = False
            output.proof_due_ms = turn.now + plan.run_up_ms
        elif output.proof_due_ms <= turn.now:
            output.failed = True
            output.proof_due_ms = FAR_MS
            turn.emit(EventType.OUTPUT_FAILED, plan.id, state="on", reason=f"no {missing} within run-up")
            turn.outputs_dirty = True
    raw = TRUE if output.failed else FALSE if output.confirmed or not output.on else KEEP
    _observe(turn, RowKind.FAN_FAIL, o, raw)


def _observe_airflow(turn: Turn, o: int) -> None:
    """Airflow that was there and is lost while demanded, run-up being over."""
    plan, output = turn.state.plan.outputs[o], turn.state.outputs[o]
    if plan.airflow == NONE or not output.on or not output.proved or turn.now < output.run_up_ms:
        raw = FALSE
    else:
        value = turn.state.columns.value(plan.airflow)
        raw = UNKNOWN if isinstance(value, NoData) else FALSE if value >= 1 else TRUE
    _observe(turn, RowKind.AIRFLOW_LOW, o, raw)


def _observe_fall(turn: Turn, o: int) -> None:
    """Gas that does not fall although the air is proven to flow."""
    state = turn.state
    plan, output = state.plan.outputs[o], state.outputs[o]
    if (RowKind.NOT_FALLING, o) not in state.index.special:
        return
    detectors = sorted({c.index for c in plan.causes if c.kind in (CauseKind.DETECTOR_1, CauseKind.DETECTOR_2)})
    if not any(state.detectors[d].gas_1 for d in detectors):
        output.falling_due_ms = FAR_MS
        _observe(turn, RowKind.NOT_FALLING, o, FALSE)
    elif not (output.on and output.confirmed):
        output.falling_due_ms = FAR_MS
    elif output.falling_due_ms == FAR_MS:
        level = _gas_level(state, detectors)
        if level is not None:
            output.falling_from, output.falling_due_ms = level, turn.now + plan.not_falling_ms
    elif output.falling_due_ms <= turn.now:
        level = _gas_level(state, detectors)
        if level is None:
            output.falling_due_ms = turn.now + AGAIN_MS
            return
        _observe(turn, RowKind.NOT_FALLING, o, TRUE if level >= output.falling_from else FALSE)
        output.falling_from = level
        output.falling_due_ms = turn.now + plan.not_falling_ms


def _gas_level(state: RoomState, detectors: list[int]) -> int | None:
    """Highest gas value; contacts count as the limit they stand for. None when a value is missing."""
    levels: list[int] = []
    for d in detectors:
        plan, detector = state.plan.detectors[d], state.detectors[d]
        if not detector.gas_1:
            continue
        if plan.h2 == NONE:
            levels.append(plan.limit_2 if detector.gas_2 else plan.limit_1)
            continue
        value = state.columns.value(plan.h2)
        if isinstance(value, NoData):
            return None
        levels.append(value)
    return max(levels, default=0)


def _observe(turn: Turn, kind: RowKind, o: int, raw: int) -> None:
    row = turn.state.index.special.get((kind, o))
    if row is not None:
        observe(turn, row, raw)


def proof_of(plan: OutputPlan, output: OutputState) -> str:
    """The proof as people see it: none, pending, proven or failed."""
    if not output.on or not _needs_proof(plan):
        return "none"
    return "proven" if output.confirmed else "failed" if output.failed else "pending"
