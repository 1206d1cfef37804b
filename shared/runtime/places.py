"""The names of what stands in a site's data folder, and where a local socket goes when the folder cannot hold one.

A folder on a full or read-only disk must not prevent a start: files that only running processes need then go to a
folder of the same user in memory, named by a hash of the data folder, so that everybody finds the same one. Paths of
unix sockets may be 107 bytes long; longer ones are reached through the open folder.
"""

import errno
import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from shared.domain.errors import Busy

LOCK = "lock"
RUN = "run.json"
TOKEN = "token"
FLEET = "fleet.json"
FLEET_LOCK = "fleet.lock"
TOKENS = "tokens.json"
SITE_PLAN = "site.json"
GUARD_PLAN = "guard.json"
GUARD_SOCKET = "guard.sock"
GUARD_LOCK = "guard.lock"
CANDIDATE = "site.next.json"
NOTIFY_LEASE = "notify-lease.json"
"""In memory only: who tells people at the moment, the uplink's word for the site's process."""
UNDURABLE_EVENTS = "undurable.events"
"""In memory only: what the site decides while its disk takes nothing, for the uplink."""
UPLINK_STAND = "uplink-stand.json"
"""In memory only: how the uplink stands, for `ampward status` and metrics."""
UPLINK_BELL = "uplink.bell"
"""In memory only: the socket by which the site's process wakes the uplink's."""
IN_MEMORY = (NOTIFY_LEASE, UNDURABLE_EVENTS, UPLINK_STAND, UPLINK_BELL)
TEXT_LOG = "ampward.log"

_SOCKET_PATH_MAX = 107
_MEMORY = Path("/dev/shm")
_CANNOT_WRITE = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EIO)


def make_data_folder(data: Path) -> None:
    """A new data folder is its user's alone; one that is there stays as it is."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)


def memory_folder(data: Path) -> Path:
    """The folder in memory that stands in for ``data`` while it cannot be written; not created here."""
    name = sha256(os.fsencode(data.resolve())).hexdigest()[:16]
    return _MEMORY / f"ampward-{os.getuid()}-{name}"


def make_memory_folder(data: Path) -> Path:
    """Create it, for this user alone. Raises Busy when somebody else owns the name."""
    folder = memory_folder(data)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.is_symlink():
        raise Busy(f"{folder} belongs to another user")
    return folder


def cannot_write(error: OSError) -> bool:
    """True when ``error`` tells of the disk or the folder, not of the program."""
    return error.errno in _CANNOT_WRITE


def find_file(data: Path, name: str) -> Path:
    """``name`` as written last: the copy in memory when there is one, else the place in ``data``."""
    aside = memory_folder(data) / name
    return aside if aside.exists() else data / name


def find_gateway(folder: Path) -> tuple[str, Path] | None:
    """HOST:PORT of the gateway of the fleet that runs in this folder, and its machine token's file; None when none
    does. Raises OSError, ValueError, KeyError for a record that cannot be read."""
    try:
        record = json.loads((folder / FLEET).read_bytes())
    except FileNotFoundError:
        return None
    address = str(record["gateway"]).removeprefix("http://")
    return (address, Path(record["token"])) if address else None


def write_file(data: Path, name: str, content: bytes, mode: int = 0o600) -> Path:
    """Replace ``data/name`` in one step, fsynced; when the disk refuses, write it in memory. Gives where it went."""
    aside = memory_folder(data) / name
    try:
        target = replace_file(data / name, content, mode)
    except OSError as error:
        if not cannot_write(error):
            raise
        target = replace_file(make_memory_folder(data) / name, content, mode)
        _point_to(data / name, target)
        return target
    aside.unlink(missing_ok=True)
    return target


def _point_to(path: Path, target: Path) -> None:
    """A full disk still takes a short link: then everybody finds the file where it should stand."""
    link = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(OSError):
        link.symlink_to(target)
        link.replace(path)


def remove_file(data: Path, name: str) -> None:
    """Take ``name`` away, wherever it stands; one on a disk that refuses stays."""
    (memory_folder(data) / name).unlink(missing_ok=True)
    with suppress(OSError):
        memory_folder(data).rmdir()
    try:
        (data / name).unlink(missing_ok=True)
    except OSError as error:
        if not cannot_write(error):
            raise


def leave_memory(data: Path, names: Iterable[str]) -> None:
    """After a clean stop: these files, which only running processes needed, go, and with the last one the folder.

    What the disk refused to keep (a plan, a token, a commissioning record) stays, because it is the only copy.
    """
    for name in names:
        (memory_folder(data) / name).unlink(missing_ok=True)
    with suppress(OSError):
        memory_folder(data).rmdir()


def replace_file(target: Path, content: bytes, mode: int) -> Path:
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return target


def connect_guard(data: Path) -> socket.socket | None:
    """A blocking connection to the living guard of ``data``, or None when there is none."""
    for folder in (data, memory_folder(data)):
        made = _connect(folder / GUARD_SOCKET)
        if made is not None:
            return made
    return None


def listen_guard(data: Path) -> socket.socket:
    """The listening socket of a new guard, 0600. Raises Busy when a guard of this folder lives."""
    living = connect_guard(data)
    if living is not None:
        living.close()
        raise Busy("a guard of this data folder is running")
    try:
        return _listen(data / GUARD_SOCKET)
    except OSError as error:
        if not cannot_write(error):
            raise
        return _listen(make_memory_folder(data) / GUARD_SOCKET)


def _connect(path: Path) -> socket.socket | None:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _at(path, made.connect)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError, PermissionError):
        made.close()
        return None
    return made


def _listen(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        _at(path, made.bind)
        made.listen(8)
    except OSError:
        made.close()
        raise
    finally:
        os.umask(mask)
    return made


def _at(path: Path, act: Callable[[str], None]) -> None:
    """``act`` on the path, by way of the open folder when it is too long for a socket address."""
    if len(os.fsencode(path)) <= _SOCKET_PATH_MAX:
        act(str(path))
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        act(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where what can be fetched again is kept: $XDG_CACHE_HOME/ampward, else .cache/ampward of the home folder."""
    base = environment.get("XDG_CACHE_HOME") or f"{environment.get('HOME') or '/var'}/.cache"
    return Path(base) / "ampward"
