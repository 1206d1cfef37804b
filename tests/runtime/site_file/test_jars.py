"""The jars of a string: numbers, ranges, CSV files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.site_file.jars import Jar, Trouble, numbered, read_csv


def test_a_number_makes_jars_from_the_next_free_module() -> None:
    """The second string of a monitor goes on where the first ended."""
    assert numbered("3", 2, 25) == (Jar("1S2", 25), Jar("2S2", 26), Jar("3S2", 27))


def test_a_range_names_the_modules() -> None:
    """25-27 are modules; the jars are counted from 1."""
    assert numbered("25-27", 1, 1) == (Jar("1S1", 25), Jar("2S1", 26), Jar("3S1", 27))


@pytest.mark.parametrize("text", ["", "0", "-3", "9-3", "many", "1001", "1-1001", "3.5", "٣"])
def test_what_names_no_jars_is_told(text: str) -> None:
    """No number, an empty range, too many, digits of another script."""
    assert isinstance(numbered(text, 1, 1), Trouble)


def test_a_csv_with_semicolons_and_notes_is_read(tmp_path: Path) -> None:
    """Semicolons, a byte order mark, comments, empty lines and columns in any order."""
    file = tmp_path / "jars.csv"
    file.write_bytes("\ufeffserial;address;baseline_mohm\n# rack 1\nA1;1S1;3.100\n\nA2;2S1;\n".encode())
    jars, faults = read_csv(file, 1)
    assert faults == []
    assert jars == (Jar("1S1", 1, 3100, serial="A1"), Jar("2S1", 2, None, serial="A2"))


def test_a_cell_with_a_control_character_is_told(tmp_path: Path) -> None:
    """Cells are shown to people: an escape code is refused with its place and its column."""
    file = tmp_path / "jars.csv"
    file.write_bytes(b"address,type\n1S1,\x1b[2JOPzS\n")
    _, faults = read_csv(file, 1)
    assert [(fault.line, fault.col, fault.key) for fault in faults] == [(2, 5, "type")]
    assert "\x1b" not in str(faults[0])


@pytest.mark.parametrize(
    "text", ["2020-13-41", "2023-02-29", "31.05.2024", "2024-5-31", "24-05-31", "0000", "soon", "٢٠٢٤"]
)
@pytest.mark.parametrize("column", ["made", "installed"])
def test_a_date_that_is_none_is_told(tmp_path: Path, column: str, text: str) -> None:
    """Months and days that there are not, and forms that may be read in two ways, with their place."""
    file = tmp_path / "jars.csv"
    file.write_text(f"address,serial,{column}\n1S1,A1,2024-02-29\n2S1,A2,{text}\n", encoding="utf-8")
    _, faults = read_csv(file, 1)
    assert [(fault.line, fault.col, fault.key) for fault in faults] == [(3, 8, column)]
    assert "2024-05-31" in str(faults[0])


def test_a_date_may_be_known_to_the_month_or_year_only(tmp_path: Path) -> None:
    """What a type plate says of its making is often no more."""
    file = tmp_path / "jars.csv"
    file.write_text("address,made,installed\n1S1,2019,2020-06\n2S1,,2020-06-17\n")
    jars, faults = read_csv(file, 1)
    assert faults == []
    assert [(jar.made, jar.installed) for jar in jars] == [("2019", "2020-06"), ("", "2020-06-17")]


@given(raw=st.binary(max_size=400))
def test_any_bytes_make_jars_or_faults(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No file crashes the reader; without jars there is a fault that says why."""
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_bytes(raw)
    jars, faults = read_csv(file, 1)
    assert jars or faults


@given(cells=st.lists(st.lists(st.text(max_size=12), max_size=9), max_size=6))
def test_any_cells_under_a_good_header_make_jars_or_faults(
    cells: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Odd cells are told by line; what is read is sound."""
    file = tmp_path_factory.getbasetemp() / "cells.csv"
    lines = ["address,module,serial,baseline_mohm", *(",".join(row) for row in cells)]
    file.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    jars, faults = read_csv(file, 1)
    assert all(jar.address.endswith("S1") and 1 <= jar.module <= 9999 for jar in jars)
    assert jars or faults
