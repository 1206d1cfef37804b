"""The whole way with security on: a site, its uplink, Kafka, the processor, the fleet's events."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

from shared.bus.registry import EVENTS
from shared.log.kafka.records import Place
from shared.log.kafka.stretch import read_stretch
from shared.wire.batches import EventsBatch, Verdict, decode_batch
from shared.wire.events import decode_event
from tests.e2e.depot import open_depot
from tests.e2e.foreign import Site, wait_for
from tests.fleet.secured import Secured
from tests.testkit.process import Running

SITE = "depot"
ALARM = "depot/r1/gas1-h2/h2_prealarm"
POINT = "ampward/v1/depot/r1/points/gas1-h2"


def _batches(fleet: Secured, partition: int) -> list[EventsBatch]:
    """Every batch of events that the fleet has of the site, read as the notifier may."""

    async def every() -> list[EventsBatch]:
        stretch = read_stretch(fleet.service("notifier"), Place(EVENTS.name, partition))
        return [decode_batch(record.value or b"") async for record in stretch]

    return asyncio.run(every())


def test_an_alarm_of_a_site_is_the_fleets_after_it_was_decided_again(secured: Secured, tmp_path: Path) -> None:
    """Enrolled by one command, signed, sent as its own user, decided again to the same bytes, published.

    Its points are on the MQTT broker meanwhile, by its certificate.
    """
    identity = shutil.copytree(secured.enroll(SITE), tmp_path / "identity")
    partition = int(json.loads((identity / "identity.json").read_text())["partition"])
    service: list[str | Path] = [Path(sys.executable).with_name("ampward"), "service", "processor", "--config"]
    with Running([*service, secured.folder / "fleet.yaml"]), open_depot(tmp_path) as depot:
        brokers = f'kafka: "{secured.bootstrap}", mqtt: "mqtts://127.0.0.1:{secured.mqtt_port}"'
        depot.write(more=f"uplink: {{{brokers}, identity: {identity}}}")
        site = Site(depot.site_file, depot.data)
        try:
            depot.settle()
            depot.h2(15)
            listener = secured.listener()
            assert "Granted" in listener.subscribe(POINT)
            wait_for("the point by MQTT", lambda: any(b'"1.5"' in payload for _, payload in listener.heard))
            listener.close()
            wait_for("the pre-alarm at the site", lambda: site.alarms().get("h2_prealarm"))

            def arrived() -> bool:
                events = [decode_event(data) for batch in _batches(secured, partition) for data in batch.events]
                return any(event.subject == ALARM and event.type == "ampward.alarm.raised.v1" for event in events)

            wait_for("the pre-alarm among the fleet's events", arrived, 90)
            batches = _batches(secured, partition)
            assert {batch.verdict for batch in batches} == {Verdict.EQUAL}
            assert [batch.first_seq for batch in batches] == sorted(batch.first_seq for batch in batches)
        finally:
            site.end_everything()
