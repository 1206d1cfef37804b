"""What the writer counts, read by the metrics. Plain integers: one thread writes, others read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic


@dataclass(slots=True)
class Counts:
    frames: int = 0
    frames_lost: int = 0
    dead_letters: int = 0
    alive_at: float = 0.0
    """time.monotonic() of the writer's last turn."""
    heard_at: dict[str, float] = field(default_factory=dict)
    """By device: time.monotonic() at which its newest frame was sampled."""
    began_at: float = field(default_factory=monotonic)

    def frame(self, device: str, age_ms: int) -> None:
        self.frames += 1
        self.heard_at[device] = monotonic() - age_ms / 1000

    def frame_age_s(self, devices: Iterable[str]) -> float:
        """Age of the newest frame of the device that has been silent longest."""
        now = monotonic()
        return max((now - self.heard_at.get(device, self.began_at) for device in devices), default=0.0)
