"""The list of seeded bugs stays true while the code moves; the hunt itself is `make mutants`."""

from pathlib import Path

import pytest

from tests.mutants.list import MUTANTS
from tests.mutants.mutant import Mutant, Verdict, hunt, passes, put

AT_LEAST = 30


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_seeded_bug_still_applies(mutant: Mutant) -> None:
    """The text to change stands in its file exactly once, and the test that must catch it exists."""
    assert mutant.fits() == ""
    assert mutant.old != mutant.new


def test_there_are_enough_seeded_bugs_and_none_twice() -> None:
    """At least thirty, each with a name and a change of its own."""
    assert len(MUTANTS) >= AT_LEAST
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)


_RULE = "def is_over(value, limit):\n    return value >= limit\n"
_TEST = """from rule import is_over

def test_at_the_limit():
    assert is_over(2, 2)

def test_well_over():
    assert is_over(9, 2)
"""


@pytest.mark.parametrize(
    ("test", "old", "verdict"),
    [
        ("test_rule.py::test_at_the_limit", ">=", Verdict.CAUGHT),
        ("test_rule.py::test_well_over", ">=", Verdict.MISSED),
        ("test_rule.py::test_at_the_limit", "gone", Verdict.STALE),
        ("test_rule.py::test_that_is_gone", ">=", Verdict.STALE),
    ],
)
def test_the_hunt_tells_caught_from_missed_from_stale(tmp_path: Path, test: str, old: str, verdict: Verdict) -> None:
    """The hunter itself is shown a bug that is seen, one that is not, and two that no longer apply."""
    (tmp_path / "rule.py").write_text(_RULE, encoding="utf-8")
    (tmp_path / "test_rule.py").write_text(_TEST, encoding="utf-8")
    assert hunt(Mutant("over is not at", "rule.py", old, ">", test), tmp_path, set())[0] is verdict
    assert (tmp_path / "rule.py").read_text(encoding="utf-8") == _RULE


_PROJECT = """[project]
name = "rule"
version = "0"
[tool.setuptools]
py-modules = []
ext-modules = [{name = "rule", sources = ["rule.pyx"]}]
"""


@pytest.mark.parametrize(("new", "verdict"), [(">", Verdict.CAUGHT), (">= 0 +", Verdict.MISSED), ("=>", Verdict.STALE)])
def test_a_bug_of_a_compiled_module_is_hunted_in_what_was_built(tmp_path: Path, new: str, verdict: Verdict) -> None:
    """The planted text is compiled before its test runs, and the untouched one after it; what does not compile is no
    caught bug."""
    (tmp_path / "pyproject.toml").write_text(_PROJECT, encoding="utf-8")
    (tmp_path / "test_rule.py").write_text(_TEST, encoding="utf-8")
    assert put(tmp_path, "rule.pyx", _RULE)
    mutant = Mutant("over is not at", "rule.pyx", ">=", new, "test_rule.py::test_at_the_limit")
    assert hunt(mutant, tmp_path, set())[0] is verdict
    assert passes(tmp_path, mutant.test)
