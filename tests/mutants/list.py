"""The seeded bugs. Names say what the planted program does wrong; `make mutants` shows that none goes unseen."""

from tests.mutants import (
    bridge,
    centre,
    core,
    deployed,
    fleet,
    gateway,
    history,
    kafka,
    kills,
    link,
    log,
    messages,
    observed,
    outputs,
    people,
    together,
    unknown,
    upkeep,
)
from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *core.MUTANTS,
    *outputs.MUTANTS,
    *log.MUTANTS,
    *kafka.MUTANTS,
    *kills.MUTANTS,
    *link.MUTANTS,
    *fleet.MUTANTS,
    *bridge.MUTANTS,
    *history.MUTANTS,
    *gateway.MUTANTS,
    *centre.MUTANTS,
    *messages.MUTANTS,
    *people.MUTANTS,
    *observed.MUTANTS,
    *together.MUTANTS,
    *unknown.MUTANTS,
    *upkeep.MUTANTS,
    *deployed.MUTANTS,
)
