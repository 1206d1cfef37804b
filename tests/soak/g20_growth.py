"""G20: memory and descriptors of a running site do not grow.

A run is five seconds of a whole site whose gas goes up and down all the time; all its processes together are weighed
(PSS) and their descriptors counted. The last fifth may not be more than 5 % above the first, and for the noise of short
runs 2 MiB and four descriptors more.
"""

import statistics
import time
from pathlib import Path

from tests.soak.living import Living, living
from tests.soak.outcome import Outcome
from tests.testkit.process import descendants

RUN_S = 5.0
WARM_UP_S = 10.0
EVERY_S = 0.5
GROWTH = 1.05
NOISE_KIB = 2048
NOISE_DESCRIPTORS = 4


def run(count: int, seed: int) -> Outcome:
    """``count`` times five seconds of one site."""
    outcome = Outcome(runs=count)
    kib, descriptors = list[int](), list[int]()
    with living() as site:
        began = time.monotonic()
        level = 0
        while (passed := time.monotonic() - began) < WARM_UP_S + count * RUN_S:
            level = 0 if level else 15
            site.depot.h2(level)
            time.sleep(EVERY_S)
            if passed > WARM_UP_S:
                weighed = _weigh(site)
                kib.append(weighed[0])
                descriptors.append(weighed[1])
    fifth = max(1, len(kib) // 5)
    for what, values, noise in (("KiB", kib, NOISE_KIB), ("descriptors", descriptors, NOISE_DESCRIPTORS)):
        first, last = statistics.median(values[:fifth]), statistics.median(values[-fifth:])
        if last > first * GROWTH + noise:
            outcome.faults.append(f"seed {seed}: {what} grew from {first} to {last} in {count * RUN_S} s")
    return outcome


def _weigh(site: Living) -> tuple[int, int]:
    """PSS in KiB and open descriptors of the parent and everything below it."""
    kib = count = 0
    for pid in (site.site.process.pid, *descendants(site.site.process.pid)):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            count += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        except (FileNotFoundError, ProcessLookupError):
            continue
        kib += int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")))
    return kib, count
