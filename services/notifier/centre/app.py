"""The fleet's notifier as a service: `ampward service notifier --config FILE`, as many replicas as one likes.

    ampward.events.v1 --group--> sites --pipeline of each site--> ledger in PostgreSQL --> channels --> people
    ampward.live.v1 ------> what the blocks are late with ^             +--> ampward.deliveries.v1

Kafka's group shares the partitions out, PostgreSQL says who holds a site (services.notifier.centre.claims): a replica
that was killed loses its sites after ten seconds, one that is stopped hands them over at once, one that sleeps and
comes back sends nothing.
Promises: the order of work is effect, position in PostgreSQL, Kafka's own commit. Refuses: a database of a newer
program, drifted topics. Limits: RECORDS of Kafka in hand.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from services.notifier.centre.claims import Claims
from services.notifier.centre.feed import TellReports
from services.notifier.centre.lane import LiveLanes
from services.notifier.centre.outcomes import SENDER, delivery_of
from services.notifier.centre.people import People, Read
from services.notifier.centre.schema import MIGRATIONS, MONTHLY, SCHEMA
from services.notifier.centre.seat import Parts
from services.notifier.centre.sites import Sites
from services.notifier.centre.telling import Telling
from services.notifier.outside import make_channels
from services.notifier.ports import Channel
from services.notifier.reports import BoxReport
from services.notifier.routing import Setting
from shared.bus.registry import COMMANDS, DEADLETTER, DELIVERIES, EVENTS, LIVE, SITES, Shape
from shared.domain.errors import AmpwardError, ConfigError
from shared.log.kafka.access import Access
from shared.log.kafka.burying import Burying
from shared.log.kafka.group import GroupReader
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place, Record, Tell
from shared.log.kafka.signs import signing
from shared.log.steps import Step, no_step
from shared.runtime.clocks import Clock, SystemClock
from shared.runtime.ending import ended
from shared.runtime.fleet_file import FleetPlan
from shared.runtime.fleet_service import run_service
from shared.runtime.fleet_start import begun
from shared.runtime.logging import logger
from shared.runtime.postgres import STATEMENT_S, TROUBLE, Months
from shared.runtime.probes import serving_probes
from shared.runtime.site_file.people import PeopleOfAll, read_people
from shared.wire import cloud
from shared.wire.deliveries import encode_delivery
from shared.wire.orders import NotifyLease, encode_order

GROUP: Final = "ampward-notifier"
TOPICS: Final = (EVENTS, LIVE, SITES, COMMANDS, DELIVERIES, DEADLETTER)
RECORDS: Final = 64
"""Batches of events in hand: 16 MiB of ordinary blocks' events at most."""
LEASE_MS: Final = 5000
RENEW_S: Final = 2.0

MakeChannels = Callable[[Setting], Mapping[str, Channel]]


@dataclass(frozen=True, slots=True)
class NotifierPlan:
    """What a replica is started with."""

    access: Access
    shape: Shape
    postgres_url: str
    people: PeopleOfAll
    """As they are at the start."""
    prefix: str = ""
    """Of the topics' names and the group."""
    step: Step = no_step
    channels: MakeChannels | None = None
    """Instead of those that the people's file names."""
    health: str = ""
    """Where it tells how it is; "" is nowhere."""
    read_people: Read | None = None
    """How their file is read again; None: what they are at the start holds."""
    statement_s: float = STATEMENT_S


class Outlet:
    """Records that this service sends."""

    def __init__(self, producer: Producer, prefix: str, clock: Clock, log: Any) -> None:
        self._producer = producer
        self._prefix = prefix
        self._clock = clock
        self._log = log
        self._burying = Burying(producer, SENDER, prefix)

    def tell(self, site: str, partition: int) -> TellReports:
        place, key = Place(self._prefix + DELIVERIES.name, partition), site.encode()

        async def send(ledger: str, number: int, reports: Sequence[BoxReport]) -> None:
            now_ms, waiting = self._clock.wall_ms(), []
            for back, report in enumerate(reversed(reports)):
                delivery = delivery_of(site, report, now_ms)
                if delivery is None:
                    self._log.warning("notifier_reports", site=site, kind=str(report.kind), part=report.part,
                                      detail=report.detail, on=report.on)  # fmt: skip
                    continue
                ident = f"{ledger}/{number - back}"
                headers = cloud.headers(cloud.DELIVERY, site=site, id=ident, at_ms=now_ms)
                waiting.append((encode_delivery(delivery), headers))
            done = [await self._producer.hand_over(place, key, value, headers) for value, headers in reversed(waiting)]
            await asyncio.gather(*done)

        return send

    async def renew(self, sites: Sites, claims: Claims) -> None:
        """The notify lease of every site that is ours, each two seconds; until cancelled. Nobody waits for one that is
        not confirmed: the site tells people itself when none arrives. So it does while the database hangs: nothing
        could be told by us then, and what the site has lent to us it gets back in time."""
        topic, number = self._prefix + COMMANDS.name, 0
        under_way: set[asyncio.Future[Any]] = set()
        while True:
            number += 1
            under_way = {sent for sent in under_way if not sent.done()}
            for seat in sites.ours() if claims.lives and not under_way else ():
                order = NotifyLease(
                    id=f"{seat.site}/{seat.holds}/{number}", site=seat.site, sent_at_ms=self._clock.wall_ms(),
                    ttl_ms=LEASE_MS, holder=SENDER, epoch=seat.holds, number=number, for_ms=LEASE_MS,
                )  # fmt: skip
                place, key = Place(topic, seat.partition), seat.site.encode()
                headers = cloud.headers(cloud.ORDER, site=seat.site, id=order.id, at_ms=order.sent_at_ms)
                under_way.add(await self._producer.hand_over(place, key, encode_order(order), headers))
            await asyncio.sleep(RENEW_S)

    async def bury(self, record: Record, why: str) -> None:
        """Its exact bytes go to the dead letters."""
        await self._burying.bury(record, why, self._clock.wall_ms())


async def serve(plan: NotifierPlan, stop: asyncio.Event, tell: Tell) -> None:
    """Runs until ``stop``. Raises what keeps it from starting: DatabaseAway, SchemaNewer, TopicsDrifted,
    KafkaUnavailable."""
    telling = Telling(tell)
    async with serving_probes(plan.health, telling.probes(), tell):
        try:
            async with begun(plan, SENDER, TOPICS, MIGRATIONS, telling.tally.tell) as (pool, name):
                await _serve(plan, stop, telling, pool, name)
        finally:
            await asyncio.to_thread(telling.close)


async def _serve(plan: NotifierPlan, stop: asyncio.Event, telling: Telling, pool: Any, name: str) -> None:
    tell = telling.tally.tell
    clock, log = SystemClock(), logger(part="notifier")
    claims, people = Claims(pool, name), People(plan.people, tell, plan.read_people)
    make = plan.channels or (lambda setting: make_channels(setting, clock))
    await claims.sign()
    async with Producer(plan.access, SENDER, tell=tell) as producer:
        outlet = Outlet(producer, plan.prefix, clock, log)
        months = Months(pool, SCHEMA, MONTHLY)
        parts = Parts(pool, months, claims, clock, people.of, make, SENDER, outlet.tell, plan.step,
                      telling.counts)  # fmt: skip
        sites = Sites(parts, outlet.bury)
        lanes = LiveLanes(plan.access, plan.prefix, sites, clock, tell)
        telling.claims, telling.sites, telling.lanes = claims, sites, lanes
        async with GroupReader(
            plan.access, plan.prefix + GROUP, (plan.prefix + EVENTS.name,), name, start_at=sites.start_at, tell=tell
        ) as reader:
            telling.reader = reader
            tasks = [
                asyncio.create_task(claims.live(), name="signs"),
                asyncio.create_task(sites.tidy(), name="tidy"),
                asyncio.create_task(sites.keep_heard(), name="heard"),
                asyncio.create_task(lanes.follow(), name="live"),
                asyncio.create_task(people.follow(), name="people"),
                asyncio.create_task(outlet.renew(sites, claims), name="leases"),
                asyncio.create_task(_read(reader, sites), name="read"),
                asyncio.create_task(stop.wait(), name="stop"),
            ]
            done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if telling.is_database_away():  # Our sites are anybody's by then, and what hangs would outlast us.
                pool.terminate()
            for task in waiting:
                if task.get_name() != "signs":
                    task.cancel()
            await sites.close()
        await ended(waiting, pool.terminate)
    with suppress(*TROUBLE, AmpwardError):
        await claims.end()
    for task in done:
        task.result()


async def _read(reader: GroupReader, sites: Sites) -> None:
    while True:
        taken = await reader.take(RECORDS)
        if await sites.take(taken.records, lambda now=taken: reader.is_current(now)):  # type: ignore[misc]
            await reader.confirm(taken)


def main(plan: FleetPlan) -> int:
    """`ampward service notifier`: until INT or TERM. 0 for a clean end, 3 when it cannot start."""

    async def work(stop: asyncio.Event, tell: Tell) -> None:
        if not plan.notify:
            raise ConfigError("notify: is not configured; allowed: a file with people, channels and routes")
        read = partial(read_people, Path(plan.notify), os.environ)
        made = NotifierPlan(plan.access(), plan.shape, plan.postgres_url(), read(), plan.prefix,
                            health=plan.health, read_people=read)  # fmt: skip
        async with signing(made.access, SENDER, SystemClock().wall_ms, prefix=plan.prefix):
            await serve(made, stop, tell)

    return run_service(SENDER, work)
