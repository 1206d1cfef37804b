"""What commands print of words that came from outside."""

from services.site.command.output import plain, table


def test_text_from_outside_cannot_move_the_cursor_or_turn_a_line() -> None:
    """Escape codes, line breaks and marks of direction are replaced; letters of any script stay."""
    assert plain("Dépôt 电池 🔋") == "Dépôt 电池 🔋"
    assert plain("a\x1b[2Jb\r\nc\x9bd") == "a�[2Jb��c�d"
    assert plain("fan\u202eno\u2066x\u200f\u2028y") == "fan�no�x��y"


def test_a_cell_of_a_table_stays_in_its_line() -> None:
    """A name with a line break makes no second line."""
    assert list(table(("name",), [("a\nb",)])) == ["name", "a�b"]
