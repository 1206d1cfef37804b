"""A notifier's ledger is closed however the notifier ends, and never under the thread that works on it."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from services.notifier.fake import FakeChannel
from services.notifier.ledger import Ledger
from services.notifier.ledger_port import Found, begun
from services.notifier.on_disk import LedgerOnDisk
from services.notifier.service import Notifier
from shared.runtime.clocks import SystemClock
from tests.services.notifier.fake_site import FakeSite
from tests.services.notifier.lines import route, setting


def notifier(folder: Path, channel: FakeChannel) -> Notifier:
    site = FakeSite(setting(route("anna")))
    return Notifier(site, LedgerOnDisk(folder), SystemClock(), lambda _: {"email": channel})


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done with the ledger."""
    done: list[str] = []
    close = Ledger.close

    def closed(ledger: Ledger) -> None:
        done.append("closed")
        close(ledger)

    monkeypatch.setattr(Ledger, "close", closed)
    return done


async def test_a_notifier_that_is_ended_while_it_begins_closes_its_ledger(
    tmp_path: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is slow to open it: it is closed when that is done, not before and not never."""
    reading, go = threading.Event(), threading.Event()

    def held(_ledger: Ledger) -> Found:
        reading.set()
        go.wait(60)
        steps.append("opened")
        return begun()

    monkeypatch.setattr(Ledger, "open", held)
    running = asyncio.create_task(notifier(tmp_path, FakeChannel("email")).run(asyncio.Event()))
    assert await asyncio.to_thread(reading.wait, 60)
    running.cancel()
    await asyncio.sleep(0.1)
    assert steps == []
    go.set()
    with suppress(asyncio.CancelledError):
        await running
    assert steps == ["opened", "closed"]


async def test_a_channel_that_fails_at_the_end_leaves_no_ledger_open(
    tmp_path: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it raises is raised, after the ledger was closed."""
    channel, stop = FakeChannel("email"), asyncio.Event()

    async def refuse() -> None:
        steps.clear()
        raise OSError("the line is gone")

    monkeypatch.setattr(channel, "close", refuse)
    stop.set()
    with pytest.raises(OSError, match="the line is gone"):
        await notifier(tmp_path, channel).run(stop)
    assert steps == ["closed"]
