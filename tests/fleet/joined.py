"""A whole site that is joined to a fleet: `ampward run` with an uplink, its topics, and what the fleet got of it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.bus.registry import COMMANDS, INPUTS, LIVE, RULESETS, SITES, Shape, Topic
from shared.log.kafka.access import Access
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Headers, Place, Record
from shared.log.kafka.stretch import read_stretch
from shared.log.kafka.topics import set_up
from shared.log.store import open_reader
from shared.wire import cloud
from shared.wire.live import Live, decode_live
from shared.wire.orders import Order, encode_order
from shared.wire.registrations import Registration, encode_registration
from shared.wire.signing import SigningKey
from tests.e2e.depot import Depot, children, open_depot
from tests.e2e.foreign import Site, wait_for
from tests.services.uplink.centre import Centre
from tests.testkit.fleet import unique

SITE = "depot"
PARTITION = 1
TOPICS = (INPUTS, LIVE, RULESETS, COMMANDS, SITES)
KEY = SigningKey(os.urandom(32))


@dataclass
class Fleet:
    """Topics of its own on a broker. ``bootstrap`` is how the test reaches it."""

    bootstrap: str
    prefix: str = field(default_factory=lambda: unique("joined") + ".")

    @property
    def access(self) -> Access:
        return Access(self.bootstrap)

    def make(self) -> None:
        asyncio.run(set_up(self.access, [topic.named(self.prefix) for topic in TOPICS], Shape(partitions=2)))

    def read(self, topic: Topic) -> list[Record]:
        async def every() -> list[Record]:
            return [each async for each in self._stretch(topic)]

        return asyncio.run(every())

    def _stretch(self, topic: Topic) -> AsyncIterator[Record]:
        return read_stretch(self.access, Place(self.prefix + topic.name, PARTITION))

    def centre(self) -> Centre:
        """What the plain model makes of all blocks so far."""
        made = Centre(key=KEY.public)
        for record in self.read(INPUTS):
            made.take(record.value or b"")
        return made

    def live(self) -> list[Live]:
        return [decode_live(record.value or b"", {KEY.id: KEY.public}) for record in self.read(LIVE)]

    def order(self, order: Order) -> None:
        headers = cloud.headers(cloud.ORDER, site=SITE, id=order.id, at_ms=order.sent_at_ms)
        self._give(COMMANDS, encode_order(order), headers)

    def book(self, *keys: str) -> None:
        """What the fleet's book says of the site from now on; without a key it is ended."""
        self._give(SITES, encode_registration(Registration(SITE, PARTITION, keys, ended=not keys)), ())

    def _give(self, topic: Topic, data: bytes, headers: Headers) -> None:
        async def give() -> None:
            async with Producer(self.access, "centre") as producer:
                await producer.send(Place(self.prefix + topic.name, PARTITION), SITE.encode(), data, headers)

        asyncio.run(give())


def enroll(folder: Path, fleet: Fleet) -> Path:
    """An identity, as `ampward enroll` makes it for a lab without security."""
    folder.mkdir(mode=0o700)
    body = {"v": 1, "site": SITE, "partition": PARTITION, "kafka_user": "", "mqtt_user": "", "topics": fleet.prefix}
    (folder / "identity.json").write_text(json.dumps(body))
    (folder / "signing.key").write_bytes(KEY.pem())
    return folder


@contextmanager
def joined(
    folder: Path, fleet: Fleet, kafka: str = "", mqtt: str = "", data: Path | None = None
) -> Iterator[tuple[Depot, Site]]:
    """A site that runs with an uplink to ``kafka`` and ``mqtt``, past power-up; its data is in ``data``."""
    with open_depot(folder, data) as depot:
        identity = enroll(folder / "identity", fleet)
        brokers = f'kafka: "{kafka or fleet.bootstrap}", mqtt: "{mqtt}"'
        depot.write(more=f"uplink: {{{brokers}, identity: {identity}}}")
        site = Site(depot.site_file, depot.data)
        try:
            depot.settle()
            yield depot, site
        finally:
            site.end_everything()


def uplink_pid(site: Site) -> int:
    """The uplink's process."""

    def look() -> int:
        for pid in children(site):
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and b"services.uplink\0" in command.read_bytes():
                return pid
        return 0

    return int(wait_for("the uplink's process", look))


def recorded(site: Site) -> list[bytes]:
    """All inputs of the site's log."""
    reader = open_reader(site.data)
    try:
        return [row.data for row in reader.inputs(0, 1 << 30)]
    finally:
        reader.close()


def all_up(site: Site, fleet: Fleet) -> Centre:
    """Wait until the fleet has everything that the log had when this began."""
    want = recorded(site)
    found: list[Centre] = []

    def look() -> bool:
        found[:] = [fleet.centre()]
        return [row.data for row in found[0].inputs.values()][: len(want)] == want

    wait_for("the fleet to have the log", look)
    return found[0]
