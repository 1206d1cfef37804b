"""A site whose disk takes nothing more: what it decides is seen at the centre all the same, by a real broker."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.bus.registry import ALL, SITES, Shape
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place
from shared.log.kafka.topics import set_up
from shared.wire.registrations import Registration, encode_registration
from tests.e2e.foreign import wait_for
from tests.fleet.joined import KEY, PARTITION, SITE, Fleet, all_up, joined
from tests.testkit.disk import filled, small_disk
from tests.testkit.fleet import KafkaBroker
from tests.testkit.web import web

PARTITIONS = 2
TOKEN = "t" * 43
DISK_MIB = 48
RAISED = "ampward.alarm.raised.v1"


async def make(fleet: Fleet) -> None:
    """Every topic, and the site in the registry."""
    await set_up(fleet.access, [topic.named(fleet.prefix) for topic in ALL], Shape(partitions=PARTITIONS))
    registration = Registration(SITE, PARTITION, (KEY.public.text(),))
    async with Producer(fleet.access, "enrolment") as producer:
        place = Place(fleet.prefix + SITES.name, PARTITION)
        await producer.send(place, SITE.encode(), encode_registration(registration))


@contextmanager
def gateway(fleet: Fleet) -> Iterator[str]:
    """The centre's gateway; its address."""
    words = [fleet.bootstrap, fleet.prefix, str(PARTITIONS), TOKEN]
    command = [sys.executable, "-m", "tests.fleet.gateway_process", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def seen(address: str) -> list[dict[str, Any]]:
    """What an operator at the centre is told of alarms."""
    wanted = {"follow": "false", "type": "ampward.alarm"}
    answer = web().get(f"http://{address}/api/v1/events", params=wanted, headers={"Authorization": f"Bearer {TOKEN}"})
    answer.raise_for_status()
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith('data: {"specversion"')]


def test_what_the_disk_of_a_site_does_not_take_is_seen_at_the_centre(kafka: KafkaBroker, tmp_path: Path) -> None:
    """Gas while the disk is full: an operator at the centre sees the alarm, marked; it goes up by the blocks, as it was
    told, when the disk takes everything again."""
    fleet = Fleet(kafka.bootstrap)
    asyncio.run(make(fleet))
    with (
        gateway(fleet) as address,
        small_disk(tmp_path / "disk", DISK_MIB) as disk,
        joined(tmp_path, fleet, data=disk / "data") as (depot, site),
    ):
        wait_for("the site at the centre", fleet.live)
        with filled(disk):
            wait_for("the full disk", lambda: site.get("/api/v1/status")["undurable"])
            depot.h2(25)
            wait_for("the fan", lambda: depot.fan() == 1)

            def told() -> list[str]:
                alarms = [event for event in seen(address) if event.get("undurable") == "true"]
                return [event["id"] for event in alarms if event["type"] == RAISED and "/gas1-h2/" in event["subject"]]

            raised = wait_for("the alarm at the centre", told)
        wait_for("the log to take everything", lambda: not site.get("/api/v1/status")["undurable"])
        kept = {json.loads(event.data)["id"]: event.data for event in all_up(site, fleet).events.values()}
        unsaved = [data for live in fleet.live() if live.undurable for data in live.event_bytes()]
    assert set(raised) <= kept.keys()
    assert all(kept[json.loads(data)["id"]] == data for data in unsaved), "what was told first is what was kept"
