"""Exports read back by other tools: Python's csv and Apache Arrow's Parquet reader, which wrote nothing of them."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet
import pytest

from services.history.answers import Step, UnknownPoint
from services.history.export import HEAD, ExportFault, escape, export
from services.history.queries import Queries
from tests.services.history.life import JAR, MINUTE_MS, POINT, Life, an_hour_and_a_half, begin, expected, grow
from tests.services.history.test_growing import EVER


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Life]:
    """A folder with a history."""
    folder = tmp_path_factory.mktemp("lived")
    life = begin(folder)
    an_hour_and_a_half(life)
    life.site.kill()
    grow(folder)
    return folder, life


def span(life: Life) -> tuple[int, int]:
    return life.readings[0][0], life.readings[-1][0] + 1


def test_csv_is_read_back(lived: tuple[Path, Life], tmp_path: Path) -> None:
    """Every row of both points, decimal values, empty cells where there is no value."""
    folder, life = lived
    target = tmp_path / "out.csv"
    count = export(Queries(folder), target, [POINT, JAR], span(life), Step.MINUTE)
    with target.open(newline="", encoding="utf-8") as stream:
        head, *rows = csv.reader(stream)
    assert tuple(head) == HEAD
    assert len(rows) == count
    gas = [row for row in rows if row[0] == POINT]
    wanted = expected(life.readings, MINUTE_MS)
    assert len(gas) == len(wanted)
    for cells, row in zip(gas, wanted, strict=True):
        assert datetime.fromisoformat(cells[2]) == datetime.fromtimestamp(row.at_ms / 1000, UTC)
        assert [Decimal(cell) * 10_000 if cell else None for cell in cells[3:7]] == [
            row.low, row.high, row.mean, row.last,
        ]  # fmt: skip
        assert [int(cell) for cell in cells[8:]] == [row.good, row.uncertain, row.bad]


def test_parquet_is_read_back(lived: tuple[Path, Life], tmp_path: Path) -> None:
    """The same rows with typed columns: instants in UTC, decimals, null where there is no value."""
    folder, life = lived
    target = tmp_path / "out.parquet"
    count = export(Queries(folder), target, [POINT], span(life), Step.MINUTE)
    table = pyarrow.parquet.read_table(target)
    assert tuple(table.column_names) == HEAD
    assert table.num_rows == count
    wanted = expected(life.readings, MINUTE_MS)
    for found, row in zip(table.to_pylist(), wanted, strict=True):
        assert found["at"] == datetime.fromtimestamp(row.at_ms / 1000, UTC)
        assert found["mean"] == (None if row.mean is None else Decimal(row.mean) / 10_000)
        assert (found["quality"], found["bad"]) == (row.quality, row.bad)
    assert [each.name for each in tmp_path.iterdir()] == ["out.parquet"]


def test_readings_are_exported_one_by_one(lived: tuple[Path, Life], tmp_path: Path) -> None:
    """Raw rows stand at their own times."""
    folder, life = lived
    assert export(Queries(folder), tmp_path / "raw.csv", [POINT], span(life), Step.RAW) == len(life.readings)


@pytest.mark.parametrize(
    ("cell", "escaped"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "-1"), ("-1.25", "-1.25"), ("-1+cmd", "'-1+cmd"), ("@x", "'@x"),
        ("\tx", "'\tx"), ("\rx", "'\rx"), ("a=b", "a=b"), ("", ""), ("0.5", "0.5"),
    ],
)  # fmt: skip
def test_a_cell_is_no_formula(cell: str, escaped: str) -> None:
    """What a spreadsheet would run is text; numbers below zero stay numbers."""
    assert escape(cell) == escaped


def test_what_cannot_be_exported_leaves_no_file(lived: tuple[Path, Life], tmp_path: Path) -> None:
    """Another kind of file, an unknown point, a folder that is not there."""
    folder, life = lived
    with pytest.raises(ExportFault, match=r"\.csv, \.parquet"):
        export(Queries(folder), tmp_path / "out.xls", [POINT], span(life), Step.HOUR)
    with pytest.raises(UnknownPoint):
        export(Queries(folder), tmp_path / "out.csv", ["s/r1/none"], EVER, Step.HOUR)
    with pytest.raises(ExportFault, match="No such file"):
        export(Queries(folder), tmp_path / "none" / "out.csv", [POINT], span(life), Step.HOUR)
    assert not list(tmp_path.iterdir())
