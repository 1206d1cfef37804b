"""G8: a site, its link or a service of the centre falls silent -> an alarm of _fleet within 60 s.

A run is a supervisor on a real Kafka and PostgreSQL with two sites and a service that give signs; after a while drawn
from the seed one site gives no sign any more, the other says that nothing of its backlog moves, the service is gone.
In `make test` the supervisor's own limits are short; by hand and in `make soak` they are those of the product.
"""

import asyncio
import random
import tempfile
import time
from pathlib import Path

from services.fleet.supervise_watch import Limits
from tests.fleet.supervised import SHORT, supervised
from tests.soak.limits import limit
from tests.soak.outcome import Outcome
from tests.testkit.fleet import KafkaBroker, Postgres

SAID_S = 60.0
LOSSES = {
    "the site": "north/site/site_lost",
    "the link": "south/link/link_lost",
    "the service": "_site/gateway/service_lost",
}


def run(count: int, seed: int) -> Outcome:
    """``count`` runs, all on one broker and one database."""
    outcome = Outcome()
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="ampward-g8-") as name:
        kafka, postgres = KafkaBroker(Path(name, "kafka")), Postgres(Path(name, "postgres"))
        with kafka, postgres:
            for each in range(count):
                faults = asyncio.run(_lose(kafka, postgres, draw))
                outcome.faults += [f"seed {seed}, run {each}: {fault}" for fault in faults]
                outcome.lost += len(faults)
                outcome.runs += 1
    return outcome


async def _lose(kafka: KafkaBroker, postgres: Postgres, draw: random.Random) -> list[str]:
    limits = Limits() if limit(1) == 1 else SHORT
    async with supervised(kafka, postgres, limits) as fleet:
        await fleet.site("north")
        await fleet.site("south")
        fleet.service("gateway")
        fleet.start("gateway")
        await fleet.until(("recorded", "_site/notify"))
        await asyncio.sleep(draw.uniform(0.5, 3.0))
        for name in draw.sample(["north", "south", "gateway"], 3):
            await fleet.silence(name)
        fleet.resume_stuck("south", backlog_ms=limits.link_ms * 2)
        since = time.monotonic()
        said: dict[str, float] = {}
        while len(said) < len(LOSSES) and time.monotonic() - since < limit(SAID_S):
            told = {event.subject.removeprefix("_fleet/") for event in await fleet.events() if _is_raised(event.type)}
            for what, subject in LOSSES.items():
                if subject in told:
                    said.setdefault(what, time.monotonic() - since)
            await asyncio.sleep(0.2)
    return [f"{what} is not said to be lost after {limit(SAID_S):.0f} s" for what in LOSSES if what not in said]


def _is_raised(kind: str) -> bool:
    return kind == "ampward.alarm.raised.v1"
