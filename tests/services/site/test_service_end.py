"""Whose a site's log is: the writer's alone from its start until it is done, and closed in order only then."""

import threading
from pathlib import Path
from typing import Any

import pytest

from services.processor.runner import Committed, Runner
from services.site.backup.mark import RestoredMark
from services.site.guard_link import Source
from services.site.log_time import LogTime
from services.site.loss_mark import LossMark
from services.site.reader import LogReader
from services.site.service import Service
from services.site.traces import SiteTraces
from shared.log.store import SqliteStore
from shared.runtime.clocks import ManualClock
from shared.runtime.undurable_events import Handing
from tests.services.processor.plant import decision, gas
from tests.services.processor.site import BALLAST


@pytest.fixture
def unopened(tmp_path: Path) -> Service:
    """A site that does not run yet."""
    clock = ManualClock()
    time = LogTime(clock)
    runner = Runner(SqliteStore(tmp_path, ballast_bytes=BALLAST), decision(), time)
    return Service(
        runner, clock, "s", time=time, read=LogReader(runner.reader), mark=LossMark(tmp_path),
        handing=Handing(tmp_path), restored=RestoredMark(tmp_path), alive=lambda: None, ring=lambda: None,
        traces=SiteTraces(),
    )  # fmt: skip


@pytest.fixture
def service(unopened: Service) -> Service:
    """One that runs."""
    unopened.open("boot")
    return unopened


def test_the_log_is_the_writers_alone_once_it_writes(unopened: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else is wanted of it is read before: two threads on one connection end each other's transactions."""
    position, read = unopened.runner.position, []

    def alone(name: str) -> bytes | None:
        read.append((name, unopened.writer.is_alive()))
        return position(name)

    monkeypatch.setattr(unopened.runner, "position", alone)
    stored = unopened.open("boot", ("a", "b"))
    unopened.end(60)
    assert stored == {"a": None, "b": None}
    assert [one for one in read if one[0] in stored] == [("a", False), ("b", False)]


def test_a_log_is_not_closed_under_a_writer_that_the_disk_holds(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end does not wait for it without end, and leaves the log to it; once it is done the log is closed."""
    steps: list[str] = []
    begun, go = threading.Event(), threading.Event()
    commit, close = service.runner.commit, service.runner.close

    def held(*given: Any) -> Committed:
        begun.set()
        go.wait(60)
        steps.append("committed")
        return commit(*given)

    def closed() -> None:
        steps.append("closed")
        close()

    monkeypatch.setattr(service.runner, "commit", held)
    monkeypatch.setattr(service.runner, "close", closed)
    service.take(gas(1, 0, boot="A"), Source("A", 1, -1))
    assert begun.wait(60)
    service.end(0.2)
    assert steps == []
    go.set()
    service.end(60)
    assert steps == ["committed", "closed"]
