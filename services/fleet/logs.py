"""DIR/logs stays within bounds while those who write there go on: the oldest part of a log moves to a file of its own.

    kafka.log  --over BYTES_MAX--> kafka.log.1  --the next time--> kafka.log.2  --the next time--> gone

Servers, services and the launcher write to the descriptor that they were started with, at the end of the file
(O_APPEND), and not all of them can be told to open another. So the file stays theirs: what was written so far is
copied, and then its blocks are taken out of the file in one step of the file system, whatever is written meanwhile.
Copying and cutting the file to nothing would lose what comes between the two.

Promises: kafka.log.2, kafka.log.1 and kafka.log one after another are what was said, byte for byte, none left out and
none twice; after a power cut in the midst of a turn a part may stand there twice. The cut may be inside a line.
Where a file system cannot take blocks out of a file (tmpfs, btrfs) they become a hole: the file looks as long as ever,
begins with zeros and takes no more room. One that can do neither (NFS, vfat) is told, and the log left as it is.
Limits: a log has BYTES_MAX, what is said within LOOK_S, and KEPT parts of PART_BYTES_MAX: 20 MiB, of a dozen logs
240 MiB. Of a log that grew beyond a part before anybody looked, the newest part is kept.
"""

import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from services.fleet.files import PRIVATE, write
from services.fleet.servers import ServerFailed, run

LOOK_S: Final = 10.0
BYTES_MAX: Final = 4 << 20
PART_BYTES_MAX: Final = 2 * BYTES_MAX
KEPT: Final = 2
STEP_BYTES: Final = 64 << 10
"""What is taken out is a multiple of it: file systems give back whole blocks, and few have larger ones."""


class Logs:
    """The logs of one folder. ``look`` is called by nobody else than the folder's one launcher."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._left = set[Path]()
        """Those that the file system cannot make smaller."""
        self._failed = set[Path]()
        """Those of which a trouble that may pass is told already."""
        self.due_at = monotonic() + LOOK_S
        """When the next look is due, by time.monotonic()."""

    def look(self) -> None:
        """Turn what is too large, when it is time to look. Never raises OSError."""
        if monotonic() < self.due_at:
            return
        self.due_at = monotonic() + LOOK_S
        for log in sorted({*self._folder.glob("*.log")} - self._left):
            try:
                turn(log)
                self._failed.discard(log)
            except ServerFailed as fault:
                self._left.add(log)
                self._say(f"{log} will grow, what lies there cannot be made smaller in use: {fault}")
            except OSError as fault:
                if log not in self._failed:
                    self._say(f"{log} grows until this is over: {fault}")
                self._failed.add(log)


def turn(log: Path, bytes_max: int = BYTES_MAX) -> bool:
    """Move what a log has to its first older part when it is above ``bytes_max``; whether it was.

    Raises OSError, a full disk's for instance, and ServerFailed where the file system cannot; the log is whole then.
    """
    descriptor = os.open(log, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        begin = os.lseek(descriptor, 0, os.SEEK_DATA) if size > bytes_max else size
        if size - begin <= bytes_max:
            return False
        end = (size - 1) // STEP_BYTES * STEP_BYTES
        begin = max(begin, end - PART_BYTES_MAX)
        part = os.pread(descriptor, end - begin, begin)
    finally:
        os.close(descriptor)
    newest, *others = (log.with_name(f"{log.name}.{number}") for number in range(1, KEPT + 1))
    for older, newer in reversed([*zip(others, [newest, *others], strict=False)]):
        if newer.exists():
            newer.replace(older)
    write(newest, part, PRIVATE)
    try:
        _take_out(log, end)
    except ServerFailed:
        newest.unlink()
        raise
    return True


def _take_out(log: Path, count: int) -> None:
    """The first ``count`` bytes, whoever writes behind them. Raises ServerFailed."""
    command = ("--offset", "0", "--length", str(count), str(log))
    try:
        run(("fallocate", "--collapse-range", *command), f"taking the oldest part out of {log}")
    except ServerFailed:
        run(("fallocate", "--punch-hole", *command), f"making a hole of the oldest part of {log}")
