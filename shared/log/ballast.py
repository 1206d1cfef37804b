"""A file of nothing that is given up when the disk is full, so that the log can go on for a while.

64 MiB hold a quiet room for about a month and a storm of 2,500 frames a second for half a minute. It is taken again
only when twice its size is free, so that it never fills the disk by itself.
"""

import os
from pathlib import Path


class Ballast:
    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def free(self) -> bool:
        """Gives the space back; True when there was any to give."""
        try:
            had = self._path.stat().st_size > 0
            self._path.unlink()
        except OSError:
            return False
        return had

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
            self.free()
            return False
        return True


def free_bytes(directory: Path) -> int:
    """What an ordinary user may still write there; 0 when even that cannot be asked."""
    try:
        answer = os.statvfs(directory)
    except OSError:
        return 0
    return answer.f_bavail * answer.f_frsize
