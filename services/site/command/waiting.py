"""A service of the centre waits for its servers: a broker, its topics, PostgreSQL, in whatever order they come.

Containers and units start everything at once. What is not there yet is waited for as long as it takes and said once a
minute, and by the service's health port, where it is alive and not ready; what is there and wrong, such as a topic of
other settings, is the service's own to judge at its start.
"""

import asyncio
import signal
from collections.abc import Sequence
from typing import Any

from shared.bus.registry import Topic
from shared.log.kafka.topics import KafkaUnavailable, drifts
from shared.runtime.fleet_file import FleetPlan
from shared.runtime.postgres import DatabaseAway, close, connect
from shared.runtime.probes import Probes, serving_probes

STARTING = "it looks for its servers"
AGAIN_S = 1.0
WORDS_S = 60.0


async def wait_for_servers(plan: FleetPlan, topics: Sequence[Topic], *, database: bool, log: Any) -> bool:
    """True when all of them answer; False when INT or TERM came before. Raises ConfigError.

    A service without ``topics`` does not wait for Kafka.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    said, said_at = "", 0.0
    probes = Probes(plan.service, lambda: {"servers": said or STARTING}, lambda: "", lambda: ())
    async with serving_probes(plan.health, probes, lambda event, words: log.warning(event, words=words)):
        while not stop.is_set():
            # A server that swallows what is sent to it is asked for a minute: TERM must not wait for that.
            asking = asyncio.create_task(_absent(plan, topics, database=database))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([asking, stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not asking.done():
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                break
            absent = asking.result()
            if not absent:
                return True
            if absent != said or loop.time() >= said_at + WORDS_S:
                log.warning("waits_for_servers", why=absent)
                said, said_at = absent, loop.time()
            try:
                async with asyncio.timeout(AGAIN_S):
                    await stop.wait()
            except TimeoutError:
                continue
    return False


async def _absent(plan: FleetPlan, topics: Sequence[Topic], *, database: bool) -> str:
    return (await _kafka(plan, topics) if topics else "") or (await _postgres(plan) if database else "")


async def _kafka(plan: FleetPlan, topics: Sequence[Topic]) -> str:
    """What is not there; empty when nothing is missing."""
    try:
        found = await drifts(plan.access(), [topic.named(plan.prefix) for topic in topics], plan.shape)
    except KafkaUnavailable as fault:
        return str(fault)
    return "; ".join(str(drift) for drift in found if not drift.setting)


async def _postgres(plan: FleetPlan) -> str:
    try:
        pool = await connect(plan.postgres_url(), plan.service, pool=1)
    except DatabaseAway as fault:
        return str(fault)
    await close(pool)
    return ""
