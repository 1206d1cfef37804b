"""Refusals by the real brokers: each user of Kafka and each site in MQTT may do its own work, and nothing else."""

import asyncio
import json
import logging
import shutil
import ssl
from collections.abc import Awaitable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from services.fleet.permissions import site_rights
from services.fleet.vault import open_vault
from services.uplink.identity import read_identity
from shared.bus.registry import COMMANDS, EVENTS, INPUTS, LIVE, ONE_NODE, SITES, Topic
from shared.log.kafka.access import Access, ScramTls
from shared.log.kafka.topics import KafkaUnavailable, check
from shared.log.kafka.users import Operation, Resource, Right, rights, set_rights
from shared.runtime.fleet_file import check_fleet
from shared.wire.orders import Resend, encode_order
from shared.wire.registrations import decode_registration
from tests.fleet.clock import NOW
from tests.fleet.secured import Mqtt, Secured


async def _write(access: Access, topic: Topic, partition: int = 0, value: bytes = b"x") -> None:
    producer = AIOKafkaProducer(**access.options(), acks="all", enable_idempotence=True, request_timeout_ms=10_000)
    try:
        await producer.start()
        await producer.send_and_wait(topic.name, value, partition=partition)
    finally:
        await producer.stop()


async def _read(access: Access, topic: Topic, partition: int = 0, group: str | None = None) -> list[bytes]:
    """Everything that is there."""
    consumer = AIOKafkaConsumer(**access.options(), group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
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


async def test_a_site_writes_inputs_and_reads_commands_and_nothing_else(secured: Secured) -> None:
    """The uplink's user: its own work goes, reading events and writing them is refused by the broker.

    It may not even see the topic of events; given that sight, it may not read.
    """
    secured.enroll("k1")
    uplink = secured.uplink("k1")
    for topic in (INPUTS, LIVE):
        await _write(uplink, topic)
    order = encode_order(Resend(id="r1", site="k1", sent_at_ms=1, ttl_ms=1, from_seq=1, epoch=1, state=False))
    await _write(secured.service("gateway"), COMMANDS, value=order)
    assert order in await _read(uplink, COMMANDS)
    with pytest.raises(KafkaUnavailable, match=rf"topic {EVENTS.name}: TopicAuthorizationFailed"):
        await check(uplink, [EVENTS], ONE_NODE)
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(uplink, EVENTS)
    sight = Right(Resource.TOPIC, EVENTS.name, Operation.DESCRIBE)
    await set_rights(secured.vault.access(secured.bootstrap), {"site-k1": {*site_rights(), sight}})
    with pytest.raises(TopicAuthorizationFailedError):
        await _read(uplink, EVENTS)
    with pytest.raises(TopicAuthorizationFailedError):
        await _read(uplink, INPUTS)
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(uplink, SITES)


async def test_a_notifier_reads_events_and_cannot_write_inputs(secured: Secured) -> None:
    """A service's user: the topics it uses are as stated, all others are closed."""
    notifier = secured.service("notifier")
    await check(notifier, [EVENTS, LIVE], ONE_NODE)
    await _read(notifier, EVENTS, group="ampward-notifier")
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(notifier, INPUTS)
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(secured.service("gateway"), EVENTS)


async def test_nobody_comes_in_without_a_user_and_a_certificate_of_ours(
    secured: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In clear, with another password, with another authority: no connection."""
    security = secured.service("notifier").security
    assert security is not None
    wrong = Access(secured.bootstrap, ScramTls("notifier", "guessed", security.ca_file))
    await _refused(_read(wrong, EVENTS), caplog)
    other = open_vault(tmp_path / "other", NOW)
    with pytest.raises(KafkaConnectionError):
        await _read(Access(secured.bootstrap, ScramTls("notifier", security.password, other.authority.ca_file)), EVENTS)
    with pytest.raises(KafkaConnectionError):
        async with asyncio.timeout(60):
            await _read(Access(secured.bootstrap), EVENTS)


async def test_rights_are_exactly_those_that_are_said(secured: Secured) -> None:
    """What is too much is taken, what is missing is given, twice changes nothing."""
    admin = secured.vault.access(secured.bootstrap)
    read, write = (Right(Resource.TOPIC, "t", each) for each in (Operation.READ, Operation.WRITE))
    group = Right(Resource.GROUP, "ampward-", Operation.READ, is_prefix=True)
    await set_rights(admin, {"somebody": [read, group]})
    assert await rights(admin, "somebody") == {read, group}
    await set_rights(admin, {"somebody": [write, group]})
    assert await rights(admin, "somebody") == {write, group}
    await set_rights(admin, {"somebody": []})
    assert await rights(admin, "somebody") == frozenset()


async def test_site_a_cannot_speak_as_site_b_in_mqtt(secured: Secured) -> None:
    """A site's certificate is its name: topics of another are refused and nobody hears of it."""
    a, b = secured.enroll("m-a"), secured.enroll("m-b")
    listener, bridge = secured.listener(), Mqtt(secured.mqtt_port, secured.folder / "security" / "users", name="bridge")
    site_a, site_b = Mqtt(secured.mqtt_port, a), Mqtt(secured.mqtt_port, b)
    try:
        assert "Granted" in listener.subscribe("ampward/v1/#")
        assert site_a.publish("ampward/v1/m-b/status", b"forged") == "Not authorized"
        assert site_a.publish("ampward/v1/m-b/r1/points/gas1/h2", b"forged") == "Not authorized"
        assert site_a.publish("ampward/v1/m-a/commands", b"forged") == "Not authorized"
        assert bridge.publish("ampward/v1/m-a/r1/points/gas1/h2", b"forged") == "Not authorized"
        assert bridge.publish("ampward/v1/m-a/commands", b"forged") == "Not authorized"
        assert site_a.publish("ampward/v1/m-a/r1/points/gas1/h2", b"true") == "Success"
        assert site_b.publish("ampward/v1/m-b/status", b"true") == "Success"
        for other in (site_a, bridge):
            other.subscribe("ampward/v1/m-b/#")
        assert site_b.publish("ampward/v1/m-b/events", b"last") == "Success"
        while ("ampward/v1/m-b/events", b"last") not in listener.heard:
            await asyncio.sleep(0.02)
        ours = [
            payload for topic, payload in listener.heard if topic.startswith(("ampward/v1/m-a/", "ampward/v1/m-b/"))
        ]
        assert sorted(ours) == [b"last", b"true", b"true"]
        assert [*site_a.heard, *bridge.heard] == []
    finally:
        for client in (listener, bridge, site_a, site_b):
            client.close()


def test_mqtt_takes_nobody_without_a_certificate_of_ours(secured: Secured, tmp_path: Path) -> None:
    """No certificate, or another authority's under a site's name: no connection."""
    identity = secured.enroll("m-c")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Mqtt(secured.mqtt_port, identity, with_certificate=False)
    forged = open_vault(tmp_path / "other", NOW).authority.client("site-m-c")
    (tmp_path / "client.pem").write_bytes(forged.certificate)
    (tmp_path / "client.key").write_bytes(forged.key)
    shutil.copy(identity / "ca.pem", tmp_path)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Mqtt(secured.mqtt_port, tmp_path)


async def test_a_revoked_site_may_do_nothing_more_at_once(
    secured: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Connected or not: MQTT, Kafka and the registration all say no; enrolled again it begins with new keys."""
    identity = shutil.copytree(secured.enroll("gone"), tmp_path / "box")
    uplink = read_identity(identity, "gone").access(secured.bootstrap)
    entry = json.loads((secured.folder / "sites" / "gone.json").read_text())
    connected = Mqtt(secured.mqtt_port, identity)
    try:
        assert connected.publish("ampward/v1/gone/status") == "Success"
        await _write(uplink, INPUTS)
        assert "gone is ended" in secured.ampward("revoke", "gone")
        while connected.publish("ampward/v1/gone/status") != "Not authorized":
            await asyncio.sleep(0.05)
    finally:
        connected.close()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Mqtt(secured.mqtt_port, identity)
    await _refused(_write(uplink, INPUTS), caplog)
    known = [
        decode_registration(value) for value in await _read(secured.service("processor"), SITES, entry["partition"])
    ]
    assert [one.ended for one in known if one.site == "gone"] == [False, True]

    again = secured.enroll("gone")
    fresh = json.loads((secured.folder / "sites" / "gone.json").read_text())
    assert fresh["partition"] == entry["partition"]
    assert not set(fresh["keys"]) & set(entry["keys"])
    client = Mqtt(secured.mqtt_port, again)
    assert client.publish("ampward/v1/gone/status") == "Success"
    client.close()
    await _write(secured.uplink("gone"), INPUTS)


async def test_a_renewed_site_goes_on_with_the_former_folder_until_it_has_the_new_one(
    secured: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Both certificates and both keys are good; the password changes only when that is asked for."""
    former = shutil.copytree(secured.enroll("kept"), tmp_path / "box")
    uplink = secured.uplink("kept")
    secured.ampward("renew", "kept")
    for folder in (former, secured.folder / "identities" / "kept"):
        client = Mqtt(secured.mqtt_port, folder)
        assert client.publish("ampward/v1/kept/status") == "Success"
        client.close()
    await _write(uplink, INPUTS)
    entry = json.loads((secured.folder / "sites" / "kept.json").read_text())
    assert [
        read_identity(one, "kept").key.public.text() for one in (former, secured.folder / "identities" / "kept")
    ] == (entry["keys"])
    secured.ampward("renew", "kept", "--password")
    await _refused(_write(uplink, INPUTS), caplog)
    await _write(secured.uplink("kept"), INPUTS)


def test_a_hosted_site_hands_in_and_does_nothing_else(secured: Secured) -> None:
    """It has a certificate and no key that signs: the bridge signs for it."""
    identity = secured.enroll("far", "--hosted")
    assert not (identity / "signing.key").exists()
    assert read_identity(secured.folder / "hosted" / "far", "far").kafka_user == ""
    client = Mqtt(secured.mqtt_port, identity)
    assert client.publish("ampward/v1/far/in/gas1") == "Success"
    assert client.publish("ampward/v1/far/status") == "Not authorized"
    assert client.publish("ampward/v1/far/pulse") == "Not authorized"
    assert client.publish("ampward/v1/far/commands") == "Not authorized"
    client.close()


def test_the_fleet_file_of_the_launcher_is_without_faults(secured: Secured) -> None:
    """Each service finds its user, its certificate and its servers in it."""
    for service in ("processor", "notifier", "gateway"):
        checked = check_fleet(secured.folder / "fleet.yaml", {}, service)
        assert [str(fault) for fault in checked.faults] == []
        assert checked.plan is not None
        assert checked.plan.access() == secured.service(service)


def test_no_secret_shows_in_a_list_of_processes_or_in_a_log(secured: Secured) -> None:
    """Passwords stand in private files and nowhere else."""
    secrets = [path.read_text().strip() for path in secured.folder.rglob("*password")]
    assert len(secrets) > 5
    shown = [path.read_bytes() for path in (secured.folder / "logs").iterdir()]
    shown += [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [secret for secret in secrets if any(secret.encode() in text for text in shown)]
    closed = [
        path for path in secured.folder.rglob("*") if path.name.endswith((".key", "password", "kafka.pem", ".url"))
    ]
    assert closed
    assert [path for path in closed if path.stat().st_mode & 0o077] == []
