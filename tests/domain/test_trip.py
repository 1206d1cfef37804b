"""The trip of one detector: time lines of samples and what is demanded after each."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import trip
from shared.domain.ids import PointId
from shared.domain.plan import NONE, CauseKind, DetectorPlan
from shared.domain.trip import TripDemand, TripSample, TripState
from shared.domain.units import NoData

HEAD = DetectorPlan(PointId("s/r/gas1-h2"), 0, NONE, NONE, NONE, NONE, 10_000, 20_000, 2_000)
FULL = replace(HEAD, status=1, heartbeat=2, status_good=(1,), status_warm_up=(0,), heartbeat_ms=6_000, warm_up_ms=3_000)
PAIR = DetectorPlan(PointId("s/r/io1-di0"), NONE, 0, 1, NONE, NONE, 10_000, 20_000, 0)
RUN_ON_MS = 60_000
GOOD = TripSample(h2=0)


class Detector:
    """A detector and the time."""

    def __init__(self, plan: DetectorPlan, *, ready: bool = True) -> None:
        self.plan, self.state, self.now = plan, TripState(), 0
        self.beat = 0
        self.after(0, None)
        if ready:
            for _ in range(20):
                self.after(500, self.good())

    def good(self, h2: int = 0) -> TripSample:
        self.beat += 1
        return TripSample(h2=h2, contact_1=0, contact_2=0, status=1, heartbeat=self.beat % 2)

    def after(self, ms: int, sample: TripSample | None) -> TripDemand:
        self.now += ms
        self.state, demand = trip.trip(self.plan, self.state, sample, self.now, run_on_ms=RUN_ON_MS)
        return demand


def test_power_up_demands_until_three_good_samples() -> None:
    """From the first moment on, and until the third good sample and no earlier."""
    detector = Detector(HEAD, ready=False)
    causes = [detector.after(500, GOOD).cause for _ in range(4)]
    assert causes == ["warm_up", "warm_up", "", ""]


def test_samples_of_the_warm_up_time_do_not_count() -> None:
    """Good samples count from the end of warm-up on."""
    detector = Detector(FULL, ready=False)
    causes = [detector.after(1_000, detector.good()).cause for _ in range(6)]
    assert causes == ["warm_up", "warm_up", "warm_up", "warm_up", "", ""]


@pytest.mark.parametrize(
    ("plan", "sample", "cause"),
    [
        (HEAD, TripSample(h2=9_999), ""),
        (HEAD, TripSample(h2=10_000), "gas_1"),
        (HEAD, TripSample(h2=19_999), "gas_1"),
        (HEAD, TripSample(h2=20_000), "gas_2"),
        (PAIR, TripSample(contact_1=0, contact_2=0), ""),
        (PAIR, TripSample(contact_1=1, contact_2=0), "gas_1"),
        (PAIR, TripSample(contact_1=1, contact_2=1), "gas_2"),
        (PAIR, TripSample(contact_1=0, contact_2=1), "gas_2"),
        (PAIR, TripSample(contact_1=NoData.TIMEOUT, contact_2=1), "gas_2"),
        (PAIR, TripSample(contact_1=1, contact_2=NoData.TIMEOUT), "gas_1"),
        (FULL, TripSample(h2=10_000, status=3, heartbeat=0), "gas_1"),
        (FULL, TripSample(h2=20_000, status=NoData.MALFORMED, heartbeat=NoData.MALFORMED), "gas_2"),
        (FULL, TripSample(h2=19_999, status=0, heartbeat=0), "warm_up"),
        (FULL, TripSample(h2=20_000, status=0, heartbeat=0), "fault"),
        (HEAD, TripSample(h2=NoData.WARM_UP), "warm_up"),
    ],
)
def test_one_sample_is_enough_for_gas(plan: DetectorPlan, sample: TripSample, cause: str) -> None:
    """A value at its limit trips at once, whatever stands beside it; a head in warm-up is not believed, and trips."""
    demand = Detector(plan).after(100, sample)
    assert (demand.cause, demand.on) == (cause, cause != "")


def test_gas_holds_until_the_deadband_and_then_run_on() -> None:
    """In the deadband gas stays; inside it run-on counts from that sample."""
    detector = Detector(HEAD)
    detector.after(500, TripSample(h2=10_000))
    assert detector.after(500, TripSample(h2=8_001)).gas_1
    below = detector.after(500, TripSample(h2=8_000))
    assert (below.on, below.until_ms) == (True, detector.now + RUN_ON_MS)
    for _ in range(59):
        assert detector.after(1_000, GOOD).on
    assert detector.after(999, GOOD).on
    assert not detector.after(1, GOOD).on


def test_a_bad_sample_never_ends_gas() -> None:
    """Without a value gas cannot be excluded: run-on begins with the first good one inside the limit."""
    detector = Detector(HEAD)
    detector.after(500, TripSample(h2=15_000))
    for _ in range(200):
        assert detector.after(1_000, TripSample(h2=NoData.TIMEOUT)).gas_1
    assert detector.after(500, GOOD).until_ms == detector.now + RUN_ON_MS


@pytest.mark.parametrize(
    "sample",
    [
        TripSample(h2=NoData.TIMEOUT, status=1, heartbeat=0),
        TripSample(h2=NoData.OUT_OF_RANGE, status=1, heartbeat=1),
        TripSample(h2=0, status=3, heartbeat=1),
        TripSample(h2=0, status=NoData.MALFORMED, heartbeat=1),
        TripSample(h2=-5_001, status=1, heartbeat=1),
    ],
)
def test_a_fault_that_lasts_demands_and_ends_with_three_good_samples(sample: TripSample) -> None:
    """Four seconds without a good sample: the fan; then three good ones in a row, and a bad one starts them again."""
    detector = Detector(FULL)
    assert not any(detector.after(500, sample).on for _ in range(7))
    assert detector.after(500, sample).cause == "fault"
    causes = [detector.after(500, s).cause for s in (detector.good(), detector.good(), sample, detector.good())]
    assert causes == ["fault"] * 4
    assert [detector.after(500, detector.good()).cause for _ in range(2)] == ["fault", ""]


def test_silence_demands_by_time_alone() -> None:
    """No sample for persist_ms: stale, without any input but time."""
    detector = Detector(HEAD)
    assert not detector.after(3_999, None).on
    assert detector.after(1, None).cause == "stale"


def test_a_sample_after_a_long_gap_does_not_hide_the_gap() -> None:
    """The first good sample after a silence is the first of three, also when nobody asked in between."""
    detector = Detector(HEAD)
    assert detector.after(10_000, GOOD).fault
    assert detector.after(500, GOOD).fault
    assert not detector.after(500, GOOD).fault


def test_a_frozen_heartbeat_is_a_fault() -> None:
    """The head answers and its value looks good, but its heartbeat does not change."""
    detector = Detector(FULL)
    frozen = TripSample(h2=0, status=1, heartbeat=detector.beat % 2)
    causes = [detector.after(500, frozen).cause for _ in range(12)]
    assert causes == [""] * 11 + ["fault"]


def test_warm_up_over_its_time_is_a_fault() -> None:
    """A head that says warm-up demands at once, and is a fault when it never ends."""
    detector = Detector(FULL)
    warming = TripSample(h2=0, status=0, heartbeat=0)
    causes = [detector.after(500, warming).cause for _ in range(9)]
    assert causes == ["warm_up"] * 8 + ["fault"]


def test_two_percent_in_a_warm_up_is_a_fault_at_once_and_gas_when_it_is_over() -> None:
    """Not believed and not hidden: a fault until three good samples came; still 2 % then, it is gas in that sample."""
    detector = Detector(FULL)
    assert detector.after(500, TripSample(h2=25_000, status=0, heartbeat=0))[:2] == (True, "fault")
    for _ in range(6):
        assert detector.after(500, TripSample(h2=0, status=0, heartbeat=0)).cause == "fault", "it stays said"
    assert detector.after(500, TripSample(h2=20_000, status=1, heartbeat=1)).cause == "gas_2"


def test_contact_two_without_contact_one_is_impossible() -> None:
    """The pair contradicts itself: gas by the closed contact, a fault if it lasts."""
    detector = Detector(PAIR)
    impossible = TripSample(contact_1=0, contact_2=1)
    assert trip.is_impossible(PAIR, impossible)
    assert detector.after(500, impossible).cause == "gas_2"
    for _ in range(8):
        detector.after(500, impossible)
    assert detector.state.fault


def test_each_kind_of_cause_follows_its_part() -> None:
    """An output with a cause follows that part of the demand and no other."""
    demand = TripDemand(on=True, cause="gas_1", until_ms=1, gas_1=True, gas_2=False, fault=False)
    assert trip.drives(CauseKind.DETECTOR_1, demand)
    assert not trip.drives(CauseKind.DETECTOR_2, demand)
    assert not trip.drives(CauseKind.DETECTOR_FAULT, demand)
    assert not trip.drives(CauseKind.ALARM, demand)


# Properties over random time lines

VALUES = st.one_of(st.integers(0, 30_000), st.sampled_from((9_999, 10_000, 8_000, 20_000, 18_000)),
                   st.sampled_from((NoData.TIMEOUT, NoData.OUT_OF_RANGE)))  # fmt: skip
STEPS = st.lists(
    st.tuples(st.sampled_from((0, 100, 500, 1_000, 4_000, 70_000)), st.one_of(st.none(), VALUES)), max_size=40
)


def _line(steps: list[tuple[int, int | NoData | None]]) -> list[TripDemand]:
    detector = Detector(HEAD)
    return [detector.after(ms, None if h2 is None else TripSample(h2=h2)) for ms, h2 in steps]


@given(STEPS)
def test_a_value_at_its_limit_always_demands(steps: list[tuple[int, int | NoData | None]]) -> None:
    """Whatever came before, a sample at or over the limit demands in the same call."""
    for (_, h2), demand in zip(steps, _line(steps), strict=True):
        if h2 is not None and not isinstance(h2, NoData) and h2 >= HEAD.limit_1:
            assert demand.gas_1
            assert demand.on


@given(STEPS, st.integers(0, 39), st.integers(0, 30_000))
def test_raising_a_reading_never_turns_the_fan_off(
    steps: list[tuple[int, int | NoData | None]], place: int, more: int
) -> None:
    """The same line with one reading raised demands wherever it did before."""
    before = _line(steps)
    raised = [
        (ms, h2 + more if i == place and h2 is not None and not isinstance(h2, NoData) else h2)
        for i, (ms, h2) in enumerate(steps)
    ]
    for low, high in zip(before, _line(raised), strict=True):
        assert high.on >= low.on


@given(STEPS, st.integers(0, 39))
def test_worsening_a_quality_never_turns_the_fan_off(steps: list[tuple[int, int | NoData | None]], place: int) -> None:
    """The same line with a reading under the limit made bad demands wherever it did before."""
    before = _line(steps)
    worse = [
        (ms, NoData.MALFORMED if i == place and h2 is not None and int(h2) < HEAD.limit_1 else h2)
        for i, (ms, h2) in enumerate(steps)
    ]
    for good, bad in zip(before, _line(worse), strict=True):
        assert bad.on >= good.on


@given(STEPS, st.integers(1, 50))
def test_asking_more_often_changes_no_demand(steps: list[tuple[int, int | NoData | None]], every: int) -> None:
    """Timer calls between samples change nothing about what the samples lead to."""
    detector = Detector(HEAD)
    for (ms, h2), plain in zip(steps, _line(steps), strict=True):
        for _ in range(every if ms >= 500 else 0):
            detector.after(ms // (every + 1), None)
        rest = ms - (ms // (every + 1)) * every if ms >= 500 else ms
        demand = detector.after(rest, None if h2 is None else TripSample(h2=h2))
        assert (demand.on, demand.gas_1, demand.fault) == (plain.on, plain.gas_1, plain.fault)
