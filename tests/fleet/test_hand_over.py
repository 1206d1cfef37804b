"""TERM of a service while others go on: within the grace period of its pod, nothing is lost and nothing is doubled."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.fleet.centre import Centre, Told
from tests.fleet.replicas import Reader, Replica
from tests.fleet.telling import PATIENCE_S, Telling
from tests.fleet.telling_sites import Sites, ids
from tests.services.processor.recorded import blocks_of, bodies, recorded
from tests.soak.rig import stored
from tests.testkit.fleet import KafkaBroker, Postgres
from tests.testkit.kustomize import render

ROLLS = 2


@pytest.fixture(scope="module")
def grace_s() -> int:
    """What every pod of ours gets."""
    found = {
        one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        for one in render(ROOT / "infra" / "kubernetes" / "base")
        if one["kind"] in ("Deployment", "StatefulSet")
    }
    (grace,) = found
    return int(grace)


async def _hears_term(pid: int) -> None:
    """Until the process has its own way to end; before that it has nothing to hand over, and a TERM just ends it."""
    while True:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
        if int(caught, 16) & 1 << (signal.SIGTERM - 1):
            return
        await asyncio.sleep(0.05)


async def test_a_processor_that_is_ended_hands_over_whole(kafka: KafkaBroker, grace_s: int) -> None:
    """Two workers are rolled one after the other under load: each event once, its bytes equal."""
    sites = {f"s{n}": recorded(n % 3) for n in range(4)}
    async with Centre(kafka) as centre:
        await centre.register(*sites)
        for log in sites.values():
            await centre.rules(bodies(log))
        workers = [centre.start(), centre.start()]
        blocks = {site: blocks_of(log, site=site, seed=11) for site, log in sites.items()}
        told = Told(centre, {site: stored(log) for site, log in sites.items()})
        following = asyncio.create_task(told.follow(within_s=120))
        parts = ROLLS + 1
        for part in range(parts):
            for site, made in blocks.items():
                await centre.send(site, made[len(made) * part // parts : len(made) * (part + 1) // parts])
            wanted = max(1, sum(map(len, told.expected.values())) * part // (parts + 2))
            reaching = asyncio.create_task(told.reached(wanted))
            await asyncio.wait([reaching, following], return_when=asyncio.FIRST_COMPLETED)
            if not reaching.done():
                reaching.cancel()
                await following
            if part < ROLLS:
                await _hears_term(workers[part].pid)
                centre.start()
                code = await asyncio.to_thread(workers[part].stop, grace_s)
                assert code == 0
        await following
        assert told.by_site() == dict(told.expected)
        assert told.wrong == []
        assert told.repeats == 0
        assert set(told.verdicts) == {"equal"}


async def test_a_notifier_that_is_ended_tells_nobody_twice(
    kafka: KafkaBroker, postgres: Postgres, tmp_path: Path, grace_s: int
) -> None:
    """A replica is ended in the midst of its sends: what it began it ends, what it did not begin another tells."""
    async with Telling(kafka, postgres, tmp_path) as telling:
        (telling.folder / "slow").write_text("0.05")
        first = telling.start()
        sites = [(number % 4, f"site{number}") for number in range(6)]
        raised = 0
        for _ in range(2):
            await asyncio.gather(*(telling.raise_(part, site, f"gas{raised}") for part, site in sites))
            raised += len(sites)
        await telling.until_arrived(len(sites))
        telling.start()
        await asyncio.gather(*(telling.raise_(part, site, f"gas{raised}") for part, site in sites))
        raised += len(sites)
        code = await asyncio.to_thread(first.stop, grace_s)
        assert code == 0
        await asyncio.gather(*(telling.raise_(part, site, f"gas{raised}") for part, site in sites))
        raised += len(sites)
        async with asyncio.timeout(PATIENCE_S):
            await telling.until_arrived(raised)
        arrived = telling.arrived()
        assert len({one.id for one in arrived}) == raised
        assert len(arrived) == raised
        assert len({one.pid for one in arrived}) == 2


@pytest.fixture
async def centre(kafka: KafkaBroker) -> AsyncIterator[Centre]:
    async with Centre(kafka, partitions=2) as made:
        await made.register("depot", "mill")
        yield made


async def test_a_gateway_that_is_ended_lets_its_readers_go_on_elsewhere(centre: Centre, grace_s: int) -> None:
    """The stream ends, the reader comes to another replica with its cursor: every event once, in its order."""
    sites, replicas = Sites(centre), [Replica(centre), Replica(centre)]
    reader, reading, last = Reader(replicas), None, 12 * (ROLLS + 1)
    try:
        await asyncio.gather(*[each.answers() for each in replicas])
        reading = asyncio.create_task(reader.follow())
        for event in range(1, last + 1):
            await sites.batch("mill", event)
            await sites.batch("depot", event)
            if event % 12 == 0 and event < last:
                await reader.has(2 * event - 6)
                assert reader.at is not None
                victim = reader.at
                replicas[replicas.index(victim)] = Replica(centre)
                assert await asyncio.to_thread(victim.stop, grace_s) == 0
                await asyncio.gather(*[each.answers() for each in replicas if not each.address])
        await reader.has(2 * last)
        assert sorted(reader.heard.ids) == sorted(ids("depot", range(1, last + 1)) + ids("mill", range(1, last + 1)))
        for site in ("depot", "mill"):
            assert [each for each in reader.heard.ids if each.startswith(site)] == ids(site, range(1, last + 1))
        assert reader.moves >= ROLLS
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        for each in replicas:
            each.kill()
