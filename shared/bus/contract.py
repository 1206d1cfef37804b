"""Every topic and message of the fleet as one AsyncAPI 3 document, made from the registries and the records' own types.

    python -m shared.bus.contract > docs/asyncapi.json

A channel is a topic of shared.bus.registry (Kafka) or shared.bus.topics (MQTT); a message is what stands in it. JSON
Schemas come from the types that read the records, so that they cannot differ from what is read. A record with a header
line and bytes behind it is shown by the schema of its header line (``x-header-line``), what follows it in words, and
the schema of the records of JSON in that (``x-records-behind``).

Promises: equal on every machine; a topic that is in a registry and not here is a mistake that a test finds.
"""

import json
import re
import sys
from typing import Any, Final, NamedTuple

from shared.bus import registry, topics
from shared.devices.plan import DecisionPlan
from shared.wire import (
    batches,
    blocks,
    cloud,
    deadletters,
    deliveries,
    kpis,
    live,
    orders,
    registrations,
    signs,
    site_state,
)
from shared.wire.handed_in import HandedFrame
from shared.wire.schemas import json_schemas

SCHEMA_AT: Final = "#/components/schemas/{name}"
_ID = "^[a-z0-9_-]{1,40}$"


class Record(NamedTuple):
    """A kind of record in a Kafka topic."""

    name: str
    cloud: tuple[str, str]
    """CloudEvents type and content type."""
    type: Any
    """What reads the record, or its header line."""
    behind: str
    """What follows the header line; "" when the whole record is JSON."""
    summary: str
    holds: str = ""
    """The schema of each record of JSON behind the line."""


RECORDS: Final[dict[str, tuple[Record, ...]]] = {
    registry.INPUTS.name: (
        Record(
            "block",
            cloud.BLOCK,
            blocks.Header,
            "a newline, 64 bytes of Ed25519 signature over the header line, then the inputs of all links and room and"
            " state of each room that `states` names, then the events of all links, each behind its length (u32,"
            " big-endian); with `packed` either part is a frame of Zstandard",
            "Consecutive links of a site's chain with their inputs and events, signed by the site.",
        ),
    ),
    registry.EVENTS.name: (
        Record(
            "batch",
            cloud.BATCH,
            batches.BatchHeader,
            "a newline, then `size` bytes: `events` times an event (JSON) behind its length (u32, big-endian); with"
            " `packed` they are one frame of Zstandard that unpacks to them, and nothing when there are no events."
            " docs/topics.md has the layout and a decoder",
            "The events of one block, compared and marked.",
            "Event",
        ),
    ),
    registry.LIVE.name: (
        Record(
            "live",
            cloud.LIVE,
            live.Live,
            "a newline, then 64 bytes of Ed25519 signature over the line `ampward.live.v1` and this one",
            "Newest points, alarms and outputs and the site's own events, at once.",
        ),
    ),
    registry.STATE.name: (
        Record(
            "state",
            cloud.STATE,
            site_state.StateHeader,
            "a newline, then zlib of the msgpack of the whole state",
            "Where the centre stands with a site, and the states of its rooms.",
        ),
    ),
    registry.RULESETS.name: (
        Record("ruleset", cloud.RULESET, DecisionPlan, "", "The body of a decision version; the key is its hash."),
    ),
    registry.COMMANDS.name: tuple(
        Record(name, cloud.ORDER, type_, "", summary)
        for name, type_, summary in (
            ("command", orders.CommandOrder, "A person's act at the centre."),
            ("resend", orders.Resend, "Send again from a place, under a higher epoch."),
            ("lease", orders.OutputLease, "Keep an output on, for at most 15 minutes."),
            ("notify_lease", orders.NotifyLease, "The centre sends this site's messages, for so long."),
            ("file", orders.FileOrder, "Go by this file, signed by the centre, when the site's own check allows it."),
        )
    ),
    registry.DELIVERIES.name: (
        Record("delivery", cloud.DELIVERY, deliveries.Delivery, "", "What became of a message to a person."),
    ),
    registry.DEADLETTER.name: (
        Record(
            "dead_letter",
            cloud.DEAD_LETTER,
            deadletters.LetterHeader,
            "a newline, then the exact bytes of the record",
            "A record that nobody could read.",
        ),
    ),
    registry.SITES.name: (
        Record(
            "registration", cloud.REGISTRATION, registrations.RegistrationRecord, "", "A site's partition and keys."
        ),
    ),
    registry.KPIS.name: (Record("kpi", cloud.KPI, kpis.Kpi, "", "Alarm figures of a site in one window of time."),),
    registry.SIGNS.name: (
        Record("sign", cloud.SIGN, signs.Sign, "", "A replica of a service of the centre lives, or ended in order."),
    ),
}
"""What stands in each topic of Kafka."""


def document() -> dict[str, Any]:
    """The whole document."""
    channels, messages, operations = dict[str, Any](), dict[str, Any](), dict[str, Any]()
    types = [*(record.type for records in RECORDS.values() for record in records), HandedFrame]
    schemas = json_schemas(types, SCHEMA_AT) | _MQTT_SCHEMAS
    for topic in registry.ALL:
        records = RECORDS[topic.name]
        names = [record.name for record in records]
        channels[topic.name] = _kafka_channel(topic, names)
        for record in records:
            messages[record.name] = _kafka_message(record)
        operations |= _operations(topic.name, names)
    for kind in (*topics.ALL, *topics.INWARDS):
        channels[kind.name] = _mqtt_channel(kind)
        messages[f"mqtt_{kind.name}"] = _mqtt_message(kind)
        operations |= _operations(kind.name, [f"mqtt_{kind.name}"])
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ampward",
            "version": "1.0.0",
            "description": "Topics and messages of a fleet: sites, the centre, and who watches them.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {"host": "{address}", "protocol": "kafka", "variables": _ADDRESS},
            "mqtt": {"host": "{address}", "protocol": "mqtt", "protocolVersion": "5.0", "variables": _ADDRESS},
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas, "messageTraits": {"cloudEvent": _CLOUD_TRAIT}},
    }


_ADDRESS: Final = {"address": {"default": "localhost:9092", "description": "Host and port of the broker."}}
_CLOUD_TRAIT: Final = {
    "headers": {
        "type": "object",
        "required": ["ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", "content-type"],
        "properties": {
            "ce_specversion": {"const": "1.0"},
            "ce_type": {"type": "string"},
            "ce_source": {"type": "string", "description": "/site"},
            "ce_id": {"type": "string", "description": "Names the record within its source, for ever."},
            "ce_time": {"type": "string", "format": "date-time"},
            "ce_partitionkey": {"type": "string"},
            "content-type": {"type": "string"},
        },
    }
}


def _kafka_channel(topic: registry.Topic, names: list[str]) -> dict[str, Any]:
    settings = topic.settings(registry.ONE_NODE)
    policy = {"cleanup.policy": [settings["cleanup.policy"]], "retention.ms": int(settings["retention.ms"])}
    limit = {"max.message.bytes": topic.record_bytes_max}
    return {
        "address": topic.name,
        "description": f"{topic.holds[0].upper()}{topic.holds[1:]}. Key: {topic.key}.",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": {"topic": topic.name, "topicConfiguration": policy | limit, "bindingVersion": "0.5.0"}},
    }


def _kafka_message(record: Record) -> dict[str, Any]:
    schema = {"$ref": SCHEMA_AT.format(name=record.type.__name__)}
    named, content = record.cloud
    message: dict[str, Any] = {
        "name": named,
        "title": record.summary,
        "contentType": content,
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": schema,
    }
    if record.behind:
        message["payload"] = {"type": "string", "format": "binary", "x-header-line": schema}
        message["description"] = f"One line of JSON, then {record.behind}."
        if record.holds:
            message["payload"]["x-records-behind"] = {"$ref": SCHEMA_AT.format(name=record.holds)}
    return message


def _mqtt_channel(kind: topics.Kind) -> dict[str, Any]:
    parameters = {name: {"description": f"Id of the {name}."} for name in re.findall(r"{(\w+)}", kind.pattern)}
    return {
        "address": kind.pattern,
        "servers": [{"$ref": "#/servers/mqtt"}],
        "parameters": parameters,
        "messages": {f"mqtt_{kind.name}": {"$ref": f"#/components/messages/mqtt_{kind.name}"}},
    }


def _mqtt_message(kind: topics.Kind) -> dict[str, Any]:
    return {
        "name": f"mqtt_{kind.name}",
        "contentType": kind.content_type,
        "payload": {"$ref": SCHEMA_AT.format(name=f"Mqtt_{kind.name}")},
        "x-retained": kind.retain,
        "x-qos": topics.QOS,
    }


def _operations(channel: str, messages: list[str]) -> dict[str, Any]:
    at = channel.replace("/", "~1")
    refs = [{"$ref": f"#/channels/{at}/messages/{name}"} for name in messages]
    name = channel.replace(".", "_")
    return {
        f"{verb}_{name}": {"action": verb, "channel": {"$ref": f"#/channels/{at}"}, "messages": refs}
        for verb in ("send", "receive")
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": "string", "format": "date-time"}
_STATE: Final = {"enum": ["online", "offline"]}
_NUMBER: Final = {"type": "integer", "minimum": 0}
_NAME: Final = {"type": "string", "pattern": _ID}
_TABLE: Final = {"enum": ["coil", "discrete", "input", "holding"]}
_MQTT_SCHEMAS: Final = {
    "Mqtt_site_status": _object(state=_STATE, boot=_TEXT, since=_TIME),
    "Mqtt_device_status": _object(state=_STATE, reason=_TEXT, since=_TIME),
    "Mqtt_point": _object(
        value={"type": ["string", "null"], "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
        unit=_TEXT,
        quality={"enum": ["good", "uncertain", "bad"]},
        no_data=_TEXT,
        at=_TIME,
        seq=_NUMBER,
    ),
    "Mqtt_frame": _object(
        site=_NAME,
        room=_NAME,
        device=_NAME,
        boot=_TEXT,
        seq=_NUMBER,
        sampled_at=_TIME,
        outcome=_TEXT,
        blocks={"type": "array", "items": _object(table=_TABLE, address=_NUMBER, size=_NUMBER, words=_TEXT)},
    ),
    "Mqtt_handed_in": {"$ref": SCHEMA_AT.format(name="HandedFrame")},
    "Mqtt_pulse": _object(link=_TEXT, n=_NUMBER),
    "Mqtt_events": _object(
        specversion={"const": "1.0"},
        id=_TEXT,
        source={"type": "string", "pattern": "^/"},
        type={"type": "string", "pattern": r"^ampward\."},
        subject=_TEXT,
        time=_TIME,
        datacontenttype=_TEXT,
        sequence={"type": "string", "pattern": "^[0-9]+$"},
        causationid=_TEXT,
        rulesetversion=_TEXT,
        room=_TEXT,
        data={"type": "object"},
    ),
}


def text() -> str:
    """The document as it is kept: sorted by nothing, indented, with a last newline."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
