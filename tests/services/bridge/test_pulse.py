"""How long a message may have waited at the broker, by what came back from there."""

import json

from services.bridge.pulse import AWAY_MAX, UNKNOWN_MS, Pulses
from shared.runtime.clocks import ManualClock


def test_before_the_first_pulse_is_back_nothing_is_known() -> None:
    """Sending one says nothing, nor does another link's, nor one that somebody made up."""
    clock = ManualClock()
    pulses, other = Pulses(clock.monotonic_ms), Pulses(clock.monotonic_ms)
    sent = pulses.next()
    assert not pulses.take(other.next())
    assert not pulses.take(json.dumps({"link": "", "n": 1}).encode())
    assert pulses.waited_ms() == UNKNOWN_MS
    assert pulses.take(sent)
    assert pulses.waited_ms() == 0


def test_what_comes_is_not_older_than_the_pulse_before_it() -> None:
    """Since the pulse was sent, however long that one was on its way; a repeat of it counts for nothing."""
    clock = ManualClock()
    pulses = Pulses(clock.monotonic_ms)
    first = pulses.next()
    clock.advance(7_000)
    assert pulses.take(first)
    assert pulses.waited_ms() == 7_000
    second = pulses.next()
    clock.advance(100)
    assert pulses.waited_ms() == 7_100
    assert not pulses.take(first)
    assert pulses.take(second)
    assert pulses.waited_ms() == 100


def test_a_pulse_that_the_broker_has_dropped_holds_nothing_up() -> None:
    """The next one that is back stands for those before it; what is remembered is bounded."""
    clock = ManualClock()
    pulses = Pulses(clock.monotonic_ms)
    lost = [pulses.next() for _ in range(AWAY_MAX)]
    last = pulses.next()
    assert not pulses.take(lost[0])
    assert pulses.take(lost[1])
    assert not pulses.back.is_set()
    assert pulses.take(last)
    assert pulses.back.is_set()
