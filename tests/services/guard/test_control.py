"""Every output decided in memory: trips, leases, what was found at start, the standby fan."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actuator.demand import HOLD_MS
from services.actuator.leases import Lease, Verdict
from services.actuator.tell import Teller
from services.guard.binding import bind
from services.guard.control import EXPLAIN_MS, Control, Explanation, Past
from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.errors import ConfigError
from shared.domain.ids import AlarmId, OutputId, PointId, RuleId
from shared.domain.inputs import Report, ReportKind
from shared.domain.plan import AlarmPlan, OutputKind, RoomPlan, Severity
from shared.domain.units import NoData
from shared.runtime.clocks import ManualClock
from tests.services.actuator.plans import BUZZER, CHARGER, FAN, LIMIT_1, STANDBY, gas_head, room, site

NO_LEASE = -1


class Bench:
    """Control with a clock that is turned by hand; ``wants`` and ``coils`` stand for the cards."""

    def __init__(self, the_room: RoomPlan | None = None, *, coils: bool = False) -> None:
        self.clock = ManualClock(mono=1_000_000)
        self.reports: list[Report] = []
        self.wants: dict[str, bool] = {}
        self.coils: dict[str, bool | None] = {}
        self.overrides: dict[str, bool] = {}
        self.seq = 0
        self.number = 0
        unarmed = {FAN: "never commissioned"}
        self.control = Control(
            bind(site(the_room=the_room)), self.clock, Teller(self.reports.append), unarmed,
            want=self._want, coil=lambda output: self.wants.get(output) if coils else None,
        )  # fmt: skip

    def _want(self, output: OutputId, on: bool, override_closed: bool) -> None:
        self.wants[output] = on
        self.overrides[output] = override_closed

    def gas(self, tenths: int | NoData) -> None:
        """One frame of the gas head, 200 ms later."""
        self.clock.advance(200)
        self.seq += 1
        outcome = tenths if isinstance(tenths, NoData) else NoData.PRESENT
        words = b"" if isinstance(tenths, NoData) else tenths.to_bytes(2, "big")
        blocks = (Block(Table.HOLDING, 0, 1, words),) if words else ()
        self.control.see(Frame("gas1", "boot", self.seq, 0, 5, synced=False, outcome=outcome, detail="", blocks=blocks))

    def relay(self, *, airflow: bool = False, override: bool = False) -> None:
        """One frame of the relay module's contacts."""
        bits = airflow | override << 3
        blocks = (Block(Table.DISCRETE, 2, 4, bytes((bits,))),)
        self.control.see(
            Frame("io1", "boot", self.seq, 0, 5, synced=False, outcome=NoData.PRESENT, detail="", blocks=blocks)
        )

    def settle(self) -> None:
        """Start-up is over: three good samples."""
        for _ in range(4):
            self.gas(3)

    def lease(self, demands: dict[OutputId, bool], ttl_ms: int = 5_000) -> Verdict:
        self.number += 1
        return self.control.offer(Lease(self.number, ttl_ms, demands))

    def wait(self, ms: int) -> None:
        self.clock.advance(ms)
        self.control.tick()

    def told(self, kind: ReportKind, subject: str = FAN) -> list[bool]:
        return [report.on for report in self.reports if report.kind == kind and report.subject == subject]


ALL_OFF = {FAN: False, CHARGER: False, BUZZER: False}


def quiet(the_room: RoomPlan | None = None, **options: bool) -> Bench:
    """Good gas, a live lease that demands nothing."""
    bench = Bench(the_room, **options)
    bench.settle()
    bench.lease(ALL_OFF)
    assert bench.wants[FAN] is False
    return bench


def test_the_fan_runs_from_power_up_until_three_good_samples() -> None:
    """A lease that says off does not end the start-up demand; three good samples do."""
    bench = Bench()
    bench.lease(ALL_OFF)
    for _ in range(2):
        bench.gas(3)
        assert bench.wants[FAN]
    bench.gas(3)
    assert bench.wants[FAN] is False


def test_a_warm_up_keeps_the_fan_on_for_its_time() -> None:
    """Samples that look good do not count before the warm-up is over."""
    bench = Bench(room(warm_up_ms=60_000))
    for _ in range(299):
        bench.lease(ALL_OFF)
        bench.gas(3)
        assert bench.wants[FAN]
    for _ in range(4):
        bench.gas(3)
    assert bench.wants[FAN] is False


def test_gas_at_its_limit_demands_the_fan_in_the_same_call() -> None:
    """The register that reads 1.0 % is enough, and the Report says that the output is not armed."""
    bench = quiet()
    bench.gas(10)
    assert bench.wants[FAN]
    tripped = [report for report in bench.reports if report.kind == ReportKind.LOCAL_TRIP and report.on][-1]
    assert "gas_1 demo/r1/gas1-h2" in tripped.detail
    assert "not armed: never commissioned" in tripped.detail


def test_the_second_limit_also_demands_the_charger_inhibit() -> None:
    """2 % stops the boost charge without a word from the site process."""
    bench = quiet()
    bench.gas(15)
    assert bench.wants[CHARGER] is False
    bench.gas(20)
    assert bench.wants[CHARGER]


def test_a_silenced_buzzer_is_quiet_in_a_gas_trip_while_the_site_speaks() -> None:
    """The lease says buzzer off at 2 %: it is off, charger inhibit is not; without a lease the trip sounds it."""
    fixture = room()
    buzzer = next(output for output in fixture.outputs if output.kind is OutputKind.BUZZER)
    gas_2 = next(output.causes for output in fixture.outputs if output.kind is OutputKind.CHARGER_INHIBIT)
    outputs = tuple(replace(output, causes=gas_2) if output is buzzer else output for output in fixture.outputs)
    bench = quiet(replace(fixture, outputs=outputs))
    bench.gas(20)
    assert (bench.wants[CHARGER], bench.wants[BUZZER]) == (True, False)
    bench.wait(5_001)
    bench.gas(20)
    assert bench.wants[BUZZER]


def test_a_gas_trip_holds_run_on() -> None:
    """After the gas has gone the fan runs on for its time."""
    bench = quiet(room(run_on_ms=60_000))
    bench.gas(12)
    for _ in range(299):
        bench.gas(3)
        bench.lease(ALL_OFF)
    assert bench.wants[FAN]
    for _ in range(10):
        bench.gas(3)
    assert bench.wants[FAN] is False


def test_silence_of_the_detector_demands_the_fan_by_time_alone() -> None:
    """No frame at all for its persistence: the tick is enough."""
    bench = quiet()
    bench.wait(3_900)
    assert bench.wants[FAN] is False
    bench.wait(200)
    assert bench.wants[FAN]


def test_failed_polls_are_silence() -> None:
    """A bus that answers timeouts at its pace is no good sample."""
    bench = quiet()
    for _ in range(21):
        bench.gas(NoData.TIMEOUT)
        bench.lease(ALL_OFF)
    assert bench.wants[FAN]


def test_the_end_of_a_lease_is_the_safe_value_and_a_report() -> None:
    """Five seconds after the last word: fan on; charger inhibit and buzzer stay as they were for five minutes."""
    bench = quiet()
    bench.lease({FAN: False, CHARGER: True, BUZZER: False})
    for _ in range(26):
        bench.gas(3)
    assert (bench.wants[FAN], bench.wants[CHARGER], bench.wants[BUZZER]) == (True, True, False)
    assert bench.told(ReportKind.LEASE_EXPIRED, "demo/_site/guard") == [False, True]
    for _ in range(HOLD_MS // 200):
        bench.gas(3)
    assert (bench.wants[FAN], bench.wants[CHARGER], bench.wants[BUZZER]) == (True, False, True)


def test_a_start_without_a_site_process_leaves_the_buzzer_as_it_was() -> None:
    """Found off, it stays off for five minutes; then silence of the site process is loud."""
    bench = Bench()
    bench.control.find(BUZZER, on=False)
    bench.settle()
    assert bench.wants[BUZZER] is False
    bench.wait(HOLD_MS)
    assert bench.wants[BUZZER]


@pytest.mark.parametrize(
    ("demanded", "away_ms", "gas_at_limit", "unexplained"),
    [
        (True, 0, True, False),
        (False, 200, False, True),
        (False, 5_000, False, False),
        (False, 5_000, True, True),
        (False, -1, False, True),
    ],
)
def test_a_coil_found_on_must_be_explained(demanded: bool, away_ms: int, gas_at_limit: bool, unexplained: bool) -> None:
    """On without a demand in the log: a short absence or gas at its limit latches the report and holds run-on; a long
    one was the module's own watchdog."""
    bench = Bench(room(run_on_ms=60_000))
    bench.control.find(FAN, on=True)
    assert bench.control.asks() == (FAN,)
    bench.settle()
    bench.lease(ALL_OFF)
    assert bench.wants[FAN], "nobody has explained it yet"
    bench.control.explain(Past(away_ms, {FAN: Explanation(demanded, gas_at_limit)}))
    assert bench.wants[FAN] is unexplained
    assert bench.told(ReportKind.TRIP_UNEXPLAINED) == [True] * unexplained
    for _ in range(301):
        bench.gas(3)
        bench.lease(ALL_OFF)
    assert bench.wants[FAN] is False


def test_a_site_that_explains_nothing_leaves_it_unexplained() -> None:
    """Ten seconds after the first lease the doubt is on the side of the fan."""
    bench = Bench()
    bench.control.find(FAN, on=True)
    bench.settle()
    for _ in range(EXPLAIN_MS // 200 + 1):
        bench.lease(ALL_OFF)
        bench.gas(3)
        bench.control.tick()
    assert bench.told(ReportKind.TRIP_UNEXPLAINED) == [True]


def test_only_the_first_explanation_counts() -> None:
    """A site process that starts later knows this guard already: its word is about other times."""
    bench = Bench()
    bench.control.explain(Past(0, {FAN: Explanation(demanded=True, gas_at_limit=False)}))
    bench.control.find(FAN, on=True)
    bench.control.explain(Past(0, {}))
    assert bench.told(ReportKind.TRIP_UNEXPLAINED) == []


def test_a_coil_found_off_needs_no_explanation() -> None:
    """A coil that is read only after the site has explained, as with a module that was silent or an output that came
    with a new plan: off is off, and nothing is told or held."""
    bench = Bench(room(run_on_ms=60_000))
    bench.control.explain(Past(0, {}))
    bench.control.find(FAN, on=False)
    assert bench.told(ReportKind.TRIP_UNEXPLAINED) == []
    assert bench.control.outputs[FAN].unexplained_until_ms <= bench.clock.monotonic_ms()


def test_the_standby_fan_takes_over_without_the_site_process() -> None:
    """No airflow within run-up: the next fan of the table is switched on at once."""
    bench = quiet(room(airflow=True, standby=True), coils=True)
    bench.lease({**ALL_OFF, STANDBY: False})
    bench.gas(12)
    for _ in range(4):
        bench.relay(airflow=False)
        bench.gas(12)
    assert bench.wants[STANDBY] is False
    for _ in range(3):
        bench.relay(airflow=False)
        bench.gas(12)
    assert bench.wants[STANDBY]
    assert bench.wants[FAN]


def test_the_standby_fan_is_not_tripped_beside_the_first() -> None:
    """A compiled plan gives both fans the same causes: gas runs the first, the standby only takes over."""
    plan = room(airflow=True, standby=True)
    second = replace(plan.outputs[-1], causes=plan.outputs[0].causes)
    bench = quiet(replace(plan, outputs=(*plan.outputs[:-1], second)), coils=True)
    bench.lease({**ALL_OFF, STANDBY: False})
    bench.gas(12)
    bench.relay(airflow=True)
    assert (bench.wants[FAN], bench.wants[STANDBY]) == (True, False)
    for _ in range(7):
        bench.relay(airflow=False)
        bench.gas(12)
    assert bench.wants[STANDBY]


def test_a_waiting_plan_trips_at_the_lower_of_both_limits() -> None:
    """Until the new rules are committed nobody has to know which ones hold."""
    bench = quiet()
    bench.control.tighten(bind(site(the_room=room(limit_1=LIMIT_1 // 2))))
    bench.gas(5)
    assert bench.wants[FAN]
    bench.settle()
    bench.lease(ALL_OFF)
    bench.control.loosen()
    bench.gas(5)
    assert bench.wants[FAN] is False
    bench.control.tighten(bind(site(the_room=room(limit_1=LIMIT_1 * 2))))
    bench.gas(10)
    assert bench.wants[FAN], "a higher new limit does not count yet"


def test_a_new_plan_goes_on_from_the_old_ones_state() -> None:
    """A gas trip, its run-on and the lease outlive the change of plans."""
    bench = quiet(room(run_on_ms=60_000))
    bench.gas(12)
    bench.gas(3)
    later = Bench(room(run_on_ms=60_000))
    later.clock = bench.clock
    later.control._clock = bench.clock
    later.control.adopt(bench.control)
    later.control.decide()
    assert later.wants[FAN]
    assert later.wants[CHARGER] is False
    assert later.control.lease.number == bench.control.lease.number


def _renamed(the_room: RoomPlan, was: str, now: str) -> RoomPlan:
    """The same room with a device of another name, which its alarms know."""

    def alarm(subject: str, rule: str) -> AlarmPlan:
        id_ = AlarmId(f"{subject.replace(was, now)}/{rule}")
        return AlarmPlan(id_, RuleId(rule), subject.replace(was, now), Severity.ALARM, was=f"{subject}/{rule}")

    every = (*(x.id for x in the_room.detectors), *(x.id for x in the_room.outputs))
    ids = [x for x in every if was in x]
    return replace(
        the_room,
        alarms=tuple(alarm(name, "some_rule") for name in ids),
        detectors=tuple(replace(x, id=PointId(x.id.replace(was, now))) for x in the_room.detectors),
        outputs=tuple(replace(x, id=OutputId(x.id.replace(was, now))) for x in the_room.outputs),
    )


def test_a_renamed_gas_head_keeps_its_run_on() -> None:
    """As head9 it starts up anew, and the gas that it saw as gas1 holds the fan for its run-on."""
    bench = quiet(room(run_on_ms=60_000))
    bench.gas(12)
    bench.gas(3)
    later = Bench(_renamed(room(run_on_ms=60_000), "gas1", "head9"))
    later.clock = later.control._clock = bench.clock
    later.number = bench.number
    later.control.adopt(bench.control)
    for n in range(299):
        later.lease(ALL_OFF)
        later.gas(3)
        assert later.wants[FAN], n
    for _ in range(2):
        later.lease(ALL_OFF)
        later.gas(3)
    assert later.wants[FAN] is False


def test_a_renamed_relay_keeps_what_was_unexplained() -> None:
    """Found on at start without a reason: its hold goes on under the new name."""
    bench = Bench(room(run_on_ms=60_000))
    bench.control.find(CHARGER, on=True)
    bench.control.explain(Past(away_ms=100, items={}))
    later = Bench(_renamed(room(run_on_ms=60_000), "io1", "io9"))
    later.clock = later.control._clock = bench.clock
    later.control.adopt(bench.control)
    io9 = OutputId(CHARGER.replace("io1", "io9"))
    assert later.control.outputs[io9].unexplained_until_ms == bench.control.outputs[CHARGER].unexplained_until_ms > 0


def test_a_clean_end_holds_on_what_something_local_demands() -> None:
    """Gas at 2 %: fan and charger inhibit. A lease alone holds nothing on, nor does what is off already."""
    bench = quiet()
    bench.lease({FAN: False, CHARGER: True, BUZZER: True})
    assert bench.control.held_at_stop() == frozenset()
    bench.gas(25)
    assert bench.control.held_at_stop() == {FAN, CHARGER}


def test_a_detector_that_is_read_otherwise_keeps_its_gas() -> None:
    """Under the new plan the head stands at another register: start-up begins anew, gas and run-on go on."""
    bench = quiet(room(run_on_ms=60_000))
    bench.gas(12)
    bench.gas(3)
    later = Bench(room(run_on_ms=60_000))
    later.clock = bench.clock
    moved = gas_head()
    moved = replace(moved, channels=(replace(moved.channels[0], low=-1_000),))
    later.control = Control(
        bind(site(the_room=room(run_on_ms=60_000), gas=moved)), bench.clock, Teller(later.reports.append), {},
        want=later._want, coil=later.coils.get,
    )  # fmt: skip
    later.control.adopt(bench.control)
    later.number = bench.number
    for _ in range(200):
        later.lease(ALL_OFF)
        later.gas(3)
        assert later.wants[FAN]


def test_a_test_demands_for_its_time_only() -> None:
    """An operator's test switches on and off by itself, and no longer than a minute."""
    bench = quiet()
    assert bench.control.test(FAN, 600_000)
    assert bench.wants[FAN]
    for _ in range(301):
        bench.gas(3)
        bench.lease(ALL_OFF)
    assert bench.wants[FAN] is False
    assert not bench.control.test(OutputId("demo/r1/none"), 1_000)


def test_a_plan_that_names_what_is_not_there_is_refused() -> None:
    """Points without a scan and outputs without a coil are faults of the plan, said by name."""
    plain = room()
    with pytest.raises(ConfigError, match="point 40 stands in no scan"):
        bind(site(the_room=replace(plain, detectors=(replace(plain.detectors[0], h2=40),))))
    with pytest.raises(ConfigError, match="io1 has no coil do9"):
        bind(site(the_room=replace(plain, outputs=(replace(plain.outputs[0], channel="do9"),))))


STEPS = st.lists(
    st.tuples(
        st.sampled_from([3, 9, 10, 12, 19, 20, 30, 65_535, NoData.TIMEOUT, NoData.EXCEPTION]),
        st.sampled_from([NO_LEASE, 0, 1]),
        st.booleans(),
    ),
    max_size=60,
)


@given(STEPS)
def test_a_demand_ends_only_when_lease_and_trip_are_both_off(steps: list[tuple[int | NoData, int, bool]]) -> None:
    """Over any sequence of samples, leases and pauses: the fan is off only under a live lease that says off, with no
    gas at its limit in the last good sample."""
    bench = Bench(room(run_on_ms=1_000))
    leased_off_until = 0
    for gas, lease, pause in steps:
        if lease != NO_LEASE:
            bench.lease({FAN: bool(lease), CHARGER: False, BUZZER: False})
            leased_off_until = 0 if lease else bench.clock.mono + 5_000
        if pause:
            bench.wait(6_000)
            assert bench.wants[FAN], "silence of everybody for six seconds"
        bench.gas(gas)
        assert bench.wants[FAN] or bench.clock.mono < leased_off_until
        if not isinstance(gas, NoData) and 10 <= gas < 65_535:
            assert bench.wants[FAN], f"{gas / 10} % by volume"
