"""What commands print of words that came from outside."""

import pytest

from services.site.command import output
from services.site.command.output import plain, progress_bar, table


def test_text_from_outside_cannot_move_the_cursor_or_turn_a_line() -> None:
    """Escape codes, line breaks and marks of direction are replaced; letters of any script stay."""
    assert plain("Dépôt 电池 🔋") == "Dépôt 电池 🔋"
    assert plain("a\x1b[2Jb\r\nc\x9bd") == "a�[2Jb��c�d"
    assert plain("fan\u202eno\u2066x\u200f\u2028y") == "fan�no�x��y"


def test_a_cell_of_a_table_stays_in_its_line() -> None:
    """A name with a line break makes no second line."""
    assert list(table(("name",), [("a\nb",)])) == ["name", "a�b"]


def test_long_work_without_a_terminal_writes_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every ten seconds by the clock, on standard error and without escape codes: a journal shows that it goes on."""
    now = [100.0]
    monkeypatch.setattr(output, "monotonic", lambda: now[0])
    with progress_bar("verifying") as tell:
        for done in range(25):
            tell(done, 100)
            now[0] += 1
    with progress_bar("asking bacs") as tell:
        now[0] += 10
        tell(7, 0)
    assert capsys.readouterr() == ("", "ampward: verifying: 10 %\nampward: verifying: 20 %\nampward: asking bacs: 7\n")
