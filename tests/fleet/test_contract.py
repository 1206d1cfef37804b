"""The AsyncAPI document against what a real site and a real centre really send, read by other people's programs."""

import asyncio
import base64
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # It comes without types.

from shared.bus.contract import document
from shared.bus.registry import ALL, COMMANDS, DEADLETTER, DELIVERIES, EVENTS, INPUTS, KPIS, SIGNS, SITES, STATE, Shape
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place
from shared.log.kafka.topics import set_up
from shared.wire.batches import decode_batch
from shared.wire.orders import Resend
from shared.wire.registrations import Registration, encode_registration
from tests.e2e.foreign import wait_for
from tests.fleet.centre import Processor
from tests.fleet.joined import KEY, PARTITION, SITE, Fleet, joined
from tests.testkit.fleet import KafkaBroker, Mosquitto

DOCUMENT = document()
BY_OTHERS = (DELIVERIES.name, SIGNS.name, KPIS.name)
"""Topics of services that do not run here."""
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
RAISED = "ampward.alarm.raised.v1"


def test_live_traffic_is_what_the_document_says(tmp_path: Path, kafka: KafkaBroker, mosquitto: Mosquitto) -> None:
    """Every record in Kafka (kcat) and every MQTT message (mosquitto_sub) is valid, and every kind was seen."""
    fleet = Fleet(kafka.bootstrap)
    asyncio.run(set_up(fleet.access, [topic.named(fleet.prefix) for topic in ALL], Shape(partitions=2)))
    asyncio.run(_begin(fleet))
    heard = subprocess.Popen(
        ["mosquitto_sub", "-V", "5", "-p", str(mosquitto.plan.port), "-t", f"ampward/v1/{SITE}/#", "-F", "%t %x"],
        stdout=subprocess.PIPE,
    )
    processor = Processor(kafka.bootstrap, fleet.prefix, 2, 0.5, 0)
    try:
        with joined(tmp_path, fleet, mqtt=mosquitto.url) as (depot, _site):
            depot.h2(25)
            fleet.order(Resend(id="r1", site=SITE, sent_at_ms=0, ttl_ms=1, from_seq=1, epoch=1, state=False))
            wait_for("the alarm in the fleet's log", lambda: _is_raised(fleet))
            wait_for("the centre's state", lambda: fleet.read(STATE))
            wait_for("the dead letter", lambda: fleet.read(DEADLETTER))
    finally:
        processor.stop()
        heard.terminate()
    told, _ = heard.communicate(timeout=30)
    assert {name for topic in ALL for name in _check_kafka(fleet, topic.name)} == {
        "block", "batch", "live", "state", "ruleset", "resend", "dead_letter", "registration"
    }  # fmt: skip
    assert set(_check_mqtt(told)) == {"site_status", "events", "point", "device_status", "frame"}


async def _begin(fleet: Fleet) -> None:
    """The site's registration, and a record that is no block."""
    async with Producer(fleet.access, "test") as producer:
        made = encode_registration(Registration(SITE, PARTITION, (KEY.public.text(),)))
        await producer.send(Place(fleet.prefix + SITES.name, PARTITION), SITE.encode(), made, _REGISTERED)
        await producer.send(Place(fleet.prefix + INPUTS.name, PARTITION), SITE.encode(), b"no block at all")


_REGISTERED = (("content-type", b"application/json"),)


def _is_raised(fleet: Fleet) -> bool:
    batches = [decode_batch(record.value or b"") for record in fleet.read(EVENTS)]
    return any(json.loads(event)["type"] == RAISED for batch in batches for event in batch.events)


def _kcat(fleet: Fleet, topic: str) -> Iterator[tuple[Mapping[str, str], bytes]]:
    """(headers, value) of every record of a topic."""
    command = ["kcat", "-C", "-q", "-e", "-b", fleet.bootstrap, "-t", fleet.prefix + topic, "-o", "beginning"]
    read = subprocess.run([*command, "-f", "%S %h\n%s\n"], capture_output=True, timeout=60, check=True).stdout
    at = 0
    while at < len(read):
        end = read.index(b"\n", at)
        size, _, headers = read[at:end].decode().partition(" ")
        yield dict(pair.split("=", 1) for pair in headers.split(",") if pair), read[end + 1 : end + 1 + int(size)]
        at = end + 2 + int(size)


def _check_kafka(fleet: Fleet, topic: str) -> Iterator[str]:
    """The names of the messages that stand in the topic, each record held against its schema."""
    names = list(DOCUMENT["channels"][topic]["messages"])
    records = list(_kcat(fleet, topic))
    assert records or topic in BY_OTHERS, f"{topic} is empty"
    for headers, value in records:
        if value == b"no block at all":
            continue
        line = json.loads(value.partition(b"\n")[0])
        name = line["type"] if topic == COMMANDS.name else names[0]
        message = MESSAGES[name]
        _validate(line, message["payload"].get("x-header-line", message["payload"]))
        assert headers.get("content-type", message["contentType"]) == message["contentType"]
        if "ce_type" in headers:
            jsonschema.validate(dict(headers), DOCUMENT["components"]["messageTraits"]["cloudEvent"]["headers"])
            assert (headers["ce_type"], headers["ce_source"]) == (message["name"], f"/{SITE}")
        yield name


def _check_mqtt(told: bytes) -> Iterator[str]:
    """The names of the channels that were heard, each message held against its schema."""
    channels = {name: channel for name, channel in DOCUMENT["channels"].items() if "parameters" in channel}
    levels = {
        # A jar's path has levels of its own, behind the point's place.
        name: re.compile(re.sub(r"{\w+}", "[^/]+", channel["address"]).replace("points/[^/]+", "points/.+"))
        for name, channel in channels.items()
    }
    for line in told.splitlines():
        topic, _, payload = line.decode().partition(" ")
        name = next(name for name, pattern in levels.items() if pattern.fullmatch(topic))
        _validate(json.loads(bytes.fromhex(payload)), MESSAGES[f"mqtt_{name}"]["payload"])
        if name == "frame":
            for block in json.loads(bytes.fromhex(payload))["blocks"]:
                base64.b64decode(block["words"], validate=True)
        yield name


def _validate(found: object, schema: dict[str, Any]) -> None:
    jsonschema.validate(found, {**schema, "components": DOCUMENT["components"]})
