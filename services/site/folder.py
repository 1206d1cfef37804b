"""The data folder as the parent holds it: its privacy, the lock, the token, the record of the run, the text log.

The folder is its user's alone. A new one is made so, and so is every file that the site's processes make in it. One
that others may enter is somebody's choice (a group that reads along, a folder for many things): it is said and left.

The lock is flock on DIR/lock with the holder's pid inside; where no such file can be made (read-only disk) the folder
itself is locked. It ends with the process that holds it, however that ends.
"""

import errno
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shared.domain.errors import Busy
from shared.runtime import places

TEXT_LOG_BYTES_MAX = 4 << 20
"""One older file of this size is kept beside it: 8 MiB in all."""


OF_OTHERS = 0o077
"""What a mode lets anybody but its owner do."""


def make(data: Path) -> None:
    """Make the folder, 0700, if there is none. From here on this process and its children make private files only.

    Raises Busy for the folder of a fleet: the two have files of the same names.
    """
    if (data / places.FLEET_LOCK).exists():
        raise Busy(f"{data} is the folder of a fleet: name another one with --data")
    places.make_data_folder(data)
    os.umask(OF_OTHERS)
    with suppress(OSError):
        # It holds whatever URLs stand in the site file.
        if (data / places.SITE_PLAN).stat().st_mode & OF_OTHERS:
            (data / places.SITE_PLAN).chmod(0o600)


def open_to_others(data: Path) -> Iterator[str]:
    """A sentence when others may look into the folder."""
    mode = data.stat().st_mode & 0o777
    if mode & OF_OTHERS:
        yield f"{data} is open to other users (mode {mode:o}): chmod 700 closes it, files that hold secrets are private"


def lock(data: Path) -> int:
    """Take the folder; gives the open descriptor that holds it. Raises Busy with the pid of who has it."""
    path = data / places.LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if not places.cannot_write(error):
            raise
        descriptor = os.open(path if path.exists() else data, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Busy(f"{data} is locked by pid {_holder(path)}") from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        # Read-only or full: the lock holds all the same, only the name in it is missing.
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EISDIR) and not places.cannot_write(error):
            raise
    return descriptor


RESTORING = ".restoring"
"""Of an unfinished restore (services.site.backup.restoring)."""


def refuse_unfinished(data: Path) -> None:
    """Raises Busy for a folder in which a restore was cut off, or is under way: it is no site's yet."""
    if (data / RESTORING).exists():
        raise Busy(f"a restore into {data} was not finished: empty the folder and restore again")


def _holder(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip() or "(unknown)"
    except OSError:
        return "(unknown)"


def ensure_token(data: Path) -> Path:
    """DIR/token (0600): made at random at first start, kept from then on. In memory when the disk refuses.

    What no header can carry (a file torn by a power cut) is no token: a new one is made.
    """
    path = places.find_file(data, places.TOKEN)
    token = path.read_text(errors="replace").strip() if path.is_file() else ""
    if not (token.isascii() and token.isprintable() and " " not in token):
        token = ""
    if token and path.parent == data and not path.stat().st_mode & 0o077:
        return path
    return places.write_file(data, places.TOKEN, f"{token or secrets.token_urlsafe(32)}\n".encode())


def write_run(data: Path, record: dict[str, object]) -> None:
    """DIR/run.json: how to find the running site."""
    places.write_file(data, places.RUN, json.dumps(record, indent=1).encode() + b"\n")


class TextLog:
    """DIR/ampward.log: whole lines of all processes, 4 MiB and one older file. A refusing disk drops lines."""

    def __init__(self, data: Path) -> None:
        self._path = data / places.TEXT_LOG
        self._descriptor = -1
        self._size = 0
        self.dropped = 0

    def write(self, line: bytes) -> None:
        """One line with its end."""
        try:
            if self._descriptor < 0 or self._size > TEXT_LOG_BYTES_MAX:
                self._open()
            self._size += os.write(self._descriptor, line)
        except OSError:
            # The event log tells of the disk; a text line is never worth stopping for.
            self.dropped += 1

    def _open(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._size = os.fstat(self._descriptor).st_size

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
