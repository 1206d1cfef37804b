"""Log lines of guard: one JSON object a line on standard error, in the form of shared.runtime.logging.

Written by hand because the logging library of the other processes takes longer to import than guard takes to protect.
Promises: once per change, not per cycle; a reader that is gone, or does not read, never blocks or ends guard.
"""

import os
import stat
import sys
from datetime import UTC, datetime

import msgspec

_encoder = msgspec.json.Encoder()


def prepare() -> None:
    """Once at start: a full pipe must not hold guard up."""
    if stat.S_ISFIFO(os.fstat(sys.stderr.fileno()).st_mode):
        os.set_blocking(sys.stderr.fileno(), False)


def log(level: str, event: str, **values: object) -> None:
    """One line: an event name and key-values."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"at": at, "level": level, "service": "guard", "pid": os.getpid(), "event": event, **values}
    try:
        os.write(sys.stderr.fileno(), _encoder.encode(line) + b"\n")
    except OSError:
        # Nobody reads. What matters is a Report, not a line here.
        return
