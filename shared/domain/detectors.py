"""Hydrogen detectors in the core: the same trip as in guard, on the log's time, and the alarms that tell of it.

Detection is one of n: each detector feeds its own rows, and any row makes its alarm. The gas rows are TRUE as soon as a
value is at or over the limit, FALSE only with a healthy sample inside it, UNKNOWN otherwise. The fault row follows
TripState.fault (no good sample for persist_ms, frozen heartbeat, warm-up over its time) and is UNKNOWN during start-up.
"""

from shared.domain import trip
from shared.domain.conditions import FALSE, KEEP, TRUE, UNKNOWN, RowKind
from shared.domain.plan import NONE, DetectorPlan
from shared.domain.rows import observe
from shared.domain.state import RoomState
from shared.domain.trip import NEVER_MS, TripSample, TripState
from shared.domain.turn import Turn, Wake
from shared.domain.units import NoData


def evaluate(turn: Turn, d: int) -> None:
    """A scan with some of the detector's points came."""
    state = turn.state
    plan = state.plan.detectors[d]
    sample = sample_of(state, plan)
    after = trip.advance(plan, state.detectors[d], sample, turn.now)
    _settle(turn, d, after)
    _observe(turn, RowKind.GAS_1, d, _gas(plan, after, sample, 1, was=after.gas_1))
    _observe(turn, RowKind.GAS_2, d, _gas(plan, after, sample, 2, was=after.gas_2))
    _observe(turn, RowKind.IMPOSSIBLE, d, _impossible(plan, sample))


def fire(turn: Turn, d: int) -> None:
    """Time alone made a fault."""
    state = turn.state
    _settle(turn, d, trip.advance(state.plan.detectors[d], state.detectors[d], None, turn.now))
    go_blind(turn, d)


def go_blind(turn: Turn, d: int) -> None:
    """Some of the detector's points went stale."""
    for kind in (RowKind.GAS_1, RowKind.GAS_2, RowKind.IMPOSSIBLE):
        _observe(turn, kind, d, UNKNOWN)


def due_ms(state: RoomState, d: int) -> int:
    """When time alone makes a fault of the detector."""
    detector = state.detectors[d]
    return trip.FAR_MS if detector.started_ms == NEVER_MS else trip.due_ms(state.plan.detectors[d], detector)


def begin(turn: Turn, *, same_boot: bool) -> None:
    """The log was started: silence counts from now; after a new boot the detector starts up anew."""
    state, now = turn.state, turn.now
    for d, detector in enumerate(state.detectors):
        if same_boot and detector.started_ms != NEVER_MS:
            after = detector._replace(sound_ms=now, answered_ms=now, heartbeat_ms=now, healthy=False)
            if after.warming_ms != NEVER_MS:
                after = after._replace(warming_ms=now)
        else:
            after = trip.restart(detector, now)
        _settle(turn, d, after)
        go_blind(turn, d)


def carry(before: TripState, old: DetectorPlan, new: DetectorPlan, now_ms: int) -> TripState:
    """What a detector goes on with under a new plan; a heartbeat that was not watched counts from now."""
    is_new = old.heartbeat == NONE or old.heartbeat_ms <= 0
    return before._replace(heartbeat_ms=now_ms) if is_new and new.heartbeat != NONE else before


def sample_of(state: RoomState, plan: DetectorPlan) -> TripSample:
    """The newest value of each of the detector's points."""
    return TripSample(*(
        NoData.NOT_PRESENT if point == NONE else state.columns.value(point)
        for point in (plan.h2, plan.contact_1, plan.contact_2, plan.status, plan.heartbeat)
    ))  # fmt: skip


def _settle(turn: Turn, d: int, after: TripState) -> None:
    """Keep the new trip state and what follows from it."""
    state = turn.state
    before, state.detectors[d] = state.detectors[d], after
    _observe(turn, RowKind.DETECTOR_FAULT, d, TRUE if after.fault else UNKNOWN if after.starting else FALSE)
    if (before.gas_1, before.gas_2, before.fault, before.starting) != (
        after.gas_1, after.gas_2, after.fault, after.starting,
    ):  # fmt: skip
        turn.outputs_dirty = True
    turn.wake(Wake.DETECTOR, d, due_ms(state, d))


def _observe(turn: Turn, kind: RowKind, d: int, raw: int) -> None:
    row = turn.state.index.special.get((kind, d))
    if row is not None:
        observe(turn, row, raw)


def _gas(plan: DetectorPlan, after: TripState, sample: TripSample, level: int, *, was: bool) -> int:
    if trip.is_over(plan, sample, level):
        return TRUE
    if not after.healthy:
        return UNKNOWN
    return KEEP if was else FALSE


def _impossible(plan: DetectorPlan, sample: TripSample) -> int:
    if plan.contact_1 == NONE or plan.contact_2 == NONE:
        return FALSE
    if isinstance(sample.contact_1, NoData) or isinstance(sample.contact_2, NoData):
        return UNKNOWN
    return TRUE if trip.is_impossible(plan, sample) else FALSE
