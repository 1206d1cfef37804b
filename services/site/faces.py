"""What the site shows and tells outside, in one event loop of its own thread: HTTP, MQTT, and messages to people.

Their libraries are loaded here, in this thread, when guard is already served.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services.site.notify import Telling
from services.site.past import SitePast
from services.site.views import SiteViews
from services.uplink.budget import Budget
from services.uplink.tls import fleet_broker
from shared.devices.plan import MqttPlan, UplinkPlan
from shared.domain.errors import ConfigError
from shared.runtime.clocks import SystemClock
from shared.runtime.logging import logger

if TYPE_CHECKING:
    from services.site.mqtt_publisher import Feed, MqttPublisher

END_S = 8.0
START_S = 30.0


@dataclass(frozen=True, slots=True)
class Broker:
    """One that is told everything."""

    name: str
    """How its places in the log are called."""
    plan: MqttPlan
    bytes_per_s: int
    """What may go there; 0 is no bound."""


def brokers(own: MqttPlan, uplink: UplinkPlan) -> tuple[Broker, Broker]:
    """The site's own, on its network and without a bound, and the fleet's."""
    return Broker("mqtt", own, 0), Broker("uplink.mqtt", fleet_broker(uplink), uplink.mqtt_bytes_per_s)


@dataclass(frozen=True, slots=True)
class Outside:
    """Where it shows itself."""

    listening: socket.socket
    token: str
    tokens_file: Callable[[], Path]
    """Where the named tokens stand now."""
    brokers: tuple[Broker, ...]
    site: str
    boot: str
    started_at_ms: int


class Faces(threading.Thread):
    """``mqtt_state`` is one sentence for people. ``feed`` is made in this thread, for it reads the log here."""

    def __init__(self, views: SiteViews, past: SitePast, make_feed: "Callable[[], Feed]", outside: Outside,
                 telling: Telling) -> None:  # fmt: skip
        super().__init__(name="faces", daemon=True)
        self._views = views
        self._past = past
        self._make_feed = make_feed
        self._outside = outside
        self._telling = telling
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        self._begun = threading.Event()
        self._publishers: list[MqttPublisher] = []

    @property
    def mqtt_state(self) -> str:
        return "; ".join(publisher.state for publisher in self._publishers)

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        from services.gateway.api import create_app
        from services.gateway.keys import KeyRing
        from services.gateway.past import OnePast
        from services.gateway.server import Gateway

        self._loop = asyncio.get_running_loop()
        keys = KeyRing(self._outside.token, self._outside.tokens_file, SystemClock().wall_ms)
        gateway = Gateway(create_app(self._views, keys, OnePast(self._past)), self._outside.listening)
        await gateway.start()
        self._begun.set()
        publishing = [asyncio.create_task(self._publish(one), name=one.name) for one in self._outside.brokers]
        telling = asyncio.create_task(self._telling.run(self._ending), name="telling")
        await self._ending.wait()
        await asyncio.gather(*publishing, telling)
        await gateway.stop()
        self._past.close()

    async def _publish(self, broker: Broker) -> None:
        if not broker.plan.url:
            return
        from services.site.mqtt_publisher import MqttPublisher

        outside = self._outside
        try:
            publisher = MqttPublisher(
                broker.plan,
                outside.site,
                outside.boot,
                outside.started_at_ms,
                self._views,
                self._make_feed(),
                Budget(broker.bytes_per_s),
                name=broker.name,
            )
        except ConfigError as fault:
            logger().error("mqtt_address_wrong", fault=str(fault))
            return
        self._publishers.append(publisher)
        await publisher.run(self._ending)

    def end(self) -> None:
        """Answer what is being answered, say good-bye to the broker, then close."""
        self._begun.wait(START_S)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ending.set)
        self.join(END_S)
