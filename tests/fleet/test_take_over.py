"""Who tells people of a real site: its uplink, the centre's notifier, and a processor that dies."""

import asyncio
from pathlib import Path

from shared.bus.registry import ALL, EVENTS, SITES, Shape
from shared.log.kafka.records import Place
from shared.log.kafka.topics import set_up
from shared.wire.batches import decode_batch
from shared.wire.events import decode_event
from shared.wire.registrations import Registration, encode_registration
from tests.e2e.foreign import wait_for
from tests.fleet.centre import Processor
from tests.fleet.joined import KEY, PARTITION, SITE, Fleet, joined, recorded
from tests.fleet.telling import PARTITIONS, Telling
from tests.fleet.test_notify_lease import reports
from tests.testkit.fleet import KafkaBroker, Postgres

RAISED = "ampward.alarm.raised.v1"


def is_raised(fleet: Fleet, rule: str) -> bool:
    """Whether the blocks have brought it."""
    batches = [decode_batch(record.value or b"") for record in fleet.read(EVENTS)]
    events = [decode_event(data) for batch in batches for data in batch.events]
    return any((event.type, event.rule) == (RAISED, rule) for event in events)


async def test_an_alarm_is_told_by_the_centre_while_no_processor_runs_and_once(
    kafka: KafkaBroker, postgres: Postgres, tmp_path: Path
) -> None:
    """The site leaves its warnings to the centre, by the lease in its log; then the processor is killed. A warning is
    told all the same, by what the site signed; when a processor is back its block is known. When the notifier is
    killed the site's log says that it tells people itself again."""
    (tmp_path / "telling").mkdir()
    async with Telling(kafka, postgres, tmp_path / "telling") as telling:
        fleet = Fleet(kafka.bootstrap, telling.prefix)
        await set_up(fleet.access, [topic.named(fleet.prefix) for topic in ALL], Shape(partitions=PARTITIONS))
        made = encode_registration(Registration(SITE, PARTITION, (KEY.public.text(),)))
        await telling.producer.send(Place(fleet.prefix + SITES.name, PARTITION), SITE.encode(), made)
        notifier = telling.start()
        await asyncio.to_thread(_play, telling, fleet, notifier.kill, tmp_path)


def _play(telling: Telling, fleet: Fleet, kill_notifier: object, folder: Path) -> None:
    processor = Processor(fleet.bootstrap, fleet.prefix, PARTITIONS, 0.5, 0)

    def told(value: str) -> int:
        return sum(value in one.subject for one in telling.arrived())

    try:
        with joined(folder, fleet) as (depot, site):
            wait_for("the lease in the log", lambda: any(on for on, _ in reports(recorded(site))), 120)
            processor.kill()
            depot.h2(15)
            wait_for("the warning at its person", lambda: told("1.5"), 120)
            assert not is_raised(fleet, "h2_prealarm")
            processor = Processor(fleet.bootstrap, fleet.prefix, PARTITIONS, 0.5, 0)
            wait_for("its block", lambda: is_raised(fleet, "h2_prealarm"), 120)
            depot.h2(25)
            wait_for("the alarm at its person", lambda: told("2.5"), 120)
            assert (told("1.5"), told("2.5")) == (1, 1)
            assert callable(kill_notifier)
            kill_notifier()
            wait_for("the end of the lease", lambda: not reports(recorded(site))[-1][0], 60)
    finally:
        processor.stop()
