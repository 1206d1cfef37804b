"""A runner with a clock that is moved by hand, on a real folder or in memory."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from services.processor.runner import Committed, Runner
from shared.devices.plan import DecisionPlan, LogLimits
from shared.domain.events import Event
from shared.log.steps import Step, no_step
from shared.log.store import MemoryStore, SqliteStore, Store
from shared.runtime.clocks import ManualClock
from shared.wire.inputs import WireBody
from tests.services.processor.plant import decision

BALLAST = 1 << 20


@dataclass
class Site:
    """One box: its store, its clock, and the runner of the moment."""

    store: Store
    clock: ManualClock = field(default_factory=ManualClock)
    plan: DecisionPlan = field(default_factory=decision)
    limits: LogLimits = field(default_factory=lambda: LogLimits(disk_low_mib=0))
    step: Step = no_step
    starts: "count[int]" = field(default_factory=lambda: count(1))
    events: list[Event] = field(default_factory=list)
    """Everything that was told."""
    undurable: list[Event] = field(default_factory=list)
    """What of it was told before it was on the disk."""

    def open(self) -> Committed:
        ids = self.starts
        self.runner = Runner(
            self.store, self.plan, self.clock, limits=self.limits, new_id=lambda: f"{next(ids):032x}", step=self.step
        )
        return self._told(self.runner.open("boot"))

    def commit(self, *bodies: WireBody, after_ms: int = 100) -> Committed:
        """These inputs in one group, some time after the last."""
        self.clock.advance(after_ms)
        return self._told(self.runner.commit(bodies))

    def tick(self, after_ms: int = 1000) -> Committed | None:
        self.clock.advance(after_ms)
        made = self.runner.tick()
        return None if made is None else self._told(made)

    def kill(self) -> None:
        """The process is gone: nothing is closed in order."""
        self.runner._journal.close()
        self.store.close()

    def restart(self) -> Committed:
        self.kill()
        return self.open()

    def _told(self, made: Committed) -> Committed:
        self.events += made.events
        if not made.durable:
            self.undurable += made.events
        return made


def on_disk(folder: Path, **settings: object) -> Site:
    """A site whose log is in ``folder``."""
    return Site(SqliteStore(folder, ballast_bytes=BALLAST), **settings)  # type: ignore[arg-type]


def in_memory(**settings: object) -> Site:
    return Site(MemoryStore(), **settings)  # type: ignore[arg-type]


def kinds(made: Committed) -> list[str]:
    """The types of the events, short."""
    return [event.type.removeprefix("ampward.").removesuffix(".v1") for event in made.events]
