"""The topics on a real broker are those of the registry, and a topic that drifted is named."""

from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.bus import registry
from shared.bus.registry import ALL, COMMANDS, EVENTS, STATE, Shape
from shared.log.kafka.access import Access
from shared.log.kafka.topics import Drift, KafkaUnavailable, TopicsDrifted, check, drifts, set_up
from tests.testkit.fleet import KafkaBroker, unique
from tests.testkit.ports import free_port

SHAPE = Shape(partitions=3)


async def test_every_topic_is_made_once_and_is_as_the_registry_states(kafka: KafkaBroker) -> None:
    """Set-up makes all that is missing, again nothing, and afterwards nothing differs."""
    access, prefix = Access(kafka.bootstrap), unique("fleet") + "."
    topics = tuple(topic.named(prefix) for topic in ALL)
    assert {drift.setting for drift in await drifts(access, topics, SHAPE)} == {""}
    assert await set_up(access, topics, SHAPE) == tuple(topic.name for topic in topics)
    assert await set_up(access, topics, SHAPE) == ()
    assert await check(access, topics, SHAPE) == ()


async def test_a_service_does_not_start_on_a_topic_that_is_missing_or_repartitioned(kafka: KafkaBroker) -> None:
    """Both are named in one message, with what to do."""
    access, prefix = Access(kafka.bootstrap), unique("fleet") + "."
    events, commands = EVENTS.named(prefix), COMMANDS.named(prefix)
    await set_up(access, [events], SHAPE)
    with pytest.raises(TopicsDrifted) as raised:
        await check(access, [events, commands], replace(SHAPE, partitions=4))
    assert str(raised.value) == (
        f"topic {events.name}: partitions is 3, the registry wants 4; "
        f"topic {commands.name} is not there; make it with `ampward fleet topics --make`"
    )


async def test_a_setting_that_somebody_changed_is_told(kafka: KafkaBroker) -> None:
    """A longer compaction lag can be lived with and is handed back; another clean-up policy ends the start."""
    access, state = Access(kafka.bootstrap), STATE.named(unique("fleet") + ".")
    await set_up(access, [state], SHAPE)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        has = {**state.settings(SHAPE), "min.compaction.lag.ms": "600000"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, state.name, configs=has)])
        while not (found := await check(access, [state], SHAPE)):
            continue
        assert found == (Drift(state.name, "min.compaction.lag.ms", "300000", "600000"),)
        has["cleanup.policy"] = "delete"
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, state.name, configs=has)])
        with pytest.raises(TopicsDrifted, match=r"cleanup\.policy is delete, the registry wants compact"):
            while await check(access, [state], SHAPE):
                continue
    finally:
        await admin.close()


async def test_a_topic_made_by_other_means_is_left_as_it_is(kafka: KafkaBroker) -> None:
    """Set-up changes no topic that is there; what differs is told instead."""
    access, events = Access(kafka.bootstrap), EVENTS.named(unique("fleet") + ".")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(events.name, 3, 1)])
    finally:
        await admin.close()
    assert await set_up(access, [events], SHAPE) == ()
    found = {drift.setting: drift for drift in await drifts(access, [events], SHAPE)}
    assert found["retention.ms"].is_grave
    assert found["max.message.bytes"].is_grave
    assert not found["segment.ms"].is_grave


async def test_a_broker_that_is_not_there_is_named() -> None:
    """The message has the address."""
    port = free_port()
    with pytest.raises(KafkaUnavailable, match=rf"Kafka at 127\.0\.0\.1:{port}: "):
        await drifts(Access(f"127.0.0.1:{port}"), [EVENTS], SHAPE)


def test_longer_retention_is_no_loss() -> None:
    """Kept longer than wanted, or for ever, is told and not refused; shorter is refused, and so is less in bytes."""
    assert not Drift("t", "retention.ms", "1000", "-1").is_grave
    assert not Drift("t", "retention.ms", "1000", "2000").is_grave
    assert Drift("t", "retention.ms", "1000", "999").is_grave
    assert Drift("t", "retention.ms", "-1", "1000").is_grave
    assert Drift("t", "retention.bytes", "-1", "1073741824").is_grave


def test_inputs_are_never_compacted_and_every_topic_stands_once() -> None:
    """A compaction of inputs would make holes; a name that stands twice would hide a topic."""
    assert not registry.INPUTS.compacted
    assert len({topic.name for topic in ALL}) == len(ALL)
    assert [name for name in dir(registry) if isinstance(getattr(registry, name), registry.Topic)] == sorted(
        name for name in dir(registry) if getattr(registry, name) in ALL
    )


def test_a_shape_that_cannot_hold_is_refused() -> None:
    """More replicas in step than there are, or no partition, is an error with the allowed range."""
    with pytest.raises(ValueError, match="1 to the replication"):
        Shape(replication=1, min_insync=2)
    with pytest.raises(ValueError, match="1 to 1000"):
        Shape(partitions=0)
