"""What the writer counts, for metrics and device states. One thread writes, others read whole values."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic

from shared.devices.frame import Frame
from shared.domain.events import Event, EventType
from shared.domain.units import NoData


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest frame of one device."""

    at: float
    """time.monotonic() of its poll."""
    outcome: NoData
    since_at_ms: int
    """Wall clock at which this outcome began."""


@dataclass(slots=True)
class Counts:
    frames: int = 0
    frames_lost: int = 0
    dead_letters: int = 0
    alive_at: float = field(default_factory=monotonic)
    """time.monotonic() of the writer's last turn."""
    heard: dict[str, Heard] = field(default_factory=dict)
    """By device."""
    began_at: float = field(default_factory=monotonic)

    def frame(self, frame: Frame, now_ms: int) -> None:
        """A frame was committed."""
        self.frames += 1
        before = self.heard.get(frame.device)
        same = before is not None and before.outcome == frame.outcome
        since = before.since_at_ms if before is not None and same else now_ms
        self.heard[frame.device] = Heard(monotonic() - frame.age_ms / 1000, frame.outcome, since)

    def note(self, events: Iterable[Event]) -> None:
        """What the core says of lost and undecodable inputs."""
        for event in events:
            if event.type == EventType.INPUT_GAP:
                lost = event.reason.partition(" ")[0]
                self.frames_lost += int(lost) if lost.isdigit() else 1
            elif event.type == EventType.INPUT_UNDECODABLE:
                self.dead_letters += 1

    def frame_age_s(self, devices: Iterable[str]) -> float:
        """Age of the newest frame of the device that has been silent longest."""
        now, heard = monotonic(), dict(self.heard)
        ages = (now - (heard[device].at if device in heard else self.began_at) for device in devices)
        return max(ages, default=0.0)
