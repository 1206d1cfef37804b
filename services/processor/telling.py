"""What a processor tells of itself: how far it is, what it decided, whether it gets on (shared.runtime.probes).

Ready: the engine has shared partitions out to it once, and the states of those that are its own are read. A backlog is
no unreadiness: it is what the lag shows. Alive: the look at Kafka's ends goes on; that look ends a process whose engine
stands still by itself.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from services.processor.worker import Worker
from shared.log.kafka.records import Tell
from shared.log.kafka.watching import Standing
from shared.runtime import metrics
from shared.runtime.metrics import VERDICTS, Sample, Tally
from shared.runtime.probes import STILL_S, Probes
from shared.runtime.tracing import open_spans

SERVICE: Final = "processor"
STARTING: Final = "it waits for Kafka, and for its first partitions"


class Telling:
    """One process. ``worker`` and ``standing`` come when they are there."""

    def __init__(self, tell: Tell) -> None:
        self.tally = Tally(tell)
        self.standing = Standing(is_away=False, looked_at_s=time.monotonic())
        self.spans = open_spans(SERVICE, os.environ, tell)
        self.worker: Worker | None = None
        self.is_watching = False
        """The look at Kafka's ends has begun."""

    def probes(self) -> Probes:
        return Probes(SERVICE, self.ready, self.alive, self.samples)

    def ready(self) -> Mapping[str, str]:
        worker = self.worker
        is_begun = worker is not None and worker.generation >= 0
        return {
            "kafka": "no broker answers" if self.standing.is_away else "",
            "partitions": "" if is_begun else STARTING,
            "states": "" if worker is None or worker.is_restored else "states are being read",
        }

    def alive(self) -> str:
        age_s = time.monotonic() - self.standing.looked_at_s
        return f"nobody has looked at Kafka for {age_s:.0f} s" if self.is_watching and age_s > STILL_S else ""

    def samples(self) -> Iterator[Sample]:
        yield from self.tally.samples()
        worker, standing = self.worker, self.standing
        if worker is None:
            return
        # A partition that no block has come for yet has no place: it is ours, and nothing is behind.
        places = Counter(place.topic for place in worker.places())
        yield from metrics.of_kafka(standing._replace(behind=dict.fromkeys(places, 0) | dict(standing.behind),
                                                      partitions=places))  # fmt: skip
        counts, sites = worker.counts, worker.sites()
        equal = counts.blocks - counts.different - counts.not_comparable
        for verdict, blocks in zip(VERDICTS, (equal, counts.different, counts.not_comparable), strict=True):
            yield Sample(metrics.BLOCKS, blocks, (verdict,))
        yield Sample(metrics.BLOCK_REPEATS, counts.repeats)
        yield Sample(metrics.BLOCKS_LEFT_OUT, counts.skipped)
        yield Sample(metrics.INPUTS, counts.inputs)
        yield Sample(metrics.EVENTS, counts.events)
        yield Sample(metrics.HOLES, counts.asked)
        yield Sample(metrics.DEADLETTERS, counts.dead)
        yield Sample(metrics.NOT_REGISTERED, worker.strangers.number)
        yield Sample(metrics.BLOCK_AGE, worker.ages)
        yield Sample(metrics.SITES_OWNED, len(sites))
        yield Sample(metrics.SITES_PARKED, sum(1 for site in sites if site.needs))
