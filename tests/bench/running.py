"""A whole site with simulated devices for measuring: up to 330 modules with four values a second."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.testkit.ports import free_port
from tests.testkit.process import descendants, is_alive

__all__ = ["MODULES", "SETTLE_S", "big_site", "descendants", "pss_mib", "running_site"]

MODULES = 330
STRINGS = 10
SETTLE_S = 20.0
READY_WAIT_S = 60.0

DEVICES = """\
devices:
  gas1:  {{modbus_tcp: "127.0.0.1:{port}", unit: 1, profile: honeywell-midas, warm_up: 1s}}
  io1:   {{modbus_tcp: "127.0.0.1:{port}", unit: 3, profile: relay-io}}
  bacs1: {{modbus_tcp: "127.0.0.1:{port}", unit: 4, profile: bacs}}
  els1:  {{modbus_tcp: "127.0.0.1:{port}", unit: 5, profile: els}}
rooms:
  r1:
    volume_m3: 500
    h2: [gas1.h2]
    ambient: [io1.t0]
    fans: [{{output: io1.do0, airflow: io1.di2, capacity_m3h: 3000}}]
    battery: {{type: vented_lead, capacity_ah: 100, strings: [{strings}], monitor: bacs1, levels: els1,
              resistance_mohm: 1.0}}
"""
SITE = """\
version: 1
site: {{id: bench, name: Bench, time_zone: Europe/Berlin, language: en, demo: true}}
buses:
  b1: {{modbus_tcp: "127.0.0.1:{port}", timeout: 300ms}}
devices:
  gas1:  {{bus: b1, unit: 1, profile: honeywell-midas, every: 500ms, room: r1}}
  io1:   {{bus: b1, unit: 3, profile: relay-io, every: 500ms, room: r1}}
  bacs1: {{bus: b1, unit: 4, profile: bacs, every: 1s, room: r1}}
  els1:  {{bus: b1, unit: 5, profile: els, every: 1s, room: r1}}
rooms:
  r1:
    volume_m3: 500
    gas: [{{h2: gas1.h2, warm_up: 1s}}]
    fan: [{{output: io1.do0, airflow: io1.di2, capacity_m3h: 3000, run_up: 5s, run_on: 60min}}]
    batteries:
      bat1:
        {{type: vented_lead, cells_per_jar: 1, capacity_ah: 100, ambient: io1.t0, baseline_mohm: 1.0,
         strings: {{{strings}}}}}
"""


@contextlib.contextmanager
def big_site(folder: Path, modules: int) -> Iterator[Path]:
    """Devices that run, and the site file for them."""
    port = free_port()
    each = modules // STRINGS
    devices = folder / "devices.yaml"
    devices.write_text(DEVICES.format(port=port, strings=", ".join([str(each)] * STRINGS)))
    strings = ", ".join(_string(n + 1, n * each + 1, (n + 1) * each) for n in range(STRINGS))
    site_file = folder / "site.yaml"
    site_file.write_text(SITE.format(port=port, strings=strings))
    process = subprocess.Popen(
        [sys.executable, "-m", "services.plantsim", str(devices)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        while (line := process.stdout.readline()) != "ready\n":
            assert line, "the simulated devices did not start"
        yield site_file
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _string(number: int, first: int, last: int) -> str:
    return f"s{number}: {{device: bacs1, current: bacs1.s{number}_current, jars: {first}-{last}, levels: els1}}"


@dataclass(frozen=True, slots=True)
class RunningSite:
    pid: int
    began_at: float
    """Wall clock just before the program was started."""
    ready_at: float
    """When DIR/run.json was there."""


@contextlib.contextmanager
def running_site(site_file: Path, data: Path) -> Iterator[RunningSite]:
    """``ampward run`` without a view, from its start to its clean end."""
    record = data / "run.json"
    program = Path(sys.executable).with_name("ampward")
    began = time.time()
    command = [str(program), "run", str(site_file), "--data", str(data), "--http", "127.0.0.1:0", "--no-view"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + READY_WAIT_S
        while not (record.exists() and record.stat().st_mtime >= began):
            assert process.poll() is None, f"ampward run ended with {process.returncode}"
            assert time.monotonic() < end, "not trip-ready in time"
            time.sleep(0.005)
        yield RunningSite(process.pid, began, time.time())
    finally:
        guard = json.loads(record.read_text())["guard_pid"] if record.exists() else 0
        process.terminate()
        process.wait(30)
        if guard and is_alive(guard):
            os.kill(guard, 9)


def pss_mib(pid: int) -> float:
    """Proportional set size: private memory and the process's share of what it shares."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
