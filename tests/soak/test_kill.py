"""The kill goal counts only what it did: a writer that was never at its step was not killed there."""

from tests.soak import g09_kill
from tests.soak.goals import SEED


def test_each_step_is_reached() -> None:
    """Every label that the goal draws ends a writer at that very step."""
    for label in sorted(set(g09_kill.LABELS)):
        outcome = g09_kill.run(1, SEED, (label,))
        assert (outcome.runs, outcome.faults) == (1, []), label


def test_a_step_that_no_run_reaches_is_named() -> None:
    """It is no kill, and the goal does not hold."""
    outcome = g09_kill.run(2, SEED, ("mid nothing",))
    assert outcome.runs == 0
    assert not outcome.held
    assert outcome.faults == [f"seed {SEED}: the step 'mid nothing' was never reached in 4 runs"]
