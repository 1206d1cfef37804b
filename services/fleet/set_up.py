"""A fleet's topics and registrations on brokers that others run: in containers, on a cluster.

Waits for Kafka as long as it takes, makes the topics that are missing, tells of those that differ, makes identities for
the named sites that have none and says every registration of the book again. Run twice it changes nothing.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from services.fleet.applying import register
from services.fleet.identities import HOSTED, Book
from shared.bus.registry import ALL
from shared.log.kafka.access import Access
from shared.log.kafka.topics import KafkaUnavailable, drifts, set_up
from shared.runtime.fleet_file import FleetPlan

T = TypeVar("T")
AGAIN_S = 1.0
WORDS_S = 10.0
"""A line each ten seconds of waiting."""


async def set_up_fleet(plan: FleetPlan, book: Book, sites: Sequence[str], say: Callable[[str], None]) -> bool:
    """Everything; True when the topics are as the registry states them. Raises ConfigError, Unconfirmed."""
    access = plan.access()
    topics = [topic.named(plan.prefix) for topic in ALL]
    made = await _once_there(lambda: set_up(access, topics, plan.shape), access, say)
    say(f"kafka: {len(made)} topics made, {len(topics) - len(made)} were there")
    found = await _once_there(lambda: drifts(access, topics, plan.shape), access, say)
    for drift in found:
        say(f"kafka: {drift}")
    # The bridge is given this folder alone, so it has to be there before its first site.
    (book.folder / HOSTED).mkdir(mode=0o700, exist_ok=True)
    with book.alone():
        book.have_fleet()
        known = {entry.site: entry for entry in book.entries()}
        for site in sites:
            if site not in known:
                entry = book.enroll(site)
                say(f"{site} is enrolled, partition {entry.partition}")
            elif known[site].is_ended:
                say(f"{site} was ended: `ampward enroll {site}` makes it anew")
        entries = book.entries()
        await register(access, book, entries)
    say(f"{len(entries)} sites are registered")
    return not any(drift.is_grave for drift in found)


async def _once_there(ask: Callable[[], Coroutine[Any, Any, T]], access: Access, say: Callable[[str], None]) -> T:
    """The answer, once a broker gives one."""
    loop = asyncio.get_running_loop()
    words_at = loop.time()
    while True:
        try:
            return await ask()
        except KafkaUnavailable as fault:
            if loop.time() >= words_at:
                say(f"waiting for Kafka at {access.bootstrap}: {fault}")
                words_at = loop.time() + WORDS_S
            await asyncio.sleep(AGAIN_S)
