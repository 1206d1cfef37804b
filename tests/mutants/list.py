"""The seeded bugs. Names say what the planted program does wrong; `make mutants` shows that none goes unseen."""

from tests.mutants import core, gateway, kafka, log, messages, outputs, people, unknown, upkeep
from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *core.MUTANTS,
    *outputs.MUTANTS,
    *log.MUTANTS,
    *kafka.MUTANTS,
    *gateway.MUTANTS,
    *messages.MUTANTS,
    *people.MUTANTS,
    *unknown.MUTANTS,
    *upkeep.MUTANTS,
)
