"""Real servers of the fleet for tests: one set for a whole run of pytest, and own ones for tests that break them.

A test that shares the broker uses site names and topic names of its own (``unique``). Nothing is left running: the
servers are children of pytest's main thread and end with it, also when pytest is killed.
"""

import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from services.fleet.jars import kafka_jars
from services.fleet.kafka import KafkaPlan, kafka_server
from services.fleet.servers import Started
from shared.runtime.places import cache_folder
from tests.testkit.ports import free_port

_numbers = itertools.count(1)


def unique(name: str) -> str:
    """A name that no other test of this run uses, [a-z0-9-]: for sites, groups, topics."""
    return f"{name}-{next(_numbers)}"


class KafkaBroker:
    """A real broker on a port and a folder that stay over ``kill`` and ``start``. Main thread only."""

    def __init__(self, folder: Path, more: Mapping[str, str] | None = None) -> None:
        self.plan = KafkaPlan(
            folder=folder,
            jars=kafka_jars(cache_folder(os.environ)),
            log=folder / "kafka.log",
            port=free_port(),
            controller_port=free_port(),
            more=more or {},
        )
        self.bootstrap = self.plan.bootstrap
        self._started: Started | None = None

    @property
    def pid(self) -> int:
        assert self._started is not None, "the broker is not running"
        return self._started.pid

    def start(self) -> None:
        """Return when it is ready."""
        assert self._started is None, "the broker is running"
        started = Started(kafka_server(self.plan))
        self._started = started
        started.wait_ready()

    def kill(self) -> None:
        """kill -9; what it had acknowledged and not written to disk stays in the kernel's cache."""
        if self._started is not None:
            self._started.kill()
            self._end()

    def stop(self) -> None:
        """A clean end, as TERM makes it."""
        self._end()

    def _end(self) -> None:
        if self._started is not None:
            self._started.close()
            self._started = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """The one broker of this run, without security. Tests that stop or kill a broker make one of their own."""
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
