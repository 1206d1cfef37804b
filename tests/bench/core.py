"""How fast the core alone is: decoded scans in, events out, on one processor.

``core_readings_per_s`` is the calm figure on scans of 1,320 values (330 modules). With 4 % of the values changing their
alarm's state in every scan of 200 values, it says what a step takes beside.
"""

import time
from collections.abc import Callable

from shared.domain.core import initial, step
from shared.domain.inputs import Entry, Scan
from tests.bench.rooms import room, scans


def measure(say: Callable[[str], None]) -> dict[str, float]:
    """The best of three, so that a neighbour's work on the same processor is not measured."""
    calm = max(_readings_per_s(330, 1_500, changing=0.0)[0] for _ in range(3))
    say(f"scans of 1,320 values, calm: {calm:,.0f} readings/s")
    small = max(_readings_per_s(50, 4_000, changing=0.0)[0] for _ in range(3))
    say(f"scans of 200 values, calm: {small:,.0f} readings/s")
    busy, events = max(_readings_per_s(50, 4_000, changing=0.04) for _ in range(3))
    say(f"scans of 200 values, 4 % changing: {busy:,.0f} readings/s, {200e6 / busy:.0f} us a step, {events:.1f} events")
    return {"core_readings_per_s": calm}


def _readings_per_s(modules: int, count: int, *, changing: float) -> tuple[float, float]:
    """Readings a second and events a step."""
    inputs = list(scans(modules, count, changing=changing))
    state = initial(room(modules), "bench", "log")
    state, _ = step(state, _entry(1, inputs[0]))
    events = 0
    began = time.perf_counter()
    for n, scan in enumerate(inputs[1:], 2):
        state, made = step(state, _entry(n, scan))
        events += len(made)
    seconds = time.perf_counter() - began
    return 4 * modules * (count - 1) / seconds, events / (count - 1)


def _entry(n: int, scan: Scan) -> Entry:
    return Entry("log", n, n * 1_000, n * 1_000, scan)
