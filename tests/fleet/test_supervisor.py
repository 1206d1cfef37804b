"""The fleet's supervision on a real Kafka and PostgreSQL: what is silent, wrong or ends is an alarm of _fleet."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from services.fleet import supervise_term
from services.fleet.supervise_plan import FLEET
from services.fleet.supervise_tell import SIGNED, Who
from services.processor.block_fold import Batch, SiteFold
from shared.bus.registry import DEADLETTER, SITES
from shared.domain.inputs import What
from shared.runtime.tracing import Stage, input_of
from shared.wire.batches import Verdict
from shared.wire.blocks import decode_block
from shared.wire.deadletters import DeadLetter, encode_dead_letter
from shared.wire.deliveries import Outcome
from shared.wire.plans import decision_version
from shared.wire.registrations import Registration, encode_registration
from shared.wire.signing import SigningKey
from shared.wire.signs import Expiry
from tests.fleet.lanes import PATIENCE_S
from tests.fleet.supervised import FLEET_KEY, Supervised, supervised, wall_ms
from tests.testkit.fleet import KafkaBroker, Postgres

DAY_MS = 86_400_000


@pytest.fixture
async def fleet(kafka: KafkaBroker, postgres: Postgres) -> AsyncIterator[Supervised]:
    async with supervised(kafka, postgres) as made:
        yield made


async def test_a_site_that_falls_silent_is_an_alarm_until_it_is_heard_again(fleet: Supervised) -> None:
    """Raised, acknowledged by a person through the orders' topic, over when the site comes back; the other is none."""
    await fleet.site("north")
    await fleet.site("south")
    fleet.start()
    await fleet.until(("recorded", "_site/notify"))
    await fleet.silence("north")
    events = await fleet.until(("raised", "north/site/site_lost"))
    (raised,) = [event for event in events if event.type.endswith("raised.v1")]
    assert (raised.severity, raised.state) == ("alarm", "B")
    assert (Stage.DECIDE, input_of(raised)) in [(span.stage, span.input) for span in fleet.spans.told]
    await fleet.command(What.ACK, "_fleet/north/site/site_lost", occurrence=raised.occurrence)
    await fleet.until(("acked", "north/site/site_lost"))
    fleet.resume("north")
    events = await fleet.until(("acked", "north/site/site_lost"), ("cleared", "north/site/site_lost"))
    assert {event.subject for event in events if ".alarm." in event.type} == {"_fleet/north/site/site_lost"}
    assert [event.room_no for event in events if event.room == "north"] == [*range(1, 2 + 3 + 1)]


async def test_each_kind_of_trouble_has_an_alarm_of_its_own(fleet: Supervised) -> None:
    """A stuck link, a block that differs, a dead letter, a lost service, a token that ends, an unanswered command."""
    await fleet.site("north")
    fleet.service("gateway", Expiry("token", "anna", wall_ms() + 29 * DAY_MS), Expiry("token", "ben", 1 << 52))
    fleet.start("gateway", "history")
    await fleet.until(("raised", "_site/anna/token_expiring"))
    await fleet.until(("raised", "_site/history/service_lost"))
    await fleet.batch("north", Verdict.DIFFERENT)
    await fleet.until(("raised", "north/blocks/block_differs"))
    letter = DeadLetter("t", 0, 1, "north", "no block", "processor", wall_ms(), b"\xff")
    place = fleet.centre.place(DEADLETTER, "north")
    await fleet.centre.producer.send(place, b"north", encode_dead_letter(letter))
    await fleet.command(What.ACK, "north/r1/gas1-h2/h2_alarm", "north", ident="c7", ttl_ms=500)
    await fleet.silence("gateway")
    await fleet.silence("north")
    fleet.resume_stuck("north")
    await fleet.until(("raised", "north/records/poison"))
    await fleet.until(("raised", "_site/gateway/service_lost"))
    events = await fleet.until(("raised", "north/link/link_lost"))
    assert [event.reason for event in events if event.rule == "undelivered"] == [
        "c7 ack north/r1/gas1-h2/h2_alarm by anna"
    ]
    raised = {event.subject for event in events if event.type.endswith("alarm.raised.v1")}
    assert "_fleet/_site/ben/token_expiring" not in raised
    assert "_fleet/north/site/site_lost" not in raised


async def test_messages_that_do_not_get_out_are_told(fleet: Supervised) -> None:
    """A channel that fails is an alarm until one gets out; one refused for good is an event and a passing alarm."""
    fleet.start()
    await fleet.until(("recorded", "_site/notify"))
    failing = "_site/mail/delivery_failing"
    await fleet.delivery(Outcome.FAILED, "no route to the server")
    await fleet.until(("raised", failing))
    await fleet.delivery(Outcome.SENT)
    await fleet.until(("raised", failing), ("returned", failing))
    await fleet.delivery(Outcome.FAILED, "refused: no such mailbox")
    events = await fleet.until(("returned", failing), ("recorded", "north/messages"))
    assert [event.reason for event in events if event.rule == "undelivered"] == [
        "m1 to anna by mail for o1: refused: no such mailbox"
    ]


async def test_what_stands_behind_a_lost_site_is_grouped_under_it(fleet: Supervised) -> None:
    """A certificate that ends is told; once the site is lost it is hidden under that, and told again after it."""
    await fleet.site("north", certificate_ends_at_ms=wall_ms() + DAY_MS)
    fleet.start()
    await fleet.until(("raised", "north/certificate/certificate_expiring"))
    await fleet.silence("north")
    await fleet.until(("raised", "north/site/site_lost"), ("suppressed", "north/certificate/certificate_expiring"))
    fleet.resume("north")
    await fleet.until(("returned", "north/site/site_lost"), ("unsuppressed", "north/certificate/certificate_expiring"))


async def test_a_sign_that_the_site_has_not_signed_does_not_keep_it_alive(fleet: Supervised) -> None:
    """Whoever may write the topic cannot hide that a site is gone."""
    await fleet.site("north")
    fleet.start()
    await fleet.until(("recorded", "_site/notify"))
    await fleet.silence("north")
    forging = asyncio.create_task(fleet.forge("north", SigningKey(bytes(32))))
    await fleet.until(("raised", "north/site/site_lost"))
    forging.cancel()
    assert "record_unreadable" in fleet.told.names


async def test_another_takes_over_and_the_processors_fold_derives_the_same(fleet: Supervised) -> None:
    """The one that works loses its lease as if it had slept and writes nothing more; nothing is told twice or left out,
    batches are signed, the links are one chain whose events the processor's fold derives again, byte for byte."""
    await fleet.site("north")
    fleet.start()
    await fleet.until(("recorded", "_site/notify"))
    fleet.start()
    connection = await asyncpg.connect(fleet.url)
    first = await connection.fetchval("SELECT fence FROM fleet.lease")
    async with asyncio.timeout(PATIENCE_S):  # It signs each two seconds: the other has to come between.
        while await connection.fetchval("SELECT fence FROM fleet.lease") == first:
            await connection.execute("UPDATE fleet.lease SET until = now() - interval '1 s' WHERE fence = $1", first)
            await asyncio.sleep(0.05)
    await fleet.until(("started", "north"))
    await fleet.silence("north")
    await fleet.until(("raised", "north/site/site_lost"))
    await fleet.stop()
    records = await fleet.records()
    for record in records:
        headers = dict(record.headers)
        assert headers["ampward-key"].decode() == FLEET_KEY.id
        FLEET_KEY.public.check(SIGNED + (record.value or b""), bytes.fromhex(headers["ampward-signature"].decode()))
    told = [event.id for event in await fleet.events()]
    assert len(told) == len(set(told))
    # Fenced; or who took over has ended its connection in the midst of a statement.
    assert "term_ends" in fleet.told.names
    blocks = [bytes(data) for (data,) in await connection.fetch("SELECT data FROM fleet.block ORDER BY last_seq")]
    body = bytes(await connection.fetchval("SELECT plan FROM fleet.head"))
    bodies = {
        version: bytes(data) for version, data in await connection.fetch("SELECT version, body FROM fleet.ruleset")
    }
    await connection.close()
    assert bodies[decision_version(body)] == body
    fold = SiteFold(FLEET, bodies.get)
    derived = [fold.take(decode_block(data, FLEET_KEY.public)) for data in blocks]
    assert {(type(one), one.verdict) for one in derived if isinstance(one, Batch)} == {(Batch, Verdict.EQUAL)}
    assert len(derived) == len(blocks)
    assert sum(len(one.events) for one in derived if isinstance(one, Batch)) == len(told)


async def test_a_new_key_waits_until_the_fleet_knows_it(fleet: Supervised, monkeypatch: pytest.MonkeyPatch) -> None:
    """No restart, no loss: batches before its registration are signed by the former key, those after by the new."""
    monkeypatch.setattr(supervise_term, "SITES_S", 0.5)
    await fleet.site("north")
    fleet.start()
    await fleet.until(("recorded", "_site/notify"))
    key = SigningKey(bytes(range(64, 96)))
    fleet.renewed = Who(key, fleet.partition, fleet.centre.prefix, FLEET_KEY)
    await fleet.silence("north")
    await fleet.until(("raised", "north/site/site_lost"))
    await asyncio.sleep(2 * supervise_term.LOOK_S)
    assert "term_ends" not in fleet.told.names
    place = fleet.centre.place(SITES, FLEET)
    both = Registration(FLEET, fleet.partition, (FLEET_KEY.public.text(), key.public.text()))
    await fleet.centre.producer.send(place, FLEET.encode(), encode_registration(both))
    await fleet.until(("raised", "north/site/site_lost"), ("started", "north"))
    signed = [(dict(record.headers), record.value or b"") for record in await fleet.records()]
    assert list(dict.fromkeys(headers["ampward-key"].decode() for headers, _ in signed)) == [FLEET_KEY.id, key.id]
    key.public.check(SIGNED + signed[-1][1], bytes.fromhex(signed[-1][0]["ampward-signature"].decode()))


async def test_the_same_command_twice_is_one_input(fleet: Supervised) -> None:
    """And what is refused is answered with the reason."""
    fleet.start("history")
    await fleet.until(("raised", "_site/history/service_lost"))
    subject = "_fleet/_site/history/service_lost"
    await fleet.command(What.RESET, subject, ident="r1")
    await fleet.command(What.ACK, subject, ident="a1")
    await fleet.command(What.ACK, subject, ident="a1")
    await fleet.until(("rejected", "_site/history/service_lost"), ("acked", "_site/history/service_lost"))
    async with asyncio.timeout(PATIENCE_S):
        while len(answers := await fleet.answers()) < 2:
            await asyncio.sleep(0.2)
    assert [(one.id, one.accepted, one.reason) for one in answers[:2]] == [
        ("r1", False, "condition-true"),
        ("a1", True, ""),
    ]
    assert len([event for event in await fleet.events() if event.type.endswith("acked.v1")]) == 1


async def test_a_lost_site_reaches_a_person_through_the_centres_notifier(fleet: Supervised, tmp_path: Path) -> None:
    """The notifier takes _fleet for a site like any other, and nobody but it tells of _fleet."""
    await fleet.site("north")
    fleet.start()
    await fleet.until(("recorded", "_site/notify"))
    centre = fleet.centre
    words = [centre.broker.bootstrap, centre.prefix, str(centre.partitions), fleet.url, str(tmp_path)]
    notifier = subprocess.Popen([sys.executable, "-m", "tests.fleet.notifier_process", *words])
    try:
        await fleet.silence("north")
        async with asyncio.timeout(PATIENCE_S):
            while not (tmp_path / "arrived").exists():
                await asyncio.sleep(0.1)
    finally:
        notifier.kill()
        notifier.wait()
    (line,) = (tmp_path / "arrived").read_text().splitlines()
    assert "ALARM" in line
    assert "Site lost" in line
    assert "north" in line
