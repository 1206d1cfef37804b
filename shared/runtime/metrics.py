"""The one registry of metric names, and the values behind them.

Values are pulled: a scrape asks the program once for its samples and writes them in the Prometheus text form. No
counter is counted in two places. Refuses (KeyError, ValueError) a sample whose name or labels the registry does not
know. Labels are closed sets (severities, verdicts, topics of the registry, configured channels), beside ``site``, of
which only a gateway tells, SITES_MAX at most: so the number of series is bounded.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import Final, NamedTuple, Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SEVERITIES = ("warning", "alarm", "critical")
VERDICTS = ("equal", "different", "not_comparable")
SITES_MAX: Final = 2_000
"""Sites that have series of their own; six each."""
TOLD_MAX: Final = 100
"""Names of conditions: those of a program's text, some ten."""

FRAMES_ACCEPTED = "ampward_frames_accepted_total"
FRAMES_LOST = "ampward_frames_lost_total"
ALARMS_ACTIVE = "ampward_alarms_active"
DEADLETTERS = "ampward_deadletters_total"
TRIP_ARMED = "ampward_trip_armed"
LOG_HEAD_SEQUENCE = "ampward_log_head_sequence"
FRAME_AGE_SECONDS = "ampward_frame_age_seconds"
NOTIFY_ATTEMPTS = "ampward_notify_attempts_total"
MESSAGES_WAITING = "ampward_messages_waiting"
DELIVERY_AGE = "ampward_delivery_age_seconds"
LIVE_LAG = "ampward_live_lag_seconds"

BUILD = "ampward_build_info"
STARTED = "ampward_started_time_seconds"
READY = "ampward_ready"
TOLD = "ampward_told_total"
LAG = "ampward_kafka_lag_records"
PARTITIONS = "ampward_kafka_partitions"
REBUILT = "ampward_kafka_clients_rebuilt_total"

WINDOW_ALARMS = "ampward_window_alarms"

BLOCKS = "ampward_blocks_total"
BLOCK_REPEATS = "ampward_block_repeats_total"
BLOCKS_LEFT_OUT = "ampward_blocks_left_out_total"
INPUTS = "ampward_inputs_decided_total"
EVENTS = "ampward_events_derived_total"
HOLES = "ampward_holes_total"
BLOCKS_STORED = "ampward_history_blocks_total"
NOT_REGISTERED = "ampward_records_not_registered_total"
BLOCK_AGE = "ampward_block_age_seconds"
SITES_OWNED = "ampward_sites_owned"
SITES_PARKED = "ampward_sites_parked"
SITES_NOT_HOSTED = "ampward_sites_not_hosted"

EVENT_AGE = "ampward_event_age_seconds"
STREAMS = "ampward_streams_open"
COMMANDS_PENDING = "ampward_commands_pending"
SITES_REGISTERED = "ampward_sites_registered"
SITES_SILENT = "ampward_sites_silent"
SITE_HEARD = "ampward_site_heard_age_seconds"
SITE_BACKLOG = "ampward_site_backlog_inputs"
SITE_CLOCK = "ampward_site_clock_offset_seconds"
SITE_SEQUENCE = "ampward_site_log_sequence"
SITE_DECIDED = "ampward_site_decided_sequence"
SITE_DIFFERENT = "ampward_site_blocks_different"

UPLINK_CONNECTED = "ampward_uplink_connected"
UPLINK_EPOCH = "ampward_uplink_epoch"
UPLINK_ACKNOWLEDGED = "ampward_uplink_acknowledged_sequence"
UPLINK_BACKLOG = "ampward_uplink_backlog_inputs"
UPLINK_BACKLOG_BYTES = "ampward_uplink_backlog_bytes"
UPLINK_BACKLOG_AGE = "ampward_uplink_backlog_age_seconds"

BOUNDS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Of every distribution of ages: the goals (250 ms, 1 s, 2 s, 5 s, 60 s) are among them."""


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    AGES = "histogram"


class Described(NamedTuple):
    """A metric as the registry and docs/observability.md have it."""

    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


METRICS: Final[Mapping[str, Described]] = {
    FRAMES_ACCEPTED: Described(Kind.COUNTER, "Frames that the log has accepted since this process started."),
    FRAMES_LOST: Described(
        Kind.COUNTER,
        "Frames that were polled and never reached the log (gaps in device_seq, and lost before an append).",
    ),
    ALARMS_ACTIVE: Described(Kind.GAUGE, "Alarms whose condition is true or whose latch holds.", ("severity",)),
    DEADLETTERS: Described(Kind.COUNTER, "Records that no decoder understood since this process started."),
    TRIP_ARMED: Described(Kind.GAUGE, "1 when every output of the local trip is proven by a commissioning record."),
    LOG_HEAD_SEQUENCE: Described(
        Kind.GAUGE, "site_seq of the last input of a site's log; of a fleet's gateway the number of its last event."
    ),
    FRAME_AGE_SECONDS: Described(Kind.GAUGE, "Age of the newest frame of the device that has been silent longest."),
    NOTIFY_ATTEMPTS: Described(
        Kind.COUNTER,
        "Attempts to send a message, by channel and result (sent, failed, refused).",
        ("channel", "result"),
    ),
    MESSAGES_WAITING: Described(Kind.GAUGE, "Messages that are neither taken nor refused yet."),
    DELIVERY_AGE: Described(
        Kind.AGES, "From the frame behind an event to the moment when the channel took its message.", ("channel",)
    ),
    LIVE_LAG: Described(
        Kind.GAUGE,
        "How long ago the broker took the live record that was read last, while there are more; 0 at the end.",
    ),
    BUILD: Described(Kind.GAUGE, "1, with the service and its version.", ("service", "version")),
    STARTED: Described(Kind.GAUGE, "When this process started, since 1970; a change is a restart."),
    READY: Described(Kind.GAUGE, "1 when /readyz says so."),
    TOLD: Described(Kind.COUNTER, "Conditions that the service told of in its log, by their name.", ("event",)),
    LAG: Described(Kind.GAUGE, "Records behind those that were read, of the partitions read here.", ("topic",)),
    PARTITIONS: Described(Kind.GAUGE, "Partitions that this process reads.", ("topic",)),
    REBUILT: Described(Kind.COUNTER, "Clients of Kafka that stood still and were thrown away."),
    BLOCKS: Described(
        Kind.COUNTER, "Blocks that were decided again, by the verdict on the site's events.", ("verdict",)
    ),
    BLOCK_REPEATS: Described(Kind.COUNTER, "Blocks that had come before."),
    BLOCKS_LEFT_OUT: Described(Kind.COUNTER, "Blocks that the engine left out and that were read beside it."),
    BLOCKS_STORED: Described(Kind.COUNTER, "Blocks of which the history took something."),
    INPUTS: Described(Kind.COUNTER, "Inputs that were decided again."),
    EVENTS: Described(Kind.COUNTER, "Events that came of them."),
    HOLES: Described(Kind.COUNTER, "Times that a site was asked to send again."),
    NOT_REGISTERED: Described(Kind.COUNTER, "Blocks under names, or by keys, that are not registered, passed by."),
    BLOCK_AGE: Described(Kind.AGES, "From the broker's acceptance of a block to its events' hand-over."),
    WINDOW_ALARMS: Described(
        Kind.GAUGE, "Alarms that the site announced in the present window of ten minutes.", ("site", "severity")
    ),
    SITES_OWNED: Described(Kind.GAUGE, "Sites that this process works for now."),
    SITES_PARKED: Described(Kind.GAUGE, "Of these, those that wait for a key or a rule set."),
    SITES_NOT_HOSTED: Described(
        Kind.GAUGE, "Sites that a bridge should host and does not, and folders it cannot read."
    ),
    EVENT_AGE: Described(
        Kind.AGES,
        "From the frame behind an event to the moment when a gateway had it, by the lane it came by.",
        ("lane",),
    ),
    STREAMS: Described(Kind.GAUGE, "Event streams that are open."),
    COMMANDS_PENDING: Described(Kind.GAUGE, "Commands and leases on their way to a site, without an answer yet."),
    SITES_REGISTERED: Described(Kind.GAUGE, "Sites that are enrolled."),
    SITES_SILENT: Described(Kind.GAUGE, "Of these, those that were not heard of for a minute."),
    SITE_HEARD: Described(Kind.GAUGE, "Age of the newest record of the site.", ("site",)),
    SITE_BACKLOG: Described(Kind.GAUGE, "Inputs of the site's log that the centre has not decided yet.", ("site",)),
    SITE_CLOCK: Described(Kind.GAUGE, "How much the site's clock is behind the fleet's, the way included.", ("site",)),
    SITE_SEQUENCE: Described(Kind.GAUGE, "How far the site's log is known to be.", ("site",)),
    SITE_DECIDED: Described(Kind.GAUGE, "How far along the site's chain the centre has decided.", ("site",)),
    SITE_DIFFERENT: Described(Kind.GAUGE, "Blocks of the site that differed, since this gateway began.", ("site",)),
    UPLINK_CONNECTED: Described(Kind.GAUGE, "1 while the fleet acknowledges what the uplink sends."),
    UPLINK_EPOCH: Described(Kind.GAUGE, "The uplink's epoch: it rises when the site sends again."),
    UPLINK_ACKNOWLEDGED: Described(Kind.GAUGE, "site_seq up to which the fleet has acknowledged the log."),
    UPLINK_BACKLOG: Described(Kind.GAUGE, "Inputs that the fleet has not acknowledged."),
    UPLINK_BACKLOG_BYTES: Described(Kind.GAUGE, "Bytes of these inputs, about."),
    UPLINK_BACKLOG_AGE: Described(Kind.GAUGE, "Age of the oldest of these inputs."),
}


@dataclass(slots=True)
class Ages:
    """A distribution of ages over BOUNDS_S."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    total_s: float = 0.0

    def add(self, age_s: float) -> None:
        """One observation; a clock that is ahead makes no negative age."""
        age_s = max(0.0, age_s)
        self.counts[bisect_left(BOUNDS_S, age_s)] += 1
        self.total_s += age_s


class Sample(NamedTuple):
    """One value of a metric of METRICS, with a value for each of its labels."""

    name: str
    value: "float | Ages"
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricValues:
    """One reading of everything that is measured about a program that shows alarms: a site, a fleet's gateway."""

    frames_accepted: int = 0
    frames_lost: int = 0
    alarms_active: Mapping[str, int] = field(default_factory=dict)
    """By severity label; a missing one is 0."""
    deadletters: int = 0
    trip_armed: bool = False
    log_head_sequence: int = 0
    frame_age_s: float = 0.0
    notify_attempts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By channel and result."""
    more: tuple[Sample, ...] = ()
    """What only one of them measures."""

    def samples(self) -> Iterator[Sample]:
        yield Sample(FRAMES_ACCEPTED, self.frames_accepted)
        yield Sample(FRAMES_LOST, self.frames_lost)
        yield Sample(DEADLETTERS, self.deadletters)
        for severity in SEVERITIES:
            yield Sample(ALARMS_ACTIVE, self.alarms_active.get(severity, 0), (severity,))
        yield from attempts(self.notify_attempts)
        yield Sample(TRIP_ARMED, int(self.trip_armed))
        yield Sample(LOG_HEAD_SEQUENCE, self.log_head_sequence)
        yield Sample(FRAME_AGE_SECONDS, self.frame_age_s)
        yield from self.more


def attempts(by_channel_and_result: Mapping[tuple[str, str], int]) -> Iterator[Sample]:
    """Samples of NOTIFY_ATTEMPTS."""
    for labels, count in sorted(by_channel_and_result.items()):
        yield Sample(NOTIFY_ATTEMPTS, count, labels)


class KafkaStanding(Protocol):
    """shared.log.kafka.watching.Standing."""

    @property
    def behind(self) -> Mapping[str, int]: ...
    @property
    def partitions(self) -> Mapping[str, int]: ...
    @property
    def rebuilt(self) -> int: ...


def of_kafka(*standings: KafkaStanding) -> Iterator[Sample]:
    """How the readers of a service stand; of one topic the largest lag."""
    behind: dict[str, int] = {}
    partitions: dict[str, int] = {}
    for each in standings:
        for topic, records in each.behind.items():
            behind[topic] = max(records, behind.get(topic, 0))
        for topic, count in each.partitions.items():
            partitions[topic] = max(count, partitions.get(topic, 0))
    for topic, records in sorted(behind.items()):
        yield Sample(LAG, records, (topic,))
    for topic, count in sorted(partitions.items()):
        yield Sample(PARTITIONS, count, (topic,))
    yield Sample(REBUILT, sum(each.rebuilt for each in standings))


class Tally:
    """Counts the conditions that a service tells of, on their way to its log."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._counts: Counter[str] = Counter()

    def tell(self, event: str, words: str) -> None:
        if event in self._counts or len(self._counts) < TOLD_MAX:
            self._counts[event] += 1
        self._tell(event, words)

    def samples(self) -> Iterator[Sample]:
        for event, count in sorted(self._counts.items()):
            yield Sample(TOLD, count, (event,))


class _Values(Collector):
    def __init__(self, read: Callable[[], Iterable[Sample]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Family]:
        found: dict[str, list[Sample]] = {}
        for sample in self._read():
            found.setdefault(sample.name, []).append(sample)
        for name, samples in found.items():
            yield _family(name, METRICS[name], samples)

    def describe(self) -> Iterator[Family]:
        """Nothing: so that registering does not read values."""
        return iter(())


def _family(name: str, metric: Described, samples: Iterable[Sample]) -> Family:
    labels = list(metric.labels)
    made: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
    match metric.kind:
        case Kind.COUNTER:
            made = CounterMetricFamily(name.removesuffix("_total"), metric.help, labels=labels)
        case Kind.GAUGE:
            made = GaugeMetricFamily(name, metric.help, labels=labels)
        case Kind.AGES:
            made = HistogramMetricFamily(name, metric.help, labels=labels)
    for sample in samples:
        if len(sample.labels) != len(labels):
            raise ValueError(f"{name} has the labels {labels}, not {sample.labels}")
        if isinstance(made, HistogramMetricFamily):
            ages = sample.value
            assert isinstance(ages, Ages), name
            bounds = [*map(str, BOUNDS_S), "+Inf"]
            made.add_metric(sample.labels, list(zip(bounds, accumulate(ages.counts), strict=True)), ages.total_s)
        else:
            assert not isinstance(sample.value, Ages), name
            made.add_metric(sample.labels, sample.value)
    return made


def registry(read: Callable[[], MetricValues]) -> CollectorRegistry:
    """A registry whose scrape calls ``read`` once."""
    return registry_of(lambda: read().samples())


def registry_of(read: Callable[[], Iterable[Sample]]) -> CollectorRegistry:
    """The same for samples of any kind."""
    made = CollectorRegistry(auto_describe=False)
    made.register(_Values(read))
    return made


def text(made: CollectorRegistry) -> bytes:
    """The scrape answer in the Prometheus text form (CONTENT_TYPE)."""
    return generate_latest(made)
