"""The centre's notifier while blocks are late: alarms of now are told by the live lane, and once."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.wire.signing import SigningKey
from tests.fleet.telling import Telling, doubled
from tests.testkit.fleet import KafkaBroker, Postgres

TWO_HOURS_MS = 7_200_000


@pytest.fixture
async def telling(kafka: KafkaBroker, postgres: Postgres, tmp_path: Path) -> AsyncIterator[Telling]:
    async with Telling(kafka, postgres, tmp_path) as made:
        await made.register(0, "north")
        yield made


async def test_an_alarm_of_now_is_told_while_a_backlog_is_still_to_come(telling: Telling) -> None:
    """The site was cut for two hours and is back under the lease: a warning of now is told by the live lane before its
    block is there, what the site tells itself is not, and when the blocks have brought everything nothing comes twice
    (what is old waits a minute for its summary)."""
    telling.start()
    await telling.send(0, telling.batch(telling.lease("north", on=True)))
    begun = telling.event("north", "raised", "begun")
    await telling.live(0, begun.site_seq, begun)
    await telling.until_arrived(1)
    end = telling.lease("north", on=False)
    old = [telling.event("north", "raised", f"p{number}", "warning", age_ms=TWO_HOURS_MS) for number in range(40)]
    own = telling.event("north", "raised", "own", "warning")
    begin = telling.lease("north", on=True)
    now = telling.event("north", "raised", "now", "warning")._replace(value="4.4")
    await telling.live(0, own.site_seq, own, begin, now)
    told = (await telling.until_arrived(2))[1]
    assert "4.4" in told.subject
    await telling.send(0, telling.batch(begun, end, *old[:20]))
    await telling.send(0, telling.batch(*old[20:]), telling.batch(own, begin, now))
    last = telling.event("north", "raised", "last")._replace(value="5.5")
    await telling.send(0, telling.batch(last))
    arrived = await telling.until_arrived(3)
    assert ["5.5" in one.subject for one in arrived] == [False, False, True]


async def test_who_has_no_key_of_the_site_tells_nobody_anything(telling: Telling) -> None:
    """Whoever may write to the topic: an event that the site did not sign is nothing; the next of its own is told."""
    telling.start()
    await telling.raise_(0, "north", "begun")
    await telling.until_arrived(1)
    forged = telling.event("north", "raised", "forged")
    await telling.live(0, forged.site_seq, forged, key=SigningKey(bytes(32)))
    true = telling.event("north", "raised", "true")._replace(value="4.4")
    await telling.live(0, forged.site_seq, true)
    arrived = await telling.until_arrived(2)
    assert ["4.4" in one.subject for one in arrived[1:]] == [True]


@pytest.mark.parametrize("label", ["in plan", "after plan", "after send"])
async def test_a_replica_killed_while_it_tells_ahead_loses_and_doubles_nothing_unmarked(
    telling: Telling, label: str
) -> None:
    """kill -9 at a step; the next one hears the lane of the last minutes again, and then the blocks."""
    await telling.send(0, telling.batch(telling.lease("north", on=True)))
    now = telling.event("north", "raised", "now")
    crashing = telling.start(crash_at=label)
    await telling.live(0, now.site_seq, now)
    await asyncio.to_thread(crashing.wait)
    assert crashing.process.returncode == -signal.SIGKILL
    telling.start()
    await telling.until_arrived(1)
    after = telling.event("north", "raised", "after")
    await telling.send(0, telling.batch(now, after))
    arrived = await telling.until_arrived(2)
    again = doubled(arrived)
    assert len(again) <= 1
    assert all(one.is_repeat for one in again)
