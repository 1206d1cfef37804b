"""Nobody switches the same outputs twice: one guard a data folder, one guard a relay module.

The folder is held by flock on DIR/guard.lock (in memory when the folder cannot be written). A relay module is held by
the abstract unix socket ``ampward-output-<bus address>-<unit>``: the kernel frees it with the process, however that
ends, and tells who holds it. Simulated buses live inside their process and are not locked. Limits: a module is known by
the address that the site file gives it (``localhost`` is 127.0.0.1, a serial line its real path); two names for one
host are two modules to us. Abstract names reach as far as the network namespace.
"""

import fcntl
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

from shared.devices.plan import BusPlan, SitePlan
from shared.domain.errors import Busy
from shared.runtime import places

_CREDENTIALS = struct.Struct("3i")
_NAME_MAX = 107


class Locks:
    """Everything that this process holds; given back by ``close`` and by the end of the process."""

    def __init__(self) -> None:
        self._folder = -1
        self._modules: dict[str, socket.socket] = {}

    def take_folder(self, data: Path) -> None:
        """Raises Busy with the pid of who has it."""
        try:
            path = data / places.GUARD_LOCK
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if not places.cannot_write(error):
                raise
            path = places.make_memory_folder(data) / places.GUARD_LOCK
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Busy(f"{data}: a guard is running, pid {path.read_text().strip() or 'unknown'}") from None
        self._folder = descriptor
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            # A full disk: the lock holds all the same, only the pid in it is missing.
            if not places.cannot_write(error):
                raise

    def take_modules(self, names: Iterable[str]) -> None:
        """All of them or none beyond those held already; raises Busy with the module and the pid of who has it."""
        taken: dict[str, socket.socket] = {}
        try:
            for name in names:
                if name not in self._modules:
                    taken[name] = _hold(name)
        except Busy:
            for made in taken.values():
                made.close()
            raise
        self._modules |= taken

    def keep_modules(self, names: Iterable[str]) -> None:
        """Give back what is not in ``names``."""
        for name in self._modules.keys() - set(names):
            self._modules.pop(name).close()

    def close(self) -> None:
        self.keep_modules(())
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1


def module_names(site: SitePlan) -> tuple[str, ...]:
    """The lock names of all relay modules that the site's outputs use."""
    buses = {bus.id: bus for bus in site.buses}
    used = {output.device for room in site.decision.rooms for output in room.outputs}
    return tuple(
        f"ampward-output-{address}-{device.unit}"
        for device in site.decision.devices
        if device.id in used and (address := bus_address(buses[device.bus]))
    )


def bus_address(bus: BusPlan) -> str:
    """What names the line for everybody on this machine; empty for a simulated one."""
    if bus.tcp:
        host, _, port = bus.tcp.rpartition(":")
        return f"{'127.0.0.1' if host == 'localhost' else host.lower()}:{port}"
    return os.path.realpath(bus.serial) if bus.serial else ""


def _hold(name: str) -> socket.socket:
    address = "\0" + name[: _NAME_MAX - 1]
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        made.bind(address)
    except OSError:
        made.close()
        raise Busy(f"{name.removeprefix('ampward-output-')}: the outputs are held by pid {_holder(address)}") from None
    made.listen(1)
    return made


def _holder(address: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as asking:
        asking.settimeout(0.2)
        try:
            asking.connect(address)
        except OSError:
            return "unknown"
        return str(_CREDENTIALS.unpack(asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[0])
