"""A URL whose path is a secret stands in a file of its own: read at each request, never quoted."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.notifier import heartbeat, webhook
from services.notifier.ports import Failed, Outcome, Sent
from shared.domain.notify_plan import HeartbeatPlan, WebhookPlan
from shared.runtime.clocks import SystemClock
from tests.services.notifier.samples import outgoing
from tests.testkit.http_sink import HttpSink

LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as made:
        yield made


def _at(sink: HttpSink, path: str) -> str:
    return f"http://127.0.0.1:{sink.port}/{path}\n"


async def test_a_message_goes_where_the_file_says_now(sink: HttpSink, tmp_path: Path) -> None:
    """A file that comes later, or that changes, needs no restart; until it is right the message fails and is kept."""
    file = tmp_path / "hook.url"
    plan = WebhookPlan("", allow=LOOPBACK, url_file=str(file))
    channel = webhook.make(plan, site="demo", clock=SystemClock())
    outcomes: list[Outcome] = [await channel.send(outgoing(1))]
    for content in ("very-secret://nonsense", "very secret\n" * 1000, _at(sink, "one"), _at(sink, "two")):
        file.write_text(content)
        outcomes.append(await channel.send(outgoing(1)))
    await channel.close()
    assert [type(each) for each in outcomes] == [Failed, Failed, Failed, Sent, Sent]
    assert outcomes[0] == Failed(f"the webhook url_file {file} cannot be read: no such file or directory")
    assert [request.target for request in sink.requests] == ["/one", "/two"]
    assert "secret" not in repr(outcomes)


async def test_the_heartbeat_reads_its_file_at_each_beat(sink: HttpSink, tmp_path: Path) -> None:
    """It begins when the file comes, and follows it."""
    file = tmp_path / "beat.url"
    told: list[str] = []
    stop = asyncio.Event()
    plan = HeartbeatPlan("", 20, LOOPBACK, url_file=str(file))
    task = asyncio.create_task(heartbeat.run(plan, stop, lambda: True, clock=SystemClock(), told=told.append))
    try:
        await _until(lambda: bool(told))
        for path in ("one", "two"):
            file.write_text(_at(sink, path))
            await _until(lambda path=path: f"/{path}" in [request.target for request in sink.requests])
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)
    assert told[0] == f"the heartbeat's url_file {file} cannot be read: no such file or directory"
    assert told[-1] == ""


async def _until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.005)
