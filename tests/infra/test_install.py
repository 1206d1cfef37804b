"""The bundle's installer, with a program of three files: a compiled part that this machine cannot load, and what it
makes in /etc for the service, in a mount namespace whose /etc is the test's own."""

import configparser
import shutil
import subprocess
import sys
import sysconfig
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = f"{sysconfig.get_platform()}-cp{sys.version_info[0]}{sys.version_info[1]}"
INFO = "ampward-1.dist-info"
PROGRAM = {
    "shared/__init__.py": "",
    "shared/compiled/__init__.py": "",
    "program.py": "def main() -> None:\n    print('ampward 1')\n",
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: ampward\nVersion: 1\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/entry_points.txt": "[console_scripts]\nampward = program:main\n",
}
"""A wheel that answers, whatever its compiled part does."""


def bundle(folder: Path, compiled: str) -> Path:
    """What an archive holds, with one module in the compiled part."""
    for name in ("wheels", "docs", "examples", "systemd"):
        (folder / name).mkdir(parents=True)
    files = {**PROGRAM, "shared/compiled/names.py": compiled}
    with ZipFile(folder / "wheels" / "ampward-1-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{INFO}/RECORD", "".join(f"{name},,\n" for name in (*files, f"{INFO}/RECORD")))
    for name in ("LICENSE", "uninstall.sh", "requirements.txt"):
        (folder / name).touch()
    for name in ("ampward.service", "ampward.conf"):
        shutil.copy(ROOT / "infra" / "systemd" / name, folder / "systemd")
    text = (ROOT / "infra" / "bundle" / "install.sh").read_text()
    (folder / "install.sh").write_text(text.replace("@VERSION@", "1").replace("@PLATFORM@", PLATFORM))
    held = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    sums = (f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in held)
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def install(folder: Path, prefix: Path) -> tuple[int, str]:
    return run(*installer(folder, prefix), "--no-service")


def installer(folder: Path, prefix: Path) -> list[str]:
    return ["sh", str(folder / "install.sh"), "--prefix", str(prefix), "--python", sys.executable]


def run(*words: str) -> tuple[int, str]:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


class Box:
    """A machine where the service runs: /etc is a folder of ours, and the user ampward is whoever runs this."""

    def __init__(self, folder: Path) -> None:
        self.etc, self.programs, self.said = folder / "etc", folder / "programs", folder / "said"
        (self.etc / "systemd" / "system").mkdir(parents=True)
        self.programs.mkdir()
        (self.etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\nampward:x:0:0::/nonexistent:/bin/false\n")
        (self.etc / "group").write_text("root:x:0:\nampward:x:0:\n")
        libraries = Path("/etc/ld.so.cache")
        if libraries.exists():
            shutil.copy(libraries, self.etc)
        for name in ("systemd-sysusers", "systemctl", "install"):
            does = f'exec {shutil.which("install")} "$@"' if name == "install" else "true"
            (self.programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.said}"\n{does}\n')
            (self.programs / name).chmod(0o755)

    def install(self, folder: Path, prefix: Path) -> tuple[int, str]:
        as_root = (
            f'mount --bind "{self.etc}" /etc && mount -t tmpfs none /run && mkdir -p /run/systemd/system && '
            f'PATH="{self.programs}:$PATH" exec "$@"'
        )
        words = ["unshare", "--map-root-user", "--mount", "sh", "-c", as_root, "sh", *installer(folder, prefix)]
        return run(*words)

    def told(self) -> list[str]:
        """What was asked of the machine since the last time."""
        lines = self.said.read_text().splitlines()
        self.said.unlink()
        return lines


def test_a_compiled_part_that_does_not_load_is_never_switched_to(tmp_path: Path) -> None:
    """The program would answer, and guard would be restarted into it: the installation ends before, says why, leaves
    nothing of itself, and the version before stays in force."""
    prefix = tmp_path / "opt"
    code, said = install(bundle(tmp_path / "sound", ""), prefix)
    assert code == 0, said
    before = (prefix / "current").readlink()
    code, said = install(bundle(tmp_path / "broken", "raise ImportError('libcrypto.so.9: no such file')"), prefix)
    assert code == 1
    assert "libcrypto.so.9" in said
    assert "not installed: the compiled part does not load here" in said
    assert (prefix / "current").readlink() == before
    assert [path.name for path in (prefix / "releases").iterdir()] == [before.name]


def test_what_the_centre_pushes_has_a_folder_that_the_service_may_write(tmp_path: Path) -> None:
    """Made for its user, before the service is restarted; the next installation makes none, and one that somebody made
    otherwise, or linked elsewhere, stays as it is."""
    box, made = Box(tmp_path / "box"), bundle(tmp_path / "bundle", "")
    code, said = box.install(made, tmp_path / "opt")
    assert code == 0, said
    folder = box.etc / "ampward" / "pushed"
    *_, before, last = [line for line in box.told() if not line.endswith("is-active ampward")]
    assert before == "install -d -o ampward -g ampward -m 0755 /etc/ampward/pushed"
    assert last == "systemctl restart ampward"
    assert (folder.is_dir(), folder.stat().st_mode & 0o777) == (True, 0o755)
    (folder / "rules.yaml").write_text("rules: {}\n")
    folder.chmod(0o750)
    code, said = box.install(made, tmp_path / "opt")
    assert code == 0, said
    assert ((folder / "rules.yaml").read_text(), folder.stat().st_mode & 0o777) == ("rules: {}\n", 0o750)
    shutil.rmtree(folder)
    folder.symlink_to("/nowhere")
    code, said = box.install(made, tmp_path / "opt")
    assert code == 0, said
    assert not [line for line in box.told() if line.startswith("install ")]


def test_the_units_sandbox_lets_the_service_write_the_folder_of_pushed_files() -> None:
    """ProtectSystem=strict makes all of /etc read-only but a configuration directory of the unit (systemd.exec(5)), and
    no other line takes that back."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read(ROOT / "infra" / "systemd" / "ampward.service")
    service = unit["Service"]
    assert (service["User"], service["Group"]) == ("ampward", "ampward")
    assert (service["ProtectSystem"], service["ConfigurationDirectory"]) == ("strict", "ampward")
    narrower = {"ReadOnlyPaths", "InaccessiblePaths", "TemporaryFileSystem", "DynamicUser", "RootDirectory"}
    assert not narrower & set(service)
