"""The broker that the project starts: really Apache Kafka, the same over a kill and a restart, and never an orphan."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.fleet import jars
from services.fleet.servers import Server, ServerAbsent, ServerFailed, Started
from tests.testkit.fleet import KafkaBroker, unique
from tests.testkit.process import is_alive, wait_for


async def _send(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return [bytes((await consumer.getone()).value or b"") for _ in range(count)]
    finally:
        await consumer.stop()


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def test_what_is_written_to_the_shared_broker_is_read_again(kafka: KafkaBroker) -> None:
    """A record goes through a real broker and comes back."""
    topic = unique("there-and-back")
    await _create(kafka.bootstrap, topic)
    await _send(kafka.bootstrap, topic, [b"one", b"two"])
    assert await _read(kafka.bootstrap, topic, 2) == [b"one", b"two"]


async def test_a_killed_broker_comes_back_with_what_it_acknowledged(tmp_path: Path) -> None:
    """kill -9 and a start on the same port and folder: topics and records are there."""
    with KafkaBroker(tmp_path / "kafka") as broker:
        await _create(broker.bootstrap, "kept")
        await _send(broker.bootstrap, "kept", [b"before"])
        broker.kill()
        broker.start()
        await _send(broker.bootstrap, "kept", [b"after"])
        assert await _read(broker.bootstrap, "kept", 2) == [b"before", b"after"]


def test_a_server_that_cannot_start_says_its_last_lines(tmp_path: Path) -> None:
    """The message of a server that ends at its start has what the server said."""
    server = Server("kafka", ("/bin/sh", "-c", "echo port taken; exit 3"), tmp_path / "log", lambda _: False)
    with pytest.raises(ServerFailed, match=r"(?s)kafka ended with 3 at its start:.*port taken"):
        Started(server).wait_ready()


def test_a_server_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    """A server that does not get ready, and says nothing, is stopped and reported; the machine may be to blame."""
    server = Server("kafka", ("/bin/sleep", "600"), tmp_path / "log", lambda _: False, ready_s=0.1)
    started = Started(server)
    with pytest.raises(ServerFailed, match=r"not ready after .* the machine may be busy"):
        started.wait_ready()
    assert not is_alive(started.pid)


def test_a_server_that_gets_on_is_waited_for_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log moves: it has as long again, and that it is waited for is said; not when nobody waits any more."""
    monkeypatch.setattr("services.fleet.servers.SAY_S", 0.2)
    talks = "while :; do echo $((n=n+1)); sleep 0.1; done"
    server = Server("kafka", ("/bin/sh", "-c", talks), tmp_path / "log", lambda its: its.said(b"\n9\n"), ready_s=0.6)
    said: list[str] = []
    started = Started(server)
    started.wait_ready(said.append)
    assert said
    assert "kafka: not ready after" in said[0]
    started.close()
    unwanted = Started(replace(server, is_ready=lambda _: False))
    with pytest.raises(ServerFailed, match="not waited for any more"):
        unwanted.wait_ready(is_over=lambda: True)
    unwanted.close()


def test_a_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    """kill -9 of the launcher leaves no orphan."""
    program = (
        "import sys; from pathlib import Path; from services.fleet.servers import Server, Started\n"
        "server = Server('s', ('/bin/sleep', '600'), Path(sys.argv[1]), lambda _: True)\n"
        "print(Started(server).pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "log"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as launcher:
        assert launcher.stdout is not None
        pid = int(launcher.stdout.readline())
        assert is_alive(pid)
        os.kill(launcher.pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), within_s=60, name="the end of the server")


def test_a_jar_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    """A jar with another hash, one too few or one too many: each is named."""
    (tmp_path / "a.jar").write_bytes(b"not what was pinned")
    with pytest.raises(ServerFailed, match=r"a\.jar is not the pinned one"):
        jars.verify(tmp_path, {"a.jar": "0" * 64})
    with pytest.raises(ServerFailed, match=r"a\.jar is not pinned"):
        jars.verify(tmp_path, {})
    with pytest.raises(ServerFailed, match=r"b\.jar is missing"):
        jars.verify(tmp_path, {"a.jar": "0" * 64, "b.jar": "0" * 64})


def test_without_the_pinned_list_one_is_told_what_to_do(tmp_path: Path) -> None:
    """An installation without infra/kafka says where the jars could come from."""
    with pytest.raises(ServerAbsent, match="--kafka-jars"):
        jars.kafka_jars(tmp_path, tmp_path / "nowhere")
