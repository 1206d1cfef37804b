"""Alarm figures of sites by windows of time: counted once each, and gone on with from any record."""

from collections import Counter

from services.processor.figures import WINDOW_MS, Figures
from services.processor.kpi import samples_of
from shared.domain.events import EventType
from shared.domain.version import CORE_VERSION
from shared.wire.batches import EventsBatch, Verdict
from shared.wire.events import decode_event
from shared.wire.kpis import Kpi, decode_kpi, encode_kpi
from tests.services.processor.recorded import blocks_of, recorded
from tests.soak.rig import stored

BEGAN_MS = 1_767_225_600_000


def told_batches(site: str = "s") -> list[EventsBatch]:
    """The batches of a recorded log."""
    blocks = [block for block in blocks_of(recorded(0), site=site, seed=1) if block.events]
    return [
        EventsBatch(
            site,
            block.log_id,
            1,
            block.first_seq,
            block.last_seq,
            Verdict.EQUAL,
            CORE_VERSION,
            n,
            block.head_hash.hex(),
            tuple(event.data for event in block.events),
        )
        for n, block in enumerate(blocks)
    ]


def summed(kpis: list[Kpi]) -> Counter[str]:
    """Over the newest record of each window."""
    newest: dict[tuple[str, int], Kpi] = {}
    for kpi in kpis:
        newest[kpi.site, kpi.begin_ms] = kpi
    total: Counter[str] = Counter()
    for kpi in newest.values():
        total.update(announced=kpi.announced, closed=kpi.closed, events=kpi.events, acked=kpi.acked, blocks=kpi.blocks)
        assert kpi.announced == kpi.warnings + kpi.alarms + kpi.criticals
    return total


def expected() -> Counter[str]:
    events = [decode_event(data) for data in stored(recorded(0))]
    types = Counter(event.type for event in events)
    asks = (EventType.ALARM_RAISED, EventType.ALARM_ESCALATED, EventType.ALARM_REANNOUNCED)
    closes = (EventType.ALARM_CLEARED, EventType.ALARM_SUPERSEDED, EventType.ALARM_RETIRED)
    return Counter(
        announced=sum(1 for event in events if event.type in asks and not event.reason),
        closed=sum(types[kind] for kind in closes),
        events=len(events),
        acked=types[EventType.ALARM_ACKED],
        blocks=len(told_batches()),
    )


def _told(figures: Figures, batches: list[EventsBatch], first: int = 0) -> list[Kpi]:
    """Records as they are sent, one a batch, each batch a minute after the one before."""
    found: list[Kpi] = []
    for offset, batch in enumerate(batches, first):
        figures.count(batch, offset, BEGAN_MS + offset * 60_000)
        found += [decode_kpi(encode_kpi(kpi)) for kpi in figures.take_due()]
    return found


def test_every_event_is_counted_in_one_window() -> None:
    """Over all windows the figures are those of the log, and there are several windows."""
    kpis = _told(Figures(), told_batches())
    assert summed(kpis) == expected()
    assert len({kpi.begin_ms for kpi in kpis}) > 1
    assert {kpi.begin_ms % WINDOW_MS for kpi in kpis} == {0}
    assert expected()["announced"] > 5


def test_what_comes_again_is_counted_once() -> None:
    """A batch at its old offset, and the same batch at a new one (a take-over) change no figure."""
    batches = told_batches()
    figures = Figures()
    kpis = _told(figures, batches[:20])
    kpis += _told(figures, batches[15:20], 15)
    kpis += _told(figures, [*batches[15:20], *batches[20:]], 20)
    assert summed(kpis) == expected()


def test_another_worker_goes_on_from_the_newest_record() -> None:
    """Whatever record the first one sent last: with those behind it given again the figures are the same."""
    batches = told_batches()
    for cut in (1, 7, len(batches) - 1):
        kpis = _told(Figures(), batches[:cut])
        other = Figures()
        for kpi in reversed(kpis):
            other.restore(kpi)
        kpis += _told(other, batches[cut - 1 :], cut - 1)
        assert summed(kpis) == expected()


def test_a_window_that_is_over_is_told_with_all_its_figures() -> None:
    """Records are asked for less often than windows end: none is left out."""
    figures, batches = Figures(), told_batches()
    for offset, batch in enumerate(batches):
        figures.count(batch, offset, BEGAN_MS + offset * 60_000)
    assert summed(figures.take_due()) == expected()
    assert figures.take_due() == []


def test_verdicts_are_counted() -> None:
    """Blocks that differ, or that could not be compared, stand in the window."""
    first, second, third = told_batches()[:3]
    figures = Figures()
    for offset, batch in enumerate(
        (first, second._replace(verdict=Verdict.DIFFERENT), third._replace(verdict=Verdict.NOT_COMPARABLE))
    ):
        figures.count(batch, offset, BEGAN_MS)
    [kpi] = figures.take_due()
    assert (kpi.blocks, kpi.different, kpi.not_comparable) == (3, 1, 1)


def test_the_present_window_is_what_dashboards_show() -> None:
    """By severity; when it is over nothing of it is shown, and the site is still there."""
    figures = Figures()
    for n, batch in enumerate(told_batches()):
        figures.count(batch, n, BEGAN_MS)
    (kpi,) = figures.present(BEGAN_MS + WINDOW_MS - 1)
    shown = {sample.labels: sample.value for sample in samples_of(kpi)}
    assert shown == {("s", "warning"): kpi.warnings, ("s", "alarm"): kpi.alarms, ("s", "critical"): kpi.criticals}
    assert kpi.announced == expected()["announced"] > 0
    (later,) = figures.present(BEGAN_MS + WINDOW_MS)
    assert (later.site, later.announced, later.events) == ("s", 0, 0)
