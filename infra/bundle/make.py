"""``python infra/bundle/make.py OUT``: one archive with everything that a box without internet needs.

    ampward-VERSION-PLATFORM.tar.gz
        install.sh uninstall.sh README.md SHA256SUMS requirements.txt
        wheels/     what requirements.lock names for this platform, and ampward's own with its compiled part
        systemd/    unit and user
        docs/ examples/

The wheels are those that pip chooses here, so the archive is for this machine's platform and Python 3.11; it says so
in its name. Only what ampward needs at run time is taken, each by the hashes of the lock. Fetching them is the one
step that needs the network. The same inputs make the same names and contents, with no time of day in them.
Run it with the project's own environment, in which the lock is installed: from there it knows what is needed.
"""

import argparse
import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "infra" / "bundle"
SOURCES = ("shared", "services", "pyproject.toml", "README.md", "LICENSE")
MADE = shutil.ignore_patterns("__pycache__", "*.so")
"""What was built in place here: the wheel's own build makes it from its source."""
SCRIPTS = ("install.sh", "uninstall.sh")
EXTRAS = ("export", "uplink")
"""What a box without internet cannot add later. The centre's own packages stay out: its services run in containers."""


def main() -> int:
    """Prints the archive's path."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder for the archive")
    parser.add_argument("--local", default="", help="local part of the version: 0.1.0+LOCAL, for a build of your own")
    parser.add_argument("--wheels", type=Path, help="take the dependencies' wheels from this folder, not the network")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(f"{make(Path(folder), options.out, options.local, options.wheels)}\n")
    return 0


def make(work: Path, out: Path, local: str, wheels: Path | None) -> Path:
    """Builds in ``work`` and puts the archive into ``out``."""
    content = work / "content"
    (content / "wheels").mkdir(parents=True)
    version = own_wheel(work / "source", content / "wheels", local)
    (content / "requirements.txt").write_text(runtime_lock())
    fetch(content / "requirements.txt", content / "wheels", wheels)
    shutil.copytree(ROOT / "infra" / "systemd", content / "systemd")
    shutil.copytree(ROOT / "docs", content / "docs")
    shutil.copytree(ROOT / "infra" / "sites" / "examples", content / "examples")
    shutil.copyfile(ROOT / "LICENSE", content / "LICENSE")
    for name in (*SCRIPTS, "README.md"):
        text = (HERE / name).read_text()
        (content / name).write_text(text.replace("@VERSION@", version).replace("@PLATFORM@", platform()))
    files = sorted(path for path in content.rglob("*") if path.is_file())
    sums = (f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(content)}\n" for path in files)
    (content / "SHA256SUMS").write_text("".join(sums))
    return pack(content, out / f"ampward-{version}-{platform()}.tar.gz")


def platform() -> str:
    """Of the wheels: linux-x86_64-cp311."""
    return f"{sysconfig.get_platform()}-cp{sys.version_info[0]}{sys.version_info[1]}"


def own_wheel(source: Path, wheels: Path, local: str) -> str:
    """Builds ampward's wheel from a copy of the sources; gives its version."""
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=MADE)
        else:
            shutil.copyfile(ROOT / name, source / name)
    project = source / "pyproject.toml"
    version = str(tomllib.loads(project.read_text())["project"]["version"]) + (f"+{local}" if local else "")
    text, count = re.subn(r'(?m)^version = ".*"$', f'version = "{version}"', project.read_text(), count=1)
    if count != 1:
        raise SystemExit("pyproject.toml names no version")
    project.write_text(text)
    run("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source), **_built())
    return version


def _built() -> dict[str, str]:
    """Settings of the build: files without a time of day, a compiled part that looks for no library where this Python
    has its own."""
    first_of_zip = int(datetime(1980, 1, 1, tzinfo=UTC).timestamp())
    return {"SOURCE_DATE_EPOCH": str(first_of_zip), "LDSHARED": f"{sysconfig.get_config_var('CC')} -shared"}


def needed() -> set[str]:
    """Names of everything that ampward imports at run time, here and now."""
    found: set[str] = set()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = [*project["dependencies"], *(text for extra in EXTRAS for text in project["optional-dependencies"][extra])]
    todo = [("ampward", "")]
    while todo:
        name, extra = todo.pop()
        for text in own if name == "ampward" else metadata.requires(name) or ():
            wanted = Requirement(text)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
                continue
            key = str(canonicalize_name(wanted.name))
            for each in ("", *wanted.extras):
                if key not in found or each:
                    todo.append((key, each))
            found.add(key)
    return found


def runtime_lock() -> str:
    """The lock's entries of those names, with their hashes."""
    names = needed()
    kept = [entry for name, entry in entries((ROOT / "requirements.lock").read_text()) if name in names]
    known = {name for name, _ in entries("".join(kept))}
    if names - known:
        raise SystemExit(f"not in requirements.lock: {', '.join(sorted(names - known))}")
    return "".join(kept)


def entries(lock: str) -> Iterator[tuple[str, str]]:
    """(name, lines with the hashes) of each package of a lock."""
    for entry in re.findall(r"(?m)^[a-z0-9][^\n]*\\\n(?:[ ]+--hash=[^\n]*\n)+", lock):
        yield str(canonicalize_name(re.split(r"[=<>! ;\[]", entry, maxsplit=1)[0])), entry


def fetch(requirements: Path, wheels: Path, given: Path | None) -> None:
    """The wheels, checked against the hashes; from the network unless they are given."""
    source = ["--no-index", "--find-links", str(given.resolve())] if given else []
    run("download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", *source,
        "--dest", str(wheels), "--requirement", str(requirements))  # fmt: skip


def run(*words: str, **settings: str) -> None:
    """pip of this environment; its own words when it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *words]
    if subprocess.run(command, env={**os.environ, **settings}, check=False).returncode != 0:
        raise SystemExit(f"pip {words[0]} failed")


def pack(content: Path, target: Path) -> Path:
    """A tar without names of users and times, under one folder of the archive's name."""
    top = target.name.removesuffix(".tar.gz")
    part = target.with_name(f".{target.name}.part")
    with (
        part.open("wb") as stream,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=stream, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for path in sorted(path for path in content.rglob("*") if path.is_file()):
            info = tarfile.TarInfo(f"{top}/{path.relative_to(content)}")
            data = path.read_bytes()
            info.size, info.mode = len(data), 0o755 if path.name in SCRIPTS else 0o644
            archive.addfile(info, io.BytesIO(data))
    part.replace(target)
    return target


if __name__ == "__main__":
    sys.exit(main())
