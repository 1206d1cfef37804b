"""Trace (a): gas at 2 % with a full disk and the link down, a power cycle while still full, then all returns."""

import contextlib
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

from tests.e2e.depot import FAN, Depot, children, events, open_depot
from tests.e2e.foreign import Site, ampward, running, wait_for
from tests.testkit.disk import filled, small_disk
from tests.testkit.ports import free_port
from tests.testkit.process import is_alive

Place = tuple[str, str, str]
"""What caused an event (site, log_id, site_seq), its room, its number in the room."""


class Witness:
    """Notes every event that is told while the site lives, and whether the fan ever stopped."""

    def __init__(self) -> None:
        self.told: dict[Place, set[str]] = {}
        self.undurable: list[dict[str, Any]] = []

    def see(self, found: list[dict[str, Any]]) -> None:
        for event in found:
            place = (event["causationid"], event["room"], event["sequence"])
            facts = {key: value for key, value in event.items() if key not in ("undurable", "cursor")}
            self.told.setdefault(place, set()).add(json.dumps(facts, sort_keys=True))
            if event.get("undurable"):
                self.undurable.append(event)


class FanWatch:
    """From its beginning on the fan's coil must never be seen off."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot
        self._ending = threading.Event()
        self.seen_off = False
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ending.wait(0.02):
            self.seen_off |= self._depot.io.coils.get(FAN) != 1

    def end(self) -> None:
        self._ending.set()
        self._thread.join()


def power_off(site: Site) -> None:
    """kill -9 of everything at once, as a power cut does."""
    pids = (site.process.pid, *children(site), site.record["guard_pid"])
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    site.process.wait()
    wait_for("the end of all", lambda: not any(map(is_alive, pids)))


def in_force(site: Site) -> dict[str, Any]:
    return {rule: alarm for rule, alarm in site.alarms().items() if alarm["state"] in "BCEF"}


def first_life(depot: Depot, witness: Witness) -> FanWatch:
    """The disk fills, gas comes, the alarm is told undurable; then the power goes."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        with filled(depot.data.parent):
            wait_for("the undurable alarm", lambda: "log_undurable" in in_force(site))
            assert site.get("/api/v1/status")["undurable"] is True
            depot.h2(25)
            wait_for("the fan", lambda: depot.fan() == 1)
            watch = FanWatch(depot)
            wait_for("the gas alarm", lambda: "h2_alarm" in in_force(site))
            witness.see(events(site))
            power_off(site)
            second_life(depot, witness)
    return watch


def second_life(depot: Depot, witness: Witness) -> None:
    """Power returns, the disk is still full: the room is guarded, the alarm is told again; power goes once more."""
    site = Site(depot.site_file, depot.data)
    try:
        wait_for("the gas alarm again", lambda: "h2_alarm" in in_force(site))
        assert site.get("/api/v1/status")["undurable"] is True
        witness.see(events(site))
        power_off(site)
    finally:
        site.end_everything()


def test_gas_with_a_full_disk_and_a_power_cycle_loses_nothing_but_says_what_it_lost(tmp_path: Path) -> None:
    """Fan on throughout, no number means two things, the log names its losses, verify and replay pass."""
    witness = Witness()
    with small_disk(tmp_path / "disk", 48) as disk, open_depot(tmp_path, disk / "data") as depot:
        depot.write(more=f'mqtt: {{url: "mqtt://127.0.0.1:{free_port()}"}}')
        watch = first_life(depot, witness)
        with running(depot.site_file, depot.data) as site:
            wait_for("the gas alarm a third time", lambda: "h2_alarm" in in_force(site))
            wait_for("a log on disk", lambda: site.get("/api/v1/status")["undurable"] is False)
            assert "log_undurable" not in in_force(site)
            assert depot.fan() == 1
            watch.end()
            assert site.stop() == 0
        kept = [json.loads(line) for line in ampward("events", str(depot.data), "--json").stdout.splitlines()]
        witness.see(kept)
        verified = ampward("verify", str(depot.data), "--json")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        replayed = ampward("replay", str(depot.data), "--json")
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert not watch.seen_off, "the fan stopped"
    told = [event for event in witness.undurable if event["type"] == "ampward.alarm.raised.v1"]
    assert "h2_alarm" in {event["data"]["rule"] for event in told}, "the alarm was told, marked undurable"
    doubled = {place: facts for place, facts in witness.told.items() if len(facts) > 1}
    assert not doubled, "one number stood for two things"
    lost = [event["data"]["reason"] for event in kept if event["subject"].endswith("/_site/lost")]
    assert len(lost) == 2, "the log names what each of the two cut lives has lost"
    assert all("at least" in sentence for sentence in lost)
    starts = [event["data"]["reason"] for event in kept if event["type"] == "ampward.log.started.v1"]
    assert any("not clean stop" in reason for reason in starts), "the log says after which number it lost inputs"
