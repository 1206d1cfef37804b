"""A service of the centre ends when it is told to, and says why it cannot begin."""

import asyncio
import os
import signal

import pytest

from shared.domain.errors import ConfigError
from shared.runtime.fleet_service import CANNOT_START, Tell, run_service


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_works_until_it_is_told_to_end(number: signal.Signals) -> None:
    """Either signal sets its event; it finishes its work and ends with 0."""
    done: list[str] = []

    async def work(stop: asyncio.Event, tell: Tell) -> None:
        os.kill(os.getpid(), number)
        await stop.wait()
        tell("last_words", "all is handed over")
        done.append("work")

    assert run_service("test", work) == 0
    assert done == ["work"]


def test_a_service_that_cannot_begin_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    """The reason stands in its log, and the code tells it from a crash."""

    async def work(_stop: asyncio.Event, _tell: Tell) -> None:
        raise ConfigError("notify: is not configured")

    assert run_service("test", work) == CANNOT_START
    assert "notify: is not configured" in "".join(capfd.readouterr())
