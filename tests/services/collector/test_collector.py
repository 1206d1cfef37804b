"""The collector: each device at its own pace, dead ones aside, fast ones first, the right ones only."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.collector import Collector, PollCount
from services.collector.schedule import PATIENCE_MS, QUARANTINE_AFTER, TRY_MAX_FAST_MS, TRY_MAX_MS, Schedule
from shared.devices.frame import Frame
from shared.devices.profile import Identity, Table
from shared.domain.units import NoData
from shared.fieldbus.port import BusFailure
from shared.runtime.clocks import ManualClock
from tests.services.collector.bench import Bench, TimedBus, device

PRESENT, TIMEOUT, QUARANTINED = NoData.PRESENT, NoData.TIMEOUT, NoData.QUARANTINED


def test_each_device_is_polled_at_its_own_period_without_drift() -> None:
    """After an hour every poll still begins on its slot: start + n times the period, and none is missing."""
    bench = Bench(device("gas", 1, 500), device("slow", 2, 7_000))
    bench.run(3_600_000)
    gas = bench.requests(1)
    assert len(gas) == 7_200
    assert all(at - slot * 500 <= 5 for slot, at in enumerate(gas)), "a poll waits for one other request at most"
    assert bench.requests(2)[-1] // 7_000 * 7_000 + 5 >= bench.requests(2)[-1]
    assert bench.collector.counts()["gas"] == PollCount(polls=7_200, skipped=0, is_quarantined=False)


def test_frames_carry_what_came_in_with_dense_numbers() -> None:
    """A frame has the raw words, the boot, device_seq from 1 without holes, and the age from poll to hand-over."""
    bench = Bench(device("bacs", 4, 1000, registers=260))
    bench.run(3000)
    frames = bench.of("bacs")
    assert [frame.device_seq for frame in frames] == [1, 2, 3]
    assert {frame.boot for frame in frames} == {"boot-1"}
    assert [(block.address, block.size) for block in frames[0].blocks] == [(0, 125), (125, 125), (250, 10)]
    assert frames[0].blocks[2].words == b"\x00\x04" * 10
    assert frames[0].age_ms == 15 and frames[0].synced
    assert frames[1].sampled_at_ms - frames[0].sampled_at_ms == 1000


def test_slots_missed_by_a_busy_bus_are_skipped_and_counted() -> None:
    """A bus too slow for its devices skips slots, keeps the phase, and says how many it skipped."""
    bench = Bench(device("gas", 1, 500, registers=300))
    bench.bus.request_ms = 400
    bench.run(60_000)
    count = bench.collector.counts()["gas"]
    assert count.skipped > 0 and count.polls + count.skipped == pytest.approx(120, abs=3)
    starts = [at for at, _, address in bench.bus.log if address == 0]
    assert all(later > earlier for earlier, later in pairwise(starts))


def test_a_fast_device_goes_between_the_blocks_of_a_long_scan() -> None:
    """While a scan of twelve blocks runs, the gas head is asked when its slot comes, after one block at most."""
    bench = Bench(device("gas", 1, 500), device("bacs", 4, 1_000, registers=1_500))
    bench.bus.request_ms = 40
    bench.run(20_000)
    assert all(at - slot * 500 <= 40 for slot, at in enumerate(bench.requests(1)))
    assert set(bench.outcomes("bacs")) == {PRESENT}


def test_one_lost_answer_is_asked_for_again_and_the_scan_goes_on() -> None:
    """A single silence in the middle of a scan costs one repetition and no frame."""
    bench = Bench(device("bacs", 4, 5_000, registers=260))
    bench.at[2_000] = lambda: bench.bus.flaky.append(4)
    bench.run(10_000)
    assert set(bench.outcomes("bacs")) == {PRESENT}
    assert len(bench.requests(4)) == 3 * len(bench.of("bacs")) + 1


def test_a_dead_device_is_quarantined_and_tried_ever_more_seldom() -> None:
    """Two polls without answer, then a QUARANTINED frame each period and single tries 1, 2, 4 ... 30 s apart."""
    bench = Bench(device("dead", 9, 1_000), device("gas", 1, 500))
    bench.bus.silent.add(9)
    bench.run(600_000)
    outcomes = bench.outcomes("dead")
    assert outcomes[:2] == [TIMEOUT, TIMEOUT] and QUARANTINED in outcomes[2:4]
    assert len(outcomes) == pytest.approx(600, abs=3), "a frame each period, asked or not"
    tries = bench.requests(9)[2 * QUARANTINE_AFTER :]
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps == sorted(gaps) and TRY_MAX_MS <= gaps[-1] <= TRY_MAX_MS + 3_000
    assert bench.collector.counts()["dead"].is_quarantined


def test_a_dead_device_never_delays_the_rest_of_its_bus() -> None:
    """Once it is quarantined, tries are made only in pauses: each poll of the others begins on its slot."""
    bench = Bench(device("gas", 1, 500), device("io", 3, 500), device("dead", 9, 500))
    bench.bus.silent.add(9)
    bench.run(600_000)
    late = [at - round(at / 500) * 500 for at in bench.requests(1) if at > 5_000]
    assert max(late) <= 10
    assert bench.collector.counts()["gas"].skipped <= 4, "only while it was not yet known to be dead"
    assert len(bench.requests(9)) > 80, "it is tried all the same"


def test_a_dead_device_is_tried_even_when_there_is_no_pause() -> None:
    """On a line that is never free for a whole timeout the try is made after ten seconds of patience."""
    bench = Bench(device("io", 3, 200), device("dead", 9, 500))
    bench.bus.silent.add(9)
    bench.run(120_000)
    tries = bench.requests(9)[2 * QUARANTINE_AFTER :]
    assert tries and all(
        PATIENCE_MS <= later - earlier <= PATIENCE_MS + TRY_MAX_FAST_MS + 1_000 for earlier, later in pairwise(tries)
    )


def test_a_device_that_comes_back_is_polled_again() -> None:
    """A quarantined device that answers a try is good in the same frame and polled each period from then on."""
    bench = Bench(device("gas", 1, 500), device("other", 2, 1000))
    bench.bus.silent.add(1)
    bench.at[30_000] = bench.bus.silent.clear
    bench.run(60_000)
    outcomes = bench.outcomes("gas")
    first = outcomes.index(PRESENT)
    assert set(outcomes[first:]) == {PRESENT}
    back_ms = next(at for at, frame in bench.frames if frame.device == "gas" and frame.outcome is PRESENT)
    assert 30_000 <= back_ms <= 30_000 + TRY_MAX_FAST_MS + 1_000


def test_an_exception_is_not_a_dead_device() -> None:
    """A device that answers with exceptions is asked each period: it costs no timeout and may recover any moment."""
    bench = Bench(device("gas", 1, 500))
    bench.bus.read = _exception  # type: ignore[method-assign]
    bench.run(5_000)
    assert set(bench.outcomes("gas")) == {NoData.EXCEPTION} and len(bench.of("gas")) == 11
    assert bench.of("gas")[0].detail == "2 illegal data address"


async def _exception(unit: int, table: Table, address: int, count: int) -> BusFailure:  # noqa: ARG001
    await asyncio.sleep(0)
    return BusFailure(NoData.EXCEPTION, "2 illegal data address")


RIGHT, WRONG = Identity(Table.HOLDING, 0, (1, 1)), Identity(Table.HOLDING, 0, (7, 7))


def test_another_device_at_the_address_gives_no_values() -> None:
    """A device whose identity registers hold something else gives IDENTITY frames that say what was found."""
    bench = Bench(device("gas", 1, 500, identity=WRONG))
    bench.run(2_000)
    assert set(bench.outcomes("gas")) == {NoData.IDENTITY}
    assert bench.of("gas")[0].detail == "expected [7, 7], found [1, 1]" and not bench.of("gas")[0].blocks


def test_the_identity_is_checked_at_start_after_each_reconnect_and_after_silence() -> None:
    """One more request at the start, after the line came back and after a silence, and not each poll."""
    bench = Bench(device("gas", 1, 500, identity=RIGHT))
    bench.run(5_000)
    assert len(bench.requests(1)) == len(bench.of("gas")) + 1
    bench.bus.plug()
    bench.run(10_000)
    assert len(bench.requests(1)) == len(bench.of("gas")) + 2
    bench.bus.flaky += [1, 1]
    bench.run(15_000)
    assert len(bench.requests(1)) == len(bench.of("gas")) + 4, "two silences, one of them a repetition, one identity"
    assert bench.outcomes("gas").count(TIMEOUT) == 1


def test_a_pulled_line_is_told_each_period_and_polled_at_once_when_it_is_back() -> None:
    """DISCONNECTED costs no line time and is no reason for quarantine: the first slot after the mend is good."""
    bench = Bench(device("gas", 1, 500), device("slow", 2, 10_000))
    bench.at[10_000] = lambda: setattr(bench.bus, "connected", False)
    bench.at[40_000] = bench.bus.plug
    bench.run(50_000)
    times = [at for at, frame in bench.frames if frame.device == "gas" and frame.outcome is NoData.DISCONNECTED]
    assert len(times) == pytest.approx(60, abs=1)
    assert bench.outcomes("gas").count(QUARANTINED) == 0


def test_the_frames_of_a_quarantined_device_say_that_its_line_is_gone() -> None:
    """A try that found no line is told in the slots that follow, a try without an answer is quarantine again."""
    bench = Bench(device("gas", 1, 500))
    bench.bus.silent.add(1)
    bench.at[20_000] = lambda: setattr(bench.bus, "connected", False)
    bench.at[40_000] = bench.bus.plug
    bench.run(60_000)
    seen = {
        span: {f.outcome for at, f in bench.frames if span <= at < span + 10_000} for span in (10_000, 30_000, 50_000)
    }
    assert seen == {10_000: {QUARANTINED}, 30_000: {NoData.DISCONNECTED}, 50_000: {QUARANTINED}}


async def test_an_error_of_the_receiver_ends_the_collector() -> None:
    """When nobody takes the frames any more the owner must know: run raises what the receiver raised."""

    def refuse(frame: Frame) -> None:
        raise RuntimeError(f"no room for {frame.device}")

    clock = ManualClock()
    collector = Collector([device("gas", 1, 500)], {"b1": TimedBus(clock)}, refuse, clock, "boot")
    with pytest.raises(ExceptionGroup) as caught:
        await collector.run()
    assert caught.group_contains(RuntimeError, match="no room for gas")


@given(st.integers(100, 5_000), st.lists(st.integers(0, 20_000), min_size=1, max_size=30))
def test_slots_never_drift_whatever_the_delays(every_ms: int, delays: list[int]) -> None:
    """However late each slot is taken, the next one is a whole number of periods after the start, and in the future."""
    schedule, now, taken = Schedule(every_ms, 1_000), 1_000, 0
    for delay in delays:
        now = max(now, schedule.next_ms) + delay
        taken += 1 + schedule.take_slot(now)
        assert (schedule.next_ms - 1_000) % every_ms == 0
        assert now < schedule.next_ms <= now + every_ms
        assert taken * every_ms == schedule.next_ms - 1_000
