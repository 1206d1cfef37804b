"""What a start of the log and a new rule set may never do: clear without a value, forget gas, leave a head alone."""

from dataclasses import replace

from shared.domain.ids import DeviceId, PointId
from shared.domain.inputs import ReportKind, Rules, What
from shared.domain.plan import NONE, DetectorPlan, LimitRow, MedianFactorRow, Mode, RoomPlan, Severity
from shared.domain.units import NoData
from tests.domain.driver import Room, told
from tests.domain.plans import ALARM, FAN, FAULT, HIGH, PREALARM, alarm, battery_room, gas_room, limit_room


def _renamed(plan: RoomPlan) -> RoomPlan:
    """The same room after its gas head was given another name, which the site file declares."""

    def there(name: str) -> str:
        return name.replace("gas1", "head1")

    head = replace(plan.scans[0], device=there(plan.scans[0].device))  # type: ignore[arg-type]
    return replace(
        plan,
        points=tuple(replace(p, id=PointId(there(p.id))) for p in plan.points),
        scans=(head, *plan.scans[1:]),
        alarms=tuple(replace(a, id=there(a.id), was=a.id, subject=there(a.subject)) for a in plan.alarms),  # type: ignore[arg-type]
        detectors=tuple(replace(d, id=PointId(there(d.id))) for d in plan.detectors),
    )


def test_a_start_lets_no_off_delay_end_without_a_value() -> None:
    """The value was inside its limit, then the box was started again and nothing has come since: still active."""
    made = Room(limit_room(off_delay_ms=2_000))
    made.scan("bacs", 2_310)
    made.scan("bacs", 2_200, after_ms=500)
    made.start(boot="boot2", after_ms=500)
    assert told(made.tick(2_500)) == []
    assert made.letter(HIGH) == "B"
    made.scan("bacs", 2_200, after_ms=100)
    assert told(made.tick(2_000)) == ["alarm.returned bat1/1S1/jar_voltage_high_warning D"]


def test_a_detector_that_a_new_rule_set_brings_is_watched_from_then_on() -> None:
    """Not one frame of it ever comes: the fan at once, and its fault after four seconds, by ticks alone."""
    plan = gas_room()
    bare = replace(
        plan, detectors=(), outputs=tuple(replace(o, causes=()) for o in plan.outputs), points=plan.points, alarms=()
    )
    bare = replace(bare, outputs=tuple(replace(o, alarm_fail=NONE, alarm_airflow=NONE, alarm_not_falling=NONE)
                                       for o in bare.outputs))  # fmt: skip
    made = Room(bare)
    made.tick(60_000)
    assert not made.on()
    made.put(Rules("v2", plan, "file"))
    assert made.on()
    made.tick(3_999)
    assert made.letter(FAULT) == "A"
    made.tick(1)
    assert made.letter(FAULT) == "B"


def test_a_renamed_gas_head_keeps_its_gas_and_its_run_on() -> None:
    """The declared new name is the same detector: the fan runs on as long as it would have."""
    made = Room(gas_room(run_on_ms=60_000))
    for gas in (0, 0, 0, 15_000, 0, 0, 0):
        made.scan("gas1", gas, after_ms=500)
    ends = made.now - 1_000 + 60_000
    made.put(Rules("v2", _renamed(made.plan), "file"))
    while made.now < ends - 500:
        made.scan("head1", 0, after_ms=500)
        assert made.on(), f"off at {made.now} ms, run-on ends at {ends} ms"


def test_a_new_heartbeat_counts_from_its_rule_set_on() -> None:
    """A rule set that begins to watch a heartbeat finds no fault in the time before it."""
    plan = gas_room()
    plan = replace(plan, points=plan.points, detectors=plan.detectors)
    made = Room(plan)
    for _ in range(40):
        made.scan("gas1", 0, after_ms=500)
    beat = replace(plan.detectors[0], heartbeat=0, heartbeat_ms=4_000)
    assert not made.on()
    made.put(Rules("v2", replace(plan, detectors=(beat,)), "file"), after_ms=100)
    made.tick(100)
    assert made.letter(FAULT) == "A"


def test_a_latch_is_not_reset_while_a_new_row_of_it_is_unknown() -> None:
    """The rule set lays a second limit over the alarm: nobody knows yet whether that is kept."""
    made = Room(limit_room(latch=True))
    made.scan("bacs", 2_310)
    made.scan("bacs", 2_200, after_ms=500)
    made.command(What.ACK, HIGH)
    plan = limit_room(latch=True)
    both = (*plan.limits, LimitRow(0, 1, high=True, limit=40_000, deadband=0, severity=Severity.WARNING))
    more = gas_room().points[1:2]
    scans = (*plan.scans, replace(gas_room().scans[1], first=1, count=1))
    made.put(Rules("v2", replace(plan, points=(*plan.points, *more), scans=scans, limits=both), "file"))
    assert told(made.command(What.RESET, HIGH)) == ["input.rejected bat1/1S1/jar_voltage_high_warning"]


def test_a_latch_is_not_reset_while_a_new_detector_of_it_has_said_nothing() -> None:
    """Two heads feed one alarm after the change; the new one has not given a sample."""
    made = Room(gas_room())
    for gas in (0, 0, 0, 25_000, 0, 0, 0):
        made.scan("gas1", gas, after_ms=500)
    made.command(What.ACK, ALARM)
    plan = gas_room()
    second = DetectorPlan(PointId("s/r/io1-di2"), 1, NONE, NONE, NONE, NONE, 10_000, 20_000, 0, alarm_1=0, alarm_2=1)
    made.put(Rules("v2", replace(plan, detectors=(*plan.detectors, second)), "file"))
    assert told(made.command(What.RESET, ALARM)) == ["input.rejected gas1-h2/h2_alarm"]


def test_gas_at_its_limit_stays_gas_over_any_start() -> None:
    """Between the sample and the start nothing was written: the fan, the alarm and the run-on go on."""
    for boot in ("boot1", "boot2"):
        made = Room(gas_room(run_on_ms=60_000))
        for gas in (0, 0, 0, 15_000):
            made.scan("gas1", gas, after_ms=500)
        made.start(boot=boot, after_ms=120_000)
        assert (made.on(), made.letter(PREALARM)) == (True, "B")
        for _ in range(100):
            made.scan("gas1", NoData.TIMEOUT, after_ms=1_000)
        assert (made.on(), made.letter(PREALARM)) == (True, "B"), "a bad sample never ends it"
        for _ in range(59):
            made.scan("gas1", 0, after_ms=1_000)
        assert made.on()


def test_a_renamed_battery_keeps_its_mode_and_the_run_on_of_its_boost() -> None:
    """Its alarms say what it was called; the fan runs on after the boost, and its seven-day medians stay."""
    plan = battery_room(hold_ms=0)
    low = alarm("s/r/bat1/s1/string_current_warning", battery=0)
    plan = replace(plan, alarms=(low,), median_factors=(MedianFactorRow(0, 1, 0, 300, 500, Severity.WARNING),))
    made = Room(plan)
    for boost in (0, 1, 1, 0):
        made.scan("bacs", 400, 13_500, after_ms=500)
        made.scan("io1", boost, after_ms=500)
    ends = made.now + 60_000
    renamed = replace(low, id=low.id.replace("bat1", "ups"), was=low.id, subject="s/r/ups/s1")  # type: ignore[arg-type]
    batteries = (replace(plan.batteries[0], id="s/r/ups"),)
    medians = made.state.histograms
    events = made.put(Rules("v2", replace(plan, alarms=(renamed,), batteries=batteries), "file"))
    assert told(events) == ["rules.changed r"]
    assert made.state.batteries[0].mode is Mode.FLOAT
    assert made.state.histograms == medians != {}
    while made.now < ends - 1_000:
        made.scan("io1", 0, after_ms=1_000)
        assert made.on()
    made.scan("io1", 0, after_ms=1_000)
    assert not made.on()


def test_a_renamed_relay_module_keeps_the_local_trip_and_its_run_on() -> None:
    """guard's trip by gas was on the fan of io1; as io9 the fan runs on for it, and both names are told."""
    plan = gas_room(run_on_ms=60_000)
    made = Room(plan)
    for _ in range(3):
        made.scan("gas1", 0, after_ms=500)
    made.report(ReportKind.LOCAL_TRIP, FAN, detail="gas_1 s/r/gas1-h2")
    made.report(ReportKind.LOCAL_TRIP, FAN, on=False, after_ms=500)
    io9 = FAN.replace("io1", "io9")
    alarms = tuple(
        replace(x, id=x.id.replace("io1", "io9"), subject=x.subject.replace("io1", "io9"), was=x.id)  # type: ignore[arg-type]
        if "io1" in x.id
        else x
        for x in plan.alarms
    )
    outputs = tuple(replace(x, id=x.id.replace("io1", "io9")) for x in plan.outputs)  # type: ignore[arg-type]
    scans = (plan.scans[0], replace(plan.scans[1], device=DeviceId("io9")))
    events = made.put(Rules("v2", replace(plan, alarms=alarms, outputs=outputs, scans=scans), "file"))
    assert [x for x in told(events) if "output" in x] == ["output.released io1-do0 off", "output.demanded io9-do0 on"]
    assert [e.reason for e in events if e.type == "ampward.output.released.v1"] == [f"it is called {io9} now"]
    for _ in range(59):
        made.scan("gas1", 0, after_ms=1_000)
    assert made.on()
    made.scan("gas1", 0, after_ms=1_000)
    assert not made.on()


def test_a_was_that_is_left_in_the_site_file_changes_nothing_later() -> None:
    """The rename was done long ago; each later rule set carries the alarm by its own id, acked as it is."""
    made = Room(gas_room())
    made.put(Rules("v2", _renamed(gas_room()), "file"))
    for gas in (0, 0, 0, 15_000):
        made.scan("head1", gas, after_ms=500)
    prealarm = PREALARM.replace("gas1", "head1")
    made.command(What.ACK, prealarm)
    occurrence = made.alarm(prealarm).occurrence
    assert told(made.put(Rules("v3", _renamed(gas_room(run_on_ms=90_000)), "file"))) == ["rules.changed r"]
    assert (made.letter(prealarm), made.alarm(prealarm).occurrence) == ("C", occurrence)
    assert made.on()


def test_an_id_that_is_given_to_another_stays_with_who_was_renamed() -> None:
    """gas1 becomes head1 and a new gas1 comes in the same rule set: the open alarm goes with the old head."""
    made = Room(gas_room())
    for gas in (0, 0, 0, 15_000):
        made.scan("gas1", gas, after_ms=500)
    occurrence = made.alarm(PREALARM).occurrence
    plan = _renamed(gas_room())
    again = alarm(PREALARM, was=PREALARM)
    made.put(Rules("v2", replace(plan, alarms=(*plan.alarms, again)), "file"))
    assert made.alarm(PREALARM.replace("gas1", "head1")).occurrence == occurrence
    assert made.letter(PREALARM) == "A"


def test_maintenance_of_a_device_is_not_of_one_whose_name_begins_alike() -> None:
    """Points are called device-channel, and a device may be called so too."""
    plan = limit_room()
    other = alarm("s/r/bacs-2-u1/too_high", Severity.ALARM)
    plan = replace(
        plan,
        points=(*plan.points, replace(plan.points[0], id=PointId("s/r/bacs-2-u1"))),
        scans=(*plan.scans, replace(plan.scans[0], device="bacs-2", first=1)),  # type: ignore[arg-type]
        alarms=(*plan.alarms, other),
        limits=(*plan.limits, replace(plan.limits[0], alarm=1, point=1, severity=Severity.ALARM)),
    )
    made = Room(plan)
    made.command(What.MAINTENANCE, "s/r/bacs", reason="work", for_ms=60_000)
    made.scan("bacs-2", 2_310, after_ms=500)
    assert made.alarm(other.id).override == "none"
