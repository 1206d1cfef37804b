"""Ends the process by SIGKILL at a labelled step, when the environment asks for it: for the tests of promise 3.

    AMPWARD_CRASH_AT="after commit"      the first time it comes there
    AMPWARD_CRASH_AT="after commit:3"    the third time

Refuses an unknown label, so that a test cannot pass by a misspelling.
"""

import os
import signal
from collections.abc import Mapping, Sequence

from shared.log.steps import LABELS, Step, no_step

VARIABLE = "AMPWARD_CRASH_AT"


def crash_step(environment: Mapping[str, str], labels: Sequence[str] = LABELS) -> Step:
    """The step to hand to store and runner; does nothing when the variable is not set."""
    asked = environment.get(VARIABLE, "")
    if not asked:
        return no_step
    wanted, _, times = asked.partition(":")
    if wanted not in labels:
        raise ValueError(f"{VARIABLE}: {wanted!r} is none of {', '.join(labels)}")
    left = int(times or 1)

    def step(label: str) -> None:
        nonlocal left
        left -= label == wanted
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def own_step(environment: Mapping[str, str], labels: Sequence[str]) -> Step:
    """The same for a process that has its environment from another one, whose labels are not its own."""
    asked = environment.get(VARIABLE, "").partition(":")[0]
    return crash_step(environment, labels) if asked in labels else no_step
