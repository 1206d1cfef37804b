"""What a replica of the fleet's notifier tells of itself: its share, its messages, whether it gets on.

Ready: Kafka and PostgreSQL answer, and the group has shared its partitions out once; a replica without a partition
stands by and is ready too. Alive: the look at Kafka goes on (it makes stuck clients anew); a database that is away is
no reason to start this process again.
"""

import os
import time
from collections.abc import Iterator, Mapping
from typing import Final

from services.notifier.centre.claims import Claims
from services.notifier.centre.lane import LiveLanes
from services.notifier.centre.outcomes import SENDER
from services.notifier.centre.sites import Sites
from services.notifier.post import Counter
from shared.log.kafka.group import GroupReader
from shared.log.kafka.records import Tell
from shared.log.kafka.watching import Standing
from shared.runtime import metrics
from shared.runtime.metrics import Sample, Tally
from shared.runtime.probes import STILL_S, Probes
from shared.runtime.tracing import open_spans

UNSIGNED_S: Final = 15.0
STARTING: Final = "it waits for its first partitions"
_NOWHERE: Final = Standing(is_away=False)


class Telling:
    """One replica. What it looks at comes when it is there."""

    def __init__(self, tell: Tell) -> None:
        self.tally = Tally(tell)
        self.counts = Counter(spans=open_spans(SENDER, os.environ, tell))
        """Of all sites, since the start of this process."""
        self.claims: Claims | None = None
        self.sites: Sites | None = None
        self.reader: GroupReader | None = None
        self.lanes: LiveLanes | None = None

    def close(self) -> None:
        """What waits for a collector is sent."""
        self.counts.spans.close()

    def probes(self) -> Probes:
        return Probes(SENDER, self.ready, self.alive, self.samples)

    def ready(self) -> Mapping[str, str]:
        return {
            "database": "PostgreSQL does not answer" if self.is_database_away() else "",
            "kafka": "no broker answers" if self._standing().is_away else "",
            "partitions": "" if self.sites is not None and self.sites.is_begun else STARTING,
        }

    def is_database_away(self) -> bool:
        """It has taken no sign of life for a while."""
        return self.claims is None or time.monotonic() - self.claims.signed_at_s >= UNSIGNED_S

    def alive(self) -> str:
        standing = self._standing()
        age_s = time.monotonic() - standing.looked_at_s
        is_still = self.reader is not None and not standing.is_away and age_s > STILL_S
        return f"nobody has looked at Kafka for {age_s:.0f} s" if is_still else ""

    def samples(self) -> Iterator[Sample]:
        yield from self.tally.samples()
        lanes = self.lanes
        yield from metrics.of_kafka(self._standing(), _NOWHERE if lanes is None else lanes.standing)
        yield Sample(metrics.LIVE_LAG, 0 if lanes is None else lanes.lag_s())
        yield from metrics.attempts(self.counts.attempts)
        for channel, ages in sorted(self.counts.ages.items()):
            yield Sample(metrics.DELIVERY_AGE, ages, (channel,))
        sites = self.sites
        yield Sample(metrics.DEADLETTERS, sites.unreadable if sites is not None else 0)
        yield Sample(metrics.SITES_OWNED, len(sites.ours()) if sites is not None else 0)
        yield Sample(metrics.MESSAGES_WAITING, sum(seat.waiting for seat in sites.ours()) if sites is not None else 0)

    def _standing(self) -> Standing:
        return _NOWHERE if self.reader is None else self.reader.standing
