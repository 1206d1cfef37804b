"""Every goal at a small count with a fixed seed: the same code that `make soak` runs for hours, with more patience."""

import pytest

from tests.soak.goals import GOALS, SEED, Goal
from tests.soak.limits import loosely


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.id)
def test_a_goal_holds(goal: Goal) -> None:
    """Nothing lost, nothing doubled, no fault named."""
    with loosely():
        outcome = goal.run(goal.few, SEED)
    assert outcome.faults == []
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert outcome.runs >= 1
