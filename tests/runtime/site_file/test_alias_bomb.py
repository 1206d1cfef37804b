"""Aliases that multiply: the reader stops at its limit of values, and the rest of the check takes what is left."""

from itertools import pairwise
from pathlib import Path

from shared.runtime.site_file import check_site

LEVELS = "abcdefgh"


def test_aliases_that_multiply_are_a_fault_and_no_crash(tmp_path: Path) -> None:
    """Eight lists of nine aliases each are told as too large, and the keys after them as unknown."""
    lines = ["version: 1", "xa: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for below, name in pairwise(LEVELS):
        lines.append(f"x{name}: &{name} [{', '.join([f'*{below}'] * 9)}]")
    file = tmp_path / "site.yaml"
    file.write_text("\n".join([*lines, ""]))
    checked = check_site(file, {})
    assert checked.plan is None
    told = [(fault.line, fault.what) for fault in checked.faults]
    assert any("too large" in what for _, what in told)
    assert (2, "unknown key") in told
