"""The publisher against a real Mosquitto: order and completeness through cuts and kills, retained state, TLS, JSON."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from services.gateway.fake import FakeViews
from services.gateway.views import PointItem
from services.site import mqtt_publisher
from services.site.mqtt_publisher import DeviceItem, MqttPublisher
from services.uplink.budget import Budget
from shared.bus import outbox
from shared.bus.address import BrokerAddress, Credentials
from shared.bus.mqtt import Connection, Incoming, Message, connect
from shared.devices.plan import MqttPlan
from tests.bus.brokers import Certificates, Mosquitto
from tests.bus.publishing import FakeFeed, frame
from tests.services.gateway.samples import event
from tests.testkit.proxy import FaultProxy

POINT = PointItem("demo/r1/gas1-h2", "0.4", "%vol", "good", "", 1_767_225_600_000)


class Ear:
    """Hears everything of a broker, in order."""

    def __init__(self, link: Connection) -> None:
        self.link = link
        self.heard: list[Incoming] = []
        self._task = asyncio.ensure_future(self._listen())

    @classmethod
    async def open(cls, broker: Mosquitto) -> "Ear":
        link = await connect(broker.address, Credentials(), client_id="ear")
        await link.subscribe("ampward/#")
        return cls(link)

    async def _listen(self) -> None:
        async for message in self.link.incoming():
            self.link.acknowledge(message)
            self.heard.append(message)

    def bodies(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(message.payload) for message in self.heard if message.topic == topic]

    def numbers(self) -> list[int]:
        """The events heard, by their input."""
        return [int(body["causationid"].rpartition("/")[2]) for body in self.bodies("ampward/v1/demo/events")]

    def frames(self) -> list[int]:
        return [body["seq"] for body in self.bodies("ampward/v1/demo/r1/gas1/frame")]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        self._task.cancel()
        await self.link.abort()


def first_of_each(numbers: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(numbers))


@contextlib.asynccontextmanager
async def publishing(
    plan: MqttPlan, views: FakeViews, feed: FakeFeed, budget: Budget | None = None
) -> AsyncIterator[MqttPublisher]:
    """A publisher that runs within the block, and is stopped with a good-bye at its end."""
    stop = asyncio.Event()
    made = MqttPublisher(plan, "demo", "boot1", 1_767_225_600_000, views, feed, budget or Budget(0))
    task = asyncio.create_task(made.run(stop))
    try:
        yield made
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task


@pytest.fixture
def views() -> FakeViews:
    return FakeViews(point_items=(POINT,))


@pytest.fixture
def feed() -> FakeFeed:
    return FakeFeed()


def plan(port: int) -> MqttPlan:
    return MqttPlan(f"mqtt://127.0.0.1:{port}")


async def test_everything_is_told_in_its_shape(broker: Mosquitto, views: FakeViews, feed: FakeFeed) -> None:
    """Status, device, point, frame and event each under their topic with their fields."""
    ear = await Ear.open(broker)
    views.add(event(1))
    feed.add_frames(1)
    async with publishing(plan(broker.port), views, feed):
        await ear.until(lambda: len({message.topic for message in ear.heard}) == 5)
    await ear.until(lambda: len(ear.bodies("ampward/v1/demo/status")) == 2)
    online, offline = ear.bodies("ampward/v1/demo/status")
    assert online == {"state": "online", "boot": "boot1", "since": "2026-01-01T00:00:00.000Z"}
    assert offline["state"] == "offline"
    (device,) = ear.bodies("ampward/v1/demo/r1/gas1/status")
    assert device == {"state": "online", "reason": "", "since": "2026-01-01T00:00:00.000Z"}
    (point,) = ear.bodies("ampward/v1/demo/r1/points/gas1-h2")
    assert {name: point[name] for name in ("value", "unit", "quality", "at", "seq")} == {
        "value": "0.4",
        "unit": "%vol",
        "quality": "good",
        "at": "2026-01-01T00:00:00.000Z",
        "seq": 2,
    }
    (told,) = ear.bodies("ampward/v1/demo/r1/gas1/frame")
    assert told == {
        "site": "demo",
        "room": "r1",
        "device": "gas1",
        "boot": "b" * 32,
        "seq": 1,
        "sampled_at": "2026-01-01T00:00:00.001Z",
        "outcome": "ok",
        "blocks": [{"table": "holding", "address": 0, "size": 2, "words": "AAAAAQ=="}],
    }
    (cloud,) = ear.bodies("ampward/v1/demo/events")
    assert (cloud["specversion"], cloud["id"], cloud["source"]) == ("1.0", event(1).id, "/demo")
    (message,) = [message for message in ear.heard if message.topic.endswith("/events")]
    assert dict(message.properties)["type"] == "ampward.alarm.raised.v1"
    await ear.close()


async def test_state_is_retained_and_events_are_not(broker: Mosquitto, views: FakeViews, feed: FakeFeed) -> None:
    """Who comes late gets what is, and nothing that was."""
    views.add(event(1))
    feed.add_frames(3)
    async with publishing(plan(broker.port), views, feed):
        watcher = await Ear.open(broker)
        topics_told = (
            "ampward/v1/demo/status",
            "ampward/v1/demo/r1/gas1/status",
            "ampward/v1/demo/r1/points/gas1-h2",
        )
        await watcher.until(lambda: feed.positions.get("mqtt.frames") == b"6" and "mqtt.events" in feed.positions)
        await watcher.until(lambda: all(watcher.bodies(topic) for topic in topics_told))
        await watcher.close()
        late = await Ear.open(broker)
        await late.until(lambda: len(late.heard) >= 3)
        assert {message.topic for message in late.heard} == set(topics_told)
        assert all(message.retain for message in late.heard)
        await late.close()


async def test_changes_are_told(broker: Mosquitto, views: FakeViews, feed: FakeFeed) -> None:
    """A value that changes and a device that falls silent are told; what stays is not told again."""
    ear = await Ear.open(broker)
    async with publishing(plan(broker.port), views, feed):
        await ear.until(lambda: ear.bodies("ampward/v1/demo/r1/points/gas1-h2"))
        views.point_items = (PointItem("demo/r1/gas1-h2", None, "%vol", "bad", "timeout", 1_767_225_601_000),)
        feed.items = [DeviceItem("gas1", "r1", online=False, reason="timeout", since_at_ms=1_767_225_601_000)]
        await ear.until(lambda: len(ear.bodies("ampward/v1/demo/r1/points/gas1-h2")) == 2)
        await ear.until(lambda: len(ear.bodies("ampward/v1/demo/r1/gas1/status")) == 2)
    assert ear.bodies("ampward/v1/demo/r1/points/gas1-h2")[1]["value"] is None
    assert ear.bodies("ampward/v1/demo/r1/gas1/status")[1]["reason"] == "timeout"
    await ear.close()


async def test_a_cut_link_loses_nothing_and_changes_no_order(
    broker: Mosquitto, views: FakeViews, feed: FakeFeed
) -> None:
    """Through resets, a silent cut and a half-open link every event and frame arrives, first ones in order."""
    ear = await Ear.open(broker)
    with FaultProxy("127.0.0.1", broker.port) as proxy:
        async with publishing(plan(proxy.port), views, feed):
            for turn in range(4):
                for number in range(turn * 100 + 1, turn * 100 + 101):
                    views.add(event(number))
                feed.add_frames(50)
                least = turn * 100 + 20
                await ear.until(lambda: len(set(ear.numbers())) >= least)  # noqa: B023
                if turn == 1:
                    proxy.cut()
                    await asyncio.sleep(0.05)
                    proxy.mend()
                proxy.reset()
            await ear.until(lambda: len(set(ear.numbers())) == 400 and len(set(ear.frames())) == 200)
    assert first_of_each(ear.numbers()) == list(range(1, 401))
    assert first_of_each(ear.frames()) == list(range(1, 201))
    await ear.close()


async def test_a_killed_broker_costs_nothing(
    broker: Mosquitto, views: FakeViews, feed: FakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 while it works, minutes of events meanwhile, a new broker without memory: the ear has them all."""
    monkeypatch.setattr(outbox, "REWIND_S", 60.0)
    first = await Ear.open(broker)
    with FaultProxy("127.0.0.1", broker.port) as proxy:
        async with publishing(plan(proxy.port), views, feed) as publisher:
            for number in range(1, 201):
                views.add(event(number))
            await first.until(lambda: len(first.numbers()) >= 50)
            broker.kill()
            proxy.cut()
            proxy.reset()
            await first.link.closed
            for number in range(201, 401):
                views.add(event(number))
            await first.until(lambda: "not connected" in publisher.state)
            broker.start()
            second = await Ear.open(broker)
            proxy.mend()
            await second.until(lambda: second.numbers() and second.numbers()[-1] == 400)
            await second.until(lambda: "connected (MQTT 5)" in publisher.state)
    await first.close()
    assert first.numbers() == list(range(1, len(first.numbers()) + 1))
    assert first_of_each(first.numbers() + second.numbers()) == list(range(1, 401))
    assert second.bodies("ampward/v1/demo/r1/points/gas1-h2")
    await second.close()


async def test_a_restart_goes_on_where_the_broker_was(
    broker: Mosquitto, views: FakeViews, feed: FakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kept positions are those of the last acknowledgement: after a clean end nothing comes twice."""
    monkeypatch.setattr(mqtt_publisher, "DRAIN_S", 25.0)
    ear = await Ear.open(broker)
    for number in range(1, 51):
        views.add(event(number))
    feed.add_frames(10)
    async with publishing(plan(broker.port), views, feed):
        await ear.until(lambda: len(ear.numbers()) == 50 and len(ear.frames()) == 10)
    for number in range(51, 101):
        views.add(event(number))
    feed.add_frames(10)
    async with publishing(plan(broker.port), views, feed):
        await ear.until(lambda: len(ear.numbers()) == 100 and len(ear.frames()) == 20)
    assert ear.numbers() == list(range(1, 101))
    assert ear.frames() == list(range(1, 21))
    await ear.close()


async def test_a_site_that_dies_is_told_offline(broker: Mosquitto, views: FakeViews, feed: FakeFeed) -> None:
    """Without a good-bye the will says offline, retained, after its delay."""
    ear = await Ear.open(broker)
    with FaultProxy("127.0.0.1", broker.port) as proxy:
        async with publishing(plan(proxy.port), views, feed):
            await ear.until(lambda: ear.bodies("ampward/v1/demo/status"))
            proxy.faults = proxy.faults.__class__(refuse=True)
            proxy.reset()
            await ear.until(lambda: len(ear.bodies("ampward/v1/demo/status")) == 2)
    assert [body["state"] for body in ear.bodies("ampward/v1/demo/status")] == ["online", "offline"]
    await ear.close()


async def test_an_absent_broker_is_waited_for(broker: Mosquitto, views: FakeViews, feed: FakeFeed) -> None:
    """Started without a broker, the publisher tells everything when there is one."""
    broker.kill()
    views.add(event(1))
    feed.add_frames(1)
    async with publishing(plan(broker.port), views, feed) as publisher:
        async with asyncio.timeout(60):
            while "Connection refused" not in publisher.state:
                await asyncio.sleep(0.01)
        broker.start()
        ear = await Ear.open(broker)
        await ear.until(lambda: ear.numbers() == [1] or publisher.state.endswith("(MQTT 5)"))
        await ear.until(lambda: feed.positions.get("mqtt.frames") == b"2")
        assert "connected (MQTT 5)" in publisher.state
    await ear.close()


async def test_mosquitto_sub_sees_json_by_tls_and_password(tmp_path: Path, views: FakeViews, feed: FakeFeed) -> None:
    """Another program, by TLS with a password from a file, sees the events as JSON."""
    certs = Certificates(tmp_path).make()
    (tmp_path / "users").touch()
    (tmp_path / "secret").write_text("s3cret\n")
    subprocess.run(["mosquitto_passwd", "-b", tmp_path / "users", "site", "s3cret"], check=True)
    lines = [f"cafile {certs.ca}", f"certfile {certs.file('broker.crt')}", f"keyfile {certs.file('broker.key')}"]
    broker = Mosquitto(tmp_path, more=[*lines, f"password_file {tmp_path}/users", "allow_anonymous false"]).start()
    address = BrokerAddress("127.0.0.1", broker.port, tls=True)
    secure = MqttPlan(str(address), "site", str(tmp_path / "secret"), certs.ca)
    command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "--cafile", certs.ca, "-u", "site"]
    listener = await asyncio.create_subprocess_exec(
        *command,
        "-P",
        "s3cret",
        "-C",
        "21",
        "-t",
        "ampward/v1/demo/events",
        "-t",
        "ready",
        stdout=asyncio.subprocess.PIPE,
    )
    assert listener.stdout is not None
    try:
        async with publishing(secure, views, feed), asyncio.timeout(60):
            ready = await connect(address, Credentials("site", "s3cret", certs.ca), client_id="ready")
            await (await ready.send(Message("ready", b"ready", retain=True)))
            await ready.close()
            assert await listener.stdout.readline() == b"ready\n", "it has subscribed to everything"
            for number in range(1, 21):
                views.add(event(number))
            output, _ = await listener.communicate()
    finally:
        broker.kill()
        if listener.returncode is None:
            listener.kill()
    assert [json.loads(line)["id"] for line in output.splitlines()] == [event(number).id for number in range(1, 21)]


def test_a_failed_poll_is_a_frame_with_its_reason() -> None:
    """A frame without words says why there are none."""
    from services.site.mqtt_publisher import frame_message
    from shared.domain.units import NoData

    body = json.loads(frame_message("demo", "r1", frame(7, NoData.TIMEOUT)).payload)
    assert (body["outcome"], body["blocks"]) == ("timeout", [])


async def test_the_last_events_are_told_before_the_good_bye(
    broker: Mosquitto, views: FakeViews, feed: FakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happened just before the end is with the broker when the site says that it is offline."""
    monkeypatch.setattr(mqtt_publisher, "DRAIN_S", 25.0)
    ear = await Ear.open(broker)
    async with publishing(plan(broker.port), views, feed):
        await ear.until(lambda: ear.bodies("ampward/v1/demo/status"))
        for number in range(1, 301):
            views.add(event(number))
    await ear.until(lambda: len(ear.bodies("ampward/v1/demo/status")) == 2)
    assert ear.numbers() == list(range(1, 301))
    await ear.close()


async def test_many_points_take_turns(broker: Mosquitto, feed: FakeFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    """When everything changes all the time no point is told more than once more than another."""
    monkeypatch.setattr(mqtt_publisher, "SWEEP_S", 0.05)
    monkeypatch.setattr(mqtt_publisher, "POINTS_PER_SWEEP", 7)

    class Restless(FakeViews):
        turn = 0

        def points(self) -> tuple[PointItem, ...]:
            self.turn += 1
            return tuple(PointItem(f"demo/r1/p{n}", str(self.turn), "V", "good", "", 1) for n in range(20))

    restless = Restless()
    ear = await Ear.open(broker)
    async with publishing(plan(broker.port), restless, feed):
        await ear.until(lambda: restless.turn >= 9)
    told = [len(ear.bodies(f"ampward/v1/demo/r1/points/p{n}")) for n in range(20)]
    assert min(told) >= 2
    assert max(told) - min(told) <= 1
    await ear.close()
