"""The frame around the rules: inputs that are not evaluated, new rule sets, snapshots, the order of things."""

import json
from dataclasses import replace

import pytest

from shared.domain import core
from shared.domain.events import Event
from shared.domain.ids import RoomId, event_id, occurrence_id
from shared.domain.inputs import Entry, Resync, Rules, Undecodable, What
from shared.domain.plan import LimitRow, RoomPlan, Severity
from shared.domain.trip import FAR_MS
from shared.domain.units import NoData
from tests.domain.driver import LOG, Room, make_scan, told
from tests.domain.plans import ALARM, FAN, GAS, HIGH, PREALARM, alarm, gas_room, limit_room

NAME = "bat1/1S1/jar_voltage_high_warning"


def _ready(**more: object) -> Room:
    room = Room(limit_room(**more))  # type: ignore[arg-type]
    room.scan("bacs", 2_200)
    return room


def _gassy() -> Room:
    """A room with outputs, settled."""
    room = Room(gas_room())
    room.tick(1_000)
    return room


def test_a_scan_that_is_too_old_is_recorded_and_not_evaluated() -> None:
    """Older than the stale time: an event, and no condition moves."""
    room = _ready()
    events = room.scan("bacs", 2_400, after_ms=500, age_ms=3_001)
    assert told(events) == ["input.late bacs"]
    assert room.letter(HIGH) == "A"
    assert told(room.scan("bacs", 2_400, after_ms=500, age_ms=3_000)) == [f"alarm.raised {NAME} B"]


def test_a_repeated_scan_is_late_and_a_missing_one_is_a_hole() -> None:
    """device_seq counts polls: not above the last is late, more than one above tells how many are lost."""
    room = _ready()
    room.skip("bacs", -1)
    assert told(room.scan("bacs", 2_400)) == ["input.late bacs"]
    room.skip("bacs", 3)
    events = room.scan("bacs", 2_200)
    assert (told(events), events[0].reason) == (["input.gap bacs"], "3 lost before 5")
    fresh = make_scan("bacs", 1, [2_200])._replace(boot="guard2")
    assert told(room.put(fresh)) == [], "a new guard counts from one"


def test_a_scan_of_nobody_and_a_scan_of_another_shape_are_rejected() -> None:
    """Neither ends the step, and both are told."""
    room = _ready()
    events = room.scan("gas9", 1) + room.scan("bacs", 1, 2)
    assert [(e.type, e.reason.partition(":")[0]) for e in events] == [
        ("ampward.input.rejected.v1", "unknown-device"),
        ("ampward.input.rejected.v1", "wrong-shape"),
    ]


def test_an_undecodable_record_is_an_event() -> None:
    """Its hash is where its bytes are kept."""
    event = _ready().put(Undecodable("ab" * 32, 17, "bus b1", "short"))[0]
    assert (event.type, event.reason) == ("ampward.input.undecodable.v1", f"bus b1: short ({'ab' * 32})")


def test_ids_are_hashes_of_what_caused_them() -> None:
    """Event and occurrence ids can be derived by anyone who has the input's id."""
    room = Room(gas_room())
    events = room.scan("gas1", 25_000)
    seq = len(room.entries)
    assert [e.id for e in events] == [event_id(LOG, seq, "r", n) for n in range(len(events))]
    assert events[0].occurrence == occurrence_id(ALARM, LOG, seq)
    assert [e.ordinal for e in events] == list(range(len(events)))
    assert [e.room_no for e in room.events] == list(range(1, len(room.events) + 1))


def test_suppressors_are_decided_before_what_they_suppress() -> None:
    """The pre-alarm stands first in the plan and is told after the alarm that hides it."""
    room = Room(gas_room())
    subjects = [e.subject for e in room.scan("gas1", 25_000) if e.type == "ampward.alarm.raised.v1"]
    assert subjects == [ALARM, PREALARM]


def test_only_stamps_follow_the_wall_clock() -> None:
    """A clock that jumps ten years changes at_ms and nothing else."""
    plain, jumping = Room(gas_room()), Room(gas_room())
    for n, gas in enumerate((0, 0, 0, 12_000, 25_000, NoData.TIMEOUT, 0, 0, 0)):
        jumping.wall_ms = (-1) ** n * 315_360_000_000
        plain.scan("gas1", gas, after_ms=2_000)
        jumping.scan("gas1", gas, after_ms=2_000)
    assert [e._replace(at_ms=0) for e in plain.events] == [e._replace(at_ms=0) for e in jumping.events]
    assert [e.at_ms for e in plain.events] != [e.at_ms for e in jumping.events]


@pytest.mark.parametrize("cut", range(1, 25))
def test_a_state_from_its_data_goes_on_as_the_one_it_was_taken_from(cut: int) -> None:
    """Snapshot and tail are the full fold, at every cut of a busy line."""
    room = Room(gas_room())
    for gas in (0, 0, 0, 12_000, 25_000, NoData.TIMEOUT, 0, 0, 0, 0):
        room.scan("gas1", gas, after_ms=2_000)
        room.scan("io1", 0, int(room.on()), 0)
    room.command(What.SHELVE, PREALARM, reason="known", for_ms=60_000)
    room.command(What.MAINTENANCE, "s/r", reason="work", for_ms=5_000)
    room.tick(90_000)
    state, events = core.initial(room.plan, "v1", LOG), list[Event]()
    for entry in room.entries[:cut]:
        state, made = core.step(state, entry)
        events += made
    state = core.state_from_data(room.plan, "v1", json.loads(json.dumps(core.state_to_data(state))))
    for entry in room.entries[cut:]:
        state, made = core.step(state, entry)
        events += made
    assert events == room.events
    assert core.state_to_data(state) == core.state_to_data(room.state)
    assert core.next_due_ms(state) == core.next_due_ms(room.state)


def test_data_of_another_room_or_form_is_refused() -> None:
    """A snapshot belongs to its room."""
    data = core.state_to_data(_ready().state)
    with pytest.raises(ValueError, match="form 1 of s/r is not form 1 of s/other"):
        core.state_from_data(replace(limit_room(), id=RoomId("other")), "v1", data)
    with pytest.raises(ValueError, match="form 2"):
        core.state_from_data(limit_room(), "v1", {**data, "form": 2})


def test_a_snapshot_of_an_older_shape_is_read_by_the_names_of_its_fields() -> None:
    """A field that the data does not have keeps its default, one that is no longer known is left out."""
    data = core.state_to_data(_gassy().state)
    names = data["fields"]["OutputState"]
    place = names.index("run_up_ms")
    older = {
        **data,
        "fields": {**data["fields"], "OutputState": ["forgotten", *names[:place], *names[place + 1 :]]},
        "outputs": [[7, *x[:place], *x[place + 1 :]] for x in data["outputs"]],
    }
    restored = core.state_to_data(core.state_from_data(_gassy().plan, "v1", older))
    assert [x[:place] + x[place + 1 :] for x in restored["outputs"]] == [x[1:] for x in older["outputs"]]
    assert all(x[place] == FAR_MS for x in restored["outputs"])


def test_a_timer_that_cannot_move_on_ends_its_step() -> None:
    """An output whose due time lies in the past for ever is looked at once a step, not for ever."""
    room = _gassy()
    names = core.state_to_data(room.state)["fields"]["OutputState"]
    data = core.state_to_data(room.state)
    stuck = [[0 if name == "falling_due_ms" else value for name, value in zip(names, x, strict=True)]
             for x in data["outputs"]]  # fmt: skip
    state = core.state_from_data(room.plan, "v1", {**data, "outputs": stuck})
    state, _ = core.step(state, room.entries[-1]._replace(site_seq=state.site_seq + 1, tick_ms=state.tick_ms + 1))
    assert core.next_due_ms(state) > state.tick_ms


def test_a_resync_goes_on_from_the_state_after_the_loss() -> None:
    """What was lost is said, the state is the one that came with it, and numbers never go back."""
    ahead = _ready()
    ahead.scan("bacs", 2_310, after_ms=500)
    state = json.dumps(core.state_to_data(ahead.state))
    room = _ready()
    events = room.put(Resync("disk full", 7, 9, state), after_ms=600)
    assert told(events) == ["log.resynced r", f"alarm.reannounced {NAME} B"]
    assert (events[0].reason, events[0].room_no) == ("disk full: inputs 7 to 9 are lost", 3)
    assert events[1].occurrence == ahead.alarm(HIGH).occurrence
    assert told(room.tick(3_000)) == ["signal.lost bacs"], "and its timers go on"


def test_what_a_resync_tells_follows_from_itself_alone() -> None:
    """A replay that begins with it says the same as the room that went on: every open alarm and every output."""
    ahead, lived = Room(gas_room()), Room(gas_room())
    for gas in (0, 0, 0, 12_000):
        ahead.scan("gas1", gas, after_ms=500)
    for gas in (25_000, 0, NoData.TIMEOUT):
        lived.scan("gas1", gas, after_ms=700)
    body = Resync("disk full", 2, 9, json.dumps(core.state_to_data(ahead.state)))
    entry = Entry("log2", 12, 9_000, 9_000, body)
    _, told_by_lived = core.step(lived.state, entry)
    _, told_by_new = core.step(core.initial(gas_room(), "v1", LOG), entry)
    assert told_by_lived == told_by_new
    stands = ["alarm.reannounced gas1-h2/h2_prealarm B", "output.demanded io1-do0 on"]
    assert told(told_by_new)[:3] == ["log.resynced r", *stands]


def test_a_resync_without_a_state_leaves_the_room_as_it_is() -> None:
    """What was lost is told all the same."""
    room = _ready()
    room.scan("bacs", 2_310, after_ms=500)
    assert told(room.put(Resync("unknown", 5, 9, "")))[0] == "log.resynced r"
    assert room.letter(HIGH) == "B"


# A new rule set


def _rules(room: Room, plan: RoomPlan, after_ms: int = 0) -> list[str]:
    return told(room.put(Rules("v2", plan, "file"), after_ms=after_ms))


def test_a_new_rule_set_keeps_what_is_still_in_it() -> None:
    """The open alarm, its occurrence and ack, a running delay, and the numbers go on."""
    room = _ready(on_delay_ms=5_000)
    room.scan("bacs", 2_310, after_ms=500)
    assert _rules(room, limit_room(on_delay_ms=2_000, limit=2_250), after_ms=1_000) == ["rules.changed r"]
    assert room.state.version == "v2"
    assert told(room.tick(999)) == []
    assert told(room.tick(1)) == [f"alarm.raised {NAME} B"]
    assert room.events[-1].version == "v2"
    assert told(room.scan("bacs", 2_260, after_ms=500)) == [], "over the new limit"


def test_a_rule_that_is_gone_closes_its_open_alarm_as_retired() -> None:
    """Every raised alarm has a close, a new rule set included."""
    room = _ready()
    occurrence = room.scan("bacs", 2_310, after_ms=500)[0].occurrence
    gone = replace(limit_room(), alarms=(), limits=())
    events = room.put(Rules("v2", gone, "file"))
    assert told(events) == ["rules.changed r", f"alarm.retired {NAME} A"]
    assert events[1].occurrence == occurrence
    assert core.alarms(room.state) == ()


def test_a_renamed_alarm_keeps_its_history() -> None:
    """``was`` names the id it had: same occurrence, no close, no new raise."""
    room = _ready()
    occurrence = room.scan("bacs", 2_310, after_ms=500)[0].occurrence
    plan = limit_room()
    renamed = replace(plan, alarms=(replace(alarm("s/r/bat1/1S1/too_high"), was=HIGH),))
    assert _rules(room, renamed) == ["rules.changed r"]
    assert room.alarm("s/r/bat1/1S1/too_high").occurrence == occurrence


def test_a_renamed_room_goes_on_with_the_state_of_the_old_one() -> None:
    """Ids of the new room are found under the old name, and events are counted anew."""
    room = Room(gas_room())
    for _ in range(3):
        room.scan("gas1", 12_000, after_ms=500)
    old = gas_room()

    def there(name: str) -> str:
        return name.replace("s/r/", "s/cellar/")

    plan = replace(
        old,
        id=RoomId("cellar"),
        was="r",
        points=tuple(replace(p, id=there(p.id)) for p in old.points),  # type: ignore[arg-type]
        alarms=tuple(replace(a, id=there(a.id), was=a.id, subject=there(a.subject)) for a in old.alarms),  # type: ignore[arg-type]
        detectors=tuple(replace(d, id=there(d.id)) for d in old.detectors),  # type: ignore[arg-type]
        outputs=tuple(replace(o, id=there(o.id)) for o in old.outputs),  # type: ignore[arg-type]
    )
    events = room.put(Rules("v2", plan, "file"))
    assert [(e.type, e.room, e.room_no) for e in events] == [("ampward.rules.changed.v1", "cellar", 1)]
    assert room.on()
    assert room.letter(there(PREALARM)) == "B"
    assert core.points(room.state)[0].id == there(GAS)


def test_an_output_that_is_gone_is_released() -> None:
    """Nothing is demanded that is not in the plan."""
    room = Room(gas_room())
    assert f"output.released {FAN.split('/', 2)[2]} off" in _rules(room, replace(gas_room(), outputs=()))


def test_a_condition_that_was_true_stays_true_under_a_new_kind_of_rule() -> None:
    """The alarm is open under the old rule; only a good value of the new one may end it."""
    room = _ready()
    room.scan("bacs", 2_310, after_ms=500)
    lower = LimitRow(0, 0, high=False, limit=2_100, deadband=0, severity=Severity.WARNING)
    assert _rules(room, replace(limit_room(), limits=(lower,))) == ["rules.changed r"]
    assert room.letter(HIGH) == "B"
    assert told(room.scan("bacs", 2_310, after_ms=500)) == [f"alarm.returned {NAME} D"]


def test_a_new_point_before_the_old_ones_moves_nothing() -> None:
    """State goes by id, never by place."""
    room = Room(gas_room())
    for _ in range(4):
        room.scan("gas1", 12_000, after_ms=500)
        room.scan("io1", 1, 1, 0)
    before = {(v.id, v.value, v.quality) for v in core.points(room.state)}
    old = gas_room()
    plan = replace(
        old,
        points=(*old.points[1:], old.points[0]),
        scans=(replace(old.scans[0], first=3), replace(old.scans[1], first=0)),
        detectors=(replace(old.detectors[0], h2=3),),
        outputs=(
            replace(old.outputs[0], airflow=0, read_back=1),
            replace(old.outputs[1], airflow=2),
            old.outputs[2],
        ),
    )
    assert _rules(room, plan) == ["rules.changed r"]
    assert {(v.id, v.value, v.quality) for v in core.points(room.state)} == before
    assert told(room.scan("gas1", 12_000, after_ms=500)) == []
    assert core.outputs(room.state)[0].proof == "proven"


def test_time_that_falls_is_taken_as_standing_still() -> None:
    """The log promises that tick_ms never falls; if it does, no timer runs backwards."""
    room = _ready()
    state, events = core.step(room.state, Entry(LOG, 99, -5_000, 0, make_scan("bacs", 50, [2_310])))
    assert events[-1].tick_ms == room.now
    assert state.tick_ms == room.now


def test_next_due_is_the_earliest_timer() -> None:
    """Nothing can happen by time alone before it."""
    room = _ready(on_delay_ms=1_500)
    assert core.next_due_ms(room.state) <= 3_000
    room.scan("bacs", 2_310, after_ms=100)
    assert core.next_due_ms(room.state) == 1_600
