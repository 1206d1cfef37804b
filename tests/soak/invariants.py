"""The invariants of the pure core over seeded rooms: safety, closes, numbers, silence, monotony (tests/simulation).

A run is one simulated room of 1,200 steps that is checked after each of them.
"""

from tests.simulation.simulator import run as simulate
from tests.soak.outcome import Outcome

STEPS = 1_200


def run(count: int, seed: int) -> Outcome:
    """``count`` rooms with seeds of their own."""
    outcome = Outcome()
    for each in range(seed, seed + count):
        try:
            simulate(each, STEPS)
        except AssertionError as broken:
            outcome.faults.append(f"seed {each}: {broken}")
        outcome.runs += 1
    return outcome
