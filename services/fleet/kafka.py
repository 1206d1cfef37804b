"""Apache Kafka on this machine: one node that is broker and controller (KRaft), formatted once, in a bounded heap.

``kafka_server`` writes the configuration, formats the folder when it is new and gives the server to start. The node
does not create topics by itself: shared.bus.registry names them, and they are set up from there.
"""

import base64
import shutil
import signal
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.fleet.files import write_private
from services.fleet.jars import INFRA
from services.fleet.servers import Server, ServerAbsent, Started, run

HEAP_MIB = 384
REQUEST_BYTES_MAX = 32 << 20
"""Above the largest block (24 MiB) with its headers; each topic has its own, smaller limit."""
CLEANER_BYTES = 8 << 20
"""Of the heap for compaction: 170,000 keys of 24 bytes and their offsets at once, more than all rooms."""
STARTED = b"Kafka Server started"
FORMATTED = "cluster.id"
"""Written after a format that came to its end: without it the folder was never started and is formatted anew."""


@dataclass(frozen=True, slots=True)
class KafkaPlan:
    """Where and how the node runs. ``more`` are settings that replace or follow ours: security, short limits."""

    folder: Path
    jars: Path
    log: Path
    port: int
    controller_port: int
    heap_mib: int = HEAP_MIB
    more: Mapping[str, str] = field(default_factory=dict)
    format_words: tuple[str, ...] = ()
    """Further words for the format, such as the first SCRAM user; they may be secret."""

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"


def kafka_server(plan: KafkaPlan) -> Server:
    """The server to start. Raises ServerAbsent without Java, ServerFailed when the folder cannot be formatted."""
    java = find_java()
    plan.folder.mkdir(parents=True, exist_ok=True)
    file = plan.folder / "server.properties"
    write_private(file, "".join(f"{key}={value}\n" for key, value in settings(plan).items()))
    base = (f"-Dlog4j2.configurationFile={INFRA / 'log4j2.properties'}", "-cp", f"{plan.jars}/*")
    if not (plan.folder / FORMATTED).exists():
        _format(plan, java, base, file)
    heap = ("-Xms96m", f"-Xmx{plan.heap_mib}m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
    return Server(
        name="kafka",
        command=(java, *heap, "-Djava.awt.headless=true", *base, "kafka.Kafka", str(file)),
        log=plan.log,
        is_ready=_is_ready,
        stop_signal=signal.SIGTERM,
    )


def settings(plan: KafkaPlan) -> dict[str, str]:
    """The node's settings. One node: every replication factor is one, and none may be under-replicated."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"CLIENTS://127.0.0.1:{plan.port},CONTROLLER://127.0.0.1:{plan.controller_port}",
        "advertised.listeners": f"CLIENTS://127.0.0.1:{plan.port}",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENTS",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@127.0.0.1:{plan.controller_port}",
        "log.dirs": str(plan.folder / "data"),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        "message.max.bytes": str(REQUEST_BYTES_MAX),
        "socket.request.max.bytes": str(4 * REQUEST_BYTES_MAX),
        "replica.fetch.max.bytes": str(REQUEST_BYTES_MAX),
        "log.cleaner.dedupe.buffer.size": str(CLEANER_BYTES),
        "log.retention.check.interval.ms": "60000",
        **plan.more,
    }


def find_java() -> str:
    """Path of Java; raises ServerAbsent."""
    found = shutil.which("java")
    if found is None:
        raise ServerAbsent(
            "Apache Kafka needs Java 17 or later: install it (Debian: apt-get install openjdk-17-jre-headless)"
        )
    return found


def _format(plan: KafkaPlan, java: str, base: tuple[str, ...], file: Path) -> None:
    """Give the folder its cluster id. The words go through a file, so that no password shows in a list of processes."""
    data = plan.folder / "data"
    if data.exists():
        shutil.rmtree(data)
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    words = (
        *("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *base, "kafka.tools.StorageTool"),
        *("format", f"--cluster-id={cluster}", "--config", str(file), *plan.format_words),
    )
    arguments = plan.folder / "format.arguments"
    write_private(arguments, "".join(f'"{_escaped(word)}"\n' for word in words))
    try:
        run((java, f"@{arguments}"), "Apache Kafka's format of its folder", within_s=120)
    finally:
        arguments.unlink()
    write_private(plan.folder / FORMATTED, cluster + "\n")


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"')


def _is_ready(started: Started) -> bool:
    return started.said(STARTED)
