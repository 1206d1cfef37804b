"""Processes of an earlier run that outlived its parent's kill -9 and that nobody looks after: the demo's broker.

Ours end by themselves with their parent (shared.runtime.lifecycle); Mosquitto does not know that. Whoever holds the
folder's lock is the only parent, so a broker with this folder's configuration that runs before we started one is an
orphan. Never touches any other process: it is known by its command line and ended by its pidfd.
"""

import os
import select
import signal
from contextlib import suppress
from pathlib import Path

WAIT_S = 2.0


def end_brokers(data: Path) -> int:
    """TERM, then KILL; gives how many there were."""
    return sum(_end(pid, data) for pid in _pids())


def _pids() -> tuple[int, ...]:
    return tuple(int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())


def is_broker_of(words: list[str], data: Path) -> bool:
    """Whether this command line is that of a broker which was started for the folder."""
    configured = f"{data}/mosquitto-"
    hosted = "shared.bus.broker_host" in words and str(data) in words
    is_mosquitto = bool(words) and words[0].rpartition("/")[2] == "mosquitto"
    return hosted or (is_mosquitto and any(word.startswith(configured) for word in words[1:]))


def _words(pid: int) -> list[str]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
    return []


def _end(pid: int, data: Path) -> bool:
    if pid == os.getpid() or not is_broker_of(_words(pid), data):
        return False
    with suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            if is_broker_of(_words(pid), data):
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                if not select.select([descriptor], [], [], WAIT_S)[0]:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    select.select([descriptor], [], [], WAIT_S)
                return True
        finally:
            os.close(descriptor)
    return False
