"""The last good plan as the parent sees it: DIR/start.json, and whether the site file still has the same bytes.

Import-light on purpose: the parent must start guard before anything heavy is loaded.
"""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from shared.runtime import places

START = "start.json"


@dataclass(frozen=True, slots=True)
class Start:
    """What the parent needs of the plan."""

    hash: str
    source: str
    sources: dict[str, str]
    site: str
    http: str
    mqtt: str
    simulate: str
    demo: bool
    environment: dict[str, str]
    """Of the demo: where its simulated devices stand."""

    def unchanged(self, source: Path, environment: dict[str, str]) -> bool:
        """True when this plan was made from ``source`` and no file behind it has changed since."""
        if self.source != str(source.resolve()) or self.environment != environment:
            return False
        return all(file_hash(Path(path)) == known for path, known in self.sources.items())


def read_start(data: Path) -> Start | None:
    """The record of the last good check, with its plan; None when there is none or it is not readable."""
    try:
        record = json.loads(places.find_file(data, START).read_bytes())
        made = Start(**record)
    except (OSError, ValueError, TypeError):
        return None
    return made if places.find_file(data, places.GUARD_PLAN).exists() else None


def file_hash(path: Path) -> str:
    """SHA-256 of the file as it is now; "" when it cannot be read."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


DEMO_PORT = "AMPWARD_DEMO_PORT"
DEMO_PTY = "AMPWARD_DEMO_PTY"
DEMO_PORT_USUAL = "5020"


def demo_environment(data: Path, last: Start | None, given: Mapping[str, str]) -> dict[str, str]:
    """Where the simulated devices of the demo stand: as given, else as last time, else free places of this folder."""
    known = last.environment if last is not None else {}
    port = given.get(DEMO_PORT) or known.get(DEMO_PORT, DEMO_PORT_USUAL)
    if not given.get(DEMO_PORT) and not _is_free(port):
        port = _free_port()
    return {DEMO_PORT: port, DEMO_PTY: given.get(DEMO_PTY) or str(data / "demo-rtu")}


def _is_free(port: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError:
            return False
    return True


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
