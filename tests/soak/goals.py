"""The goals of a site and how often each is run."""

import importlib
from dataclasses import dataclass

from tests.soak.outcome import Outcome

SEED = 20_261_122


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal. ``few`` runs are made in `make test`, at least ``full`` in `make soak`, ``batch`` at a time."""

    id: str
    says: str
    module: str
    few: int
    full: int
    batch: int

    def run(self, count: int, seed: int) -> Outcome:
        """``count`` runs, drawn from ``seed``."""
        outcome: Outcome = importlib.import_module(self.module).run(count, seed)
        return outcome


GOALS: tuple[Goal, ...] = (
    Goal("G9", "accepted inputs lost in kill -9 cycles: none", "tests.soak.g09_kill", few=8, full=1000, batch=50),
    Goal(
        "G10", "events missed or invented, against the oracle: none", "tests.soak.g10_oracle", few=2, full=500, batch=5
    ),
    Goal("G12", "sends or writes during replay: none", "tests.soak.g12_replay", few=1, full=50, batch=5),
    Goal(
        "G14",
        "poison: exact bytes kept, an event, neighbours go on",
        "tests.soak.g14_poison",
        few=4,
        full=1000,
        batch=20,
    ),
    Goal("G15", "a start folds one snapshot interval, no more", "tests.soak.g15_start", few=1, full=20, batch=20),
    Goal("G17", "the wall clock's steps decide nothing", "tests.soak.g17_clock", few=2, full=500, batch=10),
)
