"""import jars: from a spreadsheet, and from simulated modules on real Modbus TCP."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.site.command import output
from shared.runtime.site_file.jars import read_csv
from tests.services.command.conftest import Run
from tests.services.command.test_progress import shown_on_a_terminal

LIST = "Adresse;Seriennummer;Ri;Notiz\n1S1;A;3,1;x\n2S1;B;3,2;\n1S2;C;3,3;\n"
BATTERY = "demo/r1/bat1"


def _list(folder: Path, text: str = LIST) -> Path:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_spreadsheet_becomes_one_file_a_string(run: Run, tmp_path: Path) -> None:
    """The files are named after battery and string, and the site file's reader takes them."""
    ran = run("import", "jars", _list(tmp_path), "--battery", BATTERY, "--out", tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert "left out: the column Notiz" in ran.out
    jars, faults = read_csv(tmp_path / "jars-bat1-s1.csv", 1)
    assert ([jar.serial for jar in jars], faults) == (["A", "B"], [])
    assert read_csv(tmp_path / "jars-bat1-s2.csv", 2)[0][0].baseline == 3_300


def test_a_file_that_is_there_stays(run: Run, tmp_path: Path) -> None:
    """Nothing is written when one of the files exists; --force writes them all."""
    there = tmp_path / "jars-bat1-s2.csv"
    there.write_text("mine")
    words = ("import", "jars", _list(tmp_path), "--battery", BATTERY, "--out", tmp_path)
    ran = run(*words)
    assert (ran.code, there.read_text()) == (1, "mine")
    assert "there already, allowed: --force" in ran.err
    assert not (tmp_path / "jars-bat1-s1.csv").exists()
    assert run(*words, "--force").code == 0
    assert there.read_text().startswith("address,")


def test_faults_write_nothing(run: Run, tmp_path: Path) -> None:
    """Each with its place, one a line, and as JSON."""
    words = ("import", "jars", _list(tmp_path, "Adresse\n1S1\n1S1\n3S1\n"), "--battery", BATTERY, "--out", tmp_path)
    ran = run(*words)
    assert (ran.code, len(ran.out.splitlines())) == (1, 2)
    assert ran.out.startswith(f"{tmp_path / 'list.csv'}:3:1: address: 1S1 stands in line 2 too")
    told = json.loads(run(*words, "--json").out)
    assert ([one["line"] for one in told["faults"]], told["files"]) == ([3, 4], [])
    assert list(tmp_path.glob("jars-*")) == []


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (("--battery", BATTERY), "a CSV file, or --scan"),
        (("list.csv", "--battery", "bat1"), "SITE/ROOM/BATTERY"),
        (("list.csv", "--battery", BATTERY, "--string", "100"), "1 to 99"),
    ],
)
def test_wrong_usage_is_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], allowed: str
) -> None:
    """With what is allowed, and exit 2."""
    _list(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = run("import", "jars", *words)
    assert (ran.code, ran.out) == (2, "")
    assert allowed in ran.err


def test_a_battery_that_the_site_file_has_not_is_told_with_those_that_it_has(run: Run, tmp_path: Path) -> None:
    """A slip in the name would make files that nobody reads; nothing is written."""
    site = Path(__file__).parents[2] / "runtime" / "site_file" / "good" / "full.yaml"
    words = ("import", "jars", _list(tmp_path), "--site", site, "--out", tmp_path)
    ran = run(*words, "--battery", "full/r1/bat9")
    assert (ran.code, ran.out) == (2, "")
    assert "full/r1/bat9: not in" in ran.err
    assert "allowed: full/r1/bat1" in ran.err
    assert list(tmp_path.glob("jars-*")) == []
    assert run(*words, "--battery", "full/r1/bat1").code == 0


PROFILE = """
title: A manager
points: {flags: {table: holding, address: 0, type: u16}}
groups:
  module:
    count: 6
    address: 10
    stride: 3
    points:
      voltage: {table: holding, address: 0, type: u16, unit: V, scale: "0.001", not_present: [65535]}
      resistance: {table: holding, address: 1, type: u16, unit: mOhm, scale: "0.01"}
      state: {table: holding, address: 2, type: u16, labels: {0: ok, 3: lost}}
"""
DEVICES = """
devices:
  bms:
    modbus_tcp: "127.0.0.1:0"
    unit: 7
    profile: ./manager.yaml
    values: {flags: 1, module1_voltage: 2.231, module1_resistance: 0.45, module2_voltage: 2.2, module2_state: lost,
             module4_voltage: 2.229, module4_resistance: 0.47}
"""


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Path]:
    """A site file whose manager has modules 1 and 4, and lost module 2; its battery is not described yet."""
    (tmp_path / "manager.yaml").write_text(PROFILE)
    (tmp_path / "devices.yaml").write_text(DEVICES)
    program = [sys.executable, "-m", "services.plantsim", str(tmp_path / "devices.yaml")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if line.strip() == "ready":
                break
        address = next(word for line in lines for word in line.split() if word.startswith("127.0.0.1:"))
        site = tmp_path / "site.yaml"
        site.write_text(
            "version: 1\nsite: {id: demo, demo: true}\n"
            f'buses: {{b1: {{modbus_tcp: "{address}", timeout: 1s}}}}\n'
            "devices: {bms: {bus: b1, unit: 7, profile: ./manager.yaml, every: 1s, room: r1}}\nrooms: {r1: {}}\n"
        )
        yield site
        process.send_signal(signal.SIGINT)


def test_the_modules_that_answer_become_jars(run: Run, bus: Path, tmp_path: Path) -> None:
    """Those that give a value and are not lost, in their order; nothing was written to the device."""
    words = ("import", "jars", "--scan", bus, "--device", "bms", "--battery", BATTERY, "--string", 3, "--out", tmp_path)
    ran = run(*words, "--json")
    assert (ran.code, ran.err) == (0, "")
    told = json.loads(ran.out)
    assert (told["asked"], told["identity"]) == (6, "not checked")
    assert [(one["module"], one["values"]["voltage"]) for one in told["modules"]] == [(1, "2.231 V"), (4, "2.229 V")]
    jars, faults = read_csv(tmp_path / "jars-bat1-s3.csv", 3)
    assert ([(jar.address, jar.module) for jar in jars], faults) == ([("1S3", 1), ("2S3", 4)], [])
    assert run(*words).code == 1, "the file is there already"


def test_asking_the_bus_shows_how_far_it_is(bus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of modules take a while on a slow line; here everything counts as long."""
    monkeypatch.setattr(output, "SHOW_AFTER_S", 0.0)
    asked = ["--scan", str(bus), "--device", "bms", "--battery", BATTERY, "--out", str(tmp_path)]
    assert "asking bms" in shown_on_a_terminal(["import", "jars", *asked], monkeypatch)


def test_a_device_without_modules_is_told(run: Run, bus: Path) -> None:
    """With those that have some."""
    ran = run("import", "jars", "--scan", bus, "--device", "gas1", "--battery", BATTERY)
    assert (ran.code, ran.out) == (2, "")
    assert "allowed: bms" in ran.err
