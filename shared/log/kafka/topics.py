"""Kafka's topics as shared.bus.registry states them: made when missing, compared with what the cluster has.

``set_up`` makes what is missing and changes nothing that is there. ``drifts`` tells every difference between registry
and cluster. A service calls ``check`` at its start with the topics it uses: differences that would lose or misplace
records end the start, all others are handed back to be told.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from shared.bus.registry import Shape, Topic
from shared.domain.errors import AmpwardError
from shared.log.kafka.access import Access

REQUEST_S = 30.0
LOOK_S = 0.05
_EXISTS = 36
"""Kafka's error code TOPIC_ALREADY_EXISTS."""
_UNKNOWN = 3
"""UNKNOWN_TOPIC_OR_PARTITION."""
_RETENTION = frozenset({"retention.ms", "retention.bytes"})
_GRAVE = frozenset({"", "partitions", "cleanup.policy", "max.message.bytes", "message.timestamp.type"})
"""Differences that lose or misplace records; "" is a topic that is not there."""


class KafkaUnavailable(AmpwardError):
    """The cluster does not answer, or refuses; the message has the address and the reason."""


class TopicsDrifted(AmpwardError):
    """A topic is not as the registry states it, in a way that would lose or misplace records."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference. ``setting`` is empty when the topic is missing."""

    topic: str
    setting: str
    wanted: str
    found: str

    @property
    def is_grave(self) -> bool:
        """Whether records would be lost or misplaced: shorter or smaller retention too, longer and larger not."""
        if self.setting in _RETENTION:
            return _span(self.found) < _span(self.wanted)
        return self.setting in _GRAVE

    def __str__(self) -> str:
        if not self.setting:
            return f"topic {self.topic} is not there; make it with `ampward fleet topics --make`"
        return f"topic {self.topic}: {self.setting} is {self.found}, the registry wants {self.wanted}"


def _span(retention: str) -> float:
    """Milliseconds, or bytes."""
    return float("inf") if retention == "-1" else float(retention)


async def set_up(access: Access, topics: Iterable[Topic], shape: Shape) -> tuple[str, ...]:
    """Make the topics that are missing; gives their names. Never changes one that is there. Raises KafkaUnavailable."""
    made: list[str] = []
    async with connected(access) as admin:
        there = await _partitions(admin, topics := tuple(topics))
        missing = [topic for topic in topics if topic.name not in there]
        if missing:
            new = [
                NewTopic(topic.name, shape.partitions, shape.replication, topic_configs=topic.settings(shape))
                for topic in missing
            ]
            answer = await admin.create_topics(new, timeout_ms=int(REQUEST_S * 1000))
            for name, code, *words in answer.topic_errors:
                if code == 0:
                    made.append(name)
                elif code != _EXISTS:
                    raise KafkaUnavailable(f"topic {name} cannot be made: {reason(code, *words)}")
            # The controller has made them; the brokers hear of it a moment later.
            while len(await _partitions(admin, topics)) < len(topics):
                await asyncio.sleep(LOOK_S)
    return tuple(made)


async def drifts(access: Access, topics: Iterable[Topic], shape: Shape) -> tuple[Drift, ...]:
    """Every difference between the registry and the cluster, in the registry's order. Raises KafkaUnavailable."""
    async with connected(access) as admin:
        topics = tuple(topics)
        there = await _partitions(admin, topics)
        settings = await _settings(admin, tuple(topic.name for topic in topics if topic.name in there))
    found: list[Drift] = []
    for topic in topics:
        if topic.name not in there:
            found.append(Drift(topic.name, "", "", ""))
            continue
        partitions, replication = there[topic.name]
        wanted = {"partitions": str(shape.partitions), "replication": str(shape.replication), **topic.settings(shape)}
        has = {"partitions": str(partitions), "replication": str(replication), **settings[topic.name]}
        found += [
            Drift(topic.name, setting, value, has.get(setting, "not set"))
            for setting, value in wanted.items()
            if has.get(setting) != value
        ]
    return tuple(found)


async def check(access: Access, topics: Iterable[Topic], shape: Shape) -> tuple[Drift, ...]:
    """For a service's start: the drifts that can be lived with. Raises TopicsDrifted with all of the grave ones."""
    found = await drifts(access, topics, shape)
    if grave := [drift for drift in found if drift.is_grave]:
        raise TopicsDrifted("; ".join(map(str, grave)))
    return found


@asynccontextmanager
async def connected(access: Access) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client; what goes wrong inside is a KafkaUnavailable."""
    admin = AIOKafkaAdminClient(**access.options(), request_timeout_ms=int(REQUEST_S * 1000))
    try:
        async with asyncio.timeout(2 * REQUEST_S):
            await admin.start()
            yield admin
    except (KafkaError, TimeoutError, OSError) as error:
        raise KafkaUnavailable(f"Kafka at {access.bootstrap}: {type(error).__name__}: {error}") from error
    finally:
        await admin.close()


async def _partitions(admin: AIOKafkaAdminClient, topics: Iterable[Topic]) -> dict[str, tuple[int, int]]:
    """(partitions, least replicas of one) by the name of each topic that is there."""
    found: dict[str, tuple[int, int]] = {}
    for entry in await admin.describe_topics([topic.name for topic in topics]):
        if entry["error_code"] == _UNKNOWN:
            continue
        if entry["error_code"]:
            raise KafkaUnavailable(f"topic {entry['topic']}: {reason(entry['error_code'])}")
        partitions = entry["partitions"]
        found[entry["topic"]] = len(partitions), min(len(each["replicas"]) for each in partitions)
    return found


async def _settings(admin: AIOKafkaAdminClient, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Value by setting, by topic."""
    if not names:
        return {}
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names]):
        for code, message, _, name, entries in answer.resources:
            if code:
                raise KafkaUnavailable(f"topic {name}: {reason(code, message)}")
            found[name] = {entry[0]: str(entry[1]) for entry in entries}
    return found


def reason(code: int, *words: Any) -> str:
    """Kafka's error code as words."""
    name = for_code(code).__name__.removesuffix("Error")
    return ": ".join([name, *(str(word) for word in words if word)])
