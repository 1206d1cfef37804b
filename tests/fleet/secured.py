"""A fleet with TLS, users and rights, started by the launcher: one for a whole run of pytest."""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from services.fleet.vault import Vault, open_vault
from services.uplink.identity import read_identity
from shared.log.kafka.access import Access
from tests.fleet.clock import NOW
from tests.testkit.process import Running


class Secured:
    """A running fleet with TLS, users and rights, and the sites that were enrolled in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        record: dict[str, Any] = json.loads((folder / "fleet.json").read_text())
        self.bootstrap = str(record["kafka"])
        self.mqtt_port = int(str(record["mqtt"]).rpartition(":")[2])
        self.vault: Vault = open_vault(folder / "security", NOW)

    def ampward(self, *words: str) -> str:
        """One command line on this fleet; gives what it said."""
        program = Path(sys.executable).with_name("ampward")
        command = [str(program), *words, "--dir", str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    def enroll(self, site: str, *words: str) -> Path:
        """The identity's folder."""
        self.ampward("enroll", site, *words)
        return self.folder / "identities" / site

    def uplink(self, site: str) -> Access:
        """How the site's uplink reaches Kafka."""
        return read_identity(self.folder / "identities" / site, site).access(self.bootstrap)

    def service(self, name: str) -> Access:
        return self.vault.access(self.bootstrap, name)

    def listener(self) -> "Mqtt":
        """Somebody whom the broker lets hear everything, as nobody of the fleet may; until the next enrollment."""
        pair, folder = self.vault.authority.client("listener"), self.folder / "security" / "listener"
        folder.mkdir(exist_ok=True)
        (folder / "client.pem").write_bytes(pair.certificate)
        (folder / "client.key").touch(0o600)
        (folder / "client.key").write_bytes(pair.key)
        with (self.folder / "security" / "mosquitto.acl").open("a") as acl:
            acl.write("\nuser listener\ntopic read ampward/v1/#\ntopic write listener\n")
        os.kill(json.loads((self.folder / "fleet.json").read_text())["pids"]["mqtt"], signal.SIGHUP)
        made = Mqtt(self.mqtt_port, folder)
        while made.publish("listener") != "Success":
            time.sleep(0.05)
        return made


class Mqtt:
    """A client with a certificate; says what the broker thinks of each thing that it does."""

    def __init__(self, port: int, folder: Path, *, with_certificate: bool = True, name: str = "client") -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._answers: dict[int, str] = {}
        self._answered = threading.Condition()
        self._connected = threading.Event()
        self._ended = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        ca = folder / "ca.pem" if (folder / "ca.pem").exists() else folder.parent / "ca.pem"
        context = ssl.create_default_context(cafile=str(ca))
        if with_certificate:
            context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        self.client.tls_set_context(context)
        self.client.on_connect = lambda *_: self._connected.set()
        self.client.on_disconnect = lambda *_: self._ended.set()
        self.client.on_publish = lambda _client, _data, number, code, _properties: self._told(number, str(code))
        self.client.on_subscribe = lambda _client, _data, number, codes, _properties: self._told(number, str(codes[0]))
        self.client.on_message = lambda _client, _data, one: self.heard.append((one.topic, bytes(one.payload)))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        while not self._connected.wait(0.02):
            if self._ended.is_set():
                self.close()
                raise ConnectionError("the broker took no connection")

    def _told(self, number: int, code: str) -> None:
        with self._answered:
            self._answers[number] = code
            self._answered.notify_all()

    def _answer(self, number: int) -> str:
        with self._answered:
            assert self._answered.wait_for(lambda: number in self._answers, 60)
            return self._answers[number]

    def publish(self, topic: str, payload: bytes = b"x") -> str:
        said = self._answer(self.client.publish(topic, payload, qos=1).mid)
        return "Success" if said == "No matching subscribers" else said

    def subscribe(self, topic: str) -> str:
        return self._answer(self.client.subscribe(topic, qos=1)[1] or 0)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    with Running.python("services.fleet", folder, "--secure") as running:
        running.wait_for_line("servers are ready", within_s=180)
        yield Secured(folder)
