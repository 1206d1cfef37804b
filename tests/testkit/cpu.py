"""Busy cores: the machine as it is on a bad day."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_BURN = "while True:\n    sum(range(10000))"


@contextmanager
def busy_cores(count: int = 0) -> Iterator[tuple[int, ...]]:
    """Keep ``count`` cores (all of them when 0) busy with processes of ordinary priority; their pids."""
    burners = [subprocess.Popen([sys.executable, "-S", "-c", _BURN]) for _ in range(count or os.cpu_count() or 1)]
    try:
        yield tuple(burner.pid for burner in burners)
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
