"""A Mosquitto for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.brokers import Mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path).start()
    yield made
    made.kill()
