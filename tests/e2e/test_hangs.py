"""Processes that live and do nothing: SIGSTOP stands for every way to hang."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.depot import Depot, open_depot, site_pid
from tests.e2e.foreign import running, wait_for
from tests.testkit.process import is_alive

IMPATIENT = (sys.executable, "-m", "tests.e2e.impatient")


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    with open_depot(tmp_path) as made:
        yield made


def test_a_guard_and_a_site_process_that_hang_are_replaced(depot: Depot) -> None:
    """Each in turn is stopped, killed by the parent, and followed by one that protects and tells."""
    with running(depot.site_file, depot.data, program=IMPATIENT) as site:
        depot.settle()
        first, told = site.record["guard_pid"], site_pid(site)
        os.kill(first, signal.SIGSTOP)

        def another() -> bool:
            return bool(json.loads((depot.data / "run.json").read_text())["guard_pid"] != first)

        wait_for("another guard", another)
        assert not is_alive(first)
        os.kill(told, signal.SIGSTOP)
        depot.h2(25)
        wait_for("the fan, by guard alone", lambda: depot.fan() == 1)
        wait_for("another site process", lambda: site_pid(site) != told)
        assert not is_alive(told)
        wait_for("the alarm", lambda: "h2_alarm" in site.alarms())
        assert "guard killed by SIGKILL; it is started again" in site.printed()
        assert "site killed by SIGKILL; it is started again" in site.printed()
        assert site.stop() == 0
