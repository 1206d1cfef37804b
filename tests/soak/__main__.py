"""`make soak HOURS=1`: hold every goal at full count, and again with new seeds until the time is over.

Writes bench/soak.json: a list of {goal, runs, lost, doubled, seed, held, faults, shown, says}; ``seed`` is the first
one, each batch adds 1,000 to it. `python -m tests.soak --goal G9 --seed 7 --count 1` repeats what a fault names. A run
of a fleet or of a bridge that did not hold leaves its folder and says where (tests.soak.kept). Exit code 0 when all
held.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.soak.goals import GOALS, SEED, Goal
from tests.soak.kept import kept_under
from tests.soak.outcome import Outcome

OUTPUT = Path("bench") / "soak.json"


def soak(goals: tuple[Goal, ...], seconds: float, first_seed: int) -> dict[str, Outcome]:
    """At least the full count of each goal; while time is left the one that has had least of it goes on."""
    outcomes = {goal.id: Outcome() for goal in goals}
    spent = dict.fromkeys(outcomes, 0.0)
    batches = dict.fromkeys(outcomes, 0)
    began = time.monotonic()
    while True:
        short = [goal for goal in goals if outcomes[goal.id].runs < goal.full]
        over = time.monotonic() - began >= seconds
        if not goals or (over and not short):
            return outcomes
        goal = min(short if over else goals, key=lambda goal: spent[goal.id])
        start = time.monotonic()
        outcome = outcomes[goal.id]
        try:
            outcome.add(goal.run(goal.batch, first_seed + 1000 * batches[goal.id]))
        except pytest.skip.Exception as missing:
            outcome.faults.append(f"not run: {missing}")
            goals = tuple(other for other in goals if other is not goal)
        except (AssertionError, OSError, subprocess.SubprocessError) as broken:
            outcome.runs += 1
            outcome.faults.append(f"seed {first_seed + 1000 * batches[goal.id]}: {broken}")
        batches[goal.id] += 1
        spent[goal.id] += time.monotonic() - start
        minutes = (time.monotonic() - began) / 60
        verdict = "held" if outcome.held else f"NOT HELD: {(outcome.faults or ['see lost and doubled'])[0]}"
        print(f"{minutes:6.1f} min  {goal.id:4} {outcome.runs:>7} of {goal.full} runs, {verdict}", flush=True)


def main() -> int:
    """Run, write the file, say what did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--goal", action="append", choices=[goal.id for goal in GOALS], help="only this one (repeatable)"
    )
    parser.add_argument("--count", type=int, default=0, help="exactly so many runs, from this seed; nothing is written")
    parser.add_argument(
        "--keep", type=Path, default=Path(tempfile.gettempdir()), help="folders of what did not hold are left in here"
    )
    options = parser.parse_args()
    goals = tuple(goal for goal in GOALS if not options.goal or goal.id in options.goal)
    with kept_under(options.keep):
        if options.count:
            outcomes = {goal.id: goal.run(options.count, options.seed) for goal in goals}
        else:
            outcomes = soak(goals, options.hours * 3600, options.seed)
    rows = [
        {
            "goal": goal.id,
            "runs": outcomes[goal.id].runs,
            "lost": outcomes[goal.id].lost,
            "doubled": outcomes[goal.id].doubled,
            "seed": options.seed,
            "held": outcomes[goal.id].held,
            "faults": outcomes[goal.id].faults[:20],
            "shown": outcomes[goal.id].shown[:20],
            "says": goal.says,
        }
        for goal in goals
    ]
    text = "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"
    if options.count or options.goal:
        print(text, end="")
    else:
        OUTPUT.parent.mkdir(exist_ok=True)
        OUTPUT.write_text(text, encoding="utf-8")
        print(f"written: {OUTPUT}")
    return 0 if rows and all(row["held"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
