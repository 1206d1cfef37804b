"""Ports of loopback for what runs on this machine, the same at each start as long as nobody else has taken one.

DIR/ports.json has those of the last start by name.
"""

import json
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from services.fleet.files import write_private

PORTS: Final = "ports.json"


def take_ports(folder: Path, names: Iterable[str]) -> Mapping[str, int]:
    """A port for each name: the last start's where it is free, else another free one."""
    try:
        last = json.loads((folder / PORTS).read_text(encoding="utf-8"))
        last = last if isinstance(last, dict) else {}
    except (OSError, ValueError):
        last = {}
    held: dict[str, socket.socket] = {}
    try:
        for name in names:
            held[name] = _bound(last.get(name, 0)) or _free()
        ports = {name: int(probe.getsockname()[1]) for name, probe in held.items()}
    finally:
        for probe in held.values():
            probe.close()
    write_private(folder / PORTS, json.dumps(ports) + "\n")
    return ports


def _free() -> socket.socket:
    """A socket on a port that the kernel chose."""
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    return probe


def _bound(port: int) -> socket.socket | None:
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", port))
    except (OSError, OverflowError, TypeError):
        probe.close()
        return None
    return probe
