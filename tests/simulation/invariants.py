"""What must hold after every step, whatever the world does (FAULTS.md, "Invariants")."""

from dataclasses import dataclass, field

from shared.domain import core, trip
from shared.domain.conditions import TRUE, RowKind
from shared.domain.events import Event, EventType
from shared.domain.inputs import Command, Entry, Scan, Start, What
from shared.domain.plan import NONE, DetectorPlan, OutputKind, RoomPlan, Severity
from shared.domain.units import NoData
from tests.simulation.plan import RUN_ON_MS

CLOSES = (EventType.ALARM_CLEARED, EventType.ALARM_SUPERSEDED, EventType.ALARM_RETIRED)
ALARM = "ampward.alarm."
SILENCE_MS = 6_000
"""G3: a sensor that is silent so long has its fault alarm and the fan."""


@dataclass(slots=True)
class Watch:
    """Follows one run from outside: what came in and what was said, never the core's own books."""

    plan: RoomPlan
    open: dict[str, str] = field(default_factory=dict)
    """Occurrence that each alarm has open, by the events."""
    closed: set[str] = field(default_factory=set)
    letters: dict[str, str] = field(default_factory=dict)
    demanded: dict[str, bool] = field(default_factory=dict)
    room_no: int = 0
    trips: list[trip.TripState] = field(default_factory=list)
    heard_ms: list[int] = field(default_factory=list)
    values: dict[int, int | NoData] = field(default_factory=dict)
    seq: dict[tuple[str, str], int] = field(default_factory=dict)
    boot: str = ""
    now: int = 0
    seen: set[str] = field(default_factory=set)
    """Kinds of events that came: a run that reaches little proves little."""

    def __post_init__(self) -> None:
        self.trips = [trip.TripState() for _ in self.plan.detectors]
        self.heard_ms = [0 for _ in self.plan.detectors]
        self.demanded = {output.id: False for output in self.plan.outputs}

    def check(self, before: dict[str, bool], entry: Entry, state: core.RoomState, events: list[Event]) -> None:
        """Assert everything that must hold after this step."""
        self.now = max(self.now, entry.tick_ms)
        self._numbers(entry, events)
        self._closes(entry, state, events)
        self._outputs(state, events)
        values_before = dict(self.values)
        over = self._trips(entry)
        on = self.demanded
        fan = next(output for output in self.plan.outputs if output.kind is OutputKind.FAN)
        for d, tripped in enumerate(over):
            assert on[fan.id] or not tripped, f"guard would trip {self.plan.detectors[d].id}, the core does not"
        self._new_alarms(entry, events)
        self._bad_never_clears(entry, state, events, values_before)
        self._silence(state, on[fan.id])
        self._suppressions(state)
        if isinstance(entry.body, Command):
            for output in self.plan.outputs:
                is_silenced = entry.body.what is What.SILENCE and output.kind is OutputKind.BUZZER
                # A reset ends a latch, and so the demand of that latch: it is what a reset is for.
                may_end = is_silenced or entry.body.what is What.RESET
                assert may_end or on[output.id] >= before[output.id], f"{entry.body.what} lowered {output.id}"

    def _numbers(self, entry: Entry, events: list[Event]) -> None:
        """Events are numbered without holes, in order."""
        for ordinal, event in enumerate(events):
            self.room_no += 1
            assert (event.room_no, event.ordinal) == (self.room_no, ordinal), "event numbers must be dense"
            assert (event.log_id, event.site_seq) == (entry.log_id, entry.site_seq)
            self.seen.add(event.type)

    def _closes(self, entry: Entry, state: core.RoomState, events: list[Event]) -> None:
        """Each occurrence is raised once and closed once, and the state has those open that the events have."""
        for event in events:
            if not event.type.startswith(ALARM):
                continue
            if event.type == EventType.ALARM_RAISED:
                assert event.subject not in self.open, f"{event.subject} raised over an open occurrence"
                assert event.occurrence not in self.closed
                self.open[event.subject] = event.occurrence
            elif event.type in CLOSES:
                assert self.open.pop(event.subject) == event.occurrence, "closed what was not open"
                self.closed.add(event.occurrence)
            self.letters[event.subject] = event.state
        if not events and entry.site_seq % 16:
            return
        views = {view.id: view for view in core.alarms(state)}
        assert {a: v.occurrence for a, v in views.items() if v.occurrence} == self.open
        for alarm, letter in self.letters.items():
            now = views[alarm].state if alarm in views else "A"
            assert now == letter, f"{alarm} is {now}, its events say {letter}"

    def _outputs(self, state: core.RoomState, events: list[Event]) -> None:
        """What is demanded is what the events say."""
        for event in events:
            if event.type == EventType.OUTPUT_DEMANDED:
                self.demanded[event.subject] = True
            elif event.type in (EventType.OUTPUT_RELEASED, EventType.OUTPUT_SILENCED):
                self.demanded[event.subject] = False
        now = {plan.id: output.on for plan, output in zip(self.plan.outputs, state.outputs, strict=True)}
        assert now == self.demanded

    def _trips(self, entry: Entry) -> list[bool]:
        """Run guard's trip beside the core, on the same samples."""
        body = entry.body
        if isinstance(body, Start):
            for d, known in enumerate(self.trips):
                self.heard_ms[d] = self.now
                if body.boot != self.boot:
                    self.trips[d] = trip.restart(known, self.now)
                else:
                    self.trips[d] = known._replace(sound_ms=self.now, answered_ms=self.now, heartbeat_ms=self.now)
            self.boot = body.boot
        sampled = self._store(body) if isinstance(body, Scan) else set()
        results = []
        for d, plan in enumerate(self.plan.detectors):
            self.trips[d], demand = trip.trip(plan, self.trips[d], None, self.now, run_on_ms=RUN_ON_MS)
            points = _points(plan)
            if sampled & set(points):
                sample = trip.TripSample(*(self.values.get(p, NoData.NEVER) for p in _places(plan)))
                self.trips[d], demand = trip.trip(plan, self.trips[d], sample, self.now, run_on_ms=RUN_ON_MS)
                self.heard_ms[d] = self.now
                if trip.is_over(plan, sample, 1):
                    assert demand.gas_1, "a value at or over the limit trips in the same call"
            results.append(demand.on)
        return results

    def _store(self, scan: Scan) -> set[int]:
        """Keep a scan's values as guard has them; the points that it gave, none when it was late."""
        plan = next(s for s in self.plan.scans if s.device == scan.device)
        late_ms = min(p.stale_ms for p in self.plan.points[plan.first : plan.first + plan.count])
        key = (scan.device, scan.boot)
        is_repeat = scan.device_seq <= self.seq.get(key, 0)
        self.seq[key] = max(scan.device_seq, self.seq.get(key, 0))
        if scan.age_ms > late_ms or is_repeat:
            return set()
        for i in range(plan.count):
            reason = int(scan.reasons[i]) or int(scan.outcome)
            self.values[plan.first + i] = NoData(reason) if reason else int(scan.values[i])
        return set(range(plan.first, plan.first + plan.count))

    def _new_alarms(self, entry: Entry, events: list[Event]) -> None:
        """A new 2 % alarm is raised in the step that shows it, and nothing marks it as hidden."""
        for event in events:
            if event.type == EventType.ALARM_RAISED and event.severity == Severity.CRITICAL.label:
                assert event.reason == "", "nothing hides a new critical alarm"
        if not isinstance(entry.body, Scan):
            return
        for plan in self.plan.detectors:
            sample = trip.TripSample(*(self.values.get(p, NoData.NEVER) for p in _places(plan)))
            if self.heard_ms[self.plan.detectors.index(plan)] == self.now and trip.is_over(plan, sample, 2):
                alarm = self.plan.alarms[plan.alarm_2].id
                assert self.letters.get(alarm, "A") in "BC", f"{alarm} is not active over its limit"

    def _bad_never_clears(
        self, entry: Entry, state: core.RoomState, events: list[Event], before: dict[int, int | NoData]
    ) -> None:
        """An alarm on a value returns only by a scan in which that value is good, or by a delay after such a scan."""
        returned = [state.index.alarm_by_id[e.subject] for e in events if e.type == EventType.ALARM_RETURNED]
        for a in returned:
            for row in state.index.alarm_rows[a]:
                kind, at, *_ = state.index.rows[row]
                is_again = self.letters[self.plan.alarms[a].id] in "BC"
                assert is_again or state.columns.cond[row] != TRUE, "returned while a row is TRUE"
                if kind is RowKind.LIMIT:
                    point = self.plan.limits[at].point
                    is_bad = all(isinstance(v.get(point, NoData.NEVER), NoData) for v in (before, self.values))
                    assert not is_bad, f"{self.plan.alarms[a].id} returned on a bad value"
                elif kind is RowKind.GAS_2:
                    plan = self.plan.detectors[at]
                    sample = trip.TripSample(*(self.values.get(p, NoData.NEVER) for p in _places(plan)))
                    assert isinstance(entry.body, Scan), "gas returns on a sample only"
                    assert trip.is_inside(plan, sample, 2)
                    assert trip.is_complete(plan, sample)

    def _silence(self, state: core.RoomState, fan_on: bool) -> None:
        """A detector that says nothing for the time of G3 has its fault alarm and the fan, by ticks alone."""
        for d, plan in enumerate(self.plan.detectors):
            if self.now - self.heard_ms[d] >= SILENCE_MS:
                assert fan_on, f"{plan.id} is silent and the fan is off"
                assert self.letters.get(self.plan.alarms[plan.alarm_fault].id, "A") in "BC", f"{plan.id} has no fault"
                assert state.detectors[d].fault

    def _suppressions(self, state: core.RoomState) -> None:
        """The pre-alarm is hidden only while something of the detector whose 2 % alarm hides it can be seen."""
        for plan in self.plan.detectors:
            record = state.records.get(plan.alarm_1)
            if record is not None and record.why == f"suppressed by {self.plan.alarms[plan.alarm_2].id}":
                values = [self.values.get(p, NoData.NEVER) for p in (plan.h2, plan.contact_1, plan.contact_2)]
                is_seen = any(not isinstance(value, NoData) for value in values)
                assert is_seen, f"{self.plan.alarms[plan.alarm_1].id} is hidden by what nobody sees"


def _places(plan: DetectorPlan) -> tuple[int, int, int, int, int]:
    return plan.h2, plan.contact_1, plan.contact_2, plan.status, plan.heartbeat


def _points(plan: DetectorPlan) -> tuple[int, ...]:
    return tuple(p for p in _places(plan) if p != NONE)
