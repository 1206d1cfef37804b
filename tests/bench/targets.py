"""What is measured, in which unit, and what it should be: the names are an interface that other programs read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """``at_least`` or else at most ``target``."""

    module: str
    unit: str
    target: float
    at_least: bool

    def holds(self, value: float) -> bool:
        """True when the value is as good as it should be."""
        return value >= self.target if self.at_least else value <= self.target


SERIAL_BUDGET_MS = 90
"""Of a line of 19,200 baud at 11 bits a character (0.57 ms): two exchanges that are under way or overtake (8 characters
asked, 9 answered, 2 x 4 ms of silence: 18 ms each), the gas head's own (18 ms) and the coil's write with its read-back
(36 ms). A pseudo-terminal has no baud rate: what is measured on it is the program's share of this."""

TARGETS: dict[str, Target] = {
    "site_readings_per_s": Target("site", "readings/s", 500_000, at_least=True),
    "core_readings_per_s": Target("core", "readings/s", 3_000_000, at_least=True),
    "trip_over_poll_ms_p99": Target("trip", "ms", 20, at_least=False),
    "trip_over_poll_ms_p99_degraded": Target("trip", "ms", 20, at_least=False),
    "trip_over_poll_ms_p99_serial": Target("trip", "ms", SERIAL_BUDGET_MS, at_least=False),
    "trip_over_poll_ms_p99_streams": Target("stream", "ms", 20, at_least=False),
    "gateway_event_to_reader_ms_p99": Target("stream", "ms", 1_000, at_least=False),
    "gateway_growth_mib": Target("stream", "MiB", 64, at_least=False),
    "pss_mib": Target("memory", "MiB", 200, at_least=False),
    "trip_ready_ms": Target("start", "ms", 2_000, at_least=False),
    "trip_ready_ms_1m_events": Target("start", "ms", 2_000, at_least=False),
    "year_gb": Target("year", "GB", 3, at_least=False),
    "site_full_readings_per_s": Target("full", "readings/s", 300_000, at_least=True),
    "pss_full_mib": Target("full_memory", "MiB", 300, at_least=False),
    "year_history_gb": Target("history", "GB", 1.5, at_least=False),
    "year_full_gb": Target("history", "GB", 5, at_least=False),
    "year_trend_ms": Target("history", "ms", 300, at_least=False),
}
MODULES = tuple(dict.fromkeys(target.module for target in TARGETS.values()))
