"""The centre's notifier on a real Kafka and PostgreSQL: what people get, whoever is killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from services.notifier.centre.schema import SCHEMA
from services.notifier.ledger_port import LABELS
from shared.bus.registry import COMMANDS, DEADLETTER, DELIVERIES
from shared.wire.deadletters import decode_dead_letter
from shared.wire.deliveries import Outcome, decode_delivery
from shared.wire.orders import NotifyLease, decode_order
from tests.fleet.telling import PATIENCE_S, Telling, doubled
from tests.testkit.fleet import KafkaBroker, Postgres


@pytest.fixture
async def telling(kafka: KafkaBroker, postgres: Postgres, tmp_path: Path) -> AsyncIterator[Telling]:
    async with Telling(kafka, postgres, tmp_path) as made:
        yield made


async def test_an_alarm_of_any_site_reaches_its_person_once(telling: Telling) -> None:
    """From batches of events to messages, the ledger and the topic of deliveries; a restart sends nothing again."""
    replica = telling.start()
    await telling.raise_(0, "north", "gas1")
    await telling.raise_(3, "south", "gas1", "gas2")
    arrived = await telling.until_arrived(3)
    assert len(arrived) == 3
    async with asyncio.timeout(PATIENCE_S):
        while len(found := await telling.records(DELIVERIES)) < 3:
            await asyncio.sleep(0.1)
    deliveries = [decode_delivery(record.value or b"") for record in found]
    assert {one.site for one in deliveries} == {"north", "south"}
    assert {one.outcome for one in deliveries} == {Outcome.SENT}
    assert {one.id for one in deliveries} == {one.id for one in arrived}
    assert replica.stop() == 0
    telling.start()
    (raised,) = await telling.raise_(0, "north", "gas9")
    assert len(await telling.until_arrived(4)) == 4, raised


async def test_batches_that_come_again_tell_nobody_twice(telling: Telling) -> None:
    """The processor writes at least once, and late from a former owner: known by the numbers of the log."""
    telling.start()
    begun = telling.lease("north", on=True)
    first = telling.event("north", "raised", "gas1")
    gone = [telling.event("north", what, "gas1", state=state, begun=first.site_seq) for what, state in
            (("acked", "C"), ("returned", "D"), ("cleared", "A"))]  # fmt: skip
    batches = [telling.batch(begun, first), telling.batch(*gone)]
    await telling.send(1, *batches, *batches)
    await telling.send(1, batches[0])
    await telling.raise_(1, "north", "gas2")
    await telling.until_arrived(3)
    await telling.raise_(1, "north", "gas3")
    arrived = await telling.until_arrived(4)
    assert len(arrived) == 4, "raised, over, and two others"


async def test_a_record_that_nobody_can_read_goes_to_the_dead_letters(telling: Telling) -> None:
    """With its exact bytes: what is no batch, and one in which a site speaks of another. What follows is told."""
    telling.start()
    foreign = telling.batch(telling.lease("south", on=True), telling.event("east", "raised", "gas1"))
    for data in (b"\xffno batch", foreign):
        await telling.send(2, data)
    await telling.raise_(2, "north", "gas1")
    assert len(await telling.until_arrived(1)) == 1
    letters = [decode_dead_letter(record.value or b"") for record in await telling.records(DEADLETTER)]
    assert [(one.data, one.partition, one.reader) for one in letters] == [
        (b"\xffno batch", 2, "notifier"), (foreign, 2, "notifier"),
    ]  # fmt: skip
    assert letters[1].reason == "an event of east stands among those of south"


async def test_nobody_is_told_of_a_site_that_has_ended_until_it_is_one_again(telling: Telling) -> None:
    """Whatever is open of it, and over a restart: no message, no lease; what comes when it is one again is told."""
    first = telling.start()
    for site in ("gone", "north"):
        await telling.register(1, site)
    await telling.raise_(1, "gone", "gas1")
    async with asyncio.timeout(PATIENCE_S):
        while not await leases_of(telling, "gone"):
            await asyncio.sleep(0.2)
    await telling.until_arrived(1)
    await telling.register(1, "gone", is_ended=True)
    await telling.until_said("site_ended")
    await telling.raise_(1, "gone", "gas2")
    await telling.raise_(1, "north", "gas1")
    await telling.until_arrived(2)
    leases = await leases_of(telling, "gone")
    assert first.stop() == 0
    telling.start()
    await telling.raise_(1, "gone", "gas3")
    await telling.raise_(1, "north", "gas2")
    assert len(await telling.until_arrived(3)) == 3
    async with asyncio.timeout(PATIENCE_S):
        while len(told := await told_of(telling)) < 3:
            await asyncio.sleep(0.1)
    assert sorted(told) == ["gone", "north", "north"]
    assert await leases_of(telling, "gone") == leases
    await telling.register(1, "gone")
    async with asyncio.timeout(PATIENCE_S):
        while (await told_of(telling)).count("gone") < 2:
            await telling.raise_(1, "gone", "gas9")
            await asyncio.sleep(0.5)


async def told_of(telling: Telling) -> list[str]:
    """The site of each message."""
    return [decode_delivery(record.value or b"").site for record in await telling.records(DELIVERIES)]


async def leases_of(telling: Telling, site: str) -> int:
    """How often the notifier has said that it tells people of this site."""
    orders = [decode_order(record.value or b"") for record in await telling.records(COMMANDS)]
    return sum(isinstance(order, NotifyLease) and order.site == site for order in orders)


@pytest.mark.parametrize("label", LABELS)
async def test_a_replica_killed_at_any_step_loses_nothing_and_marks_what_it_repeats(
    telling: Telling, label: str
) -> None:
    """kill -9 at a step; the next one goes on from the ledger: each message arrives, and a second time only marked."""
    crashing = telling.start(crash_at=label)
    await telling.raise_(0, "north", "gas1")
    await asyncio.to_thread(crashing.wait)
    assert crashing.process.returncode == -signal.SIGKILL
    telling.start()
    await telling.raise_(0, "north", "gas2")
    arrived = await telling.until_arrived(2)
    again = doubled(arrived)
    assert len(again) <= 1
    assert all(one.is_repeat for one in again)


async def test_replicas_share_the_sites_and_a_killed_ones_go_on_elsewhere(telling: Telling) -> None:
    """Three replicas, one killed while it sends, one put to sleep and woken: the set of messages is that of one."""
    (telling.folder / "slow").write_text("0.05")
    replicas = [telling.start() for _ in range(3)]
    sites = [(number % 4, f"site{number}") for number in range(8)]
    raised = 0

    async def all_raise(numbers: range) -> None:
        nonlocal raised
        for number in numbers:
            await asyncio.gather(*(telling.raise_(part, site, f"gas{number}") for part, site in sites))
            raised += len(sites)

    async with asyncio.timeout(PATIENCE_S):
        while len({one.pid for one in telling.arrived()}) < len(replicas):
            await all_raise(range(raised, raised + 1))
            await asyncio.sleep(0.5)
    await telling.until_arrived(raised)
    await all_raise(range(1000, 1005))
    await telling.until_arrived(raised - 28)
    replicas[0].kill()
    os.kill(replicas[1].process.pid, signal.SIGSTOP)
    await all_raise(range(1005, 1008))
    await telling.until_arrived(raised)
    os.kill(replicas[1].process.pid, signal.SIGCONT)
    await all_raise(range(1008, 1010))
    await telling.until_arrived(raised)
    await asyncio.sleep(1.0)
    arrived = telling.arrived()
    assert len({one.id for one in arrived}) == raised
    assert all(one.is_repeat for one in doubled(arrived))


async def test_a_drained_backlog_is_a_summary(telling: Telling) -> None:
    """A site that was cut for two hours: one message of what is open, and what comes now on its own."""
    telling.start()
    await telling.raise_(0, "north", "gas0")
    await telling.until_arrived(1)
    old = [telling.event("north", "raised", f"p{number}", "warning", age_ms=7_200_000) for number in range(300)]
    await telling.send(0, *(telling.batch(*old[first : first + 20]) for first in range(0, 300, 20)))
    arrived = await telling.until_arrived(2)
    assert arrived[1].subject.startswith("SUMMARY: 300 alarms")


async def test_who_tells_people_is_what_the_log_says(telling: Telling) -> None:
    """Before the site has recorded the lease, and after its end, the centre plans and sends nothing; it asks for the
    lease of every site that it holds."""
    telling.start()
    telling.seqs["north"] = 0
    await telling.raise_(0, "north", "before")
    await telling.send(0, telling.batch(telling.lease("north", on=True)))
    during = telling.event("north", "raised", "during")
    await telling.send(0, telling.batch(during))
    await telling.until_arrived(1)
    await telling.send(0, telling.batch(telling.lease("north", on=False)))
    await telling.raise_(0, "north", "after")
    await telling.send(0, telling.batch(telling.lease("north", on=True)))
    again = telling.event("north", "raised", "again")
    await telling.send(0, telling.batch(again))
    arrived = await telling.until_arrived(2)
    assert len(arrived) == 2
    async with asyncio.timeout(PATIENCE_S):
        while not (records := await telling.records(COMMANDS)):
            await asyncio.sleep(0.1)
    orders = [decode_order(record.value or b"") for record in records]
    assert {(order.site, type(order)) for order in orders} == {("north", NotifyLease)}


async def test_a_newer_schema_is_refused(telling: Telling) -> None:
    """An older program does not write into what it does not know."""
    replica = telling.start()
    await telling.raise_(0, "north", "gas0")
    await telling.until_arrived(1)
    assert replica.stop() == 0
    connection = await asyncpg.connect(telling.url)
    await connection.execute(f"INSERT INTO {SCHEMA}.version (number) VALUES (99)")
    await connection.close()
    assert telling.start().wait() != 0
