"""A broker on this machine for sites that want to be looked into from the first minute: found, installed or our own.

``find_broker`` gives the command line that runs it and one sentence for people. In this order: a broker that listens
there already is used; Mosquitto when it is on the machine; as root on Debian Mosquitto is installed (unless that is
forbidden); else amqtt, an optional extra that speaks MQTT 3.1.1 only. It listens on loopback, keeps nothing on disk and
takes long queues: what counts is the site's log, and positions move at PUBACK.

Import-light: the parent of the processes asks here. What takes time is done by shared.bus.broker_host, a process.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.bus.address import BrokerAddress, parse_url

QUEUE_MESSAGES = 100_000
QUEUE_BYTES = 64 << 20
"""Of each subscriber that is slow: Mosquitto drops the newest beyond it, silently, after PUBACK. A message of ours is
under 64 KiB, an event under 1 KiB: 100,000 events are about 64 MiB."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SBIN = "/usr/sbin:/usr/local/sbin"


@dataclass(frozen=True, slots=True)
class FoundBroker:
    url: str
    """Where it listens or will listen."""
    command: tuple[str, ...]
    """Starts it, in the foreground; empty when it runs already or cannot be had."""
    told: str
    """One sentence for people: which broker, on which port."""


def find_broker(url: str, folder: Path, *, may_install: bool = True) -> FoundBroker:
    """The broker for ``url``; port 0 takes a free one. Its configuration goes into ``folder``. Raises ConfigError."""
    wanted = url.strip()
    if wanted.endswith(":0"):
        wanted = f"{wanted[:-1]}{_free_port()}"
    address = parse_url(wanted)
    if address.host not in _LOOPBACK or address.tls:
        return FoundBroker(str(address), (), f"MQTT: the broker at {address}")
    if is_listening(address):
        return FoundBroker(str(address), (), f"MQTT: the broker that listens at {address}")
    program = find_mosquitto()
    if program:
        command = mosquitto_command(program, address.port, folder)
        return FoundBroker(str(address), command, f"MQTT: {mosquitto_version(program)} at {address}")
    helper = (sys.executable, "-P", "-m", "shared.bus.broker_host", str(address.port), str(folder))
    if may_install and _can_install():
        return FoundBroker(str(address), (*helper, "install"), f"MQTT: Mosquitto at {address}, being installed now")
    if importlib.util.find_spec("amqtt") is not None:
        return FoundBroker(str(address), (*helper, "amqtt"), f"MQTT: amqtt (MQTT 3.1.1 only) at {address}")
    told = (
        f"MQTT: no broker at {address} and none on this machine (apt-get install mosquitto, or the extra "
        "ampward[amqtt]); events wait in the log until there is one"
    )
    return FoundBroker(str(address), (), told)


def is_listening(address: BrokerAddress) -> bool:
    """True when something accepts connections there."""
    try:
        with socket.create_connection((address.host, address.port), timeout=1):
            return True
    except OSError:
        return False


def find_mosquitto() -> str:
    """Path of the program, or an empty text. Debian keeps it where only root's PATH looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_SBIN) or ""


def mosquitto_version(program: str) -> str:
    """``Mosquitto 2.0.11``; without the number when the program does not say."""
    shown = subprocess.run([program, "-h"], capture_output=True, text=True, timeout=10, check=False).stdout
    words = shown.split("\n", 1)[0].split()
    return f"Mosquitto {words[2]}" if len(words) >= 3 and words[1] == "version" else "Mosquitto"


def mosquitto_command(program: str, port: int, folder: Path, more: Sequence[str] = ()) -> tuple[str, ...]:
    """Writes the configuration and gives the command line; ``more`` are further lines of configuration.

    Where nothing can be written Mosquitto runs with its own limits, which are for loopback only too.
    """
    lines = [
        "persistence false",
        f"max_queued_messages {QUEUE_MESSAGES}",
        f"max_queued_bytes {QUEUE_BYTES}",
        "max_inflight_messages 100",
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        f"listener {port} 127.0.0.1",
        *(more or ["allow_anonymous true"]),
    ]
    file = folder / f"mosquitto-{port}.conf"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError:
        return (program, "-p", str(port))
    return (program, "-c", str(file))


def _can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
