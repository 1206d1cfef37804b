"""The bundle's installer and a compiled part that this machine cannot load, with a program of three files."""

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
    text = (ROOT / "infra" / "bundle" / "install.sh").read_text()
    (folder / "install.sh").write_text(text.replace("@VERSION@", "1").replace("@PLATFORM@", PLATFORM))
    held = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    sums = (f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in held)
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def install(folder: Path, prefix: Path) -> tuple[int, str]:
    words = ["sh", str(folder / "install.sh"), "--prefix", str(prefix), "--python", sys.executable, "--no-service"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


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
