"""As much of the machine as it will give: first turn at a core, last choice of the out-of-memory killer.

What is not allowed (a plain user without CAP_SYS_NICE) is not an error: it is said in words, told in guard_started.
"""

import os
from pathlib import Path

NICE = -15
REALTIME = 10
"""SCHED_RR above other realtime work of the box is not asked for: 10 of 99."""
OOM_SCORE = "-900"


def raise_priority() -> str:
    """Ask for what there is; gives what was got, for people."""
    return ", ".join((_schedule(), _memory()))


def _schedule() -> str:
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REALTIME))
    except OSError:
        pass
    else:
        return f"realtime priority {REALTIME}"
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    except OSError:
        return "no raised priority (not allowed)"
    return f"nice {NICE}"


def _memory() -> str:
    try:
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    except OSError:
        return "memory not protected (not allowed)"
    return "memory protected"
