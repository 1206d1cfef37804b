"""A small real site for the black-box tests: two libmodbus devices, one room, a log with a small ballast."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.runtime.places import memory_folder
from tests.e2e.foreign import ForeignDevice, Site, build_device, wait_for
from tests.testkit.web import web

GAS = """\
points:
  h2: {table: holding, address: 0, type: u16, scale: "0.1", unit: "%vol", no_data: [65535]}
"""
IO = """\
points:
  do0: {table: coil, address: 0, on: 1, safe: on}
  do1: {table: coil, address: 1, on: 1, safe: off}
  do2: {table: coil, address: 2, on: 1, safe: on}
  di2: {table: discrete, address: 2, closed: 1}
watchdog: none
"""
SITE = """\
version: 1
site: {{id: depot, name: Depot, time_zone: Europe/Berlin, language: en}}
buses:
  b1: {{modbus_tcp: "127.0.0.1:{gas}", timeout: 300ms}}
  b2: {{modbus_tcp: "127.0.0.1:{io}", timeout: 300ms}}
devices:
  gas1: {{bus: b1, unit: 1, profile: ./gas.yaml, every: 200ms, room: r1}}
  io1:  {{bus: b2, unit: 1, profile: ./io.yaml, every: 200ms, room: r1}}
rooms:
  r1:
    volume_m3: 50
    gas: [{{h2: gas1.h2, warm_up: 500ms}}]
    fan: [{{output: io1.do0, airflow: io1.di2, capacity_m3h: 100, run_up: 3s, run_on: 1s,
            wiring: fan_on_when_deenergised}}]
{room}
rules: {{h2_prealarm: {{limit: {limit}, off_delay: 500ms}}, h2_alarm: {{off_delay: 500ms}}}}
log: {{ballast_mib: 1, disk_low_mib: 1}}
{more}
"""
MORE_OUTPUTS = """\
    charger_inhibit: {output: io1.do1}
    buzzer: {output: io1.do2}
"""
FAN, INHIBIT, BUZZER = 0, 1, 2


class Depot:
    """Devices and files; the airflow contact follows the fan's coil unless the fan has failed."""

    def __init__(self, folder: Path, data: Path | None = None) -> None:
        program = build_device(folder)
        self.fan_works = True
        self.gas = ForeignDevice(program)
        self.io = ForeignDevice(program, self._blow)
        (folder / "gas.yaml").write_text(GAS)
        (folder / "io.yaml").write_text(IO)
        self.site_file = folder / "site.yaml"
        self.write()
        self.data = data or folder / "data"

    def _blow(self, device: ForeignDevice, address: int, value: int) -> None:
        if address == FAN:
            device.set("d", 2, value if self.fan_works else 0)

    def write(self, limit: str = "1.0", more: str = "", *, all_outputs: bool = False) -> None:
        """The site file, with another pre-alarm limit, charger inhibit and buzzer beside the fan, or more keys."""
        room = MORE_OUTPUTS if all_outputs else ""
        self.site_file.write_text(SITE.format(gas=self.gas.port, io=self.io.port, limit=limit, room=room, more=more))

    def h2(self, tenths_percent: int) -> None:
        self.gas.set("h", 0, tenths_percent)  # The register counts tenths of a per cent.

    def fan(self) -> int | None:
        return self.io.coils.get(FAN)

    def buzzer(self) -> int | None:
        return self.io.coils.get(BUZZER)

    def settle(self) -> None:
        """Past power-up: three good samples came, nothing is demanded."""
        wait_for("the start-up demand to run the fan", lambda: (FAN, 1) in self.io.seen)
        wait_for("the start-up demand to end", lambda: self.fan() == 0)

    def close(self) -> None:
        self.gas.close()
        self.io.close()
        shutil.rmtree(memory_folder(self.data), ignore_errors=True)


@contextmanager
def open_depot(folder: Path, data: Path | None = None) -> Iterator[Depot]:
    made = Depot(folder, data)
    try:
        yield made
    finally:
        made.close()


def children(site: Site) -> tuple[int, ...]:
    """Processes that the parent started and that are its children still."""
    pid = site.process.pid
    return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def guard_pid(site: Site) -> int:
    """guard, by the record of the run."""
    return int(json.loads((site.data / "run.json").read_text())["guard_pid"])


def site_pid(site: Site) -> int:
    """The site process: the child that is not guard."""

    def look() -> int:
        guard = guard_pid(site)
        found = [pid for pid in children(site) if pid != guard and b"services.site\0" in _command(pid)]
        return found[0] if found else 0

    return int(wait_for("the site process", look))


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def events(site: Site) -> list[dict[str, Any]]:
    """All events that the site still knows, in order."""
    record = json.loads((site.data / "run.json").read_text())
    token = (site.data / "token").read_text().strip()
    url = f"http://{record['http']}/api/v1/events?follow=false"
    answer = web().get(url, headers={"Authorization": f"Bearer {token}"})
    answer.raise_for_status()
    data = (line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith('data: {"spec'))
    return [json.loads(line) for line in data]


def types(found: list[dict[str, Any]], rule: str) -> list[str]:
    """What happened to the alarm of one rule, in order."""
    return [one["type"].split(".")[2] for one in found if one["data"].get("rule") == rule]
