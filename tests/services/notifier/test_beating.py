"""The heartbeat beside a site: what became of it is in the log, and what does not get through is an alarm."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from services.notifier.outside import UNANSWERED, Beating, beat
from shared.domain.inputs import ReportKind
from shared.domain.notify_plan import HeartbeatPlan
from shared.runtime.clocks import SystemClock
from tests.services.notifier.fake_site import FakeSite
from tests.services.notifier.lines import setting
from tests.testkit.http_sink import POLITE, Answer, HttpSink


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as made:
        yield made


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """No patience."""
    monkeypatch.setattr("services.notifier.outside.LOOK_S", 0.01)
    monkeypatch.setattr("services.notifier.outside.FAILING_S", 0.0)


@asynccontextmanager
async def _beating(sink: HttpSink, *allow: str) -> AsyncIterator[tuple[FakeSite, list[Beating | None]]]:
    """A site whose heartbeat runs, and what was shown of it."""
    site = FakeSite(setting(heartbeat=(HeartbeatPlan(sink.url, 20, allow),)))
    shown: list[Beating | None] = []
    stop = asyncio.Event()
    task = asyncio.create_task(beat(site, SystemClock(), stop, shown.append))
    try:
        yield site, shown
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def _until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.005)


async def test_the_first_answer_is_told_and_then_only_what_changes(sink: HttpSink) -> None:
    """It arrives, it does not, it arrives again: three Reports, however many beats went out."""
    async with _beating(sink, "127.0.0.0/8") as (site, _):
        await _until(lambda: len(sink.requests) > 3)
        sink.manner = Answer(status=404)
        await _until(lambda: len(site.told(ReportKind.DELIVERY_FAILING)) == 2)
        sink.manner = POLITE
        await _until(lambda: len(site.told(ReportKind.DELIVERY_FAILING)) == 3)
    failing = f"the heartbeat's 127.0.0.1:{sink.port} answers HTTP 404"
    assert site.told(ReportKind.HEARTBEAT) == [
        "heartbeat on it arrives", f"heartbeat off {failing}", "heartbeat on it arrives"
    ]  # fmt: skip
    assert [text.split()[:2] for text in site.told(ReportKind.DELIVERY_FAILING)] == [
        ["heartbeat", "off"], ["heartbeat", "on"], ["heartbeat", "off"]
    ]  # fmt: skip


async def test_a_heartbeat_that_may_not_go_anywhere_is_told(sink: HttpSink) -> None:
    """A private address without allow: nothing goes out, and the log, the alarm and what is shown say why."""
    async with _beating(sink) as (site, shown):
        await _until(lambda: site.told(ReportKind.DELIVERY_FAILING))
        (beating,) = [one for one in shown if one is not None]
    assert not sink.requests
    (told,) = site.told(ReportKind.HEARTBEAT)
    assert told.startswith("heartbeat off") and "name its network or host under allow" in told
    assert beating.why in told


async def test_a_heartbeat_that_the_site_file_no_longer_has_is_shown_no_more(sink: HttpSink) -> None:
    """A reload ends it."""
    async with _beating(sink, "127.0.0.0/8") as (site, shown):
        await _until(lambda: sink.requests)
        site.plan = setting()
        await _until(lambda: shown[-1] is None)
        count = len(sink.requests)
        await asyncio.sleep(0.1)
        assert len(sink.requests) == count


def test_a_short_trouble_is_no_alarm_and_none_before_the_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes, or two periods when that is longer."""
    now = [1000.0]
    monkeypatch.setattr("services.notifier.outside.FAILING_S", 120.0)
    monkeypatch.setattr("services.notifier.outside.monotonic", lambda: now[0])
    for every_ms, patience_s in ((60_000, 120), (600_000, 1200)):
        beating = Beating(HeartbeatPlan("https://beat.example.org/", every_ms))
        assert (beating.why, beating.is_failing) == (UNANSWERED, None)
        beating.take("HTTP 404", 1)
        now[0] += patience_s - 1
        assert beating.is_failing is None
        beating.take("HTTP 500", 2)
        now[0] += 1
        assert beating.is_failing
        beating.take("", 3)
        assert beating.is_failing is False
