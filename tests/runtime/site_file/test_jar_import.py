"""Lists of jars as spreadsheets write them become the site file's CSV, or faults with their places."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.site_file.jar_import import read_spreadsheet, written
from shared.runtime.site_file.jars import Jar, read_csv

GERMAN = (
    'Block;Strang;Seriennummer;Einbaudatum;"Ri [mΩ]";Gestell;Bemerkung\r\n'
    '2;1;"A ""neu"" 2";14.09.2023;3,12;"Reihe 1;\r\nunten";gut\r\n'
    "1;1;A1;14.09.2023;3,050 mOhm;Reihe 1;\r\n"
    "1;2;B1;;;;\r\n"
)


def _file(folder: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = folder / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_german_list_becomes_a_csv_for_each_string(tmp_path: Path, encoding: str) -> None:
    """Semicolons, decimal commas, quoted cells over two lines: the site file's reader takes what is written."""
    made = read_spreadsheet(_file(tmp_path, GERMAN, encoding))
    assert (made.faults, made.left_out, sorted(made.rows)) == ([], ["Bemerkung"], [1, 2])
    target = _file(tmp_path, written(made.rows[1]))
    jars, faults = read_csv(target, 1)
    assert faults == []
    assert jars == (
        Jar("1S1", 1, 3050, serial="A1", installed="2023-09-14", position="Reihe 1"),
        Jar("2S1", 2, 3120, serial='A "neu" 2', installed="2023-09-14", position="Reihe 1; unten"),
    )


def test_a_date_that_could_be_read_in_two_ways_is_told(tmp_path: Path) -> None:
    """Strokes stand for two orders of day and month; a day that there is not is none in any."""
    made = read_spreadsheet(_file(tmp_path, "Jar,Installed\n1S1,03/04/2023\n2S1,31.02.2023\n3S1,2023\n"))
    assert [(one.line, one.col, one.key) for one in made.faults] == [(2, 5, "installed"), (3, 5, "installed")]


def test_an_english_list_of_the_old_code_page_is_read(tmp_path: Path) -> None:
    """Commas, headings of another wording, full addresses, and an umlaut that is no UTF-8."""
    made = read_spreadsheet(_file(tmp_path, "Jar,Module ID,Serial No.,Location\n1S3,7,X,Büro\n", "cp1252"))
    assert made.faults == []
    assert written(made.rows[3]) == "address,module,serial,position\n1S3,7,X,Büro\n"


def test_a_number_is_an_address_when_the_string_is_named(tmp_path: Path) -> None:
    """--string says which; without it the number is a fault."""
    path = _file(tmp_path, "Nr\tTyp\n1\tOPzS\n")
    assert read_spreadsheet(path, 4).rows == {4: [{"address": "1S4", "type": "OPzS"}]}
    (fault,) = read_spreadsheet(path).faults
    assert (fault.line, fault.col, fault.key) == (2, 1, "address")


def test_every_fault_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    """Doubled, missing and odd cells, each with line and column; quoted cells shift nothing."""
    content = 'Adresse;Modul;Ri;Serial\n1S1;1;3,1;a\n1S1;2;"x; y";b\n;3;3,1;c\n"4S1";1;0;d\n5X1;6;3,12345;e;beyond\n'
    made = read_spreadsheet(_file(tmp_path, content))
    assert [(one.line, one.col, one.key) for one in made.faults] == [
        (3, 1, "address"),
        (3, 7, "baseline_mohm"),
        (4, 1, "address"),
        (5, 7, "module"),
        (5, 9, "baseline_mohm"),
        (6, 17, ""),
        (6, 1, "address"),
        (6, 7, "baseline_mohm"),
        (5, 1, "address"),
        (5, 1, "address"),
    ]
    assert [one.what for one in made.faults[-2:]] == ["2S1 is missing", "3S1 is missing"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "holds no jars"),
        ("Adresse;Typ\n", "holds no jars"),
        ("Typ;Serial\nOPzS;1\n", "no column names the jars"),
        ("Adresse;Block\n1S1;1S1\n", "stands for address"),
        (b"\xff\xfe\x00", "is no text"),
    ],
)
def test_what_is_no_list_is_told(tmp_path: Path, content: str | bytes, what: str) -> None:
    """An empty file, headings alone, none for the jars, two of one meaning, half a character."""
    assert any(what in fault.what for fault in read_spreadsheet(_file(tmp_path, content)).faults)


@given(raw=st.binary(max_size=300))
def test_any_bytes_make_jars_or_faults(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No file crashes the reader."""
    made = read_spreadsheet(_file(tmp_path_factory.getbasetemp(), raw))
    assert made.rows or made.faults


@given(cells=st.lists(st.lists(st.text(max_size=9), min_size=4, max_size=4), min_size=1, max_size=5))
def test_what_is_written_is_read_without_a_fault(
    cells: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever stands in the cells: a list without faults makes files without faults."""
    lines = ["Nr;Serial;Position;Ri", *(
        ";".join([str(n), *('"' + cell.replace('"', '""') + '"' for cell in row[1:])]) for n, row in enumerate(cells, 1)
    )]  # fmt: skip
    folder = tmp_path_factory.getbasetemp()
    made = read_spreadsheet(_file(folder, "\n".join(lines).encode("utf-8", "replace")), 1)
    if made.faults:
        assert not any(fault.key == "address" for fault in made.faults)
        return
    jars, faults = read_csv(_file(folder, written(made.rows[1])), 1)
    assert (faults, len(jars)) == ([], len(cells))
