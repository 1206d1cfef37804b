"""How a site's uplink stands, told by its process to the site's: one small file in memory, written each second.

For `ampward status` and metrics. Promises: a file that is older than OLD_MS, of another boot or cannot be read is no
stand: then the uplink's process does not run. Nobody decides anything by it.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.runtime.clocks import Clock
from shared.runtime.places import UPLINK_STAND, make_memory_folder, memory_folder, replace_file

OLD_MS = 10_000


@dataclass(frozen=True, slots=True)
class UplinkStand:
    """At one moment."""

    connected_at_ms: int = 0
    """Wall time since when the fleet is reached; 0 while it is not."""
    epoch: int = 0
    acknowledged: int = 0
    """site_seq up to which the fleet has the log."""
    backlog: int = 0
    """Inputs that it does not have."""
    backlog_bytes: int = 0
    """What these are in the log, by the size of the newest ones."""
    backlog_ms: int = 0
    """Age of the oldest of them, by the log's time."""


def tell(data: Path, clock: Clock, stand: UplinkStand) -> None:
    """Raises OSError, Busy."""
    body = asdict(stand) | {"told_ms": clock.monotonic_ms(), "boot": clock.boot()}
    replace_file(make_memory_folder(data) / UPLINK_STAND, json.dumps(body).encode(), 0o600)


def read(data: Path, clock: Clock) -> UplinkStand | None:
    """None when no uplink tells anything now."""
    try:
        body = json.loads((memory_folder(data) / UPLINK_STAND).read_bytes())
        told_ms, boot = int(body.pop("told_ms")), str(body.pop("boot"))
        stand = UplinkStand(**{name: int(value) for name, value in body.items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    is_now = boot == clock.boot() and 0 <= clock.monotonic_ms() - told_ms <= OLD_MS
    return stand if is_now else None
