"""Sites that only speak MQTT, for tests: a fleet's folder with a book, the bridge as a process, and devices of no make.

with Hosting(...) as hosting: site = hosting.enroll(); hosting.bridge(); device = Device(...); device.hand_in(12)
"""

import asyncio
import base64
import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from services.fleet.applying import register
from services.fleet.identities import Book
from services.site.command import repository_file
from shared.bus.registry import ALL, Shape
from shared.devices.frame import Frame
from shared.domain.errors import LogError
from shared.log.kafka.access import Access
from shared.log.kafka.topics import set_up
from shared.log.store import open_reader
from shared.runtime.crashpoints import VARIABLE
from shared.wire.inputs import decode_input
from tests.testkit.fleet import KafkaBroker, Mosquitto, unique
from tests.testkit.process import Running, descendants, wait_for

PARTITIONS = 2
PATIENCE_S = 90.0
RECONNECT_S = 5


class Device:
    """A gas head that publishes its frames by itself: QoS 1, its own session, nothing of Ampward in it."""

    def __init__(self, url: str, site: str, name: str = "gas1") -> None:
        host, port = url.removeprefix("mqtt://").split(":")
        self.site, self.name = site, name
        self.boot = os.urandom(4).hex()
        self.seq = 0
        self._given: dict[int, int] = {}
        """Number of the frame by that of the message."""
        self._told: set[int] = set()
        """Messages that the broker has taken. Filled by paho's thread, which holds locks then: no lock of ours."""
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.on_publish = lambda _client, _data, mid, _code, _properties: self._told.add(mid)
        self._client.reconnect_delay_set(max_delay=RECONNECT_S)
        self._client.connect(host, int(port))
        self._client.loop_start()

    def payload(self, tenths: int, seq: int) -> bytes:
        """A frame of the profile pemtech-pt495: tenths of a per cent of hydrogen, everything well."""
        words = base64.b64encode(tenths.to_bytes(2) + b"\x06\x00").decode()
        block = {"table": "holding", "address": 0, "words": words}
        return json.dumps({"device": self.name, "boot": self.boot, "seq": seq, "blocks": [block]}).encode()

    def hand_in(self, tenths: int = 0, *, retain: bool = False) -> int:
        """The next frame; its number."""
        self.seq += 1
        self.give(self.payload(tenths, self.seq), self.seq, retain=retain)
        return self.seq

    def give(self, payload: bytes, seq: int = 0, name: str = "", *, retain: bool = False) -> None:
        """These bytes, whatever they are."""
        info = self._client.publish(f"ampward/v1/{self.site}/in/{name or self.name}", payload, qos=1, retain=retain)
        self._given[info.mid] = seq

    def settle(self) -> set[int]:
        """Wait until the broker has taken everything; the numbers of the frames that it has taken."""
        wait_for(lambda: self._given.keys() <= self._told, within_s=PATIENCE_S, name="the broker to take all")
        return self.taken()

    def taken(self) -> set[int]:
        """The numbers of the frames that the broker has taken by now."""
        return {seq for mid, seq in list(self._given.items()) if mid in self._told} - {0}

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@dataclass
class Hosting:
    """Topics under a prefix, a book, fleet.yaml; ``with``: every bridge is ended."""

    folder: Path
    kafka: KafkaBroker
    mosquitto: Mosquitto
    postgres_url: str
    prefix: str = field(default_factory=lambda: unique("hosted") + ".")
    bridges: list[Running] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.book = Book(self.folder, None, PARTITIONS, self.prefix)
        topics = [topic.named(self.prefix) for topic in ALL]
        asyncio.run(set_up(self.access, topics, Shape(partitions=PARTITIONS)))
        (self.folder / "postgres.url").write_text(self.postgres_url)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for device in self.devices:
            device.close()
        for bridge in self.bridges:
            bridge.__exit__(None, None, None)

    @property
    def access(self) -> Access:
        return Access(self.kafka.bootstrap)

    def enroll(self) -> str:
        """A hosted site with one gas head, registered."""
        site = unique("far")
        self.book.enroll(site, is_hosted=True)
        shutil.copyfile(repository_file("infra/sites/hosted/site.yaml"), self.folder / "hosted" / site / "site.yaml")
        asyncio.run(register(self.access, self.book, self.book.entries()))
        return site

    def device(self, site: str, name: str = "gas1") -> Device:
        self.devices.append(Device(self.mosquitto.url, site, name))
        return self.devices[-1]

    def config(self, data: str = "data") -> Path:
        path = self.folder / f"fleet-{data}.yaml"
        path.write_text(
            "version: 1\n"
            f"kafka: {{bootstrap: '{self.kafka.bootstrap}', security: plain,"
            f" topics: {{partitions: {PARTITIONS}, prefix: '{self.prefix}'}}}}\n"
            "postgres: {url_file: postgres.url}\n"
            f"mqtt: {{url: '{self.mosquitto.url}'}}\n"
            f"hosted: hosted\ndata: {data}\n"
        )
        return path

    def bridge(self, data: str = "data", crash_at: str = "") -> Running:
        """`ampward service bridge`; ``data`` names the folder with the logs."""
        program = Path(sys.executable).with_name("ampward")
        command = (program, "service", "bridge", "--config", self.config(data))
        self.bridges.append(Running(command, env={VARIABLE: crash_at}, grace_s=30))
        return self.bridges[-1]

    def data(self, site: str, data: str = "data") -> Path:
        return self.folder / data / "hosted" / site

    def frames(self, site: str) -> list[Frame]:
        """Every frame that the site's log has, in order."""
        return [frame for _, frame in self.numbered(site)]

    def numbered(self, site: str) -> list[tuple[int, Frame]]:
        """The same with the numbers that the log gave them."""
        try:
            reader = open_reader(self.data(site))
        except (LogError, OSError):
            return []
        try:
            rows = [row for row in reader.inputs(0, 1 << 30) if row.kind == "frame"]
            bodies = ((row.site_seq, decode_input(row.data).body) for row in rows)
            return [(number, body) for number, body in bodies if isinstance(body, Frame)]
        finally:
            reader.close()

    def has(self, site: str, numbers: set[int]) -> None:
        """Wait until the site's log has these numbers."""
        wait_for(
            lambda: numbers <= {frame.device_seq for frame in self.frames(site)},
            within_s=PATIENCE_S, every_s=0.1, name="frames in the log",
        )  # fmt: skip


def part_of(bridge: Running, module: str) -> int:
    """The pid of one of the bridge's processes; 0 when there is none."""
    for pid in descendants(bridge.pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if module.encode() in words:
            return pid
    return 0


def kill_part(bridge: Running, module: str) -> None:
    """kill -9 of one of its processes."""
    wait_for(lambda: part_of(bridge, module), within_s=PATIENCE_S, name=module)
    os.kill(part_of(bridge, module), signal.SIGKILL)
