"""The head of the log in a small file beside it: shows an older copy of the log that was put in its place.

A chain cannot show that its own tail is gone. The file is written at each start, snapshot and stop; a log that ends
before it, or has another hash at its number, is a restored backup or has lost its tail, and the log then says so.
"""

import os
from contextlib import suppress
from pathlib import Path

from shared.domain.errors import WireError
from shared.wire.packing import Mark, decode_mark, encode_mark


def write_mark(path: Path, mark: Mark) -> None:
    """Replaces the file; a disk that refuses is not an error: the log itself has told of it."""
    beside = path.with_suffix(".new")
    with suppress(OSError):
        with beside.open("wb") as file:
            file.write(encode_mark(mark))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)


def read_mark(path: Path) -> Mark | None:
    """None when there is none, or it cannot be read."""
    try:
        return decode_mark(path.read_bytes())
    except (OSError, WireError):
        return None
