"""A file of nothing that is given up when the disk is full, so that the log can go on for a while.

64 MiB hold a quiet room for about a month and a storm of 2,500 frames a second for half a minute. Its last 64th, 1 MiB,
is given up apart: for commands and Reports while frames have to wait. It is taken again only when twice its size is
free, so that it never fills the disk by itself.
"""

import os
from pathlib import Path

LAST_PART = 64
"""1 MiB of 64: some thousand commands with their events."""


class Ballast:
    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self.last = size // LAST_PART
        """Bytes of the last part."""

    def free(self) -> bool:
        """Gives all but the last part back; True when there was more."""
        try:
            if self._path.stat().st_size <= self.last:
                return False
            os.truncate(self._path, self.last)
        except OSError:
            return False
        return True

    def free_last(self) -> bool:
        """Gives the last part back too; True when there was anything."""
        try:
            had = self._path.stat().st_size > 0
            self._path.unlink()
        except OSError:
            return False
        return had

    def is_held(self) -> bool:
        """Whether ``free`` would give something back."""
        try:
            return self._path.stat().st_size > self.last
        except OSError:
            return False

    def take(self) -> bool:
        """Reserves the space when the disk can bear it; True when it is held."""
        try:
            if self._path.exists() and self._path.stat().st_size >= self._size:
                return True
            if free_bytes(self._path.parent) < 2 * self._size:
                return False
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError:
            self.free_last()
            return False
        return True


def free_bytes(directory: Path) -> int:
    """What an ordinary user may still write there; 0 when even that cannot be asked."""
    try:
        answer = os.statvfs(directory)
    except OSError:
        return 0
    return answer.f_bavail * answer.f_frsize
