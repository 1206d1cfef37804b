"""One box's life: processes killed in turn, starts that must work or be refused, ends that leave nothing."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from shared.runtime.places import memory_folder
from tests.e2e.depot import FAN, Depot, children, events, guard_pid, kill, open_depot, site_pid, types
from tests.e2e.foreign import AMPWARD, PATIENCE_S, Site, ampward, running, wait_for
from tests.testkit.disk import read_only, small_disk
from tests.testkit.process import is_alive


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    with open_depot(tmp_path) as made:
        yield made


def proven(data: Path) -> None:
    """verify and replay say that the log is whole and gives the same events again."""
    verified = ampward("verify", str(data), "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    replayed = ampward("replay", str(data), "--json")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def test_a_killed_site_process_comes_back_and_goes_on_from_its_log(depot: Depot) -> None:
    """kill -9 with the alarm active: the fan never stops, the alarm is raised once, the address stays."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        depot.h2(25)
        wait_for("the alarm", lambda: "h2_alarm" in site.alarms())
        occurrence = site.alarms()["h2_alarm"]["occurrence"]
        first = site_pid(site)
        kill(first)
        wait_for("another site process", lambda: site_pid(site) != first)
        alarm = wait_for("the alarm after the return", lambda: site.alarms().get("h2_alarm"))
        assert (alarm["occurrence"], alarm["condition"]) == (occurrence, "true")
        assert depot.fan() == 1
        found = events(site)
        assert types(found, "h2_alarm").count("raised") == 1
        assert len({one["id"] for one in found}) == len(found)
        assert site.stop() == 0
    proven(depot.data)


def test_a_killed_guard_comes_back_and_the_fan_stays_on(depot: Depot) -> None:
    """The parent starts another guard; the coil that it finds on is explained by the log, so nothing is unexplained."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        depot.h2(25)
        wait_for("the fan", lambda: depot.fan() == 1)
        wait_for("the alarm", lambda: "h2_alarm" in site.alarms())
        first = site.record["guard_pid"]
        kill(first)
        wait_for("another guard", lambda: guard_pid(site) != first)
        wait_for("the trip ready again", lambda: site.get("/readyz")["ready"])
        assert depot.fan() == 1
        assert site.alarms().get("trip_unexplained", {"state": "A"})["state"] == "A"
        depot.h2(0)
        wait_for("the end of the condition", lambda: site.alarms()["h2_alarm"]["condition"] == "false")
        assert site.stop() == 0
    proven(depot.data)


def test_a_killed_parent_leaves_guard_and_the_next_run_joins_it(depot: Depot) -> None:
    """The site process ends with its parent, guard does not; a new run finds it and takes over its port and folder."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        guard, server = site.record["guard_pid"], site_pid(site)
        kill(site.process.pid)
        site.process.wait()
        wait_for("the end of the site process", lambda: not is_alive(server))
        assert is_alive(guard)
        with running(depot.site_file, depot.data) as again:
            assert again.record["guard_pid"] == guard
            wait_for("readiness", lambda: again.get("/readyz")["ready"])
            assert again.stop() == 0
        wait_for("the end of guard too", lambda: not is_alive(guard))
    proven(depot.data)


def test_the_end_leaves_no_process_and_no_record(depot: Depot) -> None:
    """TERM ends with 0 whatever was running; run.json goes with it."""
    with running(depot.site_file, depot.data) as site:
        family = (*children(site), site.record["guard_pid"])
        assert len(set(family)) >= 2
        assert site.stop() == 0
        assert not any(map(is_alive, family))
        assert not (depot.data / "run.json").exists()


def test_a_run_for_some_seconds_ends_by_itself(depot: Depot) -> None:
    """--for counts from the moment at which the trip is ready."""
    done = ampward("run", str(depot.site_file), "--data", str(depot.data), "--http", "127.0.0.1:0", "--for", "1s")
    assert done.returncode == 0, done.stderr
    assert "trip-ready" in done.stdout
    assert "\x1b" not in done.stdout, "without a terminal no escape codes"


def test_a_second_run_goes_on_from_its_log(depot: Depot) -> None:
    """The latch of yesterday's alarm is still there after a clean stop."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        depot.h2(25)
        wait_for("the alarm", lambda: "h2_alarm" in site.alarms())
        occurrence = site.alarms()["h2_alarm"]["occurrence"]
        depot.h2(0)
        wait_for("the latch", lambda: site.alarms()["h2_alarm"]["state"] == "E")
        assert site.stop() == 0
    with running(depot.site_file, depot.data) as again:
        alarm = wait_for("the alarm", lambda: again.alarms().get("h2_alarm"))
        assert (alarm["state"], alarm["occurrence"]) == ("E", occurrence)
        assert types(events(again), "h2_alarm").count("raised") == 1
        assert again.stop() == 0
    proven(depot.data)


def test_what_guard_polled_before_the_site_process_came_is_not_late(depot: Depot) -> None:
    """A loaded machine: guard is there for six seconds before anybody takes its frames. All count at their own time."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        assert site.stop() == 0
    guard = subprocess.Popen([sys.executable, "-m", "services.guard", str(depot.data)], stdout=subprocess.DEVNULL)
    try:
        sleep(6)
        with running(depot.site_file, depot.data) as site:
            wait_for("the site's own view", lambda: site.get("/api/v1/status"))
            depot.h2(12)
            wait_for("the pre-alarm", lambda: "h2_prealarm" in site.alarms())
            assert site.stop() == 0
    finally:
        guard.kill()
        guard.wait()
    told = ampward("events", str(depot.data), "--json").stdout
    assert "ampward.log.started" in told
    assert "ampward.input.late" not in told
    assert "ampward.input.gap" not in told


def test_safe_values_of_a_clean_stop_are_no_alarm_at_the_next_start(depot: Depot) -> None:
    """Fan and buzzer stand on because the stop wrote it: they go off again, nothing is unexplained, nothing runs on."""
    depot.write(all_outputs=True)
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        assert not depot.buzzer()
        assert site.stop() == 0
    assert (depot.fan(), depot.buzzer()) == (1, 1)
    with running(depot.site_file, depot.data) as again:
        wait_for("both off", lambda: (depot.fan(), depot.buzzer()) == (0, 0))
        found = events(again)
        assert any(one["type"] == "ampward.log.started.v1" and "clean" in one["data"]["reason"] for one in found)
        assert types(found, "trip_unexplained") == []
        assert again.alarms() == {}
        assert again.stop() == 0
    proven(depot.data)


def test_a_fan_found_on_after_a_crash_is_unexplained(depot: Depot) -> None:
    """No stop is in the log that would have switched it on."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        family = (site.process.pid, *children(site), site.record["guard_pid"])
        for pid in dict.fromkeys(family):
            kill(pid)
        site.process.wait()
        wait_for("their end", lambda: not any(map(is_alive, family)))
        depot.io.set("c", FAN, 1)
        with running(depot.site_file, depot.data) as again:
            wait_for("the alarm", lambda: "trip_unexplained" in again.alarms())
            assert again.stop() == 0


def test_a_taken_port_is_refused_before_anything_acts(depot: Depot) -> None:
    """Exit 3 with the port; guard is not started, no coil is written."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = ampward(
            "run", str(depot.site_file), "--data", str(depot.data), "--http", f"127.0.0.1:{port}", "--no-view"
        )
    assert done.returncode == 3
    assert str(port) in done.stderr
    assert depot.fan() is None
    assert not (depot.data / "guard.lock").exists()


def test_a_bad_site_file_is_refused_with_its_faults(depot: Depot) -> None:
    """The first start has nothing else to go by: exit 3, file, line and key."""
    depot.write(limit="7.0")
    done = ampward("run", str(depot.site_file), "--data", str(depot.data), "--http", "127.0.0.1:0", "--no-view")
    assert done.returncode == 3
    assert "site.yaml:" in done.stderr
    assert "h2_prealarm" in done.stderr


def test_a_site_file_gone_bad_does_not_keep_the_room_unguarded(depot: Depot) -> None:
    """A later start goes on with the last good plan, says so, and puts it into the log."""
    with running(depot.site_file, depot.data) as site:
        assert site.stop() == 0
    depot.write(more="rooms: nonsense")
    with running(depot.site_file, depot.data) as again:
        assert "the last good one stays in force" in again.printed()
        depot.settle()
        depot.h2(25)
        wait_for("the fan", lambda: depot.fan() == 1)

        def rejected() -> bool:
            return any("config" in one["subject"] for one in events(again))

        wait_for("the report of the bad file", rejected)
        assert again.stop() == 0


def reload(site: Site) -> None:
    os.kill(site.process.pid, signal.SIGHUP)


def test_a_good_reload_changes_the_limit(depot: Depot) -> None:
    """SIGHUP: from then on 0.6 % is a pre-alarm, and the log names the new rule set."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        depot.h2(6)
        before = site.get("/api/v1/status")["decision"]
        assert "h2_prealarm" not in site.alarms()
        depot.write(limit="0.5")
        reload(site)
        wait_for("the pre-alarm", lambda: "h2_prealarm" in site.alarms())
        wait_for("the fan", lambda: depot.fan() == 1)
        assert site.get("/api/v1/status")["decision"] != before
        assert "changed" in [one["type"].split(".")[2] for one in events(site)]
        first = guard_pid(site)
        kill(first)
        wait_for("another guard", lambda: guard_pid(site) != first)
        wait_for("readiness", lambda: site.get("/readyz")["ready"])
        assert site.stop() == 0
    with running(depot.site_file, depot.data) as again:
        wait_for("the new limit after a new start", lambda: again.alarms()["h2_prealarm"]["condition"] == "true")
        assert again.stop() == 0
    proven(depot.data)


def test_a_bad_reload_keeps_the_old_configuration_and_says_so(depot: Depot) -> None:
    """The old limit goes on, the fault is a line and an event."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        before = site.get("/api/v1/status")["decision"]
        depot.write(limit="7.0")
        reload(site)
        wait_for("the fault in the lines", lambda: "the site file is not taken" in site.printed())
        assert '{"' not in site.printed(), "people read sentences, the text log has the structured lines"
        wait_for("the event", lambda: any(one["subject"].endswith("/config") for one in events(site)))
        assert site.get("/api/v1/status")["decision"] == before
        depot.h2(11)
        wait_for("the old limit's pre-alarm", lambda: "h2_prealarm" in site.alarms())
        assert site.stop() == 0


def test_a_read_only_folder_does_not_prevent_a_start(tmp_path: Path) -> None:
    """guard gets its plan, the room is guarded, the alarm is told; the log says undurable."""
    with small_disk(tmp_path / "disk", 64) as disk, open_depot(tmp_path, disk / "data") as depot:
        with running(depot.site_file, depot.data) as site:
            assert site.stop() == 0
        with read_only(disk):
            process = subprocess.Popen([*run_command(depot)], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
            try:
                depot.settle()
                depot.h2(25)
                wait_for("the fan", lambda: depot.fan() == 1)
                assert process.poll() is None
            finally:
                process.terminate()
                assert process.wait(PATIENCE_S) == 0
            left = memory_folder(depot.data)
            assert not left.exists(), f"a clean stop left {sorted(left.iterdir())} in memory"


def run_command(depot: Depot) -> tuple[str, ...]:
    arguments = ("--data", str(depot.data), "--http", "127.0.0.1:0", "--no-view")
    return (AMPWARD, "run", str(depot.site_file), *arguments)
