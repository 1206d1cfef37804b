"""The goals of a site and how often each is run."""

import importlib
from dataclasses import dataclass

from tests.soak.outcome import Outcome

SEED = 20_261_122


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal. ``few`` runs are made in `make test`, ``full`` in `make soak`, in batches of ``few``."""

    id: str
    says: str
    module: str
    few: int
    full: int

    def run(self, count: int, seed: int) -> Outcome:
        """``count`` runs, drawn from ``seed``."""
        outcome: Outcome = importlib.import_module(self.module).run(count, seed)
        return outcome


GOALS: tuple[Goal, ...] = ()
