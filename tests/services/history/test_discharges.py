"""Discharges by the core's mode and the strings' currents; points that were renamed; what each kind of event is."""

from dataclasses import replace

import numpy as np
import pytest

from services.history.discharges import Discharges
from services.history.kinds import Kind, kind_of
from services.history.layouts import BatteryOf, StringOf, batteries_of, points_of, renames
from shared.devices.plan import DecisionPlan
from shared.domain.events import Event
from shared.domain.ids import AlarmId, DeviceId, PointId, RoomId
from shared.domain.plan import BatteryPlan, LimitRow, PointPlan, Severity
from shared.domain.units import Unit
from tests.services.processor.plant import decision

BATTERY = BatteryOf(
    "s/r1/bat1",
    (StringOf("s/r1/bat1/s1", "bacs", 0), StringOf("s/r1/bat1/s2", "bacs", 1)),
    {"bacs": (("s/r1/bat1/1S1", 2), ("s/r1/bat1/1S2", 3))},
)
BEGIN_MS = 1_767_225_600_000


def mode(state: str, tick_ms: int) -> Event:
    texts = dict.fromkeys(Event._fields, "")
    numbers = {
        "room_no": 1,
        "site_seq": 5,
        "ordinal": 0,
        "tick_ms": tick_ms,
        "at_ms": BEGIN_MS + tick_ms,
        "until_ms": 0,
    }
    return Event(**{**texts, **numbers, "subject": BATTERY.id, "state": state})  # type: ignore[arg-type]


def scan(found: Discharges, tick_ms: int, *values: int | None) -> None:
    reasons = np.array([2 if value is None else 0 for value in values], np.int8)
    found.take("bacs", tick_ms, np.array([value or 0 for value in values]), reasons)


def one() -> Discharges:
    found = Discharges([])
    found.use({BATTERY.id: BATTERY})
    return found


def test_a_discharge_has_its_depth_and_its_lowest_jar() -> None:
    """An hour at 10 A and 5 A, a scan every half minute; readings before and after it do not count."""
    found = one()
    scan(found, 0, -99_000, -99_000, 100, 100)
    found.changed(mode("discharge", 1_000), 1)
    for n in range(121):
        scan(found, 1_000 + n * 30_000, -10_000, -5_000, 2_000 - n, 2_010)
    found.changed(mode("recovery", 3_601_000), 1)
    scan(found, 3_700_000, -99_000, -99_000, 100, 100)
    (ended,) = found.ended
    assert {name: charge.taken // 3_600_000 for name, charge in ended.strings.items()} == {
        "s/r1/bat1/s1": 10_000, "s/r1/bat1/s2": 5_000,
    }  # fmt: skip
    assert (ended.lowest_jar, ended.lowest_mv, ended.lasted_ms) == ("s/r1/bat1/1S1", 1_880, 3_600_000)
    assert (ended.began_at_ms, ended.ended_at_ms) == (BEGIN_MS + 1_000, BEGIN_MS + 3_601_000)
    assert found.open == {}


def test_what_nobody_measured_is_not_made_up() -> None:
    """A gap of over a minute counts nothing; a current without a value, and one into the battery, neither."""
    found = one()
    found.changed(mode("discharge", 0), 1)
    scan(found, 0, -36_000, 4_000, None, None)
    scan(found, 100_000, -36_000, 4_000, None, None)
    scan(found, 110_000, None, 4_000, None, None)
    scan(found, 120_000, -36_000, 4_000, None, None)
    (going_on,) = found.open.values()
    assert going_on.strings["s/r1/bat1/s1"].taken == 36_000 * 20_000
    assert going_on.strings["s/r1/bat1/s2"].taken == 0
    assert going_on.lowest_jar == ""


def test_a_discharge_goes_on_after_a_restart() -> None:
    """What is needed to go on is stored with the place in the log."""
    found = one()
    found.changed(mode("discharge", 0), 1)
    scan(found, 0, -10_000, -5_000, 2_000, 2_010)
    again = Discharges(found.data())
    again.use({BATTERY.id: BATTERY})
    for each in (found, again):
        scan(each, 30_000, -10_000, -5_000, 1_990, 2_010)
        each.changed(mode("float", 40_000), 1)
    assert [one.row() for one in again.ended] == [one.row() for one in found.ended]


def test_a_battery_is_found_in_the_plan() -> None:
    """Its strings by their current's rule, its jars by their voltage, its one current where no rule names a string."""
    plan = decision(jars=3)
    room = plan.rooms[0]
    points = (
        room.points[0],
        PointPlan(PointId("s/r1/bank-s1_current"), Unit.AMPERE, 60_000),
        PointPlan(PointId("s/r1/bat1/1S1/voltage"), Unit.VOLT, 60_000),
        PointPlan(PointId("s/r1/bat2/1S1/voltage"), Unit.VOLT, 60_000),
    )
    battery = BatteryPlan("s/r1/bat1", -1, -1, 1, -1, 6, 2_400, 500)
    room = replace(room, points=points, batteries=(battery,))
    found = batteries_of(replace(plan, rooms=(room, plan.rooms[1])))["s/r1/bat1"]
    assert found.strings == (StringOf("s/r1/bat1", "bank", 0),)
    assert found.jars == {"bank": (("s/r1/bat1/1S1", 1),)}
    assert found.devices == {"bank"}
    alarm = replace(room.alarms[0], id=AlarmId("s/r1/bat1/s1/string_current_alarm"), subject="s/r1/bat1/s1")
    alarm = replace(alarm, rule=type(alarm.rule)("string_current_alarm"))
    rows = (LimitRow(0, 1, high=True, limit=1, deadband=0, severity=Severity.ALARM, battery=0),)
    room = replace(room, alarms=(alarm, *room.alarms[1:]), limits=rows)
    found = batteries_of(replace(plan, rooms=(room, plan.rooms[1])))["s/r1/bat1"]
    assert found.strings == (StringOf("s/r1/bat1/s1", "bank", 0),)


def _renamed(plan: DecisionPlan) -> DecisionPlan:
    """The gas head is called gasnew from now on."""
    room = plan.rooms[0]
    was, now = "s/r1/gas1-h2", "s/r1/gasnew-h2"
    alarms = tuple(
        replace(each, id=AlarmId(f"{now}/{each.rule}"), subject=now, was=str(each.id)) if each.subject == was else each
        for each in room.alarms
    )
    points = (PointPlan(PointId(now), Unit.H2_VOL, 4_000), *room.points[1:])
    scans = (replace(room.scans[0], device=DeviceId("gasnew")), *room.scans[1:])
    devices = (replace(plan.devices[0], id="gasnew"), *plan.devices[1:])
    return replace(
        plan, devices=devices, rooms=(replace(room, alarms=alarms, points=points, scans=scans), plan.rooms[1])
    )


def test_a_renamed_point_is_found_under_its_new_id() -> None:
    """By its alarms' former ids; a renamed room by its plan; what was known before is left alone."""
    plan = decision()
    known = frozenset(name for names in points_of(plan).values() for point in names for name in point.ids)
    assert renames(plan, known) == {}
    assert renames(_renamed(plan), known) == {"s/r1/gasnew-h2": "s/r1/gas1-h2"}
    room = plan.rooms[0]
    points = tuple(replace(each, id=PointId(str(each.id).replace("s/r1", "s/hall"))) for each in room.points)
    moved = replace(room, id=RoomId("hall"), was="r1", points=points)
    devices = tuple(replace(each, rooms=("hall",)) for each in plan.devices)
    found = renames(replace(plan, devices=devices, rooms=(moved, plan.rooms[1])), known)
    assert found["s/hall/gas1-h2"] == "s/r1/gas1-h2"
    assert len(found) == len(known)


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("ampward.alarm.raised.v1", Kind.ALARM),
        ("ampward.output.demanded.v1", Kind.OUTPUT),
        ("ampward.delivery.sent.v1", Kind.DELIVERY),
        ("ampward.mode.changed.v1", Kind.MODE),
        ("ampward.part.replaced.v1", Kind.MARK),
        ("ampward.rules.changed.v1", Kind.MARK),
        ("ampward.input.rejected.v1", Kind.INPUT),
        ("ampward.input.late.v1", None),
        ("ampward.report.recorded.v1", None),
        ("else", Kind.MARK),
    ],
)
def test_each_event_has_its_kind(type_: str, kind: Kind | None) -> None:
    """One that the history does not know is a mark: it is kept."""
    assert kind_of(type_) is kind
