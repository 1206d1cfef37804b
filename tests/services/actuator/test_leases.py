"""Leases: five seconds, rising numbers, no zombies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actuator.leases import LEASE_MS_MAX, Lease, LeaseState, Verdict, is_alive, offer
from shared.domain.ids import OutputId

FAN = OutputId("s/r/fan")
OUTPUTS = frozenset({FAN})


def lease(number: int, sent_ms: int = -1, ttl_ms: int = 5_000, *, on: bool = True) -> Lease:
    return Lease(number, ttl_ms, {FAN: on}, sent_ms)


def test_a_lease_ends_five_seconds_after_it_was_sent() -> None:
    """The demand is there until its end and not one millisecond longer."""
    state, verdict = offer(LeaseState(), lease(1, sent_ms=10_000), OUTPUTS, 10_200)
    assert verdict is Verdict.TAKEN
    assert is_alive(state, 14_999)
    assert not is_alive(state, 15_000)


@pytest.mark.parametrize("number", [0, 6, 7])
def test_a_number_that_does_not_rise_is_refused(number: int) -> None:
    """A zombie speaks with a number already seen: nothing changes."""
    state, _ = offer(LeaseState(), lease(7), OUTPUTS, 1_000)
    after, verdict = offer(state, lease(number, on=False), OUTPUTS, 1_500)
    assert verdict is Verdict.NOT_ABOVE
    assert after is state


def test_a_lease_that_waited_longer_than_it_lives_is_refused() -> None:
    """What lay in a socket while guard was stopped is worth nothing any more."""
    state, verdict = offer(LeaseState(), lease(1, sent_ms=1_000), OUTPUTS, 6_000)
    assert verdict is Verdict.LATE
    assert state == LeaseState()


def test_a_stamp_from_the_future_counts_from_receipt() -> None:
    """A sender cannot make its lease longer by its stamp."""
    state, _ = offer(LeaseState(), lease(1, sent_ms=90_000), OUTPUTS, 10_000)
    assert state.end_ms == 15_000


def test_a_longer_time_to_live_is_cut() -> None:
    """Nobody is believed for longer than five seconds."""
    state, _ = offer(LeaseState(), lease(1, ttl_ms=3_600_000), OUTPUTS, 0)
    assert state.end_ms == LEASE_MS_MAX


def test_a_demand_on_a_foreign_output_is_no_opinion() -> None:
    """Names that do not exist here are left out and the rest holds."""
    state, verdict = offer(LeaseState(), Lease(1, 5_000, {FAN: True, OutputId("x"): True}), OUTPUTS, 0)
    assert verdict is Verdict.TAKEN
    assert state.demands == {FAN: True}


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(-1, 30_000), st.integers(0, 20_000)), max_size=30))
def test_the_number_never_falls_and_no_lease_outlives_its_limit(offers: list[tuple[int, int, int]]) -> None:
    """Whatever is offered in whatever order, numbers rise and ends stay within five seconds from receipt."""
    state, now_ms = LeaseState(), 0
    for number, sent_ms, ttl_ms in offers:
        now_ms += 700
        before = state
        state, verdict = offer(state, lease(number, sent_ms, ttl_ms), OUTPUTS, now_ms)
        assert state.number >= before.number
        assert (state is before) == (verdict is not Verdict.TAKEN)
        assert state.end_ms <= now_ms + LEASE_MS_MAX or state is before
