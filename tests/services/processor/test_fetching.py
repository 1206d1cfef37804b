"""Faust as ours drives it: no long fetches, no second of sleep when the stream's buffer was full, no folders."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from services.processor.app import ProcessorPlan, _make
from services.processor.fetching import FETCH_WAIT_MS, FULL_S
from shared.bus.registry import Shape
from shared.log.kafka.access import Access

PLACE = TP("ampward.inputs.v1", 0)


@pytest.fixture
def app() -> Iterator[faust.App]:
    """Without a broker. Its consumer has a loop for a thread that never runs, and would close it."""
    made = _make(ProcessorPlan(Access("127.0.0.1:9"), Shape(partitions=1)), "ampward-processor")
    yield made
    consumer: Any = made.consumer
    consumer._thread.thread_loop.close()


async def test_a_broker_is_not_to_keep_a_fetch_open_for_long(app: faust.App) -> None:
    """What the client is made with: one quiet partition would hold up all others by as much."""
    consumer: Any = app.consumer
    client = consumer._thread._create_worker_consumer(app.transport)
    assert client._fetch_max_wait_ms == FETCH_WAIT_MS
    await client.stop()


async def test_a_full_buffer_is_looked_at_until_it_takes_more(app: faust.App, monkeypatch: pytest.MonkeyPatch) -> None:
    """All partitions have given what the buffer takes: asked again by short looks, and the next records come then."""
    consumer: Any = app.consumer
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            consumer.on_buffer_drop(PLACE)

    async def records(active_partitions: set[TP], **_: float) -> dict[TP, list[str]]:
        return {place: ["record"] for place in active_partitions}

    monkeypatch.setattr(consumer, "sleep", sleep)
    monkeypatch.setattr(consumer, "_getmany", records)
    consumer._set_active_tps({PLACE})
    consumer.on_buffer_full(PLACE)
    found, active = await consumer._wait_next_records(1.0)
    assert (found, active) == ({PLACE: ["record"]}, {PLACE})
    assert slept == [FULL_S] * 3


async def test_a_worker_makes_no_folder_that_a_kill_would_leave(
    app: faust.App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where it was started nor in the system's temporary folder; it comes as far as asking for a broker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(KafkaConnectionError):
        await app.start()
    await app.stop()
    assert list(tmp_path.iterdir()) == []
