"""What stands in a fleet's topics, read by other people's programs and held against the AsyncAPI document."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema  # type: ignore[import-untyped]  # It comes without types.

from shared.bus.contract import document
from shared.bus.registry import COMMANDS, EVENTS
from shared.wire.batches import decode_batch
from tests.bus.test_topics_page import by_the_page

DOCUMENT = document()
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]


NO_BLOCK = b"no block at all"
"""What tests put among the records, to see it buried."""


class Read(NamedTuple):
    """A record as kcat tells of it."""

    headers: Mapping[str, str]
    value: bytes


def kcat(bootstrap: str, topic: str) -> list[Read]:
    """Every record of a topic. Headers are text without a comma, or this could not be read."""
    # It waits so long for more of each partition before it says that this is the end.
    command = ["kcat", "-C", "-q", "-e", "-b", bootstrap, "-t", topic, "-o", "beginning", "-X", "fetch.wait.max.ms=20"]
    read = subprocess.run([*command, "-f", "%S %h\n%s\n"], capture_output=True, timeout=60, check=True).stdout
    found, at = list[Read](), 0
    while at < len(read):
        size, _, headers = read[at : (end := read.index(b"\n", at))].decode("ascii").partition(" ")
        named = dict(pair.split("=", 1) for pair in headers.split(",") if pair)
        found.append(Read(named, read[end + 1 : end + 1 + int(size)]))
        at = end + 2 + int(size)
    return found


def check_kafka(topic: str, records: list[Read], folder: Path) -> Iterator[str]:
    """The names of the messages that stand in the topic, each record held against its schema and the attributes that
    say what it is, each event in a batch against its own."""
    names = list(DOCUMENT["channels"][topic]["messages"])
    packed = b""
    for headers, value in records:
        if value == NO_BLOCK:
            continue
        line = json.loads(value.partition(b"\n")[0])
        name = line["type"] if topic == COMMANDS.name else names[0]
        message = MESSAGES[name]
        validate(line, message["payload"].get("x-header-line", message["payload"]))
        validate(dict(headers), DOCUMENT["components"]["messageTraits"]["cloudEvent"]["headers"])
        assert (headers["ce_type"], headers["content-type"]) == (message["name"], message["contentType"])
        assert headers["ce_source"] == f"/{line.get('site', headers['ce_source'][1:])}"
        if topic == EVENTS.name and line["events"]:
            packed = value
            for event in decode_batch(value).events:
                validate(json.loads(event), message["payload"]["x-records-behind"])
        yield name
    if packed:
        assert by_the_page(packed, folder) == [json.loads(event) for event in decode_batch(packed).events]


@contextmanager
def heard(url: str, topics: str, file: Path) -> Iterator[Path]:
    """What mosquitto_sub hears meanwhile: ``file`` has a line of TOPIC HEX for each message."""
    command = ["mosquitto_sub", "-V", "5", "-p", url.rpartition(":")[2], "-t", topics, "-F", "%t %x"]
    with file.open("wb") as lines, subprocess.Popen(["stdbuf", "-oL", *command], stdout=lines) as listening:
        try:
            yield file
        finally:
            listening.terminate()


def check_mqtt(told: bytes) -> Iterator[str]:
    """The names of the channels that were heard, each message held against its schema; lines of ``TOPIC HEX``."""
    channels = {name: channel for name, channel in DOCUMENT["channels"].items() if "parameters" in channel}
    levels = {
        # A jar's path has levels of its own, behind the point's place.
        name: re.compile(re.sub(r"{\w+}", "[^/]+", channel["address"]).replace("points/[^/]+", "points/.+"))
        for name, channel in channels.items()
    }
    for line in told.splitlines():
        topic, _, payload = line.decode().partition(" ")
        name = next(name for name, pattern in levels.items() if pattern.fullmatch(topic))
        validate(json.loads(bytes.fromhex(payload)), MESSAGES[f"mqtt_{name}"]["payload"])
        if name == "frame":
            for block in json.loads(bytes.fromhex(payload))["blocks"]:
                base64.b64decode(block["words"], validate=True)
        yield name


def validate(found: object, schema: dict[str, Any]) -> None:
    """Against a schema of the document."""
    _validator(json.dumps(schema)).validate(found)


@cache
def _validator(schema: str) -> Any:
    whole = {**json.loads(schema), "components": DOCUMENT["components"]}
    made = jsonschema.validators.validator_for(whole)
    made.check_schema(whole)
    return made(whole)
