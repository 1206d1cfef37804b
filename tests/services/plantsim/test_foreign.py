"""The simulated devices under foreign masters, and our master under a foreign line: mbpoll (libmodbus) and socat."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.devices.plan import BusPlan
from shared.devices.profile import Table
from shared.fieldbus.lines import open_line

PROGRAM = [sys.executable, "-m", "services.plantsim"]
DEVICES = """devices:
  gas1: {modbus_tcp: "127.0.0.1:0", unit: 1, profile: pemtech-pt495, values: {h2: 1.2}}
  bacs: {modbus_tcp: "127.0.0.1:0", unit: 4, profile: bacs, values: {s1_current: -12, module2_voltage: 2.231}}
  io2: {pty: line, unit: 2, profile: relay-io}
script: [{at: 100ms, say: "it begins", cut: gas1}, {at: 300ms, mend: gas1, say: "it goes on"}]
"""


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The program as a user starts it, when it is ready; and the lines it has printed."""
    (tmp_path / "devices.yaml").write_text(DEVICES)
    process = subprocess.Popen([*PROGRAM, str(tmp_path / "devices.yaml")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = []
    while (line := process.stdout.readline().strip()) != "ready":
        assert line, "ended before it was ready"
        lines.append(line)
    for expected in ("it begins", "it goes on"):
        assert process.stdout.readline().strip() == expected
    yield process, lines
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    process.stdout.close()


def mbpoll(*arguments: str) -> dict[int, int]:
    """What libmodbus reads: address to value. Fails the test when it cannot."""
    done = subprocess.run(["mbpoll", "-0", "-1", *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^\[(\d+)\]:\s+(-?\d+)", done.stdout, re.MULTILINE)
    return {int(address): int(value) for address, value in found}


def test_libmodbus_reads_and_writes_the_simulated_devices(plant: tuple[subprocess.Popen[str], list[str]]) -> None:
    """mbpoll sees gas, string current and jar volts over TCP, and switches a relay over the pseudo-terminal."""
    _, (address, line) = plant
    tcp = ("-m", "tcp", "-p", address.rpartition(":")[2])
    assert mbpoll(*tcp, "-a", "1", "-r", "0", "-c", "2", "-t", "4", "127.0.0.1") == {0: 12, 1: 0}
    assert mbpoll(*tcp, "-a", "4", "-r", "1010", "-c", "1", "-t", "4", "127.0.0.1") == {1010: 65_524}
    assert mbpoll(*tcp, "-a", "4", "-r", "2004", "-c", "1", "-t", "4", "127.0.0.1") == {2004: 2231}
    rtu = ("-m", "rtu", "-b", "19200", "-P", "none", "-a", "2", "-t", "0")
    assert mbpoll(*rtu, "-r", "0", "-c", "4", line) == {0: 1, 1: 0, 2: 1, 3: 0}
    mbpoll(*rtu, "-r", "0", line, "0")
    assert mbpoll(*rtu, "-r", "0", "-c", "1", line) == {0: 0}
    assert mbpoll("-m", "rtu", "-b", "19200", "-P", "none", "-a", "2", "-t", "1", "-r", "4", "-c", "1", line) == {4: 0}


def test_what_is_wrong_is_said_with_an_exit_code(
    plant: tuple[subprocess.Popen[str], list[str]], tmp_path: Path
) -> None:
    """1 for a file with faults, 2 for wrong usage, 3 for a port that is taken."""
    bad, taken = tmp_path / "bad.yaml", tmp_path / "taken.yaml"
    bad.write_text("devices: {a: {profile: x}}")
    taken.write_text(f'devices: {{a: {{modbus_tcp: "{plant[1][0]}", profile: els}}}}')
    for arguments, code, text in (([str(bad)], 1, "bad.yaml:1:"), ([], 2, "usage:"), ([str(taken)], 3, plant[1][0])):
        done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == code and text in done.stdout + done.stderr


async def test_our_master_reads_through_a_line_made_by_socat(
    plant: tuple[subprocess.Popen[str], list[str]], tmp_path: Path
) -> None:
    """A pair of terminals bridged by socat stands for a real adapter: reads, a write, and DISCONNECTED when it goes."""
    far = tmp_path / "far"
    socat = await asyncio.create_subprocess_exec(
        "socat", f"pty,raw,echo=0,link={far}", f"{Path(plant[1][1]).readlink()},raw,echo=0"
    )
    while not far.exists():
        await asyncio.sleep(0.02)
    line = open_line(BusPlan("b", "", str(far), "", 1000, parity="E"))
    assert await line.reader.read(2, Table.COIL, 0, 4) == b"\x05"
    assert await line.writer.write_coil(2, 3, True) is None  # noqa: FBT003
    assert await line.reader.read(2, Table.DISCRETE, 4, 4) == b"\x0d"
    socat.terminate()
    await socat.wait()
    found = await line.reader.read(2, Table.COIL, 0, 4)
    assert not isinstance(found, bytes) and found.reason.label == "disconnected"
    await line.reader.close()
