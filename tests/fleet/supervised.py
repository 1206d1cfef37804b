"""The fleet's supervision under test: topics and a database of its own, sites that give signs, what _fleet says."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.fleet.supervise import serve
from services.fleet.supervise_plan import FLEET
from services.fleet.supervise_tell import Who
from services.fleet.supervise_term import Setting
from services.fleet.supervise_watch import Limits
from shared.bus.registry import COMMANDS, DELIVERIES, EVENTS, LIVE, SIGNS, SITES
from shared.domain.events import Event
from shared.domain.inputs import Command, What
from shared.log.kafka.records import Record, partition_for
from shared.wire.batches import EventsBatch, Verdict, decode_batch, encode_batch
from shared.wire.deliveries import Delivery, Outcome, encode_delivery
from shared.wire.events import decode_event
from shared.wire.live import Live, LiveAnswer, decode_live, encode_live
from shared.wire.orders import command_order, encode_order
from shared.wire.registrations import Registration, encode_registration
from shared.wire.signing import SigningKey
from shared.wire.signs import Expiry, Sign, encode_sign
from tests.fleet.centre import KEY, Centre
from tests.fleet.database import new_database
from tests.fleet.lanes import PATIENCE_S, Told
from tests.runtime.test_tracing import Kept
from tests.testkit.fleet import KafkaBroker, Postgres

FLEET_KEY = SigningKey(bytes(range(32, 64)))
SHORT = Limits(site_ms=5_000, link_ms=5_000, service_ms=5_000, delivery_ms=1_500, grace_ms=0)
"""Signs come each EVERY_S over a real Kafka, by the loop that the supervisor works in: on a busy machine two have been
more than a second apart."""
EVERY_S = 0.3


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Supervised:
    """``async with supervised(kafka, postgres) as fleet``."""

    centre: Centre
    url: str
    limits: Limits = SHORT
    told: Told = field(default_factory=Told)
    spans: Kept = field(default_factory=Kept)
    renewed: Who | None = None
    """What the supervisor's folder holds since a renewal."""
    _signing: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _terms: list[tuple[asyncio.Task[None], asyncio.Event]] = field(default_factory=list)

    def start(self, *services: str) -> asyncio.Task[None]:
        """A supervisor in this process."""
        who = Who(FLEET_KEY, self.partition, self.centre.prefix)
        ask = lambda: self.renewed  # noqa: E731
        setting = Setting(self.centre.access, self.centre.partitions, who, services, self.limits, ask, self.spans)
        stop = asyncio.Event()
        task = asyncio.create_task(serve(setting, self.url, stop, self.told))
        self._terms.append((task, stop))
        return task

    @property
    def partition(self) -> int:
        return partition_for(FLEET.encode(), self.centre.partitions)

    async def stop(self) -> None:
        """All supervisors, in order."""
        terms, self._terms = self._terms, []
        for _, stop in terms:
            stop.set()
        await asyncio.gather(*(task for task, _ in terms), return_exceptions=True)

    async def site(self, name: str, *, certificate_ends_at_ms: int = 0) -> None:
        """Registered, and giving signs."""
        place = self.centre.place(SITES, name)
        made = Registration(name, place.partition, (KEY.public.text(),), certificate_ends_at_ms=certificate_ends_at_ms)
        await self.centre.producer.send(place, name.encode(), encode_registration(made))
        self.resume(name)

    def resume_stuck(self, name: str, backlog_ms: int = 9_000) -> None:
        """It gives signs, and says that its blocks do not get away."""
        self._signing[name] = asyncio.create_task(self._sign_site(name, backlog_ms=backlog_ms))

    async def forge(self, name: str, key: SigningKey) -> None:
        """Signs under the name of a site by another's key."""
        while True:
            await self.live(name, key)
            await asyncio.sleep(EVERY_S)

    async def answers(self) -> list[LiveAnswer]:
        """What _fleet answered to commands."""
        async with self.centre.reader(LIVE) as reader:
            place = self.centre.place(LIVE, FLEET)
            end = (await reader.ends([place]))[place]
            found: list[LiveAnswer] = []
            while reader.offset(place) < end:
                for record in await reader.take():
                    if record.key == FLEET.encode():
                        found += decode_live(record.value or b"", {FLEET_KEY.id: FLEET_KEY.public}).answers
            return found

    def resume(self, name: str) -> None:
        self._signing[name] = asyncio.create_task(self._sign_site(name))

    def service(self, name: str, *expires: Expiry) -> None:
        """A service that gives signs."""
        self._signing[name] = asyncio.create_task(self._sign_service(name, expires))

    async def silence(self, name: str) -> None:
        """Nothing comes from it any more."""
        task = self._signing.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _sign_site(self, name: str, *, backlog_ms: int = 0) -> None:
        while True:
            await self.live(name, backlog_ms=backlog_ms)
            await asyncio.sleep(EVERY_S)

    async def live(self, name: str, key: SigningKey = KEY, *, acked_seq: int = 9, backlog_ms: int = 0) -> None:
        record = Live(
            site=name, log_id="0" * 32, site_seq=9, sent_at_ms=wall_ms(), acked_seq=acked_seq, backlog_ms=backlog_ms
        )
        await self.centre.producer.send(self.centre.place(LIVE, name), name.encode(), encode_live(record, key))

    async def _sign_service(self, name: str, expires: tuple[Expiry, ...]) -> None:
        while True:
            sign = Sign(service=name, replica=f"{name}-1", sent_at_ms=wall_ms(), expires=expires)
            await self.centre.producer.send(self.centre.place(SIGNS, name), name.encode(), encode_sign(sign))
            await asyncio.sleep(EVERY_S)

    async def batch(self, site: str, verdict: Verdict) -> None:
        """One batch without events of a site."""
        batch = EventsBatch(site, "0" * 32, 1, 1, 9, verdict, 1, 0, "a" * 64, ())
        await self.centre.producer.send(self.centre.place(EVENTS, site), site.encode(), encode_batch(batch))

    async def delivery(self, outcome: Outcome, reason: str = "") -> None:
        """What became of a message of the centre's about a site."""
        made = Delivery(
            id="m1", site="north", thread="o1", channel="mail", person="anna", outcome=outcome, attempt=1, repeat=False,
            reason=reason, at_ms=wall_ms(), sender="notifier",
        )  # fmt: skip
        await self.centre.producer.send(self.centre.place(DELIVERIES, "north"), b"north", encode_delivery(made))

    async def command(self, what: What, subject: str, site: str = FLEET, *, ident: str = "c1", ttl_ms: int = 60_000,
                      occurrence: str = "") -> None:  # fmt: skip
        """A person's act, by way of the gateway."""
        command = Command(ident, what, subject, occurrence, None, "seen", "anna", 0)
        order = command_order(command, site=site, sent_at_ms=wall_ms(), ttl_ms=ttl_ms)
        place = self.centre.place(COMMANDS, site)
        await self.centre.producer.send(place, site.encode(), encode_order(order))

    async def records(self) -> list[Record]:
        """All records of _fleet in ampward.events.v1."""
        async with self.centre.reader(EVENTS) as reader:
            ends = await reader.ends([self.centre.place(EVENTS, FLEET)])
            found: list[Record] = []
            for place, end in ends.items():
                while reader.offset(place) < end:
                    found += [one for one in await reader.take() if one.key == FLEET.encode()]
            return found

    async def events(self) -> list[Event]:
        """All events of _fleet that were told, repeats included."""
        batches = [decode_batch(record.value or b"") for record in await self.records()]
        return [decode_event(data) for batch in batches for data in batch.events]

    async def until(self, *wanted: tuple[str, str]) -> list[Event]:
        """Until an event of each (last word of the type, subject behind _fleet/) came, in this order."""
        found: list[Event] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not _has(found := await self.events(), wanted):
                    await asyncio.sleep(0.2)
        except TimeoutError as fault:
            told = [(event.type, event.subject) for event in found]
            raise TimeoutError(f"{wanted} not in {told}; {self.told.events}") from fault
        return found


def _has(events: Sequence[Event], wanted: Sequence[tuple[str, str]]) -> bool:
    left = list(wanted)
    for event in events:
        if left and (event.type.split(".")[-2], event.subject.removeprefix(f"{FLEET}/")) == left[0]:
            left.pop(0)
    return not left


@asynccontextmanager
async def supervised(kafka: KafkaBroker, postgres: Postgres, limits: Limits = SHORT) -> AsyncIterator[Supervised]:
    """A fleet without sites."""
    async with Centre(kafka) as centre:
        made = Supervised(centre, await new_database(postgres), limits)
        try:
            await centre.register(FLEET, key=FLEET_KEY)
            yield made
        finally:
            await made.stop()
            for name in list(made._signing):
                await made.silence(name)
