"""Small files of the fleet's folders: there whole or not at all, private where they hold what others may not see."""

import os
from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644


def write_private(file: Path, text: str) -> None:
    """A file that only its owner reads."""
    write(file, text.encode(), PRIVATE)


def write_public(file: Path, text: str) -> None:
    """A file that anybody who gets into its folder may read."""
    write(file, text.encode(), PUBLIC)


def write(file: Path, data: bytes, mode: int) -> None:
    """Replace a file in one step; a power cut leaves the old or the new one."""
    made = file.with_name(f".{file.name}.new")
    made.unlink(missing_ok=True)
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    made.replace(file)
