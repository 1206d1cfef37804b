"""The bridge as a service: `ampward service bridge --config FILE`; it hosts the sites that only speak MQTT.

Each folder HOSTED/SITE with an identity and a site.yaml is a site. Who hosts it says a lease in PostgreSQL
(services.bridge.lease); a second bridge with the same folders waits and takes over within TAKE_OVER_S of a death.
Promises: of two bridges one writes a site's log; a site whose log is in a folder that this bridge has not is left
alone and told. A database that goes away costs no site that is hosted. Exit 0 for a clean end, 3 when it cannot start.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.bridge.lease import LIVES_S, MIGRATIONS, SIGN_S, Leases
from services.site.hosted_site import HostedSite, Places, Tell
from shared.bus.registry import Topic
from shared.domain.errors import AmpwardError
from shared.domain.ids import is_id
from shared.log.kafka.signs import replica_name, signing
from shared.runtime import metrics
from shared.runtime.clocks import SystemClock
from shared.runtime.fleet_file import FleetPlan
from shared.runtime.fleet_service import run_service
from shared.runtime.logging import logger
from shared.runtime.metrics import Sample, Tally
from shared.runtime.postgres import TROUBLE, close, connect, migrate
from shared.runtime.probes import Beat, Probes, serving_probes

SERVICE: Final = "bridge"
TOPICS: Final[tuple[Topic, ...]] = ()
"""It waits for none: a hosted site is watched without Kafka too, its log waits for the way up."""
LOOK_S: Final = 1.0
AGAIN_S: Final = 2.0
"""After a term that ended by itself."""
WELL_S: Final = 10.0
"""A site that has run for so long is hosted; what kept it from running before is told until then."""
TAKE_OVER_S: Final = LIVES_S + LOOK_S
EVERY: Final = "hosted/*"
"""Stands for all sites where the folder itself cannot be read; no id of a site."""


@dataclass
class _Term:
    stop: asyncio.Event
    task: "asyncio.Task[None]"


@dataclass
class Bridge:
    """All sites of one process."""

    plan: FleetPlan
    leases: Leases
    tell: Tell
    beat: Callable[[], None] = lambda: None
    _terms: dict[str, _Term] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)
    _signed_at: float = 0.0
    database: str = ""
    """What is wrong with it, empty when nothing is."""

    def troubles(self) -> dict[str, str]:
        """By site, why it is not hosted by anybody."""
        return {site: why for site, why in self._said.items() if why}

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``; then no process of any site is left."""
        try:
            while not stop.is_set():
                self.beat()
                await self._look()
                try:
                    async with asyncio.timeout(LOOK_S):
                        await stop.wait()
                except TimeoutError:
                    continue
        finally:
            terms = list(self._terms.values())
            for term in terms:
                term.stop.set()
            await asyncio.gather(*(term.task for term in terms), return_exceptions=True)

    def _wanted(self) -> dict[str, Places]:
        """The sites that are to be hosted. What cannot be looked at is told; a site that is hosted then goes on."""
        root, data = Path(self.plan.hosted), Path(self.plan.data) / "hosted"
        try:
            names = sorted(path.name for path in root.iterdir() if is_id(path.name))
        except FileNotFoundError:
            names = []
        except OSError as fault:
            self._say(EVERY, f"{type(fault).__name__}: {fault}")
            names = sorted(self._terms)
        else:
            self._say(EVERY, "")
        wanted: dict[str, Places] = {}
        for each in (Places(name, root / name, data / name) for name in names):
            try:
                is_wanted = each.is_complete
            except OSError as fault:
                self._say(each.site, f"{type(fault).__name__}: {fault}")
                is_wanted = each.site in self._terms
            else:
                if not is_wanted:
                    self._said.pop(each.site, None)
            if is_wanted:
                wanted[each.site] = each
        for site in self._said.keys() - {*names, EVERY}:
            del self._said[site]
        return wanted

    async def _look(self) -> None:
        wanted = self._wanted()
        for site, term in list(self._terms.items()):
            if site not in wanted:
                term.stop.set()
        try:
            await self._sign()
            for site, where in wanted.items():
                if site not in self._terms:
                    await self._take(where)
            self.database = ""
        except TROUBLE as fault:
            why = f"{type(fault).__name__}: {fault}"
            if not self.database:
                self.tell("database_away", why)
            self.database = why

    async def _sign(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._signed_at < SIGN_S:
            return
        self._signed_at = now
        for site in await self.leases.sign():
            self.tell("lease_lost", site)
            if site in self._terms:
                self._terms[site].stop.set()

    async def _take(self, where: Places) -> None:
        try:
            home = where.home()
        except OSError as fault:
            self._say(where.site, f"{type(fault).__name__}: {fault}")
            return
        if not await self.leases.take(where.site, home):
            elsewhere = await self.leases.home(where.site) not in ("", home)
            self._say(where.site, f"its log is not in {where.data}" if elsewhere else "")
            return
        stop = asyncio.Event()
        task = asyncio.create_task(self._term(where, stop), name=f"hosted {where.site}")
        self._terms[where.site] = _Term(stop, task)

    async def _term(self, where: Places, stop: asyncio.Event) -> None:
        logger().info("hosting_begins", site=where.site, fence=self.leases.fences.get(where.site, 0))
        well = asyncio.get_running_loop().call_later(WELL_S, self._say, where.site, "")
        try:
            await HostedSite(where, self.plan, self.tell).run(stop)
        except Exception as fault:  # Of whatever kind: the other sites go on, and this one is tried again.
            well.cancel()
            if not isinstance(fault, (AmpwardError, OSError)):
                logger().error("hosting_fault", site=where.site, exc_info=True)
            self._say(where.site, f"{type(fault).__name__}: {fault}")
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await stop.wait()
        finally:
            well.cancel()
            try:
                await self.leases.end(where.site)
            except TROUBLE as fault:
                self.tell("database_away", f"{type(fault).__name__}: {fault}")
            del self._terms[where.site]
            logger().info("hosting_ends", site=where.site)

    def _say(self, site: str, why: str) -> None:
        """Once a change."""
        if self._said.get(site, "") != why and why:
            self.tell("not_hosted", f"{site}: {why}")
        self._said[site] = why

    def samples(self) -> Iterable[Sample]:
        yield Sample(metrics.SITES_OWNED, len(self._terms))
        yield Sample(metrics.SITES_NOT_HOSTED, len(self.troubles()))


@asynccontextmanager
async def _bridge(plan: FleetPlan, tell: Tell, beat: Callable[[], None]) -> AsyncIterator[Bridge]:
    name = replica_name(SERVICE)
    pool = await connect(plan.postgres_url(), name)
    try:
        if steps := await migrate(pool, MIGRATIONS):
            tell("schema_migrated", f"{steps} steps")
        yield Bridge(plan, Leases(pool, name), tell, beat)
    finally:
        await close(pool)


def main(plan: FleetPlan) -> int:
    """Until INT or TERM."""

    async def work(stop: asyncio.Event, tell: Tell) -> None:
        clock = SystemClock()
        plan.broker()
        tally, pulse = Tally(tell), Beat(SERVICE)
        async with _bridge(plan, tally.tell, pulse.beat) as bridge:

            def ready() -> dict[str, str]:
                troubles = "; ".join(f"{site}: {why}" for site, why in bridge.troubles().items())
                return {SERVICE: pulse.why(), "database": bridge.database, "sites": troubles[:2000]}

            probes = Probes(SERVICE, ready, pulse.why, lambda: (*tally.samples(), *bridge.samples()))
            signs = signing(plan.access(), SERVICE, clock.wall_ms, prefix=plan.prefix)
            logger().info("bridge_begins", hosted=plan.hosted)
            async with serving_probes(plan.health, probes, tally.tell), signs:
                await bridge.run(stop)

    return run_service(SERVICE, work)
