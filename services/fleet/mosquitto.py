"""Debian's Mosquitto as the fleet's MQTT broker on this machine: sessions kept on disk, queues with stated limits.

Mosquitto drops the newest messages of a subscriber beyond its queue limit, silently and after PUBACK, and writes its
sessions to disk only now and then. Nothing of Ampward rests on it: what counts lies in the site's log until Kafka has
it, and positions move at PUBACK.
"""

import os
import pwd
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.fleet.files import write_public
from services.fleet.servers import Server, ServerAbsent, Started
from shared.bus.broker import QUEUE_BYTES, QUEUE_MESSAGES, find_mosquitto

ACCOUNT = "mosquitto"
MESSAGE_BYTES_MAX = 1 << 20
"""Above any frame, event or command of ours: the largest, a frame of 330 modules, is near 8 KiB."""
AUTOSAVE_S = 60
_RUNNING = b" running"


@dataclass(frozen=True, slots=True)
class MosquittoPlan:
    """Where and how it runs. ``security`` are the lines of the listener; empty is anonymous, on loopback only."""

    folder: Path
    log: Path
    port: int
    security: Sequence[str] = ()

    @property
    def url(self) -> str:
        return f"{'mqtts' if self.security else 'mqtt'}://127.0.0.1:{self.port}"


def mosquitto_server(plan: MosquittoPlan) -> Server:
    """The server to start. Raises ServerAbsent."""
    program = find_mosquitto()
    if not program:
        raise ServerAbsent("Mosquitto is not on this machine: install it (Debian: apt-get install mosquitto)")
    data = plan.folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    account = ACCOUNT if os.geteuid() == 0 and _has_account(data) else ""
    file = plan.folder / "mosquitto.conf"
    write_public(file, "\n".join(lines(plan, data)) + "\n")
    return Server(
        name="mqtt",
        command=(program, "-c", str(file)),
        log=plan.log,
        is_ready=_is_ready,
        stop_signal=signal.SIGTERM,
        user=account,
        ready_s=30.0,
    )


def lines(plan: MosquittoPlan, data: Path) -> tuple[str, ...]:
    """The configuration."""
    return (
        "per_listener_settings false",
        "persistence true",
        f"persistence_location {data}/",
        f"autosave_interval {AUTOSAVE_S}",
        f"max_queued_messages {QUEUE_MESSAGES}",
        f"max_queued_bytes {QUEUE_BYTES}",
        "max_inflight_messages 100",
        f"max_packet_size {MESSAGE_BYTES_MAX}",
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "connection_messages true",
        f"listener {plan.port} 127.0.0.1",
        *(plan.security or ("allow_anonymous true",)),
    )


def _has_account(data: Path) -> bool:
    """Whether root can leave the folder to Mosquitto's own account."""
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        return False
    os.chown(data, entry.pw_uid, entry.pw_gid)
    return True


def _is_ready(started: Started) -> bool:
    return started.said(_RUNNING)
