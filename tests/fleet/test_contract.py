"""The AsyncAPI document against what a real site and a real centre really send, read by other people's programs."""

import asyncio
import json
from pathlib import Path

from shared.bus.registry import ALL, DEADLETTER, DELIVERIES, EVENTS, INPUTS, KPIS, SIGNS, SITES, STATE, Shape
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place
from shared.log.kafka.topics import set_up
from shared.wire import cloud
from shared.wire.batches import decode_batch
from shared.wire.orders import Resend
from shared.wire.registrations import Registration, encode_registration
from tests.e2e.foreign import wait_for
from tests.fleet.centre import Processor
from tests.fleet.joined import KEY, PARTITION, SITE, Fleet, joined
from tests.fleet.traffic import NO_BLOCK, check_kafka, check_mqtt, heard, kcat
from tests.testkit.fleet import KafkaBroker, Mosquitto

BY_OTHERS = (DELIVERIES.name, SIGNS.name, KPIS.name)
"""Topics of services that do not run here: the README's fleet has them (test_readme.py)."""
RAISED = "ampward.alarm.raised.v1"


def test_live_traffic_is_what_the_document_says(tmp_path: Path, kafka: KafkaBroker, mosquitto: Mosquitto) -> None:
    """Every record in Kafka (kcat) and every MQTT message (mosquitto_sub) is valid, and every kind was seen."""
    fleet = Fleet(kafka.bootstrap)
    asyncio.run(set_up(fleet.access, [topic.named(fleet.prefix) for topic in ALL], Shape(partitions=2)))
    asyncio.run(_begin(fleet))
    processor = Processor(kafka.bootstrap, fleet.prefix, 2, 0.5, 0)
    try:
        with (
            heard(mosquitto.url, f"ampward/v1/{SITE}/#", tmp_path / "heard") as told,
            joined(tmp_path, fleet, mqtt=mosquitto.url) as (depot, _site),
        ):
            depot.h2(25)
            fleet.order(Resend(id="r1", site=SITE, sent_at_ms=0, ttl_ms=1, from_seq=1, epoch=1, state=False))
            wait_for("the alarm in the fleet's log", lambda: _is_raised(fleet))
            wait_for("the centre's state", lambda: fleet.read(STATE))
            wait_for("the dead letter", lambda: fleet.read(DEADLETTER))
    finally:
        processor.stop()
    stands = {topic.name: kcat(fleet.bootstrap, fleet.prefix + topic.name) for topic in ALL}
    assert [topic for topic, records in stands.items() if not records and topic not in BY_OTHERS] == []
    found = [name for topic, read in stands.items() for name in check_kafka(topic, read, tmp_path)]
    assert set(found) == {"block", "batch", "live", "state", "ruleset", "resend", "dead_letter", "registration"}
    assert set(check_mqtt(told.read_bytes())) == {"site_status", "events", "point", "device_status", "frame"}


async def _begin(fleet: Fleet) -> None:
    """The site's registration, and a record that is no block."""
    async with Producer(fleet.access, "test") as producer:
        headers = cloud.headers(cloud.REGISTRATION, site=SITE, id="registration/0", at_ms=0)
        made = encode_registration(Registration(SITE, PARTITION, (KEY.public.text(),)))
        await producer.send(Place(fleet.prefix + SITES.name, PARTITION), SITE.encode(), made, headers)
        await producer.send(Place(fleet.prefix + INPUTS.name, PARTITION), SITE.encode(), NO_BLOCK)


def _is_raised(fleet: Fleet) -> bool:
    batches = [decode_batch(record.value or b"") for record in fleet.read(EVENTS)]
    return any(json.loads(event)["type"] == RAISED for batch in batches for event in batch.events)
