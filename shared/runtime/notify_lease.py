"""The notify lease on its way from the uplink's process to the site's: one small file in memory, renewed each 2 s.

The time counts from receipt, by the machine's own clock that never falls; a boot of the machine ends the lease.
Promises: written in one step; a file that cannot be read is no lease. Refuses: (epoch, number) not above the last seen.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.runtime.clocks import Clock
from shared.runtime.places import NOTIFY_LEASE, make_memory_folder, memory_folder, replace_file


@dataclass(frozen=True, slots=True)
class Held:
    """The lease as it was received last."""

    holder: str
    epoch: int
    number: int
    until_ms: int
    """Monotonic time of this boot."""
    boot: str


def take(data: Path, clock: Clock, holder: str, epoch: int, number: int, for_ms: int) -> bool:
    """Hold it from now on for so long; False when it is not above the last one. Raises OSError, Busy."""
    last = _read(data)
    if last is not None and (epoch, number) <= (last.epoch, last.number):
        return False
    made = Held(holder, epoch, number, clock.monotonic_ms() + for_ms, clock.boot())
    replace_file(make_memory_folder(data) / NOTIFY_LEASE, json.dumps(asdict(made)).encode(), 0o600)
    return True


def held(data: Path, clock: Clock) -> Held | None:
    """Who holds it now; None for nobody."""
    found = _read(data)
    if found is None or found.boot != clock.boot() or found.until_ms <= clock.monotonic_ms():
        return None
    return found


def _read(data: Path) -> Held | None:
    try:
        return Held(**json.loads((memory_folder(data) / NOTIFY_LEASE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
