"""Upkeep as time lines: parts replaced, baselines set, calibrations and proof tests that are due again."""

from dataclasses import replace
from typing import Any

import pytest

from shared.domain import baselines, core, upkeep
from shared.domain.commands import REMIND_MS
from shared.domain.events import Event
from shared.domain.ids import AlarmId
from shared.domain.inputs import Command, Entry, Refusal, Rules, What
from shared.domain.plan import (
    NONE,
    BatteryPlan,
    LimitRow,
    MedianFactorRow,
    RoomPlan,
    Severity,
)
from shared.domain.units import NoData, Unit
from shared.domain.upkeep_plan import (
    NO_LIMIT,
    BaselinePlan,
    FactorRow,
    PartKind,
    PartPlan,
)
from tests.domain.driver import Room, told
from tests.domain.plans import alarm, point, room, scan

JAR, OTHER, STRING, BATTERY = "s/r/bat1/1S1", "s/r/bat1/2S1", "s/r/bat1/s1", "s/r/bat1"
CURRENT = "s/r/bat1/s1/current"
GRAVE, LIGHT = f"{JAR}/jar_resistance_alarm", f"{JAR}/jar_resistance_warning"
MODES = 3
"""The point that tells the mode."""


def _jars(given: int = 4_000, serial: str = "J1", **more: Any) -> RoomPlan:
    """Two jars in one string: the first with a baseline of ``given`` uOhm, the second with none; limits 120 and 130 %.

    ``more`` goes to the alarms of the first jar.
    """
    return room(
        points=(
            point("bat1/1S1/resistance", Unit.MILLIOHM),
            point("bat1/2S1/resistance", Unit.MILLIOHM),
            point("bat1/s1/current", Unit.AMPERE),
            point("io1-di3", stale_ms=10**12),
        ),
        scans=(scan("bacs", 0, 3), scan("io1", 3, 1)),
        alarms=(
            alarm(GRAVE, Severity.ALARM, suppressed_by=(), **more),
            alarm(LIGHT, suppressed_by=(0,), **more),
            alarm(f"{OTHER}/jar_resistance_warning"),
            alarm("s/r/bat1/s1/string_current_warning"),
        ),
        limits=tuple(
            LimitRow(a, p, high=True, limit=limit, deadband=80, severity=severity, battery=0)
            for a, p, limit, severity in (
                (0, 0, given * 13 // 10 or NO_LIMIT, Severity.ALARM),
                (1, 0, given * 12 // 10 or NO_LIMIT, Severity.WARNING),
                (2, 1, NO_LIMIT, Severity.WARNING),
            )
        ),
        median_factors=(MedianFactorRow(3, 2, 0, 300, 500, Severity.WARNING),),
        batteries=(BatteryPlan(BATTERY, NONE, MODES, 2, NONE, 6, 2_350, 500, hold_ms=0),),
        parts=(
            PartPlan(JAR, PartKind.JAR, serial),
            PartPlan(OTHER, PartKind.JAR),
            PartPlan(f"{JAR}/module", PartKind.MODULE, "M1"),
            PartPlan(CURRENT, PartKind.SENSOR),
        ),
        baselines=(BaselinePlan(JAR, STRING, 0, 0, given), BaselinePlan(OTHER, STRING, 1, 0)),
        factors=(FactorRow(0, 0, 130, 80), FactorRow(1, 0, 120, 80), FactorRow(2, 1, 120, 0)),
    )


def _float(plan: RoomPlan) -> Room:
    """The room with its battery in float and all jars well."""
    made = Room(plan)
    made.scan("io1", 0)
    made.scan("bacs", 4_000, 4_000, 1_000, after_ms=500)
    return made


def _limits(made: Room) -> list[int]:
    return [made.state.columns.limit(row) for row in range(3)]


def _measure(made: Room, one: int = 5_000, two: int = 4_000) -> list[Event]:
    """So many good scans as a measurement wants; what the last of them made."""
    return [made.scan("bacs", one, two, 1_000, after_ms=500) for _ in range(baselines.SAMPLES)][-1]


def _refused(events: list[Event]) -> str:
    (event,) = events
    return event.reason.partition(": ")[0]


# Replace


def test_a_replaced_jar_gets_a_baseline_of_its_own() -> None:
    """Both serials and the reason are told; no limit holds until nine good values gave the new baseline."""
    made = _float(_jars())
    assert _limits(made) == [5_200, 4_800, NO_LIMIT]
    (event,) = made.command(What.REPLACE, JAR, serials=("J1", "J2"), reason="leaks")
    assert (event.type, event.subject, event.rule, event.actor) == ("ampward.part.replaced.v1", JAR, "jar", "anna")
    assert event.reason == "J1 -> J2: leaks"
    assert (_limits(made), upkeep.serial_of(made.state, 0)) == ([NO_LIMIT] * 3, "J2")
    (event,) = _measure(made)
    assert (event.type, event.subject, event.value, event.unit) == ("ampward.baseline.set.v1", JAR, "5", "mOhm")
    assert (event.reason, event.actor) == ("measured, median of 9: a new jar", "anna")
    assert _limits(made) == [6_500, 6_000, NO_LIMIT]


def test_the_baseline_of_a_new_jar_can_be_given() -> None:
    """The figure on the maker's sheet holds at once, and nothing is measured."""
    made = _float(_jars())
    events = made.command(What.REPLACE, JAR, serials=("J1", "J2"), reason="leaks", value=3_500)
    assert told(events) == ["part.replaced bat1/1S1", "baseline.set bat1/1S1"]
    assert (_limits(made)[:2], made.state.measuring) == ([4_550, 4_200], set())


@pytest.mark.parametrize(
    ("subject", "serials", "reason", "refusal"),
    [
        (JAR, ("J1", "J2"), " ", Refusal.REASON_MISSING),
        (JAR, ("J9", "J2"), "leaks", Refusal.OTHER_SERIAL),
        (JAR, ("", "J2"), "leaks", Refusal.SERIAL_MISSING),
        (JAR, ("J1", ""), "leaks", Refusal.SERIAL_MISSING),
        (JAR, ("J1", "J1"), "leaks", Refusal.ALREADY),
        ("s/r/bat1/9S1", ("J1", "J2"), "leaks", Refusal.UNKNOWN_SUBJECT),
        (STRING, ("J1", "J2"), "leaks", Refusal.UNKNOWN_SUBJECT),
    ],
)
def test_a_replacement_is_refused_with_its_reason(
    subject: str, serials: tuple[str, str], reason: str, refusal: Refusal
) -> None:
    """Nothing changes by a refused one: serial and limits are as before."""
    made = _float(_jars())
    assert _refused(made.command(What.REPLACE, subject, serials=serials, reason=reason)) == refusal
    assert (upkeep.serial_of(made.state, 0), _limits(made)[:2], made.state.parts) == ("J1", [5_200, 4_800], {})


def test_a_module_has_no_baseline() -> None:
    """A figure for what has none is refused; without it the module is replaced and the jar's limits stay."""
    made = _float(_jars())
    module = f"{JAR}/module"
    assert _refused(made.command(What.REPLACE, module, serials=("M1", "M2"), reason="dead", value=1)) == "not-supported"
    assert told(made.command(What.REPLACE, module, serials=("M1", "M2"), reason="dead")) == [
        "part.replaced bat1/1S1/module"
    ]
    assert _limits(made)[:2] == [5_200, 4_800]


def test_a_serial_that_nobody_knew_may_be_named_or_not() -> None:
    """The first replacement of a part without a serial names the old one if somebody can read it."""
    made = _float(_jars())
    (event,) = made.command(What.REPLACE, OTHER, serials=("", "A"), reason="old")
    assert event.reason == "unknown -> A: old"
    assert _refused(made.command(What.REPLACE, OTHER, serials=("B", "C"), reason="old")) == Refusal.OTHER_SERIAL
    (event,) = made.command(What.REPLACE, OTHER, serials=("A", "B"), reason="again")
    assert (event.reason, made.state.parts[1].times) == ("A -> B: again", 2)


def test_an_alarm_of_the_old_jar_ends_with_it() -> None:
    """Without a baseline nothing is over a limit: it returns at once; and a latch of the old jar is let go."""
    made = _float(_jars(latch=True))
    made.scan("bacs", 6_000, 4_000, 1_000, after_ms=500)
    assert (made.letter(GRAVE), made.letter(LIGHT)) == ("B", "B")
    made.command(What.ACK, GRAVE)
    made.scan("bacs", 4_000, 4_000, 1_000, after_ms=500)
    assert (made.letter(GRAVE), made.letter(LIGHT)) == ("F", "E")
    events = made.command(What.REPLACE, JAR, serials=("J1", "J2"), reason="high", value=4_000)
    name = "bat1/1S1/jar_resistance_"
    assert told(events) == [
        "part.replaced bat1/1S1",
        f"alarm.reset {name}alarm A",
        f"alarm.cleared {name}alarm A",
        f"alarm.acked {name}warning F",
        f"alarm.reset {name}warning A",
        f"alarm.cleared {name}warning A",
        "baseline.set bat1/1S1",
    ]
    assert {event.reason for event in events if "acked" in event.type or "reset" in event.type} == {
        "the jar was replaced"
    }


def test_delays_of_the_old_jar_do_not_run_on() -> None:
    """An on-delay that had almost elapsed begins anew with the new jar's first value."""
    made = _float(_jars(on_delay_ms=10_000))
    made.scan("bacs", 6_000, 4_000, 1_000, after_ms=500)
    made.tick(2_000)
    made.scan("bacs", 6_000, 4_000, 1_000, after_ms=500)
    made.command(What.REPLACE, JAR, serials=("J1", "J2"), reason="high", value=4_000, after_ms=2_000)
    for _ in range(9):
        made.scan("bacs", 6_000, 4_000, 1_000, after_ms=1_000)
        assert made.letter(GRAVE) == "A"
    made.tick(2_000)
    assert made.letter(GRAVE) == "B"


def test_a_new_current_sensor_begins_its_median_anew() -> None:
    """Of another sensor's seven days nothing is known: the rule is unknown until it has an hour of its own."""
    made = _float(_jars())
    for _ in range(70):
        made.scan("bacs", 4_000, 4_000, 1_000, after_ms=60_000)
        made.scan("io1", 0)
    name = "s/r/bat1/s1/string_current_warning"
    assert all(view.id != name for view in core.alarms(made.state)), "known and normal"
    made.command(What.REPLACE, CURRENT, serials=("", "C2"), reason="drifts")
    assert made.state.histograms == {}
    made.scan("bacs", 4_000, 4_000, 9_000, after_ms=500)
    assert made.letter(name) == "A"


# Baseline


@pytest.mark.parametrize(
    ("subject", "jars"), [(JAR, [JAR]), (OTHER, [OTHER]), (STRING, [JAR, OTHER]), (BATTERY, [JAR, OTHER])]
)
def test_a_baseline_is_measured_for_a_jar_a_string_or_a_battery(subject: str, jars: list[str]) -> None:
    """The median of nine good values is the new baseline; until then the old limits hold."""
    made = _float(_jars())
    (event,) = made.command(What.BASELINE, subject, reason="year 3")
    assert (event.type, event.reason) == (
        "ampward.baseline.requested.v1",
        f"{len(jars)} to measure, 9 good values each: year 3",
    )
    assert _limits(made) == [5_200, 4_800, NO_LIMIT]
    assert [event.subject for event in _measure(made, 4_100, 4_200)] == jars
    assert _limits(made) == [5_330 if JAR in jars else 5_200, 4_920 if JAR in jars else 4_800,
                             5_040 if OTHER in jars else NO_LIMIT]  # fmt: skip


def test_bad_values_and_a_discharge_are_not_measured() -> None:
    """Holes, zeros and values under load are left out, and an odd value does not move the median."""
    made = _float(_jars())
    made.command(What.BASELINE, JAR)
    made.scan("bacs", NoData.OUT_OF_RANGE, 4_000, 1_000, after_ms=500)
    made.scan("bacs", 0, 4_000, 1_000, after_ms=500)
    made.scan("bacs", 4_000, 4_000, -9_000, after_ms=500)
    for _ in range(20):
        made.scan("bacs", 4_700, 4_000, -9_000, after_ms=500)
    left = made.state.baselines[0].left
    assert left >= baselines.SAMPLES - 1, "at most the one value before the mode had changed"
    made.scan("bacs", 4_000, 4_000, 1_000, after_ms=500)
    for value in (4_050, 9_999, 4_051, 4_049, 4_050, 1, 4_052, 4_048, 4_050):
        made.scan("bacs", value, 4_000, 1_000, after_ms=500)
    assert baselines.value_of(made.state, 0) == 4_050


def test_a_given_baseline_raises_at_once() -> None:
    """Limits follow in the same step: what is over them now raises, and names the limit that holds."""
    made = _float(_jars())
    events = made.command(What.BASELINE, OTHER, value=3_000, reason="sheet")
    assert told(events) == ["baseline.set bat1/2S1", "alarm.raised bat1/2S1/jar_resistance_warning B"]
    assert (events[0].reason, events[1].value, events[1].limit) == ("given: sheet", "4", "3.6")


@pytest.mark.parametrize(
    ("subject", "value", "refusal"),
    [
        ("s/r", 0, Refusal.UNKNOWN_SUBJECT),
        ("s/r/bat1/1", 0, Refusal.UNKNOWN_SUBJECT),
        (f"{JAR}/module", 0, Refusal.NOT_SUPPORTED),
        (JAR, -1, Refusal.OUT_OF_RANGE),
        (JAR, upkeep.VALUE_MAX + 1, Refusal.OUT_OF_RANGE),
    ],
)
def test_a_baseline_is_refused_with_its_reason(subject: str, value: int, refusal: Refusal) -> None:
    """A room is no battery, a module has none, and a figure has its range."""
    made = _float(_jars())
    assert _refused(made.command(What.BASELINE, subject, value=value)) == refusal


def test_baselines_and_serials_survive_snapshots_and_rule_changes() -> None:
    """A half measured one goes on where it was; another limit changes nothing about what was recorded."""
    made = _float(_jars())
    made.command(What.REPLACE, JAR, serials=("J1", "J2"), reason="leaks")
    made.command(What.BASELINE, OTHER, value=4_100)
    for _ in range(5):
        made.scan("bacs", 5_000, 4_000, 1_000, after_ms=500)
    made.state = core.state_from_data(made.plan, "v1", core.state_to_data(made.state))
    assert (_limits(made), made.state.baselines[0].left) == ([NO_LIMIT, NO_LIMIT, 4_920], 4)
    changed = replace(_jars(), factors=(*_jars().factors[:2], FactorRow(2, 1, 150, 0)))
    made.put(Rules("v2", changed, "anna"))
    for _ in range(4):
        made.scan("bacs", 5_000, 4_000, 1_000, after_ms=500)
    assert (_limits(made), upkeep.serial_of(made.state, 0)) == ([6_500, 6_000, 6_150], "J2")


def test_baselines_and_serials_survive_a_rename() -> None:
    """A battery that is called otherwise keeps what was recorded of its jars."""
    made = _float(_jars())
    made.command(What.REPLACE, JAR, serials=("J1", "J2"), reason="leaks", value=5_000)
    old = _jars()
    new = {name: name.replace("bat1", "main") for name in (JAR, OTHER, STRING, CURRENT, f"{JAR}/module")}
    renamed = replace(
        old,
        alarms=tuple(replace(x, id=AlarmId(x.id.replace("bat1", "main")), was=x.id) for x in old.alarms),
        parts=tuple(replace(x, id=new[x.id], was=x.id) for x in old.parts),
        baselines=tuple(replace(x, jar=new[x.jar], string=new[STRING], was=x.jar) for x in old.baselines),
    )
    made.put(Rules("v2", renamed, "anna"))
    assert (_limits(made)[:2], upkeep.serial_of(made.state, 0)) == ([6_500, 6_000], "J2")
    assert _refused(made.command(What.REPLACE, new[JAR], serials=("J1", "J3"), reason="x")) == Refusal.OTHER_SERIAL


def test_the_site_files_own_figure_counts_again_when_it_changes() -> None:
    """The last word counts: a new figure in the jars' file goes over a recorded one; the same old figure does not."""
    made = _float(_jars())
    made.command(What.BASELINE, JAR, value=5_000)
    made.put(Rules("v2", _jars(), "anna"))
    assert _limits(made)[0] == 6_500
    made.put(Rules("v3", _jars(given=4_400), "anna"))
    assert _limits(made)[0] == 5_720


def test_a_serial_in_the_site_file_changes_none_that_is_known() -> None:
    """What is built in is known by replacements: a new serial in the file is no replacement."""
    made = _float(_jars())
    made.put(Rules("v2", _jars(serial="J5"), "anna"))
    assert upkeep.serial_of(made.state, 0) == "J1"
    assert told(made.command(What.REPLACE, JAR, serials=("J1", "J5"), reason="x"))[0] == "part.replaced bat1/1S1"


# Maintenance


def test_a_maintenance_is_told_of_before_its_end() -> None:
    """A quarter of an hour before, with who and why; what is open is told again at its end; a restart changes none."""
    made = _float(_jars())
    made.command(What.MAINTENANCE, "s/r", reason="yearly", for_ms=4 * REMIND_MS)
    made.scan("bacs", 6_000, 4_000, 1_000, after_ms=500)
    made.state = core.state_from_data(made.plan, "v1", core.state_to_data(made.state))
    made.start(boot="boot2")
    for _ in range(2):
        made.scan("io1", 0)
        made.scan("bacs", 6_000, 4_000, 1_000, after_ms=500)
    before = [event for event in made.tick(3 * REMIND_MS - 1_500) if "maintenance" in event.type]
    assert [(event.type, event.reason, event.actor, event.until_ms) for event in before] == [
        ("ampward.maintenance.ending.v1", "yearly", "anna", 4 * REMIND_MS + 500)
    ]
    made.state = core.state_from_data(made.plan, "v1", core.state_to_data(made.state))
    events = told(made.tick(REMIND_MS))
    assert "maintenance.ended r" in [name.replace("s/r", "r") for name in events]
    assert "alarm.reannounced bat1/1S1/jar_resistance_alarm B" in events


def test_a_short_maintenance_ends_without_a_reminder() -> None:
    """Who said ten minutes knows when they are over."""
    made = _float(_jars())
    made.command(What.MAINTENANCE, "s/r", reason="look", for_ms=10 * 60_000)
    assert [event.type for event in made.tick(10 * 60_000) if "maintenance" in event.type] == [
        "ampward.maintenance.ended.v1"
    ]


# The same in, the same out


def test_a_replay_of_the_upkeep_makes_the_same_events() -> None:
    """All inputs again from the beginning, and again with a snapshot before each, give the same events."""
    made = _float(_jars())
    made.command(What.REPLACE, JAR, serials=("J1", "J2"), reason="leaks")
    made.command(What.BASELINE, STRING)
    _measure(made)
    made.command(What.BASELINE, OTHER, value=3_000)
    made.command(What.MAINTENANCE, "s/r", reason="yearly", for_ms=2 * REMIND_MS)
    made.tick(3 * REMIND_MS)
    for is_cut in (False, True):
        state, events = core.initial(made.plan, "v1", "log1"), []
        for entry in made.entries:
            if is_cut and entry.site_seq > 1:
                state = core.state_from_data(made.plan, "v1", core.state_to_data(state))
            state, told_now = core.step(state, entry)
            events += told_now
        assert events == made.events


def test_a_command_of_the_upkeep_is_taken_once_a_room_has_its_subject() -> None:
    """Every act of the closed list has its handler: none is unknown to the core."""
    for what in What:
        made = _float(_jars())
        command = Command("c", what, "s/r/nothing", "", None, "why", "anna", 60_000)
        _, events = core.step(made.state, Entry("log1", 99, made.now, 0, command))
        assert [event.reason.partition(":")[0] for event in events] == ["unknown-subject"]
