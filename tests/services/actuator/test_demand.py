"""What an output shall be: trip or lease, and without a lease its safe value."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actuator.demand import HOLD_MS, wanted
from services.actuator.leases import LeaseState
from shared.domain.ids import OutputId
from shared.domain.plan import OutputKind, OutputPlan
from tests.services.actuator.plans import outputs

FAN, CHARGER, BUZZER = outputs()
NOBODY = LeaseState()


def leased(plan: OutputPlan, on: bool, end_ms: int = 100_000) -> LeaseState:
    return LeaseState(1, end_ms, {plan.id: on})


def value(plan: OutputPlan, lease: LeaseState, *local: str, held_on: bool = False, held_from_ms: int = 0,
          now_ms: int = 0) -> bool:  # fmt: skip
    return wanted(plan, lease, local, held_on=held_on, held_from_ms=held_from_ms, now_ms=now_ms).on


def test_a_live_lease_says_on_and_off() -> None:
    """While it lives, the lease alone decides when nothing local demands."""
    assert value(FAN, leased(FAN, on=True))
    assert not value(FAN, leased(FAN, on=False))


def test_a_trip_is_never_overruled_by_a_lease() -> None:
    """The site process says off, gas says on: on."""
    assert value(FAN, leased(FAN, on=False), "gas_1")


@pytest.mark.parametrize(("plan", "safe"), [(FAN, True), (replace(CHARGER, kind=OutputKind.OTHER), False)])
def test_without_a_lease_an_output_is_at_its_own_safe_value(plan: OutputPlan, safe: bool) -> None:
    """There is no default: each output's plan says what safe is."""
    assert value(plan, NOBODY, held_on=not safe) is safe


@pytest.mark.parametrize(("plan", "safe"), [(CHARGER, False), (BUZZER, True)])
def test_charger_inhibit_and_buzzer_hold_five_minutes(plan: OutputPlan, safe: bool) -> None:
    """After the lease they stay as they were for five minutes, then they go to their safe value."""
    assert value(plan, NOBODY, held_on=not safe, held_from_ms=1_000, now_ms=1_000 + HOLD_MS - 1) is not safe
    assert value(plan, NOBODY, held_on=not safe, held_from_ms=1_000, now_ms=1_000 + HOLD_MS) is safe


def test_an_output_that_the_lease_does_not_name_goes_to_its_safe_value() -> None:
    """No opinion is not off."""
    assert value(FAN, LeaseState(1, 100_000, {}))


@given(
    plan=st.sampled_from([FAN, CHARGER, BUZZER]), lease_on=st.booleans(), alive=st.booleans(), held_on=st.booleans(),
    held_from_ms=st.integers(0, 400_000), now_ms=st.integers(0, 800_000), local=st.booleans(),
)  # fmt: skip
def test_nothing_lowers_a_demand_but_lease_and_trip_both_off(
    plan: OutputPlan, lease_on: bool, alive: bool, held_on: bool, held_from_ms: int, now_ms: int, local: bool
) -> None:
    """A local cause always means on, and adding one never turns anything off."""
    lease = LeaseState(1, now_ms + 1 if alive else now_ms, {OutputId(plan.id): lease_on})
    without = wanted(plan, lease, (), held_on=held_on, held_from_ms=held_from_ms, now_ms=now_ms)
    with_local = wanted(
        plan, lease, ("gas_1",) if local else (), held_on=held_on, held_from_ms=held_from_ms, now_ms=now_ms
    )
    assert with_local.on or not local
    assert with_local.on >= without.on
    if alive and not local:
        assert with_local.on is lease_on
