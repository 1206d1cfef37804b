"""G8: a site, its link or a service of the centre falls silent -> an alarm of _fleet within 60 s.

A run is a supervisor with two sites and a service that give signs, AT_ONCE of them side by side on a real Kafka and
PostgreSQL; after a while drawn from the seed one site gives no sign any more, the other says that nothing of its
backlog moves, the service is gone.
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
AT_ONCE = 5
LOOK_S = 1.0
"""Each look reads all that _fleet has told."""
LOSSES = {
    "the site": "north/site/site_lost",
    "the link": "south/link/link_lost",
    "the service": "_site/gateway/service_lost",
}


def run(count: int, seed: int) -> Outcome:
    """``count`` runs, all on one broker and one PostgreSQL."""
    outcome = Outcome(runs=count)
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="ampward-g8-") as name:
        kafka, postgres = KafkaBroker(Path(name, "kafka")), Postgres(Path(name, "postgres"))
        with kafka, postgres:
            for number, said in enumerate(asyncio.run(_lose_all(kafka, postgres, count, seed))):
                for what in LOSSES.keys() - said.keys():
                    outcome.lost += 1
                    outcome.faults.append(f"seed {seed}, run {number}: {what} is not told in {limit(SAID_S):.0f} s")
                worst = max([worst, *said.values()])
    print(f"G8 seed {seed}: {count} runs, the latest said after {worst:.1f} s", flush=True)
    return outcome


async def _lose_all(kafka: KafkaBroker, postgres: Postgres, count: int, seed: int) -> list[dict[str, float]]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> dict[str, float]:
        async with gate:
            return await _lose(kafka, postgres, random.Random(seed + number))

    return await asyncio.gather(*map(one, range(count)))


async def _lose(kafka: KafkaBroker, postgres: Postgres, draw: random.Random) -> dict[str, float]:
    """What was said to be lost, and after how many seconds."""
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
            await asyncio.sleep(LOOK_S)
    return said


def _is_raised(kind: str) -> bool:
    return kind == "ampward.alarm.raised.v1"
