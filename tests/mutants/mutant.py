"""What a seeded bug is, and how it is planted in a copy of the tree and hunted.

A mutant is one exact text of one file and what stands there instead. It is *caught* when its test passes on the
untouched copy and fails on the planted one; *missed* when the test still passes; *stale* when the text is not found
exactly once, the test does not pass untouched, or a compiled module is not built with it. Only caught is good.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEST_S_MAX = 180
"""A planted bug may also make its test hang: that is caught too."""
COPIED = (
    *("shared", "services", "tests", "infra", "docs"),
    *("pyproject.toml", "requirements.lock", "Makefile", "docker-compose.yml", "README.md", "LICENSE"),
)


class Verdict(StrEnum):
    """What became of a planted bug."""

    CAUGHT = "caught"
    MISSED = "missed"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One seeded bug: ``name`` says what is wrong with the planted program."""

    name: str
    file: str
    old: str
    new: str
    test: str
    """A pytest node id, or several with spaces between: one failing is enough."""

    def fits(self, root: Path = ROOT) -> str:
        """Why it no longer applies: "" when the text stands in the file exactly once and the tests exist."""
        path = root / self.file
        if not path.is_file():
            return f"{self.file} is gone"
        count = path.read_text(encoding="utf-8").count(self.old)
        if count != 1:
            return f"{self.file}: the text stands there {count} times"
        for node in self.test.split():
            module, _, function = node.partition("::")
            if not (root / module).exists():
                return f"{module} is gone"
            name = function.rpartition("::")[2].partition("[")[0]
            if name and not any(f"def {name}(" in file.read_text(encoding="utf-8") for file in _test_files(root)):
                return f"{node} is gone"
        return ""


@cache
def _test_files(root: Path) -> tuple[Path, ...]:
    return tuple((root / "tests").rglob("*.py")) or tuple(root.glob("test_*.py"))


def copy_tree(to: Path) -> Path:
    """A copy of what the tests need, without what tools made."""
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", ".hypothesis", "*.pyc")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=ignore)
        elif source.exists():
            shutil.copy2(source, to / name)
    return to


def passes(tree: Path, test: str) -> bool:
    """Run the named tests in the copied tree; a hang counts as a failure."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *test.split()]
    environment = {"PYTHONPATH": str(tree), "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=TEST_S_MAX, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def put(tree: Path, file: str, text: str) -> bool:
    """Write a file of the copied tree, and build it in place when it is a compiled one; whether it could be built."""
    (tree / file).write_text(text, encoding="utf-8")
    if not file.endswith(".pyx"):
        return True
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "--quiet", "build_ext", "--inplace"]
    return subprocess.run(command, cwd=tree, capture_output=True, check=False).returncode == 0


def hunt(mutant: Mutant, tree: Path, known_good: set[str]) -> tuple[Verdict, str]:
    """Plant the bug, run its test, take the bug out again. ``known_good`` remembers tests that pass untouched."""
    if why := mutant.fits(tree):
        return Verdict.STALE, why
    if mutant.test not in known_good:
        if not passes(tree, mutant.test):
            return Verdict.STALE, f"{mutant.test} does not pass without the bug"
        known_good.add(mutant.test)
    original = (tree / mutant.file).read_text(encoding="utf-8")
    try:
        if not put(tree, mutant.file, original.replace(mutant.old, mutant.new)):
            return Verdict.STALE, f"{mutant.file} is not built with the bug"
        return (Verdict.MISSED, mutant.test) if passes(tree, mutant.test) else (Verdict.CAUGHT, mutant.test)
    finally:
        put(tree, mutant.file, original)
