"""From when on guard's frames belong to a log that is only now opened.

guard is started first and polls while the site process is still being loaded, on a busy machine for many seconds. What
it has kept of that time is no late news: the log's time begins with this guard (services.site.log_time), and goes
through its frames at their own time. Only when this guard began after everything that the log has, and no longer ago
than it keeps frames: an older log's time is never turned back. Whoever cannot be asked within a second is not waited
for; then the log begins now.
"""

from contextlib import suppress
from pathlib import Path

from shared.domain.errors import WireError
from shared.log.store import DATABASE, HEAD_FILE
from shared.runtime.clocks import Clock
from shared.runtime.places import connect_guard
from shared.wire.guardlink import FromGuardReader, Hello

KEPT_MS = 60_000
"""guard keeps frames for so long."""
HELLO_WAIT_S = 1.0
_READ_BYTES = 1 << 16
_WRITTEN = (DATABASE, f"{DATABASE}-wal", HEAD_FILE)


def log_begins(data: Path, clock: Clock) -> int:
    """Clock.monotonic_ms() at which the log's time begins: guard's start, or now."""
    hello = _greeted(data)
    now, wall = clock.monotonic_ms(), clock.wall_ms()
    started_at_ms = 0 if hello is None else hello.started_at_ms
    age_ms = wall - started_at_ms
    if not 0 <= age_ms <= KEPT_MS or _last_written_ms(data) >= started_at_ms:
        return now
    return max(0, now - age_ms)


def _last_written_ms(data: Path) -> int:
    """Wall clock of the log's last record or later; 0 when there is no log."""
    stamps = [0]
    for name in _WRITTEN:
        with suppress(FileNotFoundError):
            stamps.append((data / name).stat().st_mtime_ns // 1_000_000)
    return max(stamps)


def _greeted(data: Path) -> Hello | None:
    """guard's first words, which it says to everybody who connects."""
    line = connect_guard(data)
    if line is None:
        return None
    reader = FromGuardReader()
    with line:
        line.settimeout(HELLO_WAIT_S)
        with suppress(OSError, WireError):
            while received := line.recv(_READ_BYTES):
                for message, _ in reader.feed(received):
                    return message if isinstance(message, Hello) else None
    return None
