"""Every goal at a small count with a fixed seed: the same code that `make soak` runs for hours, with more patience."""

import pytest

from tests.soak.goals import GOALS, SEED, Goal
from tests.soak.limits import loosely

pytestmark = pytest.mark.timeout(900)
"""Against a hang; on two busy cores the drill of a long cut has taken over five minutes."""


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.id)
def test_a_goal_holds(goal: Goal) -> None:
    """Nothing lost, nothing doubled, no fault named."""
    with loosely():
        outcome = goal.run(goal.few, SEED)
    assert outcome.faults == []
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert outcome.runs >= 1
