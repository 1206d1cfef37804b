"""What the documents show works: their files are without faults, their commands exist, their paths are there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from shared.runtime.profiles import load_profile
from shared.runtime.site_file import check_site
from tests.architecture.source import ROOT, files, name_of

EXAMPLES = ROOT / "infra" / "sites" / "examples"
_BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_COMMAND = re.compile(r"(?:^    |`|bin/)ampward ([a-z][a-z-]+)", re.MULTILINE)
_PATH = re.compile(r"`((?:shared|services|infra|tests|docs)/[A-Za-z0-9_./-]+)`")


def _block(document: str) -> str:
    found = _BLOCK.search((ROOT / document).read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def test_the_site_file_of_the_readme_is_without_faults(tmp_path: Path) -> None:
    """The shortest file that protects a room, with the example's profile beside it, makes a plan."""
    (tmp_path / "site.yaml").write_text(_block("README.md"), encoding="utf-8")
    shutil.copy(EXAMPLES / "io.yaml", tmp_path)
    checked = check_site(tmp_path / "site.yaml", {})
    assert [str(fault) for fault in checked.errors] == []
    assert checked.plan is not None


def test_the_profile_of_the_hardware_page_is_without_faults(tmp_path: Path) -> None:
    """The profile that people are told to begin with loads."""
    (tmp_path / "device.yaml").write_text(_block("docs/hardware.md"), encoding="utf-8")
    profile, faults = load_profile("./device.yaml", tmp_path)
    assert [str(fault) for fault in faults] == []
    assert profile is not None


def test_every_command_of_the_documents_exists() -> None:
    """`ampward x` in a document is a command that the program has."""
    shown = subprocess.run(
        [Path(sys.executable).with_name("ampward"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    named = {
        (name_of(path), command)
        for path in files(suffix=".md")
        for command in _COMMAND.findall(path.read_text(encoding="utf-8"))
    }
    assert named
    assert {(where, command) for where, command in named if not re.search(rf"\b{command}\b", shown)} == set()


def test_every_path_of_the_documents_exists() -> None:
    """A path in a document stands in the repository."""
    named = {
        (name_of(path), inner)
        for path in files(suffix=".md")
        for inner in _PATH.findall(path.read_text(encoding="utf-8"))
    }
    assert named
    assert {(where, inner) for where, inner in named if not (ROOT / inner).exists()} == set()
