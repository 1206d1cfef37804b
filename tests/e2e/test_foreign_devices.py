"""The product as a stranger meets it: own site file, own profiles, libmodbus devices, processes killed."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.depot import FAN, INHIBIT, Depot, open_depot
from tests.e2e.foreign import Site, ampward, running, wait_for


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    with open_depot(tmp_path) as made:
        made.write(all_outputs=True)
        yield made


def settled(depot: Depot, site: Site) -> None:
    """Past power-up: the fan ran, three good samples came, nothing is demanded."""
    depot.settle()
    assert site.alarms().get("h2_prealarm") is None


def test_a_crossing_runs_the_fan_raises_both_alarms_and_is_acked_reset_and_proven(depot: Depot) -> None:
    """From a register to fan, alarms, operator's acts, clean stop, verify and replay."""
    with running(depot.site_file, depot.data) as site:
        settled(depot, site)
        depot.h2(12)
        wait_for("the fan", lambda: depot.fan() == 1)
        alarm = wait_for("the pre-alarm", lambda: site.alarms().get("h2_prealarm"))
        assert (alarm["severity"], alarm["state"], alarm["condition"], alarm["value"]) == (
            "warning",
            "B",
            "true",
            "1.2",
        )
        depot.h2(25)
        wait_for("the charger inhibit", lambda: depot.io.coils.get(INHIBIT) == 1)
        alarm = wait_for("the alarm", lambda: site.alarms().get("h2_alarm"))
        assert alarm["severity"] == "critical"
        wait_for("the pre-alarm suppressed", lambda: site.alarms()["h2_prealarm"]["override"] == "suppressed")
        refused = site.command("reset", alarm["id"], "--reason", "too early")
        assert refused.returncode != 0
        assert "condition" in refused.stdout + refused.stderr
        assert site.command("ack", alarm["id"], "--reason", "seen").returncode == 0
        wait_for("acked", lambda: site.alarms()["h2_alarm"]["state"] == "C")
        assert depot.fan() == 1
        depot.h2(0)
        wait_for("latched and acked", lambda: site.alarms()["h2_alarm"]["state"] == "F")
        time.sleep(3)
        assert depot.fan() == 1, "a latch holds the fan"
        assert site.command("reset", alarm["id"], "--reason", "room aired").returncode == 0
        wait_for("the fan off after run-on", lambda: depot.fan() == 0)
        assert site.stop() == 0
    proof = ampward("verify", str(depot.data), "--json")
    assert proof.returncode == 0, proof.stdout + proof.stderr
    assert json.loads(proof.stdout)["ok"] is True
    replayed = ampward("replay", str(depot.data), "--json")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert json.loads(replayed.stdout)["equal"] is True
    lines = [json.loads(line) for line in ampward("events", str(depot.data), "--json").stdout.splitlines()]
    raised = [line for line in lines if line["type"] == "ampward.alarm.raised.v1"]
    assert {"h2_prealarm", "h2_alarm"} <= {line["data"]["rule"] for line in raised}


def test_the_fan_starts_with_site_and_parent_dead(depot: Depot) -> None:
    """kill -9 of site and parent together; the trip goes on; a new run joins the living guard and loses nothing."""
    with running(depot.site_file, depot.data) as site:
        settled(depot, site)
        guard = site.record["guard_pid"]
        children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
        site.process.kill()
        site.process.wait()
        for child in children:
            if int(child) != guard:
                os.kill(int(child), signal.SIGKILL)
        depot.h2(30)
        wait_for("the fan by the local trip", lambda: depot.fan() == 1)
        with running(depot.site_file, depot.data) as again:
            assert again.record["guard_pid"] == guard
            alarm = wait_for("the alarm after the return", lambda: again.alarms().get("h2_alarm"))
            assert alarm["condition"] == "true"
            assert depot.fan() == 1
            assert again.stop() == 0
    assert ampward("verify", str(depot.data)).returncode == 0
    assert ampward("replay", str(depot.data)).returncode == 0


def test_a_dead_detector_runs_the_fan_and_is_a_fault(depot: Depot) -> None:
    """The gas head disappears: the fan goes on and a fault is raised within six seconds; three good samples end it."""
    with running(depot.site_file, depot.data) as site:
        settled(depot, site)
        depot.gas.set("h", 0, 65535)
        wait_for("the fan", lambda: depot.fan() == 1)
        wait_for("the fault alarm", lambda: site.alarms().get("h2_fault"))
        depot.h2(0)
        wait_for("the fan off", lambda: depot.fan() == 0)


def test_a_fan_without_airflow_is_a_fan_failure(depot: Depot) -> None:
    """The coil is written and read back, no air moves: fan_fail within run-up and a bit."""
    with running(depot.site_file, depot.data) as site:
        settled(depot, site)
        depot.fan_works = False
        depot.h2(15)
        wait_for("the fan's coil", lambda: depot.fan() == 1)
        alarm = wait_for("fan_fail", lambda: site.alarms().get("fan_fail"))
        assert alarm["state"] == "B"


def test_somebody_else_switches_the_fan_off(depot: Depot) -> None:
    """A foreign OFF against a demand is written again and told."""
    with running(depot.site_file, depot.data) as site:
        settled(depot, site)
        wait_for("guard to have read it off", lambda: site.outputs()["depot/r1/io1-do0"]["read_back"] == "off")
        depot.h2(15)
        wait_for("guard to have read it on", lambda: site.outputs()["depot/r1/io1-do0"]["read_back"] == "on")
        depot.io.set("c", FAN, 0)
        wait_for("the fan on again", lambda: depot.fan() == 1)
        wait_for("the foreign write told", lambda: site.alarms().get("relay_foreign_write"))


def test_a_second_run_on_the_same_folder_is_refused_with_the_pid(depot: Depot) -> None:
    """Exit 3, one line that names who holds the folder."""
    with running(depot.site_file, depot.data) as site:
        second = ampward("run", str(depot.site_file), "--data", str(depot.data), "--no-view", "--http", "127.0.0.1:0")
        assert second.returncode == 3
        assert str(site.process.pid) in second.stdout + second.stderr


def test_a_reload_under_gas_loses_no_device_and_no_fan(depot: Depot) -> None:
    """A changed rule file while the pre-alarm is active: every device is still read, the fan runs on, limits change."""
    with running(depot.site_file, depot.data) as site:
        settled(depot, site)
        depot.h2(12)
        wait_for("the pre-alarm", lambda: site.alarms().get("h2_prealarm"))
        depot.write(limit="1.1, deadband: 0.1", all_outputs=True)
        site.process.send_signal(signal.SIGHUP)
        wait_for("the new rules", lambda: "the new site file is in force" in site.printed())
        depot.h2(0)
        wait_for("the value after the reload", lambda: site.alarms()["h2_prealarm"]["state"] == "D")
        wait_for("the fan off after run-on", lambda: depot.fan() == 0)
        depot.h2(11)
        wait_for("the fan at the new limit", lambda: depot.fan() == 1)
        wait_for("the alarm at the new limit", lambda: site.alarms()["h2_prealarm"]["state"] == "B")
        assert not {"device_lost", "bus_lost", "fan_fail", "h2_fault"} & {
            rule for rule, alarm in site.alarms().items() if alarm["condition"] == "true"
        }
        assert site.stop() == 0
    late = ampward("events", str(depot.data), "--type", "ampward.input.late", "--json")
    assert late.stdout == ""
    assert ampward("replay", str(depot.data)).returncode == 0


def test_commissioning_comes_before_the_first_run_and_arms_it(depot: Depot) -> None:
    """As the README says it: commission into a data folder that is not there yet, then run: armed."""
    refused = ampward("commission", str(depot.site_file), "--data", str(depot.data), "--yes", "--output", "nonsense")
    assert refused.returncode == 2
    assert "depot/r1/io1-do0" in refused.stderr
    assert not depot.data.exists()
    proven = ampward("commission", str(depot.site_file), "--data", str(depot.data), "--yes")
    assert proven.returncode == 0, proven.stdout + proven.stderr
    with running(depot.site_file, depot.data) as site:
        outputs = {"depot/r1/io1-do0", "depot/r1/io1-do1", "depot/r1/io1-do2"}
        wait_for(
            "all outputs armed",
            lambda: {output["id"] for output in site.outputs().values() if output["armed"]} == outputs,
        )
        assert ampward("commission", str(depot.site_file), "--data", str(depot.data), "--yes").returncode == 3
        assert site.stop() == 0
