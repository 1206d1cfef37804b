"""Proof of airflow, and the standby fan that takes over."""

from dataclasses import replace

from services.actuator.proof import Proof, ProofState, prove, standby_demands
from shared.domain.ids import OutputId
from tests.services.actuator.plans import FAN, STANDBY, outputs

PLANS = list(outputs(airflow=True, standby=True))
FIRST = PLANS[0]


def after(*steps: tuple[int, bool, bool | None, bool | None]) -> ProofState:
    """Steps are (now_ms, wanted, coil, airflow)."""
    state = ProofState()
    for now_ms, wanted, coil, airflow in steps:
        state = prove(FIRST, state, wanted=wanted, coil=coil, airflow=airflow, now_ms=now_ms)
    return state


def test_air_within_run_up_is_the_proof() -> None:
    """Coil on and air moving: proven."""
    assert after((0, True, False, False)).proof is Proof.WAITING
    assert after((0, True, False, False), (500, True, True, True)).proof is Proof.PROVEN


def test_no_air_when_run_up_is_over_is_a_failure() -> None:
    """The coil says on, the contact says no air; an unknown contact is no proof either."""
    assert after((0, True, True, False), (1_000, True, True, False)).proof is Proof.FAILED
    assert after((0, True, True, False), (1_000, True, True, None)).proof is Proof.FAILED


def test_a_failed_fan_stays_failed_for_the_standby_until_it_is_no_longer_wanted() -> None:
    """A fan that comes and goes does not make both chatter."""
    state = after((0, True, True, False), (1_000, True, True, False), (2_000, True, True, True))
    assert state.proof is Proof.PROVEN
    assert state.has_failed
    assert prove(FIRST, state, wanted=False, coil=False, airflow=False, now_ms=3_000) == ProofState()


def test_without_an_airflow_contact_the_coil_is_the_proof() -> None:
    """It cannot be more: the core's read-back is the same."""
    plain = replace(FIRST, airflow=-1)
    state = prove(plain, ProofState(), wanted=True, coil=True, airflow=None, now_ms=0)
    assert state.proof is Proof.PROVEN


def test_the_standby_follows_the_fan_before_it_in_the_table() -> None:
    """Only a fan marked standby, and only after the one before it."""
    fine, failed = ProofState(Proof.PROVEN, 0), ProofState(Proof.FAILED, 0, has_failed=True)
    others = {plan.id: fine for plan in PLANS}
    assert standby_demands(PLANS, others) == frozenset()
    assert standby_demands(PLANS, others | {FAN: failed}) == {STANDBY}
    assert standby_demands(PLANS, others | {OutputId(STANDBY): failed}) == frozenset()


def test_any_duty_fan_that_fails_brings_the_standby_and_two_bring_the_second() -> None:
    """Two duty fans and two that stand by: whichever fails, the first steps in; when one more fails, the second."""
    fine, failed = ProofState(Proof.PROVEN, 0), ProofState(Proof.FAILED, 0, has_failed=True)
    ids = tuple(OutputId(name) for name in ("a", "b", "s1", "s2"))
    fans = [replace(FIRST, id=name, standby=name.startswith("s")) for name in ids]
    states = dict.fromkeys(ids, fine)
    a, b, s1, s2 = ids
    assert standby_demands(fans, states | {a: failed}) == {s1}
    assert standby_demands(fans, states | {b: failed}) == {s1}
    assert standby_demands(fans, states | {a: failed, b: failed}) == {s1, s2}
    assert standby_demands(fans, states | {a: failed, s1: failed}) == {s1, s2}
