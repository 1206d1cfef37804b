"""The simulated room at a small fixed number of seeds; `make soak` runs the same at full count."""

from functools import cache

import pytest

from shared.domain.events import EventType
from tests.simulation.simulator import run

STEPS = 1_200
SEEDS = range(20_261_100, 20_261_112)

NOT_HERE = {
    EventType.LOG_RESYNCED,
    EventType.INPUT_UNDECODABLE,
    EventType.OUTPUT_CONTESTED,
    EventType.DELIVERY_SENT,
    EventType.DELIVERY_FAILED,
    EventType.DELIVERY_RECEIPTED,
    EventType.MAINTENANCE_ENDING,
    EventType.PART_REPLACED,
    EventType.BASELINE_REQUESTED,
    EventType.BASELINE_SET,
    EventType.CALIBRATION_DONE,
    EventType.PROOF_TEST_DONE,
}
"""Need a damaged log, a foreign hand at the relay, somebody who sends messages or who looks after the plant: they have
tests of their own."""


_run = cache(lambda seed: run(seed, STEPS))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_invariant_holds_after_every_step(seed: int) -> None:
    """Whatever fails, acts or restarts in the room, each step keeps the invariants."""
    told = _run(seed)
    assert told.steps == STEPS
    assert told.events > 100, "a run in which nothing happens proves nothing"


def test_the_seeds_reach_every_kind_of_event() -> None:
    """Together the seeds of this module make each event that a room can make."""
    kinds: set[str] = set()
    for seed in SEEDS:
        kinds |= _run(seed).kinds
    assert {kind.value for kind in EventType} - NOT_HERE - kinds == set()


def test_a_seed_does_the_same_again() -> None:
    """A failure can be repeated by its seed alone."""
    first, second = run(7, 400), run(7, 400)
    assert (first.events, first.kinds) == (second.events, second.kinds)
