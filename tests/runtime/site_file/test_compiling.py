"""What a good site file compiles to: ids, limits, causes and suppression, as the built-in tables say."""

import json
from pathlib import Path

import pytest

from shared.devices.plan import SitePlan
from shared.domain.catalogue import RULES
from shared.domain.plan import (
    NONE,
    AlarmPlan,
    CauseKind,
    LimitRow,
    LostBy,
    Mode,
    ModeLimit,
    OutputPlan,
    RoomPlan,
    Severity,
)
from shared.domain.upkeep_plan import NO_LIMIT, PartKind
from shared.runtime.site_file import check_site, json_schema
from shared.wire.plans import decode_decision, decode_site, encode_decision, encode_site

GOOD = Path(__file__).parent / "good"


@pytest.fixture(scope="module")
def full() -> SitePlan:
    """The plan of a file that uses every key."""
    checked = check_site(GOOD / "full.yaml", {})
    assert checked.errors == ()
    assert checked.plan is not None
    return checked.plan


@pytest.fixture(scope="module")
def wet(full: SitePlan) -> RoomPlan:
    """Its room with wet cells."""
    return full.decision.rooms[0]


def alarm(room: RoomPlan, path: str) -> AlarmPlan:
    """The alarm at ``path`` under the room."""
    return next(one for one in room.alarms if one.id == f"{room.site}/{room.id}/{path}")


def rows(room: RoomPlan, path: str) -> list[LimitRow]:
    """The limit rows of the alarm at ``path``."""
    index = room.alarms.index(alarm(room, path))
    return [row for row in room.limits if row.alarm == index]


def parents(room: RoomPlan, path: str) -> set[str]:
    """The alarms that suppress the alarm at ``path``, without the room's path."""
    return {room.alarms[index].id.removeprefix(f"{room.site}/{room.id}/") for index in alarm(room, path).suppressed_by}


def output(room: RoomPlan, name: str) -> OutputPlan:
    """The output ``name`` of the room."""
    return next(one for one in room.outputs if one.id == f"{room.site}/{room.id}/{name}")


def causes(room: RoomPlan, name: str) -> set[tuple[str, str]]:
    """The causes of an output by kind and id (the rule for alarms)."""
    batteries, detectors = ([one.id for one in table] for table in (room.batteries, room.detectors))
    names: dict[CauseKind, list[str]] = {CauseKind.BOOST: batteries, CauseKind.ALARM: [one.rule for one in room.alarms]}
    found = set()
    for cause in output(room, name).causes:
        entry = names.get(cause.kind, detectors)[cause.index]
        found.add((cause.kind.value, entry.rsplit("/", 1)[-1]))
    return found


def test_the_same_file_makes_the_same_bytes(full: SitePlan) -> None:
    """Two checks of one file give equal canonical bytes, and the bytes give the plan back."""
    again = check_site(GOOD / "full.yaml", {}).plan
    assert again is not None
    assert encode_site(full) == encode_site(again)
    assert decode_site(encode_site(full)) == full
    assert decode_decision(encode_decision(full.decision)) == full.decision


def test_rooms_stand_in_file_order_and_the_box_last(full: SitePlan) -> None:
    """Each room has a plan, and the pseudo-room of the box ends the list."""
    assert [room.id for room in full.decision.rooms] == ["r1", "r2", "_site"]


def test_the_box_has_its_own_alarms(full: SitePlan) -> None:
    """The box's alarms are bound to reports about log, disk, clock, replay and channels."""
    box = full.decision.rooms[-1]
    assert [one.id for one in box.alarms] == [
        "full/_site/log/log_undurable",
        "full/_site/log/log_damaged",
        "full/_site/disk/disk_low",
        "full/_site/clock/clock_step",
        "full/_site/replay/replay_differs",
        "full/_site/email/delivery_failing",
        "full/_site/webhook/delivery_failing",
    ]
    assert next((row.kind, row.subject) for row in box.reports) == ("log_undurable", "full/_site/log")


def test_a_scan_fills_the_points_of_its_device_in_order(full: SitePlan) -> None:
    """Scan rows cover the points without a gap, one point a channel, in the order of the device's channels."""
    for room in full.decision.rooms:
        position = 0
        for scan in room.scans:
            device = next(one for one in full.decision.devices if one.id == scan.device)
            assert (scan.first, scan.count) == (position, len(device.channels))
            assert [point.unit for point in room.points[position : position + scan.count]] == [
                channel.unit for channel in device.channels
            ]
            position += scan.count
        assert position == len(room.points)


def test_points_are_named_after_device_or_jar(wet: RoomPlan) -> None:
    """A channel is device-channel, a jar's value stands under its jar."""
    ids = {point.id for point in wet.points}
    assert {"full/r1/gas1-h2", "full/r1/io1-di2", "full/r1/bms1-s1_current"} <= ids
    assert {"full/r1/bat1/2S1/voltage", "full/r1/bat1/2S1/level", "full/r1/bat1/2S1/level_temperature"} <= ids


def test_only_used_elements_of_a_group_are_polled(full: SitePlan) -> None:
    """Of forty modules those of the site's jars become channels, and no other."""
    monitor = next(device for device in full.decision.devices if device.id == "bms1")
    modules = {channel.name.split("_")[0] for channel in monitor.channels if channel.name.startswith("module")}
    assert modules == {f"module{number}" for number in range(1, 17)}


def test_a_shared_device_is_seen_by_every_room(full: SitePlan) -> None:
    """``room: site`` puts the device's frames into each room."""
    monitor = next(device for device in full.decision.devices if device.id == "bms1")
    assert monitor.rooms == ("r1", "r2")


def test_a_line_is_lost_by_silence_only_for_a_room_that_sees_all_of_it(wet: RoomPlan, full: SitePlan) -> None:
    """Two heads alone on a line: their silence is the line's. A line that rooms share: only its link."""
    by = {str(wet.alarms[row.alarm].id): row.by for row in wet.losts}
    assert by["full/r1/rtu/bus_lost"] is LostBy.ANSWERS
    assert by["full/r1/lan/bus_lost"] is LostBy.LINK
    assert by["full/r1/gas1/device_lost"] is LostBy.VALUES
    sealed = full.decision.rooms[1]
    assert next(row.by for row in sealed.losts if sealed.alarms[row.alarm].rule == "bus_lost") is LostBy.LINK


def test_decimal_limits_become_exact_integers(wet: RoomPlan) -> None:
    """0.8 and 0.1 %vol of the room are 8000 and 1000 ppm, and 2 %vol stays 20000."""
    head = wet.detectors[0]
    assert (head.limit_1, head.limit_2, head.deadband) == (8000, 20_000, 1000)


def test_a_detector_takes_its_health_from_the_profile(wet: RoomPlan) -> None:
    """Status word, its good and warm-up values, and the heartbeat come from the profile."""
    head = wet.detectors[0]
    assert wet.points[head.status].id == "full/r1/gas1-state"
    assert wet.points[head.heartbeat].id == "full/r1/gas1-beat"
    assert (head.status_good, head.status_warm_up, head.heartbeat_ms) == ((1,), (0,), 4000)


def test_two_contacts_make_a_detector_with_an_impossible_state(wet: RoomPlan) -> None:
    """A detector of contacts has both points and its own alarm for contact 2 without 1."""
    contacts = wet.detectors[2]
    assert (contacts.id, contacts.h2) == ("full/r1/io1-di0", NONE)
    assert wet.alarms[contacts.alarm_impossible].id == "full/r1/io1-di0/h2_contacts_impossible"
    assert wet.detectors[0].alarm_impossible == NONE


def test_hydrogen_alarms_are_only_suppressed_by_the_graver_one(wet: RoomPlan) -> None:
    """The pre-alarm yields to the alarm; alarm and fault yield to nothing, not even to a lost device."""
    assert parents(wet, "gas1-h2/h2_prealarm") == {"gas1-h2/h2_alarm"}
    assert parents(wet, "gas1-h2/h2_alarm") == set()
    assert parents(wet, "gas1-h2/h2_fault") == set()


def test_jar_alarms_fall_silent_under_what_explains_them(wet: RoomPlan) -> None:
    """Module under device under bus; a warning under the alarm of the same value."""
    assert parents(wet, "bat1/2S1/jar_voltage_low_warning") == {
        "bms1/device_lost",
        "bat1/2S1/module_lost",
        "bat1/2S1/jar_voltage_low_alarm",
    }
    assert parents(wet, "bat1/2S1/module_lost") == {"bms1/device_lost"}
    assert parents(wet, "bms1/device_lost") == {"lan/bus_lost"}
    assert parents(wet, "bat1/2S1/els_level_yellow") == {
        "els1/device_lost",
        "bat1/2S1/signal_fault",
        "bat1/2S1/els_level_red",
    }


def test_voltage_windows_follow_the_mode(wet: RoomPlan) -> None:
    """High limits rise in boost and recovery, low limits fall in discharge and recovery."""
    (low,) = rows(wet, "bat1/2S1/jar_voltage_low_alarm")
    assert (low.high, low.limit, low.deadband) == (False, 6 * 2200, 30)
    assert low.by_mode == (ModeLimit(Mode.DISCHARGE, 6 * 1750), ModeLimit(Mode.RECOVERY, 6 * 1750))
    (high,) = rows(wet, "bat1/2S1/jar_voltage_high_warning")
    assert (high.high, high.limit) == (True, 6 * 2280)
    assert {one.mode: one.limit for one in high.by_mode} == {Mode.BOOST: 6 * 2440, Mode.RECOVERY: 6 * 2420}


def test_sealed_cells_are_compensated_for_their_usual_temperature(full: SitePlan) -> None:
    """At 20 °C a VRLA cell floats 5 * 1.67 mV higher than at 25 °C, rounded once for the whole jar."""
    sealed = full.decision.rooms[1]
    (high,) = rows(sealed, "bat2/1S3/jar_voltage_high_alarm")
    assert high.limit == round(6 * (2270 + 8.35 + 50) + 0.001)


def test_sealed_jars_follow_their_own_temperature_where_they_have_one(full: SitePlan) -> None:
    """-1.67 mV a kelvin and cell from 20 °C on, in float, boost and recovery; what the site gives stands as it is."""
    sealed = full.decision.rooms[1]
    moves = {str(sealed.alarms[sealed.limits[x.limit].alarm].id): x for x in sealed.compensations}
    assert len(moves) == len(sealed.compensations)
    high, low, given = (
        moves[f"full/r2/bat2/1S3/jar_voltage_{rule}"] for rule in ("high_alarm", "low_alarm", "high_warning")
    )
    assert sealed.points[high.point].id == "full/r2/bat2/1S3/temperature"
    assert (high.usual, high.uv_per_k) == (20_000, -1670 * 6)
    assert set(high.modes) == set(Mode)
    assert set(low.modes) == {Mode.UNKNOWN, Mode.FLOAT, Mode.BOOST}, "the limit of a discharge is what it is"
    assert given.modes == (Mode.RECOVERY,), "2.28 in float and 2.44 in boost are the site's own"
    assert not full.decision.rooms[0].compensations, "a vented battery has none"


def test_resistance_is_judged_by_the_jars_own_baseline(wet: RoomPlan) -> None:
    """20 % and 30 % over the baseline of the CSV; nothing is over the limit of a jar without one."""
    assert [row.limit for row in rows(wet, "bat1/1S1/jar_resistance_warning")] == [3660]
    assert [row.limit for row in rows(wet, "bat1/1S1/jar_resistance_alarm")] == [3965]
    assert [row.limit for row in rows(wet, "bat1/5S1/jar_resistance_alarm")] == [NO_LIMIT]
    baselines = {one.jar: (one.string, one.given) for one in wet.baselines}
    assert baselines["full/r1/bat1/1S1"] == ("full/r1/bat1/s1", 3050)
    assert baselines["full/r1/bat1/5S1"] == ("full/r1/bat1/s1", 0)
    percents = {(wet.baselines[one.baseline].jar[-3:], one.percent): wet.limits[one.limit].limit for one in wet.factors}
    assert (percents["1S1", 120], percents["1S1", 130], percents["5S1", 130]) == (3660, 3965, NO_LIMIT)


def test_everything_that_can_be_replaced_is_a_part(full: SitePlan, wet: RoomPlan) -> None:
    """Jars with their modules and sensors, gas heads, current sensors and devices, each once on the site."""
    kinds = {part.id: part.kind for part in wet.parts}
    assert kinds["full/r1/bat1/2S1"] is PartKind.JAR
    assert kinds["full/r1/bat1/2S1/module"] is PartKind.MODULE
    assert kinds["full/r1/bat1/2S1/sensor"] is PartKind.SENSOR
    assert kinds["full/r1/gas1-h2"] is PartKind.GAS_HEAD
    assert kinds["full/r1/bms1-s1_current"] is PartKind.SENSOR
    assert (kinds["full/r1/io1"], kinds["full/r1/gas1"]) == (PartKind.RELAY_MODULE, PartKind.DEVICE)
    ids = [part.id for room in full.decision.rooms for part in room.parts]
    assert len(ids) == len(set(ids))
    assert sum(name.endswith("/bms1") for name in ids) == 1, "a device that all rooms see is one part"


def test_calibrations_and_proof_tests_are_due(wet: RoomPlan) -> None:
    """One for each detector and each output, with the times of the rules."""
    days = {(one.kind.value, one.subject): one.every_ms // 86_400_000 for one in wet.dues}
    assert days["calibration", "full/r1/gas1-h2"] == 180
    assert days["proof_test", str(wet.outputs[0].id)] == 365
    assert len(days) == len(wet.detectors) + len(wet.outputs)


def test_rules_are_laid_over_one_another_from_site_to_battery(full: SitePlan) -> None:
    """The battery's 33 °C stands over the site's 34; the rest of the site's figures stays."""
    wet, sealed = full.decision.rooms[:2]
    assert rows(wet, "bat1/2S1/jar_temp_warning")[0].limit == 33_000
    assert rows(sealed, "bat2/1S3/jar_temp_warning")[0].limit == 34_000
    warm = alarm(wet, "bat1/2S1/jar_temp_warning")
    assert (warm.rises, warm.window_ms) == (3, 600_000)
    index = wet.alarms.index(warm)
    assert [row.limit for row in wet.differences if row.alarm == index] == [6000]


def test_a_rule_that_is_switched_off_makes_no_alarms(full: SitePlan) -> None:
    """``jar_deviation: {enabled: false}`` leaves no row and no alarm."""
    assert not any(one.rule == "jar_deviation" for room in full.decision.rooms for one in room.alarms)
    assert all(room.deviations == () for room in full.decision.rooms)


def test_count_rules_count_red_levels_of_a_string(wet: RoomPlan) -> None:
    """4+ low needs four red cells, 1+ low (switched on here) one; six cells are counted."""
    counts = {str(wet.alarms[row.alarm].rule): row for row in wet.counts}
    assert counts["els_low_4plus"].at_least == 4
    assert counts["els_low_1plus"].at_least == 1
    assert {wet.alarms[index].rule for index in counts["els_low_4plus"].of} == {"els_level_red"}
    assert len(counts["els_low_4plus"].of) == 6


def test_the_fan_answers_to_gas_fault_boost_runaway_and_the_unexplained(wet: RoomPlan) -> None:
    """The built-in line of the fan, complete; its own failures are not among its causes."""
    detectors = ("gas1-h2", "gas2-h2", "io1-di0")
    kinds = ("detector_1", "detector_2", "detector_fault")
    assert causes(wet, "io1-do0") == {
        *((kind, name) for kind in kinds for name in detectors),
        ("alarm", "h2_prealarm"),
        ("alarm", "h2_alarm"),
        ("alarm", "thermal_runaway"),
        ("alarm", "trip_unexplained"),
        ("boost", "bat1"),
    }
    assert causes(wet, "io1-do2") == causes(wet, "io1-do0")


def test_the_charger_is_inhibited_at_two_percent_and_at_runaway(wet: RoomPlan) -> None:
    """Nothing else stops the charge: not a pre-alarm, not a fault."""
    assert {kind for kind, _ in causes(wet, "io1-do1")} == {"detector_2", "alarm"}
    assert {rule for kind, rule in causes(wet, "io1-do1") if kind == "alarm"} == {"h2_alarm", "thermal_runaway"}


def test_the_buzzer_hears_every_alarm_and_no_warning(full: SitePlan) -> None:
    """Each alarm that is or may become of severity alarm or critical is a cause of the buzzer."""
    sealed = full.decision.rooms[1]
    heard = {cause.index for cause in output(sealed, "io2-do2").causes if cause.kind is CauseKind.ALARM}
    hot = sealed.alarms.index(alarm(sealed, "io2-t0/room_hot"))
    assert sealed.alarms[hot].severity is Severity.WARNING, "and an alarm at its high_high"
    assert heard == {hot, *(index for index, one in enumerate(sealed.alarms) if one.severity >= Severity.ALARM)}


def test_a_matrix_line_with_votes_gets_an_alarm_of_its_own(full: SitePlan) -> None:
    """Two of the named alarms, held for 5 s and latched, switch the lamp."""
    sealed = full.decision.rooms[1]
    (cause,) = output(sealed, "io2-do3").causes
    line = sealed.alarms[cause.index]
    assert (line.id, line.on_delay_ms, line.latch) == ("full/r2/lamp/matrix_cause", 5000, True)
    (count,) = [row for row in sealed.counts if row.alarm == cause.index]
    assert count.at_least == 2
    assert {sealed.alarms[index].rule for index in count.of} == {"room_hot", "jar_temp_alarm"}


def test_a_plain_matrix_line_takes_its_causes_undelayed(wet: RoomPlan) -> None:
    """Pre-alarm, detector fault and boost switch the air conditioner."""
    assert causes(wet, "io1-do3") == {
        *((kind, name) for kind in ("detector_1", "detector_fault") for name in ("gas1-h2", "gas2-h2", "io1-di0")),
        ("alarm", "h2_prealarm"),
        ("boost", "bat1"),
    }


def test_safe_values_come_from_the_profile(wet: RoomPlan) -> None:
    """The fan falls on, the charger inhibit is released."""
    assert output(wet, "io1-do0").safe_on
    assert not output(wet, "io1-do1").safe_on


def test_a_site_rule_escalates_in_one_alarm(wet: RoomPlan) -> None:
    """high is the rule's severity, high_high one step graver, both feed the same alarm."""
    found = [(row.high, row.limit, row.deadband, row.severity) for row in rows(wet, "io1-t0/room_hot")]
    assert found == [
        (True, 40_000, 1000, Severity.ALARM),
        (True, 30_000, 1000, Severity.WARNING),
        (False, 5000, 1000, Severity.WARNING),
        (False, 0, 1000, Severity.ALARM),
    ]


def test_a_site_rule_on_an_open_contact(wet: RoomPlan) -> None:
    """``closed: false`` raises while the contact is open."""
    assert [(row.high, row.limit) for row in rows(wet, "io1-di3/door")] == [(False, 0)]
    assert alarm(wet, "io1-di3/door").severity is Severity.ALARM


def test_a_rate_rule_has_its_window(wet: RoomPlan) -> None:
    """5 K in 10 min, latched."""
    (rate,) = wet.rates
    assert (rate.window_ms, rate.limit) == (600_000, 5000)
    assert wet.alarms[rate.alarm].latch


def test_renamed_things_keep_their_history(wet: RoomPlan) -> None:
    """Room, device, battery and string that were renamed give each alarm its old id."""
    assert wet.was == "cellar"
    assert alarm(wet, "io1/device_lost").was == "full/cellar/io-old/device_lost"
    assert alarm(wet, "bat1/2S1/jar_temp_alarm").was == "full/cellar/battery-old/2S1/jar_temp_alarm"
    assert alarm(wet, "bat1/south/string_current_alarm").was == "full/cellar/battery-old/s2/string_current_alarm"


def test_every_index_of_every_table_points_at_something(full: SitePlan) -> None:
    """No row refers to an alarm, point or battery that is not there."""
    for room in full.decision.rooms:
        tables = (room.limits, room.deviations, room.differences, room.rates, room.median_factors)
        more = (room.counts, room.runaways, room.losts, room.reports, room.stales, room.dues)
        for row in (row for table in (*tables, *more) for row in table):
            assert 0 <= row.alarm < len(room.alarms)
            assert 0 <= getattr(row, "point", 0) < max(1, len(room.points))
            assert NONE <= getattr(row, "battery", NONE) < len(room.batteries)
        for factor in room.factors:
            assert (0 <= factor.limit < len(room.limits)) and (0 <= factor.baseline < len(room.baselines))
        used = {row.alarm for table in (*tables, *more) for row in table}
        by_detector = {
            index
            for one in room.detectors
            for index in (one.alarm_1, one.alarm_2, one.alarm_fault, one.alarm_impossible)
        }
        by_output = {i for one in room.outputs for i in (one.alarm_fail, one.alarm_airflow, one.alarm_not_falling)}
        assert used | by_detector | by_output | {NONE} == {NONE, *range(len(room.alarms))}


def test_every_built_in_rule_is_used_somewhere() -> None:
    """A plant that has a place for every rule gets an alarm of every rule of the catalogue."""
    rules: set[str] = set()
    for name in ("full.yaml", "base.yaml"):
        plan = check_site(GOOD / name, {}).plan
        assert plan is not None
        rules |= {one.rule for room in plan.decision.rooms for one in room.alarms}
    assert set(RULES) <= rules


def test_every_rule_says_what_it_means_and_what_to_do() -> None:
    """Each rule of the catalogue has two sentences or more for people."""
    for rule in RULES.values():
        assert rule.guidance.count(".") >= 2, rule.id


def test_the_schema_describes_the_file() -> None:
    """The JSON Schema is JSON and names the sections and their units."""
    schema = json.loads(json.dumps(json_schema()))
    assert {"version", "site", "buses", "devices", "rooms", "rules", "matrix"} <= schema["properties"].keys()
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["BatteryModel"]["properties"]["cells_per_jar"]["minimum"] == 1
    assert schema["$defs"]["FanModel"]["properties"]["run_on"]["default"] == "1h"
    one, many = schema["$defs"]["RoomModel"]["properties"]["fan"]["anyOf"]
    assert many["items"] == one == {"$ref": "#/$defs/FanModel"}
    assert schema["$defs"]["StringModel"]["properties"]["jars"]["description"].startswith("A number (24)")


def test_every_file_read_is_named() -> None:
    """The sources of a check are the site file, included files, profiles and CSV files."""
    names = {path.name for path in check_site(GOOD / "full.yaml", {}).sources}
    assert {"full.yaml", "people.yaml", "gas.yaml", "pemtech-pt495.yaml", "io.yaml", "jars.csv"} <= names


def test_a_variable_fills_a_value() -> None:
    """``${GATEWAY:-...}`` takes the environment's value, else the default."""
    plain, given = (check_site(GOOD / "full.yaml", env).plan for env in ({}, {"GATEWAY": "10.9.9.9:1502"}))
    assert plain is not None
    assert given is not None
    assert (plain.buses[0].tcp, given.buses[0].tcp) == ("10.0.0.7:502", "10.9.9.9:1502")


def test_the_example_of_the_interface_description_is_a_site() -> None:
    """The file that others write against checks: what later versions bring is a warning, not a fault."""
    checked = check_site(GOOD / "interfaces" / "site.yaml", {})
    assert checked.errors == ()
    assert checked.plan is not None
    keys = {fault.key for fault in checked.faults}
    assert {"buses.b3.snmp", "uplink.kafka", "uplink.mqtt", "northbound"} <= keys
