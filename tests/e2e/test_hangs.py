"""Processes that live and do nothing: SIGSTOP stands for every way to hang."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.depot import Depot, events, guard_pid, open_depot, site_pid
from tests.e2e.foreign import ampward, running, wait_for
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
        wait_for("another guard", lambda: guard_pid(site) != first)
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


def stand_still(pid: int, seconds: float) -> None:
    """As if the process were swapped out."""
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_site_process_that_stood_still_raises_nothing_that_was_not_there(depot: Depot) -> None:
    """Nine seconds stopped: guard's frames of that time are taken at their own time, none is late, nothing was lost."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        before = len(events(site))
        stand_still(site_pid(site), 9)
        depot.h2(11)
        wait_for("the alarm after the pause", lambda: "h2_prealarm" in site.alarms())
        depot.h2(0)
        wait_for("its end", lambda: site.alarms()["h2_prealarm"]["condition"] == "false")
        since = events(site)[before:]
        raised = {one["data"]["rule"] for one in since if one["type"] == "ampward.alarm.raised.v1"}
        assert raised == {"h2_prealarm"}
        told = {one["type"].split(".")[1] for one in since}
        assert "signal" not in told and "input" not in told, told
        assert site.stop() == 0
    replayed = ampward("replay", str(depot.data), "--json")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def test_what_died_while_the_site_process_stood_still_is_raised(depot: Depot) -> None:
    """The detector's device is gone since the middle of the pause: failed polls are frames too."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        pid = site_pid(site)
        os.kill(pid, signal.SIGSTOP)
        try:
            depot.gas.close()
            wait_for("the fan, by guard alone", lambda: depot.fan() == 1)
            time.sleep(6)
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_for("the fault", lambda: site.alarms()["h2_fault"]["condition"] == "true")
        assert site_pid(site) == pid
        assert depot.fan() == 1
        assert site.stop() == 0


def test_a_pause_of_guard_too_is_told(depot: Depot) -> None:
    """Nobody watched the room meanwhile: its signals are lost, and restored when both go on."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        before = len(events(site))
        both = (site.record["guard_pid"], site_pid(site))
        for pid in both:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(9)
        for pid in reversed(both):
            os.kill(pid, signal.SIGCONT)

        def lost() -> bool:
            return any(one["type"] == "ampward.signal.lost.v1" for one in events(site)[before:])

        wait_for("the loss", lost)
        wait_for("readiness", lambda: site.get("/readyz")["ready"])
        assert site.stop() == 0
