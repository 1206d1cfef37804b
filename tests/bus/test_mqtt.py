"""The adapter against real brokers: Mosquitto by MQTT 5 and 3.1.1, amqtt, TLS, cuts, refusals."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest

from shared.bus.address import BrokerAddress, Credentials
from shared.bus.broker import is_listening
from shared.bus.mqtt import Connection, Incoming, LinkDown, Message, Refused, connect
from tests.bus.brokers import Certificates, Mosquitto
from tests.testkit.ports import free_port
from tests.testkit.proxy import FaultProxy

NOBODY = Credentials()


def sockets(error: BaseException) -> list[socket.socket]:
    """Those in the hands of whoever raised this, and what it came from."""
    found = []
    while True:
        for frame, _line in traceback.walk_tb(error.__traceback__):
            found += [value for value in frame.f_locals.values() if isinstance(value, socket.socket)]
        if error.__context__ is None:
            assert found, "the handshake's own frame is there"
            return found
        error = error.__context__


async def opened(address: BrokerAddress, name: str, **more: object) -> Connection:
    return await connect(address, NOBODY, client_id=name, **more)  # type: ignore[arg-type]


async def read(connection: Connection, count: int) -> list[Incoming]:
    """The next ``count`` messages, acknowledged."""
    found: list[Incoming] = []
    async with asyncio.timeout(60):
        async for message in connection.incoming():
            connection.acknowledge(message)
            found.append(message)
            if len(found) == count:
                break
    return found


async def test_messages_arrive_in_order_and_acknowledged(broker: Mosquitto) -> None:
    """A thousand messages through a window of seven: all acknowledged, all there, in order, with their properties."""
    listener = await opened(broker.address, "listener")
    await listener.subscribe("t/#")
    sender = await opened(broker.address, "sender", window=7)
    assert (sender.version, sender.window) == ("5", 7)
    told = [
        await sender.send(Message("t/x", str(number).encode(), properties=(("id", str(number)),)))
        for number in range(1000)
    ]
    reader = asyncio.create_task(read(listener, 1000))
    await asyncio.gather(*told)
    found = await reader
    assert [int(message.payload) for message in found] == list(range(1000))
    assert found[7].properties == (("id", "7"),)
    await sender.close()
    await listener.close()


async def test_the_broker_s_window_is_kept(tmp_path: Path) -> None:
    """A broker that bears three unacknowledged messages is not sent a fourth."""
    broker = Mosquitto(tmp_path, more=["allow_anonymous true", "max_inflight_messages 3"]).start()
    try:
        sender = await opened(broker.address, "sender")
        assert sender.window == 3
        await asyncio.gather(*[await sender.send(Message("t", b"x")) for _ in range(50)])
        await sender.close()
    finally:
        broker.kill()


async def test_a_subscription_waits_for_the_broker_s_yes(broker: Mosquitto) -> None:
    """Until the broker has answered nothing is subscribed; a link that ends meanwhile is told as such."""
    with FaultProxy("127.0.0.1", broker.port) as proxy:
        link = await opened(BrokerAddress("127.0.0.1", proxy.port, tls=False), "listener")
        await link.subscribe("t")
        proxy.cut()
        asking = asyncio.create_task(link.subscribe("u"))
        await asyncio.wait([asking], timeout=0.2)
        assert not asking.done()
        proxy.reset()
        with pytest.raises(LinkDown):
            await asking
        await link.abort()


async def test_what_is_not_acknowledged_comes_again(broker: Mosquitto) -> None:
    """A message that was handed out and not acknowledged is delivered again to the next link of the session."""
    first = await opened(broker.address, "worker")
    await first.subscribe("t")
    sender = await opened(broker.address, "sender")
    await (await sender.send(Message("t", b"1")))
    async with asyncio.timeout(60):
        async for message in first.incoming():
            assert message.payload == b"1"
            break
    await first.abort()
    second = await opened(broker.address, "worker")
    assert [message.payload for message in await read(second, 1)] == [b"1"]
    await second.close()
    await sender.close()


async def test_a_killed_broker_ends_the_link_and_every_wait(broker: Mosquitto) -> None:
    """kill -9 of the broker: the link says so, and messages in flight fail instead of hanging."""
    with FaultProxy("127.0.0.1", broker.port) as proxy:
        sender = await opened(BrokerAddress("127.0.0.1", proxy.port, tls=False), "sender", window=2)
        proxy.cut()
        told = [await sender.send(Message("t", b"x")) for _ in range(2)]
        waiting = asyncio.create_task(sender.send(Message("t", b"y")))
        await asyncio.sleep(0)
        assert not waiting.done()
        proxy.reset()
        async with asyncio.timeout(60):
            await sender.closed
            for each in [*told, await waiting]:
                with pytest.raises(LinkDown):
                    await each
        await sender.abort()


async def test_a_will_is_sent_when_the_link_is_cut_and_not_at_a_good_bye(broker: Mosquitto) -> None:
    """Those who watch learn of a death, and of a good-bye only what was said before it."""
    watcher = await opened(broker.address, "watcher")
    await watcher.subscribe("status")
    will = Message("status", b"dead", retain=True)
    polite = await opened(broker.address, "polite", will=will)
    await polite.close()
    brutal = await opened(broker.address, "brutal", will=will)
    await (await brutal.send(Message("status", b"alive")))
    await brutal.abort()
    brutal = await opened(broker.address, "brutal2", will=will, will_delay_s=0)
    with FaultProxy("127.0.0.1", broker.port) as proxy:
        dying = await opened(BrokerAddress("127.0.0.1", proxy.port, tls=False), "dying", will=will)
        proxy.reset()
        await dying.closed
        await dying.abort()
    found = [message.payload for message in await read(watcher, 3)]
    assert found == [b"alive", b"dead", b"dead"]
    await brutal.close()
    await watcher.close()


async def test_a_message_that_the_broker_refuses_fails_alone(tmp_path: Path) -> None:
    """Without permission the sender learns it, and the link goes on."""
    (tmp_path / "acl").write_text("topic readwrite open/#\n")
    broker = Mosquitto(tmp_path, more=["allow_anonymous true", f"acl_file {tmp_path}/acl"]).start()
    try:
        sender = await opened(broker.address, "sender")
        with pytest.raises(Refused, match="Not authorized"):
            await (await sender.send(Message("shut", b"x")))
        await (await sender.send(Message("open/x", b"x")))
        await sender.close()
    finally:
        broker.kill()


async def test_nobody_listens(tmp_path: Path) -> None:
    """A broker that is not there is named with its address."""
    del tmp_path
    port = free_port()
    with pytest.raises(LinkDown, match=f"127.0.0.1:{port}: Connection refused"):
        await opened(BrokerAddress("127.0.0.1", port, tls=False), "x")


async def test_a_name_without_an_address_is_named() -> None:
    """A host that cannot be resolved ends in words."""
    with pytest.raises(LinkDown, match=r"no-such-host\.invalid"):
        await opened(BrokerAddress("no-such-host.invalid", 1883, tls=False), "x")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff" * 64,
        b"\x20\xff\xff\xff\xff\x7f",
        b"\x20\x02\x00\x00",
        b"\x00" * 8,
    ],
    ids=["hangs up", "http", "noise", "endless length", "answer of 3.1.1", "zeros"],
)
async def test_what_is_no_broker_ends_in_words(answer: bytes) -> None:
    """A server that speaks something else is not waited for beyond the limit, and nothing crashes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(LinkDown, match=str(port)):
            link = await opened(BrokerAddress("127.0.0.1", port, tls=False), "x")
            reason = await link.closed
            await link.abort()
            raise LinkDown(f"{port}: {reason}")


async def test_a_port_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that accepts and never answers does not hold us for ever."""
    monkeypatch.setattr("shared.bus.mqtt.ANSWER_S", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(LinkDown, match="no answer within"):
            await opened(BrokerAddress("127.0.0.1", silent.getsockname()[1], tls=False), "x")


async def test_tls_and_credentials(tmp_path: Path) -> None:
    """By TLS with our own authority, a client certificate and a password; without any of them not."""
    certs = Certificates(tmp_path).make()
    (tmp_path / "users").touch()
    subprocess.run(["mosquitto_passwd", "-b", tmp_path / "users", "site", "s3cret"], check=True)
    broker = Mosquitto(
        tmp_path,
        more=[
            f"cafile {certs.ca}",
            f"certfile {certs.file('broker.crt')}",
            f"keyfile {certs.file('broker.key')}",
            "require_certificate true",
            "allow_anonymous false",
            f"password_file {tmp_path}/users",
        ],
    ).start()
    address = BrokerAddress("127.0.0.1", broker.port, tls=True)
    good = Credentials("site", "s3cret", certs.ca, certs.file("client.crt"), certs.file("client.key"))
    try:
        link = await connect(address, good, client_id="a")
        await (await link.send(Message("t", b"x")))
        await link.close()
        with pytest.raises(LinkDown, match="not trusted") as refused:
            await connect(address, Credentials("site", "s3cret"), client_id="b")
        assert [line for line in sockets(refused.value) if line.fileno() >= 0] == [], "nothing is left open"
        with pytest.raises(LinkDown, match="Not authorized"):
            wrong = Credentials("site", "wrong", certs.ca, certs.file("client.crt"), certs.file("client.key"))
            await connect(address, wrong, client_id="c")
        with pytest.raises(LinkDown):
            link = await connect(address, Credentials("site", "s3cret", certs.ca), client_id="d")
            raise LinkDown(await link.closed)
        with pytest.raises(LinkDown, match="No such file"):
            await connect(address, Credentials(ca_file=certs.file("none")), client_id="e")
        with pytest.raises(LinkDown):
            await connect(BrokerAddress("127.0.0.1", broker.port, tls=False), good, client_id="f")
        assert "s3cret" not in repr(good)
    finally:
        broker.kill()


async def test_an_older_broker_is_spoken_to_by_3_1_1(tmp_path: Path) -> None:
    """amqtt does not know MQTT 5: the link falls back, and messages arrive."""
    port = free_port()
    command = [sys.executable, "-P", "-m", "shared.bus.broker_host", str(port), str(tmp_path), "amqtt"]
    host = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    address = BrokerAddress("127.0.0.1", port, tls=False)
    try:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(is_listening, address):
                await asyncio.sleep(0.05)
        link = await opened(address, "sender", will=Message("status", b"dead"))
        assert link.version == "3.1.1"
        await link.subscribe("t")
        await (await link.send(Message("t", json.dumps({"a": 1}).encode(), expiry_s=5, properties=(("a", "b"),))))
        (came,) = await read(link, 1)
        assert came.payload == b'{"a": 1}'
        await link.close()
    finally:
        host.terminate()
        host.wait()


def test_a_loop_that_ends_leaves_the_line_to_the_thread_that_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cancels every task that is left: the line is given back when the thread has left it, not under it."""
    steps: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def work(*_given: object) -> None:
        begun.set()
        go.wait(60)
        steps.append("connected")

    monkeypatch.setattr(Connection, "_connect", work)
    monkeypatch.setattr(Connection, "_drop", lambda _self: steps.append("dropped"))

    async def main() -> asyncio.Task[Connection]:
        task = asyncio.create_task(opened(BrokerAddress("127.0.0.1", 1, tls=False), "late"))
        await asyncio.to_thread(begun.wait, 60)
        asyncio.get_running_loop().call_later(0.2, go.set)
        return task

    asyncio.run(main())
    assert steps == ["connected", "dropped"]
