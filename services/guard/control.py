"""Decides every output, in memory, from the newest frames, the lease and what was found at start.

    frame --> trip of each detector --.
    lease ----------------------------+--> wanted value of each output --> its card
    start, standby, test -------------'

Nothing here waits, reads a disk or talks to anybody: the caller brings frames, leases and the passing of time, and the
cards are told what is wanted in the same call. Promises: a local cause only ever adds a demand; a lease that ends takes
its demands with it and nothing else; a coil found on at start stays on until the log has explained it, and for run-on
more when it cannot (TRIP_UNEXPLAINED). Limits: times are guard's own monotonic clock; all of it is a few microseconds a
frame.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from services.actuator import leases
from services.actuator.demand import Wanted, wanted
from services.actuator.leases import Lease, LeaseState, Verdict
from services.actuator.proof import ProofState, prove, standby_demands
from services.actuator.tell import Teller
from services.guard.binding import Binding, BoundDetector, BoundOutput, Source, stricter
from shared.devices.decoder import decode_channel
from shared.devices.frame import Frame
from shared.domain.ids import OutputId, PointId
from shared.domain.inputs import ReportKind
from shared.domain.plan import DetectorPlan, OutputKind, OutputPlan
from shared.domain.trip import TripSample, TripState, advance, demand, drives, restart
from shared.domain.units import NoData
from shared.runtime.clocks import Clock

NEVER_MS = -(1 << 60)
EXPLAIN_MS = 10_000
"""After the first lease the log has so long to explain what was found on."""
FALLBACK_MS = 10_000
"""A module without a watchdog: a guard that was away for less than this left its coils as they were."""
TEST_MS_MAX = 60_000


@dataclass(slots=True)
class _Detector:
    bound: BoundDetector
    plan: DetectorPlan
    """The bound plan, or the stricter of two while a new one waits."""
    state: TripState = field(default_factory=TripState)
    values: dict[str, int | NoData] = field(default_factory=dict)


@dataclass(slots=True)
class _Output:
    bound: BoundOutput
    wanted: Wanted
    held_on: bool
    held_from_ms: int
    proof: ProofState = field(default_factory=ProofState)
    found: bool | None = None
    """The coil at the first contact."""
    found_ms: int = NEVER_MS
    is_unexplained: bool = False
    """Found on, and the log was not heard yet."""
    unexplained_until_ms: int = NEVER_MS
    test_until_ms: int = NEVER_MS
    has_standby_demand: bool = False
    airflow: bool | None = None
    override: bool = False

    @property
    def plan(self) -> OutputPlan:
        return self.bound.plan


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the log's last state says of an output that was found on."""

    demanded: bool
    gas_at_limit: bool


@dataclass(frozen=True, slots=True)
class Past:
    """What the log knows of the time before this guard process; an output that is not named was not demanded."""

    away_ms: int
    """How long no guard was heard; below zero: not known, and then it counts as short."""
    items: Mapping[OutputId, Explanation]


class Control:
    """``want`` is called with (output id, on, override closed) whenever an output was decided; ``coil`` asks for the
    last read of one; ``unarmed`` holds the reason for each output that is not armed."""

    def __init__(
        self, binding: Binding, clock: Clock, teller: Teller, unarmed: Mapping[OutputId, str],
        *, want: Callable[[OutputId, bool, bool], None], coil: Callable[[OutputId], bool | None],
    ) -> None:  # fmt: skip
        now_ms = clock.monotonic_ms()
        self._clock = clock
        self._teller = teller
        self._unarmed = unarmed
        self._want = want
        self._coil = coil
        self._detectors = [_Detector(bound, bound.plan) for bound in binding.detectors]
        self.outputs: dict[OutputId, _Output] = {
            bound.plan.id: _Output(bound, Wanted(bound.plan.safe_on, ()), bound.plan.safe_on, now_ms)
            for bound in binding.outputs
        }
        self.lease = LeaseState()
        self._guard_path = f"{binding.site}/_site/guard"
        self._first_lease_ms = NEVER_MS
        self._started_ms = now_ms
        self._past: Past | None = None
        self._fans_by_room = [
            [output.plan for output in self.outputs.values() if output.bound.room == room]
            for room in dict.fromkeys(output.bound.room for output in self.outputs.values())
        ]

    # What comes in

    def see(self, frame: Frame) -> None:
        """A frame, good or bad: trips, airflow and override contacts that stand on its device; then decide."""
        now_ms = self._clock.monotonic_ms()
        touched = False
        for detector in self._detectors:
            mine = [(role, source) for role, source in detector.bound.sources if source.device == frame.device]
            if mine:
                detector.values.update((role, decode_channel(source.channel, frame)) for role, source in mine)
                sample = TripSample(**detector.values)
                detector.state = advance(detector.plan, detector.state, sample, now_ms)
                touched = True
        for output in self.outputs.values():
            for source in (output.bound.airflow, output.bound.override):
                touched |= source is not None and source.device == frame.device
            output.airflow = _contact(output.bound.airflow, frame, output.airflow)
            output.override = bool(_contact(output.bound.override, frame, output.override))
        if touched:
            self.decide()

    def tick(self) -> None:
        """Only time has passed."""
        now_ms = self._clock.monotonic_ms()
        for detector in self._detectors:
            detector.state = advance(detector.plan, detector.state, None, now_ms)
        if self._past is None and self._first_lease_ms != NEVER_MS and now_ms >= self._first_lease_ms + EXPLAIN_MS:
            self.explain(Past(away_ms=-1, items={}))
        self.decide()

    def offer(self, lease: Lease) -> Verdict:
        """Take or refuse a lease."""
        now_ms = self._clock.monotonic_ms()
        self.lease, verdict = leases.offer(self.lease, lease, frozenset(self.outputs), now_ms)
        if verdict is Verdict.TAKEN:
            if self._first_lease_ms == NEVER_MS:
                self._first_lease_ms = now_ms
            for output, on in self.lease.demands.items():
                self.outputs[output].held_on = on
                self.outputs[output].held_from_ms = self.lease.end_ms
            self.decide()
        return verdict

    def find(self, output_id: OutputId, on: bool) -> None:
        """The first read of a coil since start, before anything is written to it."""
        output = self.outputs[output_id]
        output.found, output.found_ms = on, self._clock.monotonic_ms()
        self._teller.pulse(ReportKind.COILS_AT_START, output_id, on)
        if self._first_lease_ms == NEVER_MS:
            output.held_on = on
        output.is_unexplained = on
        if on and self._past is not None:
            self._explain(output, self._past)
        self.decide()

    def asks(self) -> tuple[OutputId, ...]:
        """Outputs that were found on and that nobody has explained."""
        return tuple(output_id for output_id, output in self.outputs.items() if output.is_unexplained)

    def explain(self, past: "Past") -> None:
        """What the log knows of the time before this guard. Only the first word counts: later ones know this guard."""
        if self._past is None:
            self._past = past
            for output_id in self.asks():
                self._explain(self.outputs[output_id], past)
            self.decide()

    def _explain(self, output: _Output, past: "Past") -> None:
        now_ms = self._clock.monotonic_ms()
        output.is_unexplained = False
        said = past.items.get(output.plan.id, Explanation(demanded=False, gas_at_limit=False))
        if said.demanded:
            return
        silent_ms = max(past.away_ms, 0) + output.found_ms - self._started_ms
        if silent_ms < _fallback_ms(output.bound) or said.gas_at_limit:
            output.unexplained_until_ms = now_ms + output.plan.run_on_ms
            away = "an unknown time" if past.away_ms < 0 else f"{past.away_ms} ms only"
            why = "the last logged gas was at its limit" if said.gas_at_limit else f"guard was away for {away}"
            detail = f"on at start without a demand; {why}"
            self._teller.pulse(ReportKind.TRIP_UNEXPLAINED, output.plan.id, on=True, detail=detail)

    def test(self, output_id: OutputId, for_ms: int) -> bool:
        """Demand an output for a while; False when there is no such output."""
        output = self.outputs.get(output_id)
        if output is None:
            return False
        output.test_until_ms = self._clock.monotonic_ms() + min(for_ms, TEST_MS_MAX)
        self.decide()
        return True

    def tighten(self, new: Binding) -> None:
        """A new plan waits: trip at the stricter of both."""
        plans = {bound.plan.id: bound.plan for bound in new.detectors}
        for detector in self._detectors:
            plan = plans.get(detector.bound.plan.id)
            detector.plan = detector.bound.plan if plan is None else stricter(detector.bound.plan, plan)

    def loosen(self) -> None:
        """The new plan does not come."""
        for detector in self._detectors:
            detector.plan = detector.bound.plan

    def adopt(self, other: "Control") -> None:
        """Go on from the control of the plan before, by ids, or by those that were had before a rename."""
        states = {detector.bound.plan.id: detector for detector in other._detectors}
        for detector in self._detectors:
            before = states.get(detector.bound.plan.id, states.get(PointId(detector.bound.was)))
            if before is not None and before.bound.sources == detector.bound.sources:
                detector.state, detector.values = before.state, before.values
            elif before is not None:
                detector.state = restart(before.state, self._clock.monotonic_ms())
        for output_id, output in self.outputs.items():
            was = other.outputs.get(output_id, other.outputs.get(OutputId(output.bound.was)))
            if was is not None:
                output.held_on, output.held_from_ms = was.held_on, was.held_from_ms
                output.found, output.found_ms = was.found, was.found_ms
                output.is_unexplained, output.unexplained_until_ms = was.is_unexplained, was.unexplained_until_ms
                output.proof, output.test_until_ms = was.proof, was.test_until_ms
                output.has_standby_demand, output.wanted = was.has_standby_demand, was.wanted
                if was.bound.airflow == output.bound.airflow:
                    output.airflow = was.airflow
                if was.bound.override == output.bound.override:
                    output.override = was.override
        self.lease, self._first_lease_ms = other.lease, other._first_lease_ms
        self._past, self._started_ms = other._past, other._started_ms

    def held_at_stop(self) -> frozenset[OutputId]:
        """Outputs that are on and that something local demands: a clean end switches none of them off."""
        now_ms = self._clock.monotonic_ms()
        return frozenset(
            output_id
            for output_id, output in self.outputs.items()
            if output.wanted.on and (self._trips(output, now_ms) or self._own(output, now_ms))
        )

    # What comes out

    def decide(self) -> None:
        """Bring every output's wanted value up to date and tell the cards."""
        now_ms = self._clock.monotonic_ms()
        for output in self.outputs.values():
            self._decide(output, now_ms)
        if self._prove(now_ms):
            for output in self.outputs.values():
                self._decide(output, now_ms)
        if self._first_lease_ms != NEVER_MS:
            is_alive = leases.is_alive(self.lease, now_ms)
            self._teller.state(ReportKind.LEASE_EXPIRED, self._guard_path, not is_alive, "outputs at their safe values")

    def _decide(self, output: _Output, now_ms: int) -> None:
        trips = () if self._is_heard(output, now_ms) else self._trips(output, now_ms)
        own = self._own(output, now_ms)
        test = ("test",) if now_ms < output.test_until_ms else ()
        output.wanted = wanted(
            output.plan, self.lease, (*trips, *own, *test),
            held_on=output.held_on, held_from_ms=output.held_from_ms, now_ms=now_ms,
        )  # fmt: skip
        if trips or own:
            unarmed = self._unarmed.get(output.plan.id, "")
            detail = ", ".join((*trips, *own)) + (f"; not armed: {unarmed}" if unarmed else "")
            self._teller.state(ReportKind.LOCAL_TRIP, output.plan.id, on=True, detail=detail)
        else:
            self._teller.state(ReportKind.LOCAL_TRIP, output.plan.id, on=False)
        self._want(output.plan.id, output.wanted.on, output.override)

    def _is_heard(self, output: _Output, now_ms: int) -> bool:
        """A buzzer is the site's while its lease lives, so that a person can silence it. Nothing else can be."""
        is_leased = leases.is_alive(self.lease, now_ms) and output.plan.id in self.lease.demands
        return is_leased and output.plan.kind is OutputKind.BUZZER

    def _own(self, output: _Output, now_ms: int) -> tuple[str, ...]:
        """What demands it beside the detectors."""
        return (
            *(("standby",) if output.has_standby_demand else ()),
            *(("unexplained",) if now_ms < output.unexplained_until_ms else ()),
            *(("start",) if output.is_unexplained else ()),
        )

    def _trips(self, output: _Output, now_ms: int) -> tuple[str, ...]:
        """What its detectors demand; a standby fan waits for the failure of one before it."""
        causes: dict[str, None] = {}
        if output.plan.standby:
            return ()
        for kind, index in output.bound.detectors:
            detector = self._detectors[index]
            says = demand(detector.plan, detector.state, now_ms, output.plan.run_on_ms)
            if drives(kind, says):
                causes[f"{says.cause} {detector.plan.id}"] = None
        return tuple(causes)

    def _prove(self, now_ms: int) -> bool:
        """Proof of effect of each fan; True when a standby's demand changed."""
        for output in self.outputs.values():
            output.proof = prove(
                output.plan, output.proof, wanted=output.wanted.on, coil=self._coil(output.plan.id),
                airflow=output.airflow, now_ms=now_ms,
            )  # fmt: skip
        changed = False
        for fans in self._fans_by_room:
            demanded = standby_demands(fans, {fan.id: self.outputs[fan.id].proof for fan in fans})
            for fan in fans:
                output = self.outputs[fan.id]
                changed |= output.has_standby_demand != (fan.id in demanded)
                output.has_standby_demand = fan.id in demanded
        return changed


def detector_devices(detectors: Iterable[BoundDetector]) -> frozenset[str]:
    """Devices whose frames must keep coming for the loop to count as alive."""
    return frozenset(device for detector in detectors for device in detector.devices)


def _contact(source: Source | None, frame: Frame, before: bool | None) -> bool | None:
    """The contact in this frame; None when its own device cannot say."""
    if source is None or source.device != frame.device:
        return before
    value = decode_channel(source.channel, frame)
    return None if isinstance(value, NoData) else value >= 1


def _fallback_ms(bound: BoundOutput) -> int:
    watchdog = bound.device.watchdog
    return FALLBACK_MS if watchdog is None else watchdog.value * watchdog.unit_ms
