"""From the start of ``ampward run`` to the trip being ready: with an empty log, and with a million events.

The first start of a folder checks the site file before anything else and is told beside.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.million import fill
from tests.bench.running import big_site, running_site

MODULES = 40
EVENTS = 1_000_000
STARTS = 3


def measure(say: Callable[[str], None]) -> dict[str, float]:
    """The best of three each, so that a neighbour's work on the same processor is not measured."""
    with tempfile.TemporaryDirectory() as folder, big_site(Path(folder), MODULES) as site_file:
        data = Path(folder) / "data"
        say(f"first start of an empty folder: {_start_ms(site_file, data):,.0f} ms")
        empty = min(_start_ms(site_file, data) for _ in range(STARTS))
        say(f"later starts: {empty:,.0f} ms")
        fill(data, EVENTS, say)
        full = min(_start_ms(site_file, data) for _ in range(STARTS))
        say(f"with {EVENTS:,} events in the log: {full:,.0f} ms")
    return {"trip_ready_ms": empty, "trip_ready_ms_1m_events": full}


def _start_ms(site_file: Path, data: Path) -> float:
    with running_site(site_file, data) as site:
        return (site.ready_at - site.began_at) * 1000
