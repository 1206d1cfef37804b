"""The trip of one hydrogen detector: gas, fault, silence and warm-up, each of which demands the fan.

guard runs this on its own monotonic clock, with nothing but this module between a register and a relay; the core runs
the same function on the log's tick_ms (shared.domain.detectors), so that the core demands whenever guard does. It
imports nothing but the standard library and plain tables, reads no clock and can only ever add a demand.

    start-up --(warm-up over, then good_samples good)--> watching
    watching --(h2 at or over a limit, or a contact closed)--> gas --(deadband inside, good; then run-on)--> watching
    watching --(no good sample for persist_ms, or heartbeat frozen)--> fault --(good_samples good)--> watching
    watching --(the detector says warm-up)--> start-up
    start-up --(the detector says warm-up and shows gas at or over limit 2)--> fault

The regions are independent: gas is seen in a fault, and a fault is seen while there is gas. Promises: a value at or
over its limit demands in the same call, whatever the status says (only a detector that itself says warm-up is not
believed, and that demands too: many heads show full scale while they warm up, so 2 % there is a fault that is told at
once, and gas as soon as the head says that it measures); a bad sample never ends a demand; a gas demand holds run-on
after the last sample that could not exclude gas; the other demands end with ``good_samples`` good samples in a row.
Limits: times in milliseconds of one clock that never falls; one call is some twenty comparisons.
"""

from typing import NamedTuple

from shared.domain.plan import NONE, CauseKind, DetectorPlan
from shared.domain.units import NoData

NEVER_MS = -(1 << 60)
"""An instant that lies before everything."""
FAR_MS = 1 << 60
"""An instant that never comes."""
H2_LOW = -5_000
"""-0.5 %vol [ours]: a head's zero may drift so far; under it its value is no measurement, and the head has a fault."""

Value = int | NoData
"""A decoded value, or why there is none. NoData is an int too: always ask ``isinstance(value, NoData)`` first."""


class TripSample(NamedTuple):
    """The newest value of each point of the detector; points that its plan does not have are never looked at.

    Of a detector whose points stand in several devices, the values of the other devices are the last ones decoded.
    """

    h2: Value = NoData.NOT_PRESENT
    contact_1: Value = NoData.NOT_PRESENT
    contact_2: Value = NoData.NOT_PRESENT
    status: Value = NoData.NOT_PRESENT
    heartbeat: Value = NoData.NOT_PRESENT


class TripState(NamedTuple):
    """All that is remembered of one detector. Begin with ``TripState()``."""

    started_ms: int = NEVER_MS
    """First call after start, NEVER_MS before it."""
    answered_ms: int = NEVER_MS
    """Last sample of any kind."""
    sound_ms: int = NEVER_MS
    """Last sample that was healthy or said warm-up; the start before there is one."""
    warming_ms: int = NEVER_MS
    """Since when the detector itself says warm-up."""
    good_count: int = 0
    """Good samples in a row, outside warm-up, up to good_samples."""
    starting: bool = True
    """Start-up or warm-up: demands until good_samples good samples."""
    fault: bool = False
    gas_1: bool = False
    """At or over limit_1 when last known."""
    gas_2: bool = False
    gas_1_ms: int = NEVER_MS
    """Last call at which gas was seen, or could not be excluded after it was seen: run-on counts from here."""
    gas_2_ms: int = NEVER_MS
    heartbeat: int = -1
    heartbeat_ms: int = NEVER_MS
    """Last change of the heartbeat."""
    healthy: bool = False
    """The last sample was complete, with a good status and a living heartbeat, and not of a warm-up."""


class TripDemand(NamedTuple):
    """What the detector demands now."""

    on: bool
    cause: str
    """The gravest of gas_2, gas_1, fault, stale, warm_up; empty when nothing is demanded."""
    until_ms: int
    """Of a gas demand: the end of run-on if no more gas is seen; 0 of the others, which end with good samples."""
    gas_1: bool
    """Gas at or over limit_1, or its run-on: what CauseKind.DETECTOR_1 asks for."""
    gas_2: bool
    fault: bool
    """Fault, silence, warm-up or start-up: what CauseKind.DETECTOR_FAULT asks for."""


def trip(
    detector: DetectorPlan, state: TripState, sample: TripSample | None, now_ms: int, *, run_on_ms: int
) -> tuple[TripState, TripDemand]:
    """Take one sample (None: only time has passed) and say what is demanded.

    ``run_on_ms`` is the longest of the outputs that this detector drives; gas demands hold so long.
    """
    state = advance(detector, state, sample, now_ms)
    return state, demand(detector, state, now_ms, run_on_ms)


def advance(detector: DetectorPlan, state: TripState, sample: TripSample | None, now_ms: int) -> TripState:
    """The state after one sample, or after time alone."""
    if state.started_ms == NEVER_MS:
        state = state._replace(started_ms=now_ms, answered_ms=now_ms, sound_ms=now_ms, heartbeat_ms=now_ms)
    if sample is not None:
        state = _observe(detector, state, sample, now_ms)
    if _is_overdue(detector, state, now_ms):
        state = state._replace(fault=True, good_count=0)
    if state.gas_1:
        state = state._replace(gas_1_ms=now_ms)
    if state.gas_2:
        state = state._replace(gas_2_ms=now_ms)
    return state


def restart(state: TripState, now_ms: int) -> TripState:
    """The state after the box was started again: start-up from now on, gas and its run-on kept."""
    return TripState(
        started_ms=now_ms, answered_ms=now_ms, sound_ms=now_ms, heartbeat_ms=now_ms, fault=state.fault,
        gas_1=state.gas_1, gas_2=state.gas_2, gas_1_ms=state.gas_1_ms, gas_2_ms=state.gas_2_ms,
    )  # fmt: skip


def demand(detector: DetectorPlan, state: TripState, now_ms: int, run_on_ms: int) -> TripDemand:
    """What the state demands at ``now_ms``."""
    gas_1 = state.gas_1 or now_ms < state.gas_1_ms + run_on_ms
    gas_2 = state.gas_2 or now_ms < state.gas_2_ms + run_on_ms
    fault = state.fault or state.starting
    until_ms = (state.gas_2_ms if gas_2 else state.gas_1_ms) + run_on_ms if gas_1 or gas_2 else 0
    if gas_2:
        cause = "gas_2"
    elif gas_1:
        cause = "gas_1"
    elif state.fault:
        cause = "stale" if now_ms - state.answered_ms >= detector.persist_ms else "fault"
    elif state.starting:
        cause = "warm_up"
    else:
        cause = ""
    return TripDemand(gas_1 or gas_2 or fault, cause, until_ms, gas_1 or gas_2, gas_2, fault)


def drives(kind: CauseKind, demanded: TripDemand) -> bool:
    """Whether this demand is one that an output with a cause of this kind, on this detector, must follow."""
    if kind is CauseKind.DETECTOR_1:
        return demanded.gas_1
    if kind is CauseKind.DETECTOR_2:
        return demanded.gas_2
    return kind is CauseKind.DETECTOR_FAULT and demanded.fault


def due_ms(detector: DetectorPlan, state: TripState) -> int:
    """When time alone makes a fault of this state, FAR_MS when it has one already."""
    if state.fault:
        return FAR_MS
    due = state.sound_ms + detector.persist_ms
    if state.warming_ms != NEVER_MS:
        due = min(due, state.warming_ms + max(detector.warm_up_ms, detector.persist_ms))
    if detector.heartbeat != NONE and detector.heartbeat_ms > 0:
        due = min(due, state.heartbeat_ms + max(detector.heartbeat_ms, detector.persist_ms))
    return due


def is_impossible(detector: DetectorPlan, sample: TripSample) -> bool:
    """Contact 2 closed with contact 1 open: one of them is wrong."""
    if detector.contact_1 == NONE or detector.contact_2 == NONE:
        return False
    return _is_at_least(sample.contact_2, 1) and not isinstance(sample.contact_1, NoData) and sample.contact_1 < 1


def is_warming(detector: DetectorPlan, sample: TripSample) -> bool:
    """The detector itself says that it is in warm-up, by its status or by the reason in place of a value."""
    if detector.status != NONE and not isinstance(sample.status, NoData) and sample.status in detector.status_warm_up:
        return True
    return detector.h2 != NONE and sample.h2 is NoData.WARM_UP


def is_complete(detector: DetectorPlan, sample: TripSample) -> bool:
    """Every point is there and possible, the status is a good one, the contacts do not contradict one another."""
    for point, value in (
        (detector.h2, sample.h2),
        (detector.contact_1, sample.contact_1),
        (detector.contact_2, sample.contact_2),
        (detector.status, sample.status),
        (detector.heartbeat, sample.heartbeat),
    ):
        if point != NONE and isinstance(value, NoData):
            return False
    if detector.status != NONE and sample.status not in detector.status_good:
        return False
    if detector.h2 != NONE and sample.h2 < H2_LOW:
        return False
    return not is_impossible(detector, sample)


def is_over(detector: DetectorPlan, sample: TripSample, level: int) -> bool:
    """The sample shows gas at or over limit ``level`` (1 or 2). Contact 2 counts for both levels."""
    return not is_warming(detector, sample) and shows(detector, sample, level)


def shows(detector: DetectorPlan, sample: TripSample, level: int) -> bool:
    """The same, whether or not a detector that says warm-up is to be believed."""
    limit = detector.limit_1 if level == 1 else detector.limit_2
    if detector.h2 != NONE and _is_at_least(sample.h2, limit):
        return True
    if detector.contact_2 != NONE and _is_at_least(sample.contact_2, 1):
        return True
    return level == 1 and detector.contact_1 != NONE and _is_at_least(sample.contact_1, 1)


def is_inside(detector: DetectorPlan, sample: TripSample, level: int) -> bool:
    """The sample shows that there is no gas of this level: deadband below the limit and the contact open."""
    if is_over(detector, sample, level):
        return False
    limit = detector.limit_1 if level == 1 else detector.limit_2
    return detector.h2 == NONE or (not isinstance(sample.h2, NoData) and sample.h2 <= limit - max(detector.deadband, 1))


def _observe(detector: DetectorPlan, state: TripState, sample: TripSample, now_ms: int) -> TripState:
    """Fold one sample into the state."""
    beat, beat_ms = state.heartbeat, state.heartbeat_ms
    if detector.heartbeat != NONE and not isinstance(sample.heartbeat, NoData) and sample.heartbeat != beat:
        beat, beat_ms = int(sample.heartbeat), now_ms
    frozen = detector.heartbeat != NONE and 0 < detector.heartbeat_ms <= now_ms - beat_ms
    warming = is_warming(detector, sample)
    healthy = not warming and not frozen and is_complete(detector, sample)
    # A gap in the samples is a fault of its own, even when this very sample is good again.
    late = _is_overdue(detector, state, now_ms) and not state.fault
    counted = healthy and now_ms - state.started_ms >= detector.warm_up_ms
    count = min(state.good_count + 1, detector.good_samples) if counted else 0
    if late:
        count = min(count, 1)
    done = count >= detector.good_samples
    doubtful = warming and shows(detector, sample, 2)
    over_1, over_2 = is_over(detector, sample, 1), is_over(detector, sample, 2)
    return TripState(
        started_ms=state.started_ms,
        answered_ms=now_ms,
        sound_ms=now_ms if healthy or warming else state.sound_ms,
        warming_ms=NEVER_MS if healthy else now_ms if warming and state.warming_ms == NEVER_MS else state.warming_ms,
        good_count=count,
        starting=(state.starting or warming) and not done,
        fault=(state.fault or late or doubtful) and not done,
        gas_1=over_1 or (state.gas_1 and not (healthy and is_inside(detector, sample, 1))),
        gas_2=over_2 or (state.gas_2 and not (healthy and is_inside(detector, sample, 2))),
        gas_1_ms=now_ms if state.gas_1 else state.gas_1_ms,
        gas_2_ms=now_ms if state.gas_2 else state.gas_2_ms,
        heartbeat=beat,
        heartbeat_ms=beat_ms,
        healthy=healthy,
    )


def _is_overdue(detector: DetectorPlan, state: TripState, now_ms: int) -> bool:
    return now_ms >= due_ms(detector, state)


def _is_at_least(value: Value, limit: int) -> bool:
    return not isinstance(value, NoData) and value >= limit
