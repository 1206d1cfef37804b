"""Events of the undurable mode on their way from the site's process to the uplink's: one file in memory.

While the disk takes nothing, what the site decides is in no log that another process could read. The site's process
appends each event's bytes as a line, the uplink reads what is new. A file that would grow past BYTES_MAX is begun anew:
who has not read the older lines by then never does (they come by the log, when it takes them). When the log takes
everything again the file goes.
Promises: a line that is not whole yet is not taken; what was appended before the uplink began is taken too. Raises
nothing for a file that cannot be written or read: then these events are seen at the centre as late as before.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shared.domain.errors import Busy
from shared.runtime.places import UNDURABLE_EVENTS, leave_memory, make_memory_folder, memory_folder

BYTES_MAX = 1 << 20


class Handing:
    """The site's side; one writer."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._size = 0
        self._is_there = True
        """A process of before may have left one."""

    def put(self, events: Sequence[bytes]) -> None:
        """These are decided and not in the log."""
        added = b"".join(event + b"\n" for event in events)
        is_first = not self._size or self._size + len(added) > BYTES_MAX
        if is_first:
            self.end()
        with suppress(OSError, Busy):
            path = make_memory_folder(self._data) / UNDURABLE_EVENTS
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, added)
            finally:
                os.close(descriptor)
            self._is_there = True
            self._size = len(added) + (0 if is_first else self._size)

    def end(self) -> None:
        """The log has everything."""
        if self._is_there:
            leave_memory(self._data, (UNDURABLE_EVENTS,))
            self._is_there = False
            self._size = 0


class Waiting:
    """The uplink's side."""

    def __init__(self, data: Path) -> None:
        self._path = memory_folder(data) / UNDURABLE_EVENTS
        self._inode = 0
        self._offset = 0

    def take(self) -> list[bytes]:
        """What is new, oldest first."""
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._inode or found.st_size < self._offset:
                    self._inode, self._offset = found.st_ino, 0
                file.seek(self._offset)
                whole, newline, _ = file.read(BYTES_MAX).rpartition(b"\n")
        except OSError:
            return []
        self._offset += len(whole) + len(newline)
        return whole.split(b"\n") if whole else []
