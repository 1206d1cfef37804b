"""What a replica of the fleet's history tells of itself: its share, how far behind it is, whether it gets on.

Ready: Kafka and PostgreSQL answer, and the group has shared its partitions out once. Alive: its loop goes round; a
database that is away is no reason to start this process again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from shared.log.kafka.group import GroupReader
from shared.log.kafka.records import Tell
from shared.log.kafka.watching import Standing
from shared.runtime import metrics
from shared.runtime.metrics import Sample, Tally
from shared.runtime.postgres import TROUBLE
from shared.runtime.probes import Beat, Probes

NAME: Final = "history"
STARTING: Final = "it waits for its first partitions"
_NOWHERE: Final = Standing(is_away=False)


class Telling:
    """One replica. What it looks at comes when it is there."""

    def __init__(self, tell: Tell) -> None:
        self.tally = Tally(tell)
        self.beat = Beat("reading")
        self.reader: GroupReader | None = None
        self.is_begun = False
        """The partitions were shared out once."""
        self.is_away = False
        """PostgreSQL takes nothing at present."""
        self.taken_ms = 0
        """When the broker took the newest record that was stored or is in hand."""
        self.blocks = 0
        self.left_out = 0
        self.not_registered = 0
        self.sites = 0

    def tell(self, event: str, words: str) -> None:
        self.tally.tell(event, words)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around what is asked of PostgreSQL: it is told once that it is away, and once that it is back."""
        try:
            yield
        except TROUBLE as fault:
            if not self.is_away:
                self.tell("database_away", f"{type(fault).__name__}: {fault}")
            self.is_away = True
            raise
        if self.is_away:
            self.tell("database_back", "what waited is being written")
        self.is_away = False

    def probes(self) -> Probes:
        return Probes(NAME, self.ready, self.alive, self.samples)

    def ready(self) -> Mapping[str, str]:
        return {
            "database": "PostgreSQL takes nothing" if self.is_away else "",
            "kafka": "no broker answers" if self._standing().is_away else "",
            "partitions": "" if self.is_begun else STARTING,
        }

    def alive(self) -> str:
        return "" if self.reader is None or self.is_away else self.beat.why()

    def samples(self) -> Iterator[Sample]:
        yield from self.tally.samples()
        yield from metrics.of_kafka(self._standing())
        yield Sample(metrics.BLOCKS_STORED, self.blocks)
        yield Sample(metrics.DEADLETTERS, self.left_out)
        yield Sample(metrics.NOT_REGISTERED, self.not_registered)
        yield Sample(metrics.SITES_OWNED, self.sites)

    def _standing(self) -> Standing:
        return _NOWHERE if self.reader is None else self.reader.standing
