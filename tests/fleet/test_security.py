"""Refusals by the real brokers: each user of Kafka and each site in MQTT may do its own work, and nothing else."""

import asyncio
import json
import logging
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from services.fleet.permissions import site_rights
from services.fleet.vault import Vault, open_vault
from services.uplink.identity import read_identity
from shared.bus.registry import ALL, COMMANDS, EVENTS, INPUTS, LIVE, ONE_NODE, SITES, Topic
from shared.log.kafka.access import Access, ScramTls
from shared.log.kafka.topics import KafkaUnavailable, check
from shared.log.kafka.users import Operation, Resource, Right, rights, set_rights
from shared.runtime.fleet_file import check_fleet
from shared.wire.registrations import decode_registration
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


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    with Running.python("services.fleet", folder, "--secure") as running:
        running.wait_for_line("servers are ready", within_s=180)
        yield Secured(folder)


async def _write(access: Access, topic: Topic, partition: int = 0) -> None:
    producer = AIOKafkaProducer(**access.options(), acks="all", enable_idempotence=True, request_timeout_ms=10_000)
    await producer.start()
    try:
        await producer.send_and_wait(topic.name, b"x", partition=partition)
    finally:
        await producer.stop()


async def _read(access: Access, topic: Topic, partition: int = 0, group: str | None = None) -> list[bytes]:
    """Everything that is there."""
    consumer = AIOKafkaConsumer(**access.options(), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(topic.name, partition)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        found: list[bytes] = []
        while True:
            found += [bytes(one.value) for one in (await consumer.getmany(timeout_ms=500)).get(place, ())]
            if await consumer.position(place) >= end:
                return found
    finally:
        await consumer.stop()


async def _refused(attempt: Awaitable[object], caplog: pytest.LogCaptureFixture) -> None:
    """The broker is there and does not know the user: aiokafka says that in its log only."""
    caplog.clear()
    with caplog.at_level(logging.ERROR, "aiokafka"), pytest.raises(KafkaConnectionError):
        await attempt
    assert "SaslAuthenticationFailed" in caplog.text


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
            assert self._answered.wait_for(lambda: number in self._answers, 20)
            return self._answers[number]

    def publish(self, topic: str, payload: bytes = b"x") -> str:
        said = self._answer(self.client.publish(topic, payload, qos=1).mid)
        return "Success" if said == "No matching subscribers" else said

    def subscribe(self, topic: str) -> str:
        return self._answer(self.client.subscribe(topic, qos=1)[1] or 0)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


async def test_a_site_writes_inputs_and_reads_commands_and_nothing_else(fleet: Secured) -> None:
    """The uplink's user: its own work goes, reading events and writing them is refused by the broker.

    It may not even see the topic of events; given that sight, it may not read.
    """
    fleet.enroll("k1")
    uplink = fleet.uplink("k1")
    for topic in (INPUTS, LIVE):
        await _write(uplink, topic)
    assert await _read(uplink, COMMANDS) == []
    with pytest.raises(KafkaUnavailable, match=rf"topic {EVENTS.name}: TopicAuthorizationFailed"):
        await check(uplink, [EVENTS], ONE_NODE)
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(uplink, EVENTS)
    sight = Right(Resource.TOPIC, EVENTS.name, Operation.DESCRIBE)
    await set_rights(fleet.vault.access(fleet.bootstrap), {"site-k1": {*site_rights(), sight}})
    with pytest.raises(TopicAuthorizationFailedError):
        await _read(uplink, EVENTS)
    with pytest.raises(TopicAuthorizationFailedError):
        await _read(uplink, INPUTS)
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(uplink, SITES)


async def test_a_notifier_reads_events_and_cannot_write_inputs(fleet: Secured) -> None:
    """A service's user: the topics it uses are as stated, all others are closed."""
    notifier = fleet.service("notifier")
    await check(notifier, [EVENTS, LIVE], ONE_NODE)
    assert await _read(notifier, EVENTS, group="ampward-notifier") == []
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(notifier, INPUTS)
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(fleet.service("gateway"), EVENTS)


async def test_nobody_comes_in_without_a_user_and_a_certificate_of_ours(
    fleet: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In clear, with another password, with another authority: no connection."""
    security = fleet.service("notifier").security
    assert security is not None
    wrong = Access(fleet.bootstrap, ScramTls("notifier", "guessed", security.ca_file))
    await _refused(_read(wrong, EVENTS), caplog)
    other = open_vault(tmp_path / "other", NOW)
    with pytest.raises(KafkaConnectionError):
        await _read(Access(fleet.bootstrap, ScramTls("notifier", security.password, other.authority.ca_file)), EVENTS)
    with pytest.raises(KafkaConnectionError):
        async with asyncio.timeout(20):
            await _read(Access(fleet.bootstrap), EVENTS)


async def test_rights_are_exactly_those_that_are_said(fleet: Secured) -> None:
    """What is too much is taken, what is missing is given, twice changes nothing."""
    admin = fleet.vault.access(fleet.bootstrap)
    read, write = (Right(Resource.TOPIC, "t", each) for each in (Operation.READ, Operation.WRITE))
    group = Right(Resource.GROUP, "ampward-", Operation.READ, is_prefix=True)
    await set_rights(admin, {"somebody": [read, group]})
    assert await rights(admin, "somebody") == {read, group}
    await set_rights(admin, {"somebody": [write, group]})
    assert await rights(admin, "somebody") == {write, group}
    await set_rights(admin, {"somebody": []})
    assert await rights(admin, "somebody") == frozenset()


async def test_site_a_cannot_speak_as_site_b_in_mqtt(fleet: Secured) -> None:
    """A site's certificate is its name: topics of another are refused and nobody hears of it."""
    a, b = fleet.enroll("m-a"), fleet.enroll("m-b")
    gateway = Mqtt(fleet.mqtt_port, fleet.folder / "security" / "users", name="gateway")
    site_a, site_b = Mqtt(fleet.mqtt_port, a), Mqtt(fleet.mqtt_port, b)
    try:
        assert "Granted" in gateway.subscribe("ampward/v1/#")
        assert site_a.publish("ampward/v1/m-b/status", b"forged") == "Not authorized"
        assert site_a.publish("ampward/v1/m-b/r1/points/gas1/h2", b"forged") == "Not authorized"
        assert site_a.publish("ampward/v1/m-a/commands", b"forged") == "Not authorized"
        assert gateway.publish("ampward/v1/m-a/status", b"forged") == "Not authorized"
        assert site_a.publish("ampward/v1/m-a/r1/points/gas1/h2", b"true") == "Success"
        assert site_b.publish("ampward/v1/m-b/status", b"true") == "Success"
        site_a.subscribe("ampward/v1/m-b/#")
        assert site_b.publish("ampward/v1/m-b/events", b"last") == "Success"
        while ("ampward/v1/m-b/events", b"last") not in gateway.heard:
            await asyncio.sleep(0.02)
        assert {payload for _, payload in gateway.heard} == {b"true", b"last"}
        assert site_a.heard == []
    finally:
        for client in (gateway, site_a, site_b):
            client.close()


def test_mqtt_takes_nobody_without_a_certificate_of_ours(fleet: Secured, tmp_path: Path) -> None:
    """No certificate, or another authority's under a site's name: no connection."""
    identity = fleet.enroll("m-c")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Mqtt(fleet.mqtt_port, identity, with_certificate=False)
    forged = open_vault(tmp_path / "other", NOW).authority.client("site-m-c")
    (tmp_path / "client.pem").write_bytes(forged.certificate)
    (tmp_path / "client.key").write_bytes(forged.key)
    shutil.copy(identity / "ca.pem", tmp_path)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Mqtt(fleet.mqtt_port, tmp_path)


async def test_a_revoked_site_may_do_nothing_more_at_once(
    fleet: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Connected or not: MQTT, Kafka and the registration all say no; enrolled again it begins with new keys."""
    identity = shutil.copytree(fleet.enroll("gone"), tmp_path / "box")
    uplink = read_identity(identity, "gone").access(fleet.bootstrap)
    entry = json.loads((fleet.folder / "sites" / "gone.json").read_text())
    connected = Mqtt(fleet.mqtt_port, identity)
    try:
        assert connected.publish("ampward/v1/gone/status") == "Success"
        await _write(uplink, INPUTS)
        assert "gone is ended" in fleet.ampward("revoke", "gone")
        while connected.publish("ampward/v1/gone/status") != "Not authorized":
            await asyncio.sleep(0.05)
    finally:
        connected.close()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Mqtt(fleet.mqtt_port, identity)
    await _refused(_write(uplink, INPUTS), caplog)
    known = [decode_registration(value) for value in await _read(fleet.service("processor"), SITES, entry["partition"])]
    assert [one.ended for one in known if one.site == "gone"] == [False, True]

    again = fleet.enroll("gone")
    fresh = json.loads((fleet.folder / "sites" / "gone.json").read_text())
    assert fresh["partition"] == entry["partition"]
    assert not set(fresh["keys"]) & set(entry["keys"])
    client = Mqtt(fleet.mqtt_port, again)
    assert client.publish("ampward/v1/gone/status") == "Success"
    client.close()
    await _write(fleet.uplink("gone"), INPUTS)


async def test_a_renewed_site_goes_on_with_the_former_folder_until_it_has_the_new_one(
    fleet: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Both certificates and both keys are good; the password changes only when that is asked for."""
    former = shutil.copytree(fleet.enroll("kept"), tmp_path / "box")
    uplink = fleet.uplink("kept")
    fleet.ampward("renew", "kept")
    for folder in (former, fleet.folder / "identities" / "kept"):
        client = Mqtt(fleet.mqtt_port, folder)
        assert client.publish("ampward/v1/kept/status") == "Success"
        client.close()
    await _write(uplink, INPUTS)
    entry = json.loads((fleet.folder / "sites" / "kept.json").read_text())
    assert [read_identity(one, "kept").key.public.text() for one in (former, fleet.folder / "identities" / "kept")] == (
        entry["keys"]
    )
    fleet.ampward("renew", "kept", "--password")
    await _refused(_write(uplink, INPUTS), caplog)
    await _write(fleet.uplink("kept"), INPUTS)


def test_a_hosted_site_hands_in_and_takes_commands(fleet: Secured) -> None:
    """It has a certificate and no key that signs: the bridge signs for it."""
    identity = fleet.enroll("far", "--hosted")
    assert not (identity / "signing.key").exists()
    assert read_identity(fleet.folder / "hosted" / "far", "far").kafka_user == ""
    client = Mqtt(fleet.mqtt_port, identity)
    assert client.publish("ampward/v1/far/in/gas1") == "Success"
    assert client.publish("ampward/v1/far/status") == "Not authorized"
    assert "Granted" in client.subscribe("ampward/v1/far/commands")
    client.close()


def test_the_fleet_file_of_the_launcher_is_without_faults(fleet: Secured) -> None:
    """Each service finds its user, its certificate and its servers in it."""
    for service in ("processor", "notifier", "gateway"):
        checked = check_fleet(fleet.folder / "fleet.yaml", {}, service)
        assert [str(fault) for fault in checked.faults] == []
        assert checked.plan is not None
        assert checked.plan.access() == fleet.service(service)
    assert len(ALL) == 9


def test_no_secret_shows_in_a_list_of_processes_or_in_a_log(fleet: Secured) -> None:
    """Passwords stand in private files and nowhere else."""
    secrets = [path.read_text().strip() for path in fleet.folder.rglob("*password")]
    assert len(secrets) > 5
    shown = [path.read_bytes() for path in (fleet.folder / "logs").iterdir()]
    shown += [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [secret for secret in secrets if any(secret.encode() in text for text in shown)]
    closed = [path for path in fleet.folder.rglob("*") if path.name.endswith((".key", "password", "kafka.pem", ".url"))]
    assert closed
    assert [path for path in closed if path.stat().st_mode & 0o077] == []
