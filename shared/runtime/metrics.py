"""The one registry of metric names, and the values behind them.

Values are pulled: a scrape asks the program once for :class:`MetricValues` and writes them in the Prometheus text form.
No counter is counted in two places. Labels are closed sets (three severities; configured channels
and three results), so the number of series is bounded.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SEVERITIES = ("warning", "alarm", "critical")

FRAMES_ACCEPTED = "ampward_frames_accepted_total"
FRAMES_LOST = "ampward_frames_lost_total"
ALARMS_ACTIVE = "ampward_alarms_active"
DEADLETTERS = "ampward_deadletters_total"
TRIP_ARMED = "ampward_trip_armed"
LOG_HEAD_SEQUENCE = "ampward_log_head_sequence"
FRAME_AGE_SECONDS = "ampward_frame_age_seconds"
NOTIFY_ATTEMPTS = "ampward_notify_attempts_total"

HELP: dict[str, str] = {
    FRAMES_ACCEPTED: "Frames that the log has accepted since this process started.",
    FRAMES_LOST: "Frames that were polled and never reached the log (gaps in device_seq, and lost before an append).",
    ALARMS_ACTIVE: "Alarms whose condition is true or whose latch holds.",
    DEADLETTERS: "Records that no decoder understood since this process started.",
    TRIP_ARMED: "1 when every output of the local trip is proven by a commissioning record.",
    LOG_HEAD_SEQUENCE: "site_seq of the last input of the log.",
    FRAME_AGE_SECONDS: "Age of the newest frame of the device that has been silent longest.",
    NOTIFY_ATTEMPTS: "Attempts to send a message, by channel and result (sent, failed, refused).",
}


@dataclass(frozen=True, slots=True)
class MetricValues:
    """One reading of everything that is measured about the program."""

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


class _Values(Collector):
    def __init__(self, read: Callable[[], MetricValues]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        values = self._read()
        yield _counter(FRAMES_ACCEPTED, values.frames_accepted)
        yield _counter(FRAMES_LOST, values.frames_lost)
        yield _counter(DEADLETTERS, values.deadletters)
        active = GaugeMetricFamily(ALARMS_ACTIVE, HELP[ALARMS_ACTIVE], labels=["severity"])
        for severity in SEVERITIES:
            active.add_metric([severity], values.alarms_active.get(severity, 0))
        yield active
        name = NOTIFY_ATTEMPTS.removesuffix("_total")
        attempts = CounterMetricFamily(name, HELP[NOTIFY_ATTEMPTS], labels=["channel", "result"])
        for (channel, result), count in sorted(values.notify_attempts.items()):
            attempts.add_metric([channel, result], count)
        yield attempts
        yield GaugeMetricFamily(TRIP_ARMED, HELP[TRIP_ARMED], value=int(values.trip_armed))
        yield GaugeMetricFamily(LOG_HEAD_SEQUENCE, HELP[LOG_HEAD_SEQUENCE], value=values.log_head_sequence)
        yield GaugeMetricFamily(FRAME_AGE_SECONDS, HELP[FRAME_AGE_SECONDS], value=values.frame_age_s)

    def describe(self) -> Iterator[Metric]:
        """Nothing: so that registering does not read values."""
        return iter(())


def _counter(name: str, value: int) -> Metric:
    return CounterMetricFamily(name.removesuffix("_total"), HELP[name], value=value)


def registry(read: Callable[[], MetricValues]) -> CollectorRegistry:
    """A registry whose scrape calls ``read`` once."""
    made = CollectorRegistry(auto_describe=False)
    made.register(_Values(read))
    return made


def text(made: CollectorRegistry) -> bytes:
    """The scrape answer in the Prometheus text form (CONTENT_TYPE)."""
    return generate_latest(made)
