"""How far numbers went while the log took none: noted in place, told after a power cut, known or said not to be."""

from pathlib import Path

import pytest

from services.site import loss_mark
from services.site.loss_mark import MARK, SECTOR, Life, LossMark, lost

FIRST, SECOND = Life("a" * 32, 10, 25), Life("b" * 32, 10, 14)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_mark, "EVERY_S", 0.0)


def test_two_lives_that_were_cut_are_both_remembered(tmp_path: Path) -> None:
    """The disk stays full over two power cuts: neither hides the other."""
    for life, before in ((FIRST, ()), (SECOND, (FIRST,))):
        mark = LossMark(tmp_path)
        assert mark.open() == before
        mark.note(life)
    assert LossMark(tmp_path).open() == (FIRST, SECOND)


def test_a_log_that_takes_everything_again_leaves_nothing_to_tell(tmp_path: Path) -> None:
    """What was told once is not told at each start."""
    mark = LossMark(tmp_path)
    mark.open()
    mark.note(FIRST)
    mark.clear()
    again = LossMark(tmp_path)
    assert again.open() == ()
    assert again.readable


def test_the_file_keeps_its_place_on_the_disk(tmp_path: Path) -> None:
    """It is overwritten, never grown or made anew: a full disk allows that."""
    mark = LossMark(tmp_path)
    mark.open()
    before = (tmp_path / MARK).stat()
    for number in range(40):
        mark.note(Life("c" * 32, 10**12, 10**12 + number))
    after = (tmp_path / MARK).stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, SECTOR)


def test_so_many_lives_as_fit_are_kept(tmp_path: Path) -> None:
    """The newest six."""
    for number in range(12):
        mark = LossMark(tmp_path)
        mark.open()
        mark.note(Life(f"{number:032x}", 10**12, 10**12 + 5))
    assert [int(life.log_id, 16) for life in LossMark(tmp_path).open()] == list(range(6, 12))
    assert (tmp_path / MARK).stat().st_size == SECTOR


@pytest.mark.parametrize("torn", [b"", b"[]", b"\xff" * 600, b"0" * 64 + b" [[1]]"])
def test_a_torn_mark_knows_nothing(tmp_path: Path, torn: bytes) -> None:
    """Then it is said that it is not known."""
    (tmp_path / MARK).write_bytes(torn)
    mark = LossMark(tmp_path)
    assert mark.open() == ()
    assert not mark.readable


def test_only_what_the_log_lacks_is_lost() -> None:
    """A log that was written after all, to its end or in part, has lost nothing or only the rest."""
    assert "11 to 25" in lost((FIRST,), SECOND.log_id, 10)[0]
    assert "at least 15" in lost((FIRST,), SECOND.log_id, 10)[0]
    assert "21 to 25" in lost((FIRST,), FIRST.log_id, 20)[0]
    assert lost((FIRST,), FIRST.log_id, 25) == ()


def test_a_disk_that_refuses_is_no_trouble(tmp_path: Path) -> None:
    """The site goes on; only the number is not known later."""
    mark = LossMark(tmp_path / "not there")
    assert mark.open() == ()
    mark.note(FIRST)
    mark.clear()
    assert not (tmp_path / "not there").exists()
