"""Real servers of the fleet for tests: one set for a whole run of pytest, and own ones for tests that break them.

A test that shares the broker uses site names and topic names of its own (``unique``). Nothing is left running: the
servers are children of pytest's main thread and end with it, also when pytest is killed.
"""

import itertools
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pytest

from services.fleet.jars import kafka_jars
from services.fleet.kafka import KafkaPlan, kafka_server
from services.fleet.mosquitto import MosquittoPlan, mosquitto_server
from services.fleet.postgres import PostgresPlan, postgres_server
from services.fleet.servers import Server, Started
from shared.runtime.places import cache_folder
from tests.testkit.ports import free_port

SESSION_MS_MIN = "2000"
_numbers = itertools.count(1)


def unique(name: str) -> str:
    """A name that no other test of this run uses, [a-z0-9-]: for sites, groups, topics."""
    return f"{name}-{next(_numbers)}"


class RealServer(Protocol):
    """A real server on a port and a folder that stay over ``kill`` and ``start``. Main thread only."""

    _started: Started | None = None

    @abstractmethod
    def server(self) -> Server:
        """What to run; configuration and data are made when they are missing."""

    @property
    def pid(self) -> int:
        assert self._started is not None, "the server is not running"
        return self._started.pid

    def start(self) -> None:
        """Return when it is ready."""
        assert self._started is None, "the server is running"
        self._started = Started(self.server())
        self._started.wait_ready()

    def kill(self) -> None:
        """kill -9; what it had acknowledged and not written to disk stays in the kernel's cache."""
        if self._started is not None:
            self._started.kill()
            self.stop()

    def stop(self) -> None:
        """A clean end."""
        if self._started is not None:
            self._started.close()
            self._started = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


class KafkaBroker(RealServer):
    """Apache Kafka, one node, at ``bootstrap``. It allows short sessions: nobody waits long for a killed one."""

    def __init__(self, folder: Path, more: Mapping[str, str] | None = None) -> None:
        self.plan = KafkaPlan(
            folder=folder,
            jars=kafka_jars(cache_folder(os.environ)),
            log=folder / "kafka.log",
            port=free_port(),
            controller_port=free_port(),
            more={"group.min.session.timeout.ms": SESSION_MS_MIN, **(more or {})},
        )
        self.bootstrap = self.plan.bootstrap

    def server(self) -> Server:
        return kafka_server(self.plan)


class Postgres(RealServer):
    """PostgreSQL at ``url``, password included. Without fsync: a test pulls no plug."""

    def __init__(self, folder: Path) -> None:
        self.plan = PostgresPlan(folder, folder / "postgres.log", free_port(), {"fsync": "off"})

    def server(self) -> Server:
        return postgres_server(self.plan)

    @property
    def url(self) -> str:
        return self.plan.url_file.read_text(encoding="utf-8").strip()


class Mosquitto(RealServer):
    """Debian's Mosquitto at ``url``; anonymous unless ``security`` says otherwise."""

    def __init__(self, folder: Path, security: Sequence[str] = ()) -> None:
        self.plan = MosquittoPlan(folder, folder / "mqtt.log", free_port(), security)
        self.url = self.plan.url

    def server(self) -> Server:
        return mosquitto_server(self.plan)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """The one broker of this run, without security. Tests that stop or kill a broker make one of their own."""
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """The one PostgreSQL of this run; a test makes a database or schema of its own in it."""
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """The one MQTT broker of this run, anonymous on loopback."""
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as server:
        yield server
