"""What a fleet's gateway tells of itself and of its sites on its health port (shared.runtime.probes).

Its public /metrics needs no token and tells sums only; the series of each site are told here, where only who runs the
fleet may ask. Ready: it has what Kafka has; a silent site is an alarm and no unreadiness. Alive: the look at Kafka goes
on.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from services.gateway.centre.follower import Follower
from services.gateway.centre.orders import Orders
from services.gateway.centre.views import FLEET, FleetViews
from services.gateway.views import SiteItem
from shared.log.kafka.records import Tell
from shared.runtime import metrics
from shared.runtime.metrics import SEVERITIES, SITES_MAX, Sample, Tally
from shared.runtime.probes import STILL_S, Probes
from shared.runtime.tracing import open_spans

SERVICE: Final = "gateway"
STARTING: Final = "it reads what there is"


class Telling:
    """One replica. What it looks at comes when it is there."""

    def __init__(self, tell: Tell) -> None:
        self.tally = Tally(tell)
        self._parts: tuple[Follower, Orders, FleetViews] | None = None
        self.spans = open_spans(SERVICE, os.environ, tell)
        self._streams: Callable[[], int] = lambda: 0

    def begin(self, follower: Follower, orders: Orders, views: FleetViews, streams: Callable[[], int]) -> None:
        """It has everything that was there, and answers. ``streams`` counts its open event streams."""
        self._parts, self._streams = (follower, orders, views), streams

    def probes(self) -> Probes:
        return Probes(SERVICE, self.ready, self.alive, self.samples)

    def ready(self) -> Mapping[str, str]:
        if self._parts is None:
            return {"kafka": STARTING}
        return {name: "" if check.ok else check.detail for name, check in self._parts[2].readiness().checks.items()}

    def alive(self) -> str:
        if self._parts is None:
            return ""
        standing = self._parts[0].standing
        age_s = time.monotonic() - standing.looked_at_s
        return f"nobody has looked at Kafka for {age_s:.0f} s" if not standing.is_away and age_s > STILL_S else ""

    def samples(self) -> Iterator[Sample]:
        yield from self.tally.samples()
        yield Sample(metrics.STREAMS, self._streams())
        if self._parts is None:
            return
        follower, orders, views = self._parts
        yield from metrics.of_kafka(follower.standing)
        for lane, ages in follower.ages.items():
            yield Sample(metrics.EVENT_AGE, ages, (lane.name.lower(),))
        yield Sample(metrics.COMMANDS_PENDING, list(orders.pending().values()).count("pending"))
        values = views.metrics()
        for severity in SEVERITIES:
            yield Sample(metrics.ALARMS_ACTIVE, values.alarms_active.get(severity, 0), (severity,))
        yield Sample(metrics.LOG_HEAD_SEQUENCE, values.log_head_sequence)
        yield from site_samples(views.site_items(), time.time())


def site_samples(items: tuple[SiteItem, ...], now_s: float) -> Iterator[Sample]:
    """How the sites stand: sums over all, and each of the first SITES_MAX that was ever heard of."""
    enrolled = [item for item in items if item.id != FLEET]
    yield Sample(metrics.SITES_REGISTERED, len(enrolled))
    yield Sample(metrics.SITES_SILENT, sum(1 for item in enrolled if item.is_silent))
    for item in [item for item in items if item.heard_at_ms][:SITES_MAX]:
        labels = (item.id,)
        yield Sample(metrics.SITE_HEARD, max(0.0, now_s - item.heard_at_ms / 1000), labels)
        yield Sample(metrics.SITE_BACKLOG, max(0, item.site_seq - item.decided_seq), labels)
        yield Sample(metrics.SITE_CLOCK, item.clock_offset_ms / 1000, labels)
        yield Sample(metrics.SITE_SEQUENCE, item.site_seq, labels)
        yield Sample(metrics.SITE_DECIDED, item.decided_seq, labels)
        yield Sample(metrics.SITE_DIFFERENT, item.different, labels)
