"""Calibrations of detectors and proof tests of outputs that are due again, as time lines over months."""

from dataclasses import replace

import pytest

from shared.domain import core
from shared.domain.events import Event
from shared.domain.inputs import Refusal, ReportKind, Rules, What
from shared.domain.plan import NONE, OutputPlan, RoomPlan, Severity
from shared.domain.upkeep_plan import DueKind, DueRow, PartKind, PartPlan
from tests.domain.driver import Room, told
from tests.domain.plans import FAN, GAS, alarm, gas_room

DAY_MS = 86_400_000


def _refused(events: list[Event]) -> str:
    (event,) = events
    return event.reason.partition(": ")[0]


def _dues(calibration_days: int = 180, proof_days: int = 365, *, airflow: bool = True) -> RoomPlan:
    """The room with gas head and fan, whose calibration and proof test are due again and again."""
    plan = gas_room()
    fan: OutputPlan = replace(plan.outputs[0], alarm_fail=NONE, alarm_airflow=NONE, alarm_not_falling=NONE)
    if not airflow:
        fan = replace(fan, airflow=NONE, read_back=NONE)
    return replace(
        plan,
        points=tuple(replace(x, stale_ms=10**15) for x in plan.points),
        alarms=(
            *plan.alarms[:2],
            alarm(f"{GAS}/calibration_overdue", Severity.ALARM),
            alarm(f"{FAN}/proof_test_overdue", Severity.ALARM),
        ),
        detectors=(replace(plan.detectors[0], alarm_fault=NONE, persist_ms=10**15),),
        outputs=(replace(fan, causes=()),),
        parts=(PartPlan(GAS, PartKind.GAS_HEAD, "G1"),),
        dues=(
            DueRow(2, DueKind.CALIBRATION, GAS, calibration_days * DAY_MS),
            DueRow(3, DueKind.PROOF_TEST, FAN, proof_days * DAY_MS),
        ),
    )


def _begun(plan: RoomPlan) -> Room:
    made = Room(plan)
    made.scan("gas1", 0)
    made.scan("io1", 0, 0, 0)
    return made


CALIBRATION, PROOF = "alarm.raised gas1-h2/calibration_overdue B", "alarm.raised io1-do0/proof_test_overdue B"


def test_what_was_never_done_is_due_from_when_it_was_first_seen() -> None:
    """180 days after the first input the calibration is overdue, 365 days after it the proof test."""
    made = _begun(_dues())
    assert made.tick(180 * DAY_MS - 1) == []
    assert told(made.tick(1)) == [CALIBRATION]
    assert made.tick(185 * DAY_MS - 1) == []
    assert told(made.tick(1)) == [PROOF]


def test_a_calibration_ends_the_alarm_and_begins_the_time_anew() -> None:
    """One that was done twenty days ago is due again in 160."""
    made = _begun(_dues())
    made.tick(200 * DAY_MS)
    events = made.command(What.CALIBRATED, GAS, age_ms=20 * DAY_MS, reason="sheet 12", actor="ben")
    name = "gas1-h2/calibration_overdue"
    assert told(events) == ["calibration.done gas1-h2", f"alarm.returned {name} D"]
    assert (events[0].reason, events[0].actor, events[0].until_ms) == ("sheet 12", "ben", 360 * DAY_MS)
    made.command(What.ACK, f"{GAS}/calibration_overdue")
    made.command(What.PROOF_TESTED, FAN)
    assert made.tick(160 * DAY_MS - 1) == []
    assert told(made.tick(1)) == [CALIBRATION]


@pytest.mark.parametrize(
    ("what", "subject", "age_ms", "refusal"),
    [
        (What.CALIBRATED, FAN, 0, Refusal.UNKNOWN_SUBJECT),
        (What.PROOF_TESTED, GAS, 0, Refusal.UNKNOWN_SUBJECT),
        (What.CALIBRATED, GAS, -1, Refusal.OUT_OF_RANGE),
        (What.CALIBRATED, GAS, 11 * DAY_MS, Refusal.ALREADY),
    ],
)
def test_a_calibration_or_a_proof_test_is_refused_with_its_reason(
    what: What, subject: str, age_ms: int, refusal: Refusal
) -> None:
    """Each has its own kind of subject, no day to come, and none before the last one."""
    made = _begun(_dues())
    made.tick(100 * DAY_MS)
    made.command(What.CALIBRATED, GAS)
    made.tick(10 * DAY_MS)
    assert _refused(made.command(what, subject, age_ms=age_ms)) == refusal


def test_a_new_gas_head_is_due_from_now() -> None:
    """Its calibration restarts with the replacement, and says who did it."""
    made = _begun(_dues())
    made.tick(179 * DAY_MS)
    events = made.command(What.REPLACE, GAS, serials=("G1", "G2"), reason="poisoned")
    assert told(events) == ["part.replaced gas1-h2", "calibration.done gas1-h2"]
    assert made.tick(180 * DAY_MS - 1) == []
    assert told(made.tick(1)) == [CALIBRATION]


def test_a_new_gas_head_is_due_from_the_day_of_its_certificate() -> None:
    """Told once, after the replacement; from then on a calibration is known, and an earlier day is refused."""
    made = _begun(_dues())
    made.tick(100 * DAY_MS)
    made.command(What.REPLACE, GAS, serials=("G1", "G2"), reason="poisoned", actor="anna")
    events = made.command(What.CALIBRATED, GAS, age_ms=30 * DAY_MS, reason="certificate 7", actor="ben")
    assert told(events) == ["calibration.done gas1-h2"]
    refused = made.command(What.CALIBRATED, GAS, age_ms=31 * DAY_MS)
    assert _refused(refused) == Refusal.ALREADY
    assert "ben told of one 30 days ago, which is later; a later day counts" in refused[0].reason
    assert made.tick(150 * DAY_MS - 1) == []
    assert told(made.tick(1)) == [CALIBRATION]


def test_a_certificate_that_is_too_old_is_overdue_at_once() -> None:
    """A head that lay in the store for a year must be calibrated before it is relied upon."""
    made = _begun(_dues())
    made.command(What.REPLACE, GAS, serials=("G1", "G2"), reason="poisoned")
    made.state = core.state_from_data(_dues(), "v1", core.state_to_data(made.state))
    assert told(made.command(What.CALIBRATED, GAS, age_ms=365 * DAY_MS)) == ["calibration.done gas1-h2", CALIBRATION]


def test_a_test_that_is_proven_is_a_proof_test() -> None:
    """Read-back and airflow within run-up, with nothing but the test demanding: the proof test is done."""
    made = _begun(_dues(proof_days=100))
    made.tick(99 * DAY_MS)
    assert told(made.command(What.TEST, FAN, actor="ben")) == ["test.requested io1-do0", "output.demanded io1-do0 on"]
    events = made.scan("io1", 1, 1, 0, after_ms=2_000)
    assert told(events) == ["output.confirmed io1-do0 on", "proof_test.done io1-do0"]
    assert (events[1].reason, events[1].actor) == ("proven by a test", "ben")
    made.command(What.CALIBRATED, GAS)
    made.scan("io1", 0, 0, 0, after_ms=20_000)
    assert PROOF not in told(made.tick(99 * DAY_MS))
    assert PROOF in told(made.tick(2 * DAY_MS))


def test_a_test_without_airflow_proves_nothing() -> None:
    """The output fails, and its proof test stays due."""
    made = _begun(_dues(proof_days=100))
    made.tick(99 * DAY_MS)
    made.command(What.TEST, FAN)
    made.scan("io1", 0, 1, 0, after_ms=2_000)
    assert told(made.tick(4_000)) == ["output.failed io1-do0 on"]
    made.tick(20_000)
    assert told(made.tick(DAY_MS)) == [PROOF]


def test_a_commissioning_record_counts_once() -> None:
    """guard tells of it at each start: the same record is no second proof test, a newer one is, an odd one nothing."""
    made = _begun(_dues(proof_days=100))
    record = "2026-01-02T03:04:05Z by cli:ben"
    events = made.report(ReportKind.ARMED, FAN, detail=f"commissioned {5 * DAY_MS} {record}", pulse=True)
    assert told(events) == ["proof_test.done io1-do0", "report.recorded io1-do0 on"]
    assert (events[0].actor, made.state.dues[1].since_ms) == ("cli:ben", -5 * DAY_MS)
    made.tick(50 * DAY_MS)
    for detail in (f"commissioned {DAY_MS} {record}", "commissioned x now by a", "", "proven"):
        assert told(made.report(ReportKind.ARMED, FAN, detail=detail, pulse=True)) == ["report.recorded io1-do0 on"]
    assert told(made.tick(45 * DAY_MS)) == [PROOF]
    later = made.report(ReportKind.ARMED, FAN, detail="commissioned 0 2026-04-02T03:04:05Z by cli:eva", pulse=True)
    assert told(later)[0] == "proof_test.done io1-do0"
    assert made.letter(f"{FAN}/proof_test_overdue") == "D"


def test_dues_survive_snapshots_and_follow_another_time() -> None:
    """A shorter time makes overdue at once, a longer one ends that, and the day it was done stays."""
    made = _begun(_dues())
    made.tick(10 * DAY_MS)
    made.command(What.CALIBRATED, GAS, actor="ben")
    made.state = core.state_from_data(made.plan, "v1", core.state_to_data(made.state))
    made.tick(100 * DAY_MS)
    assert CALIBRATION in told(made.put(Rules("v2", _dues(calibration_days=90), "anna")))
    made.state = core.state_from_data(_dues(calibration_days=90), "v2", core.state_to_data(made.state))
    events = told(made.put(Rules("v3", _dues(calibration_days=120), "anna")))
    assert "alarm.returned gas1-h2/calibration_overdue D" in events
    assert (made.state.dues[0].by, made.state.dues[0].since_ms) == ("ben", 10 * DAY_MS)
    made.command(What.ACK, f"{GAS}/calibration_overdue")
    assert made.tick(20 * DAY_MS - 1) == []
    assert told(made.tick(1)) == [CALIBRATION]
