"""What a goal's runs came to."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """``lost`` and ``doubled`` count what must be none; ``faults`` says in words what did not hold, with its seed."""

    runs: int = 0
    lost: int = 0
    doubled: int = 0
    faults: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    """What was measured beside, of somebody else: nothing hangs on it."""

    @property
    def held(self) -> bool:
        """True when nothing was lost, nothing doubled and nothing else went wrong, in at least one run."""
        return self.runs > 0 and self.is_clean

    @property
    def is_clean(self) -> bool:
        """True while nothing was lost, nothing doubled and nothing else went wrong."""
        return not (self.lost or self.doubled or self.faults)

    def add(self, other: "Outcome") -> None:
        """Count another batch of runs in."""
        self.runs += other.runs
        self.lost += other.lost
        self.doubled += other.doubled
        self.faults += other.faults
        self.shown += other.shown
