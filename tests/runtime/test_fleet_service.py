"""A service of the centre ends when it is told to, and says why it cannot begin."""

import asyncio
import os
import signal

import pytest

from shared.domain.errors import ConfigError
from shared.runtime.fleet_service import CANNOT_START, LINES_MAX, Bounded, Tell, run_service


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


def test_a_flood_of_one_event_costs_so_many_lines_a_minute_and_hides_no_other() -> None:
    """Who makes a reader tell of each of his records fills no disk by that; how many it were is told."""
    told: list[tuple[str, str]] = []
    now = [0.0]
    tell = Bounded(lambda event, words: told.append((event, words)), lambda: now[0])
    for number in range(10_000):
        tell("record_unreadable", f"record {number}")
    tell("database_away", "no answer")
    assert [event for event, _ in told] == ["record_unreadable"] * LINES_MAX + ["database_away"]
    now[0] = 60.0
    tell("record_unreadable", "record x")
    tell("record_unreadable", "record y")
    assert told[-2:] == [
        ("record_unreadable", f"record x ({10_000 - LINES_MAX} more were left out since)"),
        ("record_unreadable", "record y"),
    ]
