"""The offline bundle as a person uses it: made once, installed without any network, upgraded under gas, removed.

The tests share one installation, which the last one removes.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.depot import FAN, IO, Depot
from tests.e2e.foreign import ForeignDevice, ampward, running, wait_for
from tests.testkit.process import is_alive

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.executable)
EVERY_MODULE = """
import importlib, pkgutil, services, shared
for package in (services, shared):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            try:
                importlib.import_module(found.name)
            except ModuleNotFoundError as missing:
                assert missing.name in {"asyncpg", "faust"}, (found.name, missing)
import aiokafka, cryptography.hazmat.primitives.kdf.scrypt, duckdb
"""
"""All but what runs at the centre alone."""
pytestmark = pytest.mark.timeout(1200)
WATCHDOG_TENTHS = 100
"""A module falls to its safe values within ten seconds of silence (G4)."""
WATCHDOG = f"watchdog: {{table: holding, address: 100, unit: 100ms, value: {WATCHDOG_TENTHS}, enable: 101, safe: 102}}"


class Watched(Depot):
    """A depot whose relay module has a watchdog; every value that any master has written to the fan's coil is kept, in
    order."""

    def __init__(self, folder: Path) -> None:
        self.written: list[int] = []
        super().__init__(folder)
        (folder / "io.yaml").write_text(IO.replace("watchdog: none", WATCHDOG))
        for address, value in ((100, WATCHDOG_TENTHS), (101, 1), (102, 0b101)):
            self.io.set("h", address, value)

    @property
    def silences_ms(self) -> list[int]:
        """After which the module's own watchdog has fallen."""
        return self.io.silences_ms

    def _blow(self, device: ForeignDevice, address: int, value: int) -> None:
        if address == FAN:
            self.written.append(value)
        super()._blow(device, address, value)


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    try:
        yield made
    finally:
        made.close()


def make_bundle(folder: Path, *options: str) -> Path:
    """Made, and unpacked as on the box."""
    command = [str(PYTHON), str(ROOT / "infra" / "bundle" / "make.py"), str(folder), *options]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    with tarfile.open(made.stdout.strip()) as archive:
        archive.extractall(folder, filter="data")
    return folder / Path(made.stdout.strip()).name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


def install(bundle: Path, prefix: Path) -> subprocess.CompletedProcess[str]:
    """By its own script, in a network namespace in which nothing can be reached."""
    command = ["unshare", "--map-root-user", "--net", str(bundle / "install.sh"), "--prefix", str(prefix)]
    options = ["--python", str(PYTHON), "--no-service"]
    return subprocess.run([*command, *options], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def prefix(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the bundle was installed."""
    folder = tmp_path_factory.mktemp("installed") / "opt"
    done = install(bundle, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def uninstall(script: Path, prefix: Path) -> subprocess.CompletedProcess[str]:
    command = [str(script), "--prefix", str(prefix), "--no-service"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def said(prefix: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What the installed program answers, from a folder that has no sources."""
    program = [str(prefix / "current" / "bin" / "ampward"), *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(program, capture_output=True, text=True, check=False, cwd="/", env=environment)


def test_the_bundle_is_installed_without_a_network(bundle: Path, prefix: Path, tmp_path: Path) -> None:
    """It brings everything it needs, its unit is one that systemd takes, and a second time changes nothing."""
    assert said(prefix, "--version").stdout.startswith("ampward ")
    example = prefix / "current" / "examples" / "first-site.yaml"
    checked = said(prefix, "check", str(example))
    assert checked.returncode == 0, checked.stdout
    imported = subprocess.run(
        [str(prefix / "current" / "bin" / "python"), "-P", "-c", EVERY_MODULE], capture_output=True, text=True, cwd="/"
    )
    assert imported.returncode == 0, imported.stderr
    assert "there is no log" in said(prefix, "backup", str(tmp_path), str(tmp_path / "b")).stderr

    unit = tmp_path / "ampward.service"
    unit.write_text((bundle / "systemd" / "ampward.service").read_text().replace("/opt/ampward", str(prefix)))
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    judge = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=25", str(unit)]
    assert subprocess.run(judge, capture_output=True, text=True).returncode == 0, "exposed above 2.5 of 10"

    again = install(bundle, prefix)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(list((prefix / "releases").iterdir())) == 1


def test_a_bundle_that_was_changed_on_its_way_installs_nothing(bundle: Path, tmp_path: Path) -> None:
    """One byte in one file: it is named, and nothing is begun."""
    changed = tmp_path / "bundle"
    shutil.copytree(bundle, changed)
    wheel = next((changed / "wheels").glob("numpy-*.whl"))
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)
    done = install(changed, tmp_path / "opt")
    assert done.returncode == 1
    assert wheel.name in done.stdout + done.stderr
    assert not (tmp_path / "opt").exists()


def test_a_guard_that_an_older_program_left_behind_makes_room(prefix: Path, depot: Watched) -> None:
    """The old parent is killed, its guard goes on; the newer program puts its own in its place: no fan stops."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        depot.h2(25)
        wait_for("the fan", lambda: depot.fan() == 1)
        wait_for("the alarm", lambda: site.alarms()["h2_alarm"]["state"] == "B")
        demanded = len(depot.written)
        left = site.record["guard_pid"]
        site.process.kill()
        site.process.wait()
        assert is_alive(left)
        program = (str(prefix / "current" / "bin" / "ampward"),)
        with running(depot.site_file, depot.data, program=program) as newer:
            assert newer.record["guard_pid"] != left
            assert not is_alive(left)
            wait_for("the alarm", lambda: newer.alarms()["h2_alarm"]["state"] == "B")
            assert depot.fan() == 1
            assert newer.outputs()["depot/r1/io1-do0"]["demand"] == "on"
            assert depot.silences_ms == []
            newer.stop()
    assert 0 not in depot.written[demanded:]


def test_an_upgrade_under_gas_never_stops_the_fan(bundle: Path, prefix: Path, depot: Watched, tmp_path: Path) -> None:
    """Gas over 2 % while the newer bundle goes over the old one and the service restarts: the coil stays on throughout,
    its demand goes on, and the module is never left alone for so long that its own watchdog falls.

    The newer program goes on with the older one's data folder, and its log verifies and replays.
    """
    newer = make_bundle(tmp_path / "newer", "--local", "next", "--wheels", str(bundle / "wheels"))
    program = (str(prefix / "current" / "bin" / "ampward"),)
    with running(depot.site_file, depot.data, program=program) as site:
        depot.settle()
        depot.h2(25)
        wait_for("the fan", lambda: depot.fan() == 1)
        wait_for("the alarm", lambda: site.alarms()["h2_alarm"]["state"] == "B")
        demanded = len(depot.written)
        done = install(newer, prefix)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(list((prefix / "releases").iterdir())) == 2
        assert site.stop() == 0
    assert depot.fan() == 1
    with running(depot.site_file, depot.data, program=program) as site:
        wait_for("the newer program", lambda: "+next" in (depot.data / "program.json").read_text())
        wait_for("the alarm", lambda: site.alarms()["h2_alarm"]["state"] == "B")
        assert depot.fan() == 1
        assert site.outputs()["depot/r1/io1-do0"]["demand"] == "on"
        assert depot.silences_ms == []
        site.stop()
    assert 0 not in depot.written[demanded:]
    wait_for("the watchdog, when nobody is there", lambda: depot.silences_ms, seconds=WATCHDOG_TENTHS / 10 + 10)
    assert json.loads((depot.data / "program.json").read_text())["version"].endswith("+next")
    for command in ("verify", "replay"):
        checked = ampward(command, str(depot.data))
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_program_is_removed_and_nothing_of_it_stays(bundle: Path, prefix: Path) -> None:
    """By the installed script; where nothing is installed any more, the bundle's says so."""
    gone = uninstall(prefix / "uninstall.sh", prefix)
    assert gone.returncode == 0, gone.stderr
    assert not prefix.exists()
    assert uninstall(bundle / "uninstall.sh", prefix).returncode == 1
