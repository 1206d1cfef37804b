"""What did not hold can be looked at: its folder is left, and the path is said."""

from pathlib import Path

import pytest

from tests.soak.kept import kept_under, run_folder
from tests.soak.outcome import Outcome


def test_a_run_that_held_leaves_nothing(tmp_path: Path) -> None:
    """Nothing of it, and nothing is said; the caller's folder is made."""
    parent = tmp_path / "kept"
    with kept_under(parent), run_folder("g-", Outcome(runs=1)) as folder:
        assert folder.parent == parent
        (folder / "log").mkdir()
    assert list(parent.iterdir()) == []


@pytest.mark.parametrize("outcome", [Outcome(faults=["why"]), Outcome(lost=1), Outcome(doubled=1)])
def test_what_did_not_hold_leaves_its_folder_and_says_where(
    outcome: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it was, with all that is in it."""
    with kept_under(tmp_path), run_folder("g-", outcome) as folder:
        (folder / "log").write_text("lines", encoding="utf-8")
    assert (folder / "log").read_text(encoding="utf-8") == "lines"
    assert str(folder) in capsys.readouterr().out


def test_a_run_that_breaks_off_leaves_its_folder_too(tmp_path: Path) -> None:
    """An error is no outcome yet."""
    with kept_under(tmp_path):
        with pytest.raises(AssertionError), run_folder("g-", Outcome()) as folder:
            raise AssertionError
        with pytest.raises(KeyboardInterrupt), run_folder("g-", Outcome()):
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [folder]
