"""infra/compiler, which set-up and the image's build stage ask for a C compiler, on machines that lack parts."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASKED = "apt-get asked for:"


def script(path: Path, text: str) -> None:
    """A program of this machine."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


class Machine:
    """A PATH with the few programs that there are; by itself a plain user's, without compiler and without apt-get."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("sh", "env", "ln"):
            (self.bin / name).symlink_to(shutil.which(name) or name)
        script(self.bin / "id", "echo 1000")
        self.include = folder / "include"
        script(self.bin / "python3.11", f'case "$2" in *include*) echo {self.include} ;; *) echo cc -pthread ;; esac')

    def headers(self) -> None:
        """Python.h, as small as one can be."""
        self.include.mkdir()
        (self.include / "Python.h").write_text("typedef int any;\n")

    def compiler(self) -> None:
        (self.bin / "cc").symlink_to(shutil.which("cc") or "cc")

    def apt(self, brings: str) -> None:
        """One that does ``brings`` when it is to install, for root."""
        script(self.bin / "id", "echo 0")
        (self.bin / "brought").symlink_to(shutil.which("cc") or "cc")
        script(self.bin / "apt-get", f'case "$*" in *install*) echo "{ASKED} $*" >&2; {brings} ;; esac')

    def asks(self, **settings: str) -> tuple[int, str]:
        command = ["sh", str(ROOT / "infra" / "compiler"), "python3.11"]
        # The compiler finds its own parts beside itself; it is this script that is to find no other one.
        env = {"PATH": str(self.bin), **settings}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_compiler_with_pythons_headers_is_enough(machine: Machine) -> None:
    """Then it says nothing and installs nothing."""
    machine.headers()
    machine.compiler()
    machine.apt("false")
    assert machine.asks() == (0, "")


def test_who_is_not_root_is_told_what_to_install(machine: Machine) -> None:
    """Which packages bring it, without Python's headers when they are there."""
    machine.headers()
    code, said = machine.asks()
    assert code == 1
    assert "'cc -pthread' does not compile" in said
    assert "apt-get install gcc libc6-dev libssl-dev)" in said


def test_missing_headers_are_named(machine: Machine) -> None:
    """A compiler without Python.h is not enough: the headers' package is named, and where they are looked for."""
    machine.compiler()
    code, said = machine.asks()
    assert code == 1
    assert f"{machine.include}/Python.h" in said
    assert "apt-get install gcc libc6-dev libssl-dev libpython3.11-dev)" in said


def test_every_header_that_a_module_includes_is_tried(machine: Machine) -> None:
    """What the sources take from C is what is asked for: without OpenSSL's headers the answer is no."""
    machine.headers()
    machine.compiler()
    code, said = machine.asks(CC="cc -nostdinc")
    assert code == 1
    assert "openssl/evp.h" in said
    sources = (ROOT / "shared" / "compiled").glob("*.pyx")
    included = {name for path in sources for name in re.findall(r'cdef extern from "([^"]+)"', path.read_text())}
    assert all(name in (ROOT / "infra" / "compiler").read_text() for name in included), included


def test_root_gets_what_is_missing(machine: Machine) -> None:
    """It is installed and then tried again."""
    machine.headers()
    machine.apt(f"ln -s brought {machine.bin}/cc")
    code, said = machine.asks()
    assert code == 0, said
    assert f"{ASKED} -qq install -y --no-install-recommends gcc libc6-dev libssl-dev\n" in said


@pytest.mark.parametrize("brings", ["true", "exit 100"])
def test_packages_that_do_not_help_end_the_setup(machine: Machine, brings: str) -> None:
    """Installed without effect or not to be had: it says what does not work, and does not go on."""
    machine.headers()
    machine.apt(brings)
    code, said = machine.asks()
    assert code == 1
    assert "does not compile" in said


def test_a_compiler_of_ones_own_is_taken(machine: Machine) -> None:
    """CC says which, as it does to setuptools; one that is not there is named."""
    machine.headers()
    machine.compiler()
    assert machine.asks(CC=f"{machine.bin}/cc -std=c11") == (0, "")
    code, said = machine.asks(CC="tcc")
    assert (code, "'tcc' does not compile" in said) == (1, True)


def test_setup_builds_anew_when_a_compiled_module_changed(tmp_path: Path) -> None:
    """Up to date it does nothing; a source that is newer than the last setup is a reason."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    source = tmp_path / "shared" / "compiled" / "some.pyx"
    stamp = tmp_path / ".venv" / ".ampward-setup"
    for path in (source, stamp):
        path.parent.mkdir(parents=True)
        path.touch()
    ask = ["make", "--question", "setup"]
    assert subprocess.run(ask, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    os.utime(source, (stamp.stat().st_mtime + 1,) * 2)
    assert subprocess.run(ask, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_this_machine_can_build_it() -> None:
    """Set-up was done here, so that the same question is answered with yes."""
    command = [str(ROOT / "infra" / "compiler"), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
