"""Every Kafka topic of the fleet in one place: what it holds, its key, how long it is kept, how large a record may be.

    name                    key         kept            holds
    ampward.inputs.v1       site        30 days         signed blocks of inputs with the site's own events
    ampward.events.v1       site        400 days        the events of one block, compared and marked
    ampward.live.v1         site        1 day           newest points and the site's own events, at once
    ampward.state.v1        site        newest a key    whole states of a site, all its rooms
    ampward.rulesets.v1     hash        newest a key    bodies of decision versions
    ampward.commands.v1     site        7 days          towards sites, with a time to live
    ampward.deliveries.v1   site        400 days        what became of each message to a person
    ampward.deadletter.v1   site        90 days         records that could not be read
    ampward.sites.v1        site        newest a key    registrations: partition, public keys, end
    ampward.services.v1     service     newest a key    signs of life of the centre's services
    ampward.kpis.v1         site        400 days        alarm figures of each site by windows of ten minutes

All records of a site lie in the one partition that its registration stores, in every topic; what has no site (rulesets,
services) goes by the hash of its key. Topics are never repartitioned in place: another number of partitions is a
drift, and a drifted topic is reported at the start of each service and not silently used (shared.log.kafka.topics).

Time goes by the broker's clock (LogAppendTime): a site whose clock is ten years off neither loses its records nor keeps
them for ever. Compression is off by the topic's own setting: the broker unpacks what is sent packed, and no reader is
ever handed a batch whose size it cannot know.
"""

from dataclasses import dataclass, replace
from typing import Final

from shared.wire.blocks import MAX_BLOCK_BYTES
from shared.wire.deadletters import LETTER_BYTES_MAX

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
FOREVER: Final = -1

HEADERS_BYTES: Final = 64 << 10
"""Room for the key, CloudEvents attributes and trace context of a record, and for its batch's own header."""
RECORD_BYTES_MAX: Final = MAX_BLOCK_BYTES + HEADERS_BYTES
"""Of inputs and of what is made from a whole block or room. A block is cut at 1,024 frames or 4 MiB, unless one link
alone is larger."""
LARGEST_BYTES_MAX: Final = LETTER_BYTES_MAX + HEADERS_BYTES
"""Of dead letters: one holds the largest record that a topic takes, whoever sent it, behind a header of its own."""
SMALL_BYTES_MAX: Final = (1 << 20) + HEADERS_BYTES
"""Of topics whose records are single facts: a command, a delivery, a registration."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a deployment decides for all topics. The partitions bound how many workers can share the sites."""

    partitions: int = 12
    replication: int = 1
    min_insync: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.partitions <= 1000:
            raise ValueError(f"{self.partitions} partitions; 1 to 1000 are allowed")
        if not 1 <= self.min_insync <= self.replication:
            raise ValueError(f"min_insync {self.min_insync} with replication {self.replication}; 1 to the replication")


ONE_NODE: Final = Shape()
"""A lab or a single host: one broker, so an acknowledged record lies on one disk."""
THREE_NODES: Final = Shape(partitions=24, replication=3, min_insync=2)
"""Production: an acknowledged record is on two brokers at least, and one may be away."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``holds`` is for people; ``compacted`` keeps the newest record of each key for ever."""

    name: str
    holds: str
    key: str
    """``site``, ``hash`` or ``service``."""
    retention_ms: int
    record_bytes_max: int
    compacted: bool = False
    compaction_lag_ms: int = 0
    segment_ms: int = DAY_MS

    def named(self, prefix: str) -> "Topic":
        """The same topic under another name: several fleets, or several tests, on one cluster."""
        return replace(self, name=prefix + self.name)

    def settings(self, shape: Shape) -> dict[str, str]:
        """Every setting of the topic that matters, by Kafka's names; none is left to a broker's default."""
        kept = {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}
        if self.compacted:
            kept = {
                "cleanup.policy": "compact",
                "retention.ms": str(FOREVER),
                "min.compaction.lag.ms": str(self.compaction_lag_ms),
                "max.compaction.lag.ms": str(max(DAY_MS, self.compaction_lag_ms)),
                "delete.retention.ms": str(DAY_MS),
                "min.cleanable.dirty.ratio": "0.2",
            }
        return {
            **kept,
            "retention.bytes": "-1",
            "segment.ms": str(self.segment_ms),
            "max.message.bytes": str(self.record_bytes_max),
            "min.insync.replicas": str(shape.min_insync),
            "unclean.leader.election.enable": "false",
            "message.timestamp.type": "LogAppendTime",
            "compression.type": "uncompressed",
        }


INPUTS: Final = Topic(
    "ampward.inputs.v1", "signed blocks of inputs with the site's own events", "site", 30 * DAY_MS, RECORD_BYTES_MAX
)
EVENTS: Final = Topic(
    "ampward.events.v1", "the events of one block, compared and marked", "site", 400 * DAY_MS, RECORD_BYTES_MAX
)
LIVE: Final = Topic(
    "ampward.live.v1", "newest points and the site's own events, at once", "site", DAY_MS, SMALL_BYTES_MAX
)
STATE: Final = Topic(
    "ampward.state.v1",
    "whole states of a site, all its rooms",
    "site",
    FOREVER,
    RECORD_BYTES_MAX,
    compacted=True,
    compaction_lag_ms=5 * MINUTE_MS,
    segment_ms=10 * MINUTE_MS,
)
RULESETS: Final = Topic(
    "ampward.rulesets.v1", "bodies of decision versions", "hash", FOREVER, RECORD_BYTES_MAX, compacted=True
)
COMMANDS: Final = Topic(
    "ampward.commands.v1", "towards sites, with a time to live", "site", 7 * DAY_MS, SMALL_BYTES_MAX
)
DELIVERIES: Final = Topic(
    "ampward.deliveries.v1", "what became of each message to a person", "site", 400 * DAY_MS, SMALL_BYTES_MAX
)
DEADLETTER: Final = Topic(
    "ampward.deadletter.v1", "records that could not be read", "site", 90 * DAY_MS, LARGEST_BYTES_MAX
)
SITES: Final = Topic(
    "ampward.sites.v1", "registrations: partition, public keys, end", "site", FOREVER, SMALL_BYTES_MAX, compacted=True
)
SIGNS: Final = Topic(
    "ampward.services.v1", "signs of life of the centre's services", "service", FOREVER, SMALL_BYTES_MAX, compacted=True
)
KPIS: Final = Topic(
    "ampward.kpis.v1", "alarm figures of each site by windows of ten minutes", "site", 400 * DAY_MS, SMALL_BYTES_MAX
)

ALL: Final = (INPUTS, EVENTS, LIVE, STATE, RULESETS, COMMANDS, DELIVERIES, DEADLETTER, SITES, SIGNS, KPIS)
