"""One coil: foreign writes, contests, mismatches, and the fall-back of the module itself."""

from hypothesis import given
from hypothesis import strategies as st

from services.actuator.watch import (
    CONTEST_CLEAR_MS,
    CONTEST_RETRY_MS,
    MISMATCH_MS,
    REWRITES,
    Watch,
    lost,
    next_write,
    seen,
    settled,
    unreadable,
    wrote,
)

SILENCE_MS = 3_000


class Bench:
    """A coil, a hand that may switch it, and the watch; each step is one poll."""

    def __init__(self, coil: bool = False, step_ms: int = 200) -> None:
        self.now_ms = 1_000_000
        self.coil = coil
        self.watch = Watch()
        self.wanted = False
        self.override = False
        self.stuck = False
        self.fails = False
        self.writes: list[tuple[int, bool]] = []
        self.step_ms = step_ms

    def poll(self) -> None:
        """A read of the coil, then whatever is to be written, with its read-back."""
        self.now_ms += self.step_ms
        self._see()
        self.decide()

    def decide(self) -> None:
        self.watch = settled(self.watch, self.wanted, self.now_ms)
        value = next_write(self.watch, self.wanted, override_closed=self.override, now_ms=self.now_ms)
        if value is None:
            return
        self.writes.append((self.now_ms, value))
        if not self.stuck and not self.fails:
            self.coil = value
        self.watch = wrote(self.watch, value, "timeout" if self.fails else "", self.now_ms)
        if not self.fails:
            self._see()

    def _see(self) -> None:
        self.watch = seen(self.watch, self.coil, wanted=self.wanted, sampled_ms=self.now_ms, silence_ms=SILENCE_MS)
        self.watch = settled(self.watch, self.wanted, self.now_ms)

    def run(self, ms: int) -> None:
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self.poll()


def running(*, wanted: bool) -> Bench:
    """A bench that has come to rest."""
    bench = Bench(coil=wanted)
    bench.wanted = wanted
    bench.run(1_000)
    bench.writes.clear()
    return bench


def test_nothing_is_written_before_the_first_read() -> None:
    """At start the coil is read before any write, whatever is wanted."""
    assert next_write(Watch(), wanted=True, override_closed=False, now_ms=5) is None
    assert next_write(Watch(), wanted=False, override_closed=False, now_ms=5) is None


def test_a_module_that_cannot_be_read_is_written_all_the_same() -> None:
    """It answers a read with an exception: writes are all there is, each once."""
    watch = unreadable(Watch())
    assert next_write(watch, wanted=True, override_closed=False, now_ms=5) is True
    assert (
        next_write(wrote(watch, value=True, failure="", now_ms=6), wanted=True, override_closed=False, now_ms=7) is None
    )


def test_a_demand_is_written_once_and_then_rests() -> None:
    """No cycle writes what is so already."""
    bench = running(wanted=False)
    bench.wanted = True
    bench.run(60_000)
    assert [value for _, value in bench.writes] == [True]


def test_a_foreign_on_stays_until_it_was_demanded_and_released() -> None:
    """Somebody switched the fan on: that is never taken away, but a later demand makes it ours."""
    bench = running(wanted=False)
    bench.coil = True
    bench.run(10_000)
    assert bench.watch.foreign_on
    assert bench.writes == []
    bench.wanted = True
    bench.run(1_000)
    assert not bench.watch.foreign_on
    bench.wanted = False
    bench.run(1_000)
    assert not bench.coil


def test_a_foreign_off_against_a_demand_is_written_again_at_once() -> None:
    """One hand on the switch does not stop a demanded fan for longer than a poll."""
    bench = running(wanted=True)
    bench.coil = False
    bench.poll()
    assert bench.coil
    assert bench.writes == [(bench.now_ms, True)]
    bench.poll()
    assert not bench.watch.is_foreign


def test_a_foreign_hand_that_insists_is_contested_then_once_a_minute() -> None:
    """Three times within ten seconds, then contested, then one write a minute while it is demanded."""
    bench = running(wanted=True)
    for _ in range(50):
        bench.coil = False
        bench.poll()
    first_ms = bench.writes[0][0]
    assert len([at for at, _ in bench.writes if at <= first_ms + 10_000]) == REWRITES
    assert bench.watch.contested
    bench.writes.clear()
    for _ in range(5 * 300):
        bench.coil = False
        bench.poll()
    gaps = [after[0] - before[0] for before, after in zip(bench.writes, bench.writes[1:], strict=False)]
    assert len(bench.writes) in (5, 6)
    assert min(gaps) >= CONTEST_RETRY_MS


def test_a_contest_is_over_when_the_coil_stays() -> None:
    """The other hand has gone: after more than a minute as demanded nobody contests any more."""
    bench = running(wanted=True)
    for _ in range(50):
        bench.coil = False
        bench.poll()
    bench.run(CONTEST_RETRY_MS + CONTEST_CLEAR_MS + 1_000)
    assert bench.coil
    assert not bench.watch.contested


def test_a_new_demand_after_a_contest_is_written_at_once() -> None:
    """The minute's pause belongs to the demand that was contested: gas that comes later does not wait for it."""
    bench = running(wanted=True)
    for _ in range(50):
        bench.coil = False
        bench.poll()
    assert bench.watch.contested
    bench.wanted = False
    bench.run(1_000)
    assert not bench.coil
    bench.writes.clear()
    bench.wanted = True
    bench.decide()
    assert bench.writes == [(bench.now_ms, True)]
    assert bench.coil
    bench.run(2_000)
    assert not bench.watch.mismatch


def test_a_new_demand_after_a_stuck_relay_is_written_at_once() -> None:
    """The pause between two tries of a relay that does not answer ends with its demand."""
    bench = running(wanted=False)
    bench.stuck = bench.wanted = True
    bench.run(6_000)
    bench.stuck = bench.wanted = False
    bench.run(400)
    bench.writes.clear()
    bench.wanted = True
    bench.decide()
    assert bench.writes == [(bench.now_ms, True)]


def test_a_foreign_on_after_a_contest_stays() -> None:
    """Nothing is demanded any more: what another hand switches on is its own."""
    bench = running(wanted=True)
    for _ in range(50):
        bench.coil = False
        bench.poll()
    bench.wanted = False
    bench.run(1_000)
    bench.coil = True
    bench.run(10_000)
    assert bench.coil
    assert bench.watch.foreign_on


def test_a_closed_override_contact_stops_the_rewrites() -> None:
    """A person at the wired override may stop the fan; opening it lets guard write again."""
    bench = running(wanted=True)
    bench.override = True
    bench.coil = False
    bench.run(30_000)
    assert bench.writes == []
    assert bench.watch.foreign_off
    bench.override = False
    bench.poll()
    assert bench.coil


def test_a_coil_that_does_not_take_is_a_mismatch() -> None:
    """The module echoes the write and reads back otherwise."""
    bench = running(wanted=False)
    bench.stuck = True
    bench.wanted = True
    bench.run(MISMATCH_MS + 400)
    assert bench.watch.mismatch
    assert not bench.watch.is_foreign
    bench.stuck = False
    bench.run(6_000)
    assert bench.coil
    assert not bench.watch.mismatch


def test_writes_that_fail_are_tried_twice_a_second_and_become_a_mismatch() -> None:
    """The coil reads, but no write gets through."""
    bench = running(wanted=False)
    bench.fails = True
    bench.wanted = True
    bench.run(5_000)
    assert 7 <= len(bench.writes) <= 11
    assert bench.watch.mismatch
    assert bench.watch.failure == "timeout"


def test_the_modules_own_fall_back_is_nobodys_foreign_write() -> None:
    """After a silence as long as its watchdog the module stands at its safe value: what is wanted is written."""
    bench = running(wanted=False)
    bench.now_ms += SILENCE_MS
    bench.coil = True
    bench.poll()
    assert not bench.watch.is_foreign
    assert not bench.coil


def test_a_lost_contact_is_nobodys_foreign_write() -> None:
    """A module that was without power comes back with its coils off: the demand is written, nobody is blamed."""
    bench = running(wanted=True)
    bench.watch = lost(bench.watch)
    bench.coil = False
    bench.poll()
    assert bench.coil
    assert not bench.watch.is_foreign


def test_a_read_that_began_before_the_write_ended_is_not_looked_at() -> None:
    """A late frame with the old value is no foreign write."""
    bench = running(wanted=False)
    bench.wanted = True
    bench.decide()
    late = seen(bench.watch, on=False, wanted=True, sampled_ms=bench.now_ms - 1, silence_ms=SILENCE_MS)
    assert late == bench.watch


HANDS = st.lists(
    st.tuples(
        st.sampled_from(["", "on", "off", "lost", "stuck", "free", "fail", "work", "silence", "override", "open"]),
        st.booleans(),
        st.integers(1, 20),
    ),
    max_size=40,
)


@given(HANDS)
def test_whatever_hands_do_the_coil_ends_as_demanded(hands: list[tuple[str, bool, int]]) -> None:
    """No sequence of foreign writes, failures and silences makes guard switch off what is wanted, or leave a demand
    unserved once the others let go; and it never writes more than four times in two seconds."""
    bench = Bench()
    for hand, wanted, polls in hands:
        bench.wanted = wanted
        match hand:
            case "on" | "off":
                bench.coil = hand == "on"
            case "lost":
                bench.watch = lost(bench.watch)
            case "stuck" | "free":
                bench.stuck = hand == "stuck"
            case "fail" | "work":
                bench.fails = hand == "fail"
            case "silence":
                bench.now_ms += SILENCE_MS
            case "override" | "open":
                bench.override = hand == "override"
        for _ in range(polls):
            before = len(bench.writes)
            bench.poll()
            assert all(value is wanted for _, value in bench.writes[before:])
    bench.stuck = bench.fails = bench.override = False
    bench.wanted = True
    bench.run(CONTEST_RETRY_MS + 1_000)
    assert bench.coil
    for at, _ in bench.writes:
        assert len([other for other, _ in bench.writes if at <= other < at + 2_000]) <= 10
