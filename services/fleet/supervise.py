"""The fleet's supervision as a service: `ampward service supervisor --config FILE`; one replica works, others wait.

Watches that sites, links and services give signs, that blocks are equal, that records can be read, that messages to
people get out, that certificates and tokens do not end; tells by alarms of the pseudo-site _fleet, which the gateway
shows and the notifier sends like any other site's. Who works is said by a lease in PostgreSQL; another takes over
within eight seconds.
Exit 0 for a clean end, 3 when it cannot start.
"""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from services.fleet.authority import ends_at
from services.fleet.identities import FORMER_KEY, KEY
from services.fleet.supervise_log import MIGRATIONS, Fenced, FleetLog
from services.fleet.supervise_ready import Pulse
from services.fleet.supervise_tell import Who
from services.fleet.supervise_term import Renewed, Setting, Term
from services.fleet.supervise_watch import Limits
from shared.bus.registry import COMMANDS, DEADLETTER, DELIVERIES, EVENTS, LIVE, SIGNS, SITES
from shared.domain.errors import ConfigError, WireError
from shared.log.kafka.records import RecordRefused, Tell, Unconfirmed
from shared.log.kafka.signs import replica_name, signing
from shared.log.kafka.topics import check
from shared.runtime.clocks import SystemClock
from shared.runtime.fleet_file import FleetPlan
from shared.runtime.fleet_service import run_service
from shared.runtime.logging import Changes
from shared.runtime.metrics import Tally
from shared.runtime.postgres import TROUBLE, close, connect, migrate
from shared.runtime.probes import Probes, serving_probes
from shared.runtime.tracing import open_spans
from shared.wire.signing import read_signing_key
from shared.wire.signs import Expiry

SERVICE: Final = "supervisor"
TOPICS: Final = (EVENTS, LIVE, COMMANDS, DELIVERIES, DEADLETTER, SITES, SIGNS)
AGAIN_S: Final = 1.0
NAME_MAX: Final = 40
_NO_ID = re.compile(r"[^a-z0-9_-]+")


async def serve(
    setting: Setting, postgres_url: str, stop: asyncio.Event, tell: Tell, pulse: Pulse | None = None
) -> None:
    """Runs until ``stop``; ``pulse`` shows how it gets on. Raises what keeps it from starting: DatabaseAway,
    SchemaNewer."""
    name, clock, pulse = replica_name(SERVICE), SystemClock(), pulse or Pulse()
    pool, changes = await connect(postgres_url, name), Changes()
    try:
        if steps := await migrate(pool, MIGRATIONS):
            tell("schema_migrated", f"{steps} steps")
        while not stop.is_set():
            pulse.work.beat()
            log = FleetLog(pool, name, pulse.answered)
            if await _is_ours(log, changes, tell):
                now = replace(setting, who=setting.ask_who() or setting.who)
                pulse.term = Term(now, log, clock, tell, pulse.work.beat)
                await _term(pulse.term, stop, tell)
                pulse.term = None
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await stop.wait()
    finally:
        await close(pool)


async def _is_ours(log: FleetLog, changes: Changes, tell: Tell) -> bool:
    """Whether the lease is to be had; told once while the database says the same each second."""
    try:
        is_ours = await log.take()
    except TROUBLE as fault:
        if changes.changed("lease", type(fault)):
            tell("no_lease", f"{type(fault).__name__}: {fault}")
        return False
    changes.changed("lease", None)
    return is_ours


async def _term(term: Term, stop: asyncio.Event, tell: Tell) -> None:
    """One term. Trouble ends it and is told."""
    try:
        try:
            await term.run(stop)
        finally:
            with suppress(*TROUBLE):
                await term.log.end()
    except (Fenced, Renewed, Unconfirmed, RecordRefused, WireError, *TROUBLE) as fault:
        tell("term_ends", f"{type(fault).__name__}: {fault}")


def expiries(patterns: tuple[str, ...]) -> Iterator[Expiry]:
    """The ends of the certificates in these files; one that cannot be read is left out."""
    for pattern in patterns:
        for path in sorted(Path(pattern).parent.glob(Path(pattern).name)):
            with suppress(ConfigError):
                ends = ends_at(path)
                name = _NO_ID.sub("-", f"{path.parent.name}-{path.stem}".lower())[-NAME_MAX:]
                yield Expiry("certificate", name, int(ends.timestamp() * 1000))


def setting_of(plan: FleetPlan) -> Setting:
    """Raises ConfigError."""
    told = plan.supervisor
    who = read_who(Path(told.identity), plan.prefix)
    limits = Limits(
        told.site_lost_after,
        told.link_lost_after,
        told.service_lost_after,
        told.expiring_before,
        told.delivery_failing_after,
        told.start_grace,
    )

    def ask_who() -> Who | None:
        with suppress(ConfigError):
            return read_who(Path(told.identity), plan.prefix)
        return None

    return Setting(plan.access(), plan.shape.partitions, who, told.services, limits, ask_who)


def read_who(folder: Path, prefix: str = "") -> Who:
    """The identity of _fleet. Raises ConfigError."""
    try:
        key = read_signing_key((folder / KEY).read_bytes())
        former = folder / FORMER_KEY
        before = read_signing_key(former.read_bytes()) if former.exists() else None
        partition = int(json.loads((folder / "identity.json").read_bytes())["partition"])
    except (OSError, WireError, ValueError, KeyError, TypeError) as fault:
        raise ConfigError(f"supervisor.identity: {folder}: {fault}; `ampward fleet set-up` makes it") from fault
    return Who(key, partition, prefix, before)


def main(plan: FleetPlan) -> int:
    """Until INT or TERM."""

    async def work(stop: asyncio.Event, tell: Tell) -> None:
        clock = SystemClock()
        url, spans = plan.postgres_url(), open_spans(SERVICE, os.environ, tell)
        setting = replace(setting_of(plan), spans=spans)
        tally, pulse = Tally(tell), Pulse()
        probes = Probes(SERVICE, pulse.ready, pulse.work.why, tally.samples)
        tell = tally.tell
        for drift in await check(setting.access, [topic.named(plan.prefix) for topic in TOPICS], plan.shape):
            tell("topic_drifted", str(drift))
        patterns = plan.supervisor.certificates
        signs = signing(setting.access, SERVICE, clock.wall_ms, prefix=plan.prefix, expires=lambda: expiries(patterns))
        async with serving_probes(plan.health, probes, tell), signs:
            try:
                await serve(setting, url, stop, tell, pulse)
            finally:
                await asyncio.to_thread(spans.close)

    return run_service(SERVICE, work)
