"""The seeded bugs. Names say what the planted program does wrong; `make mutants` shows that none goes unseen."""

from tests.mutants import (
    centre,
    core,
    gateway,
    history,
    kafka,
    log,
    messages,
    observed,
    outputs,
    people,
    unknown,
    upkeep,
)
from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *core.MUTANTS,
    *outputs.MUTANTS,
    *log.MUTANTS,
    *kafka.MUTANTS,
    *history.MUTANTS,
    *gateway.MUTANTS,
    *centre.MUTANTS,
    *messages.MUTANTS,
    *people.MUTANTS,
    *observed.MUTANTS,
    *unknown.MUTANTS,
    *upkeep.MUTANTS,
)
