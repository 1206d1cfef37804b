"""Counts the fleet's events by site and window of time; see shared.wire.kpis. Pure: no clock, no broker.

    batch of events -> is it a repeat? -> the site's open window grows -> its record is due
                       it is of a later window -> a new one begins

Promises: the same batches in the same order give the same records; a batch that comes twice is counted once; counting
goes on from a record as if nothing had been. Limits: one window a site is in memory.
"""

from shared.domain.events import EventType
from shared.domain.plan import Severity
from shared.wire.batches import EventsBatch, Verdict
from shared.wire.events import decode_event
from shared.wire.kpis import Kpi

WINDOW_MS = 600_000
"""As floods of alarms are counted: more than ten in ten minutes."""
ASKS = {EventType.ALARM_RAISED.value, EventType.ALARM_ESCALATED.value, EventType.ALARM_REANNOUNCED.value}
CLOSES = {EventType.ALARM_CLEARED.value, EventType.ALARM_SUPERSEDED.value, EventType.ALARM_RETIRED.value}
ACKED = EventType.ALARM_ACKED.value
WARNING, ALARM, CRITICAL = (severity.label for severity in sorted(Severity))


class Figures:
    """Of the sites of some partitions. One owner."""

    def __init__(self, window_ms: int = WINDOW_MS) -> None:
        self._window_ms = window_ms
        self._open: dict[str, Kpi] = {}
        self._due: dict[tuple[str, int], Kpi] = {}

    def restore(self, kpi: Kpi) -> None:
        """Go on from this record unless a newer one is known."""
        known = self._open.get(kpi.site)
        if kpi.window_ms == self._window_ms and (known is None or known.offset < kpi.offset):
            self._open[kpi.site] = kpi

    def count(self, batch: EventsBatch, offset: int, at_ms: int) -> None:
        """One record of ampward.events.v1, at its place and time there. Raises WireError for events that are none."""
        begin = at_ms - at_ms % self._window_ms
        kpi = self._open.get(batch.site)
        if kpi is not None and offset < kpi.offset:
            return
        if kpi is None or kpi.begin_ms != begin:
            place = ("", 0) if kpi is None else (kpi.log_id, kpi.last_seq)
            kpi = Kpi(site=batch.site, begin_ms=begin, window_ms=self._window_ms, log_id=place[0], last_seq=place[1])
            self._open[batch.site] = kpi
        kpi.offset = offset + 1
        self._due[batch.site, begin] = kpi
        if batch.log_id == kpi.log_id and batch.last_seq <= kpi.last_seq:
            return
        kpi.log_id, kpi.last_seq = batch.log_id, batch.last_seq
        kpi.blocks += 1
        kpi.different += batch.verdict is Verdict.DIFFERENT
        kpi.not_comparable += batch.verdict is Verdict.NOT_COMPARABLE
        for data in batch.events:
            _count(kpi, data)

    def present(self, now_ms: int) -> list[Kpi]:
        """Of each site the window that is open at this time; one in which nothing came has no figures."""
        begin = now_ms - now_ms % self._window_ms
        return [
            kpi if kpi.begin_ms >= begin else Kpi(site=kpi.site, begin_ms=begin, window_ms=self._window_ms)
            for kpi in self._open.values()
        ]

    def take_due(self) -> list[Kpi]:
        """The windows that have grown since they were asked for last."""
        due = list(self._due.values())
        self._due.clear()
        return due


def _count(kpi: Kpi, data: bytes) -> None:
    event = decode_event(data)
    kpi.events += 1
    if event.type in ASKS and event.reason:
        kpi.hidden += 1
    elif event.type in ASKS:
        kpi.announced += 1
        kpi.warnings += event.severity == WARNING
        kpi.alarms += event.severity == ALARM
        kpi.criticals += event.severity == CRITICAL
    elif event.type in CLOSES:
        kpi.closed += 1
    elif event.type == ACKED:
        kpi.acked += 1
