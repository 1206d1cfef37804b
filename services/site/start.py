"""The last good plan as the parent sees it: DIR/start.json, and whether the site file still has the same bytes.

Import-light on purpose: the parent must start guard before anything heavy is loaded.
"""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from shared.domain.errors import ConfigError
from shared.runtime import places

START = "start.json"


@dataclass(frozen=True, slots=True)
class Start:
    """What the parent needs of the plan."""

    hash: str
    """Of guard's plan."""
    source: str
    sources: dict[str, str]
    site: str
    http: str
    mqtt: str
    simulate: str
    demo: bool
    site_hash: str
    """Of DIR/site.json, which has more than guard's plan: whom to tell."""
    environment: dict[str, str]
    """Of the demo: where its simulated devices stand."""
    uplink: bool = False
    """Whether there is a way to a fleet."""
    hosted: bool = False
    """Its devices speak MQTT only: the fleet's bridge runs it, `ampward run` does not."""

    def unchanged(self, source: Path, environment: dict[str, str]) -> bool:
        """True when this plan was made from ``source`` and no file behind it has changed since."""
        if self.source != str(source.resolve()) or self.environment != environment:
            return False
        return all(file_hash(Path(path)) == known for path, known in self.sources.items())


def read_start(data: Path) -> Start | None:
    """The record of the last good check; None when it, or a plan that it stands for, is not there byte for byte."""
    try:
        made = Start(**json.loads(places.find_file(data, START).read_bytes()))
        body = places.find_file(data, places.SITE_PLAN).read_bytes()
        guards = places.find_file(data, places.GUARD_PLAN).read_bytes()
    except (OSError, ValueError, TypeError):
        return None
    guards_plan = guards[len(guard_file(made.hash, b"")) - 2 : -2]
    is_guards = sha256(guards_plan).hexdigest() == made.hash and guards == guard_file(made.hash, guards_plan)
    is_whole = is_guards and sha256(body).hexdigest() == made.site_hash
    return made if is_whole else None


def refuse_hosted(plan: Start) -> None:
    """Raises ConfigError for a site that has no devices on a line: here nothing would hear them."""
    if plan.hosted:
        raise ConfigError(
            f"the devices of {plan.site} hand their frames in by MQTT; allowed: `ampward service bridge` of its fleet, "
            "or devices on modbus_tcp or modbus_rtu"
        )


def guard_file(version: str, body: bytes) -> bytes:
    """DIR/guard.json of a plan: guard reads it without anything else beside it."""
    return b'{"hash":"%s","plan":%s}\n' % (version.encode(), body)


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
