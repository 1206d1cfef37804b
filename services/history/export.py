"""Trends as files for other programs: CSV, and Parquet by way of duckdb (the extra ``export``).

A row is one minute, hour or reading of one point; a hole has no row and a row without a value has empty cells. Values
are decimal, times UTC. A CSV cell that a spreadsheet would take for a formula gets an apostrophe before it; numbers
are left as they are. The file appears under its name when it is complete, and never in the place of another.

Raises HistoryBroken, UnknownPoint, and ExportFault for a name, a disk or a missing library.
"""

import csv
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from services.history.answers import Step, Trend
from services.history.queries import chosen
from services.history.rolls import DAY_MS, HOUR_MS
from shared.domain.errors import AmpwardError
from shared.domain.units import format_scaled

HEAD = ("point", "unit", "at", "min", "max", "mean", "last", "quality", "good", "uncertain", "bad")
KINDS = (".csv", ".parquet")
_PIECE_MS = {Step.RAW: HOUR_MS, Step.MINUTE: 10 * DAY_MS, Step.HOUR: 730 * DAY_MS}
"""What one question may ask for: 14,400 minutes, 17,520 hours, an hour of readings."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Progress = Callable[[int, int], None]
Row = tuple[str, ...]


class ExportFault(AmpwardError):
    """The file cannot be made."""


class Trends(Protocol):
    """Whom the export asks."""

    def trend(self, point: str, begin_ms: int, end_ms: int, step: Step) -> Trend: ...
    def span_ms(self) -> tuple[int, int]:
        """From when to when single readings may be there."""
        ...


def export(
    source: AbstractContextManager[Trends],
    target: Path,
    points: Sequence[str],
    span_ms: tuple[int, int],
    step: Step,
    progress: Progress = lambda _done, _all: None,
    *,
    force: bool = False,
) -> int:
    """Write ``target``, a .csv or .parquet; gives the number of rows. ``force``: over a file that is there."""
    if target.suffix not in KINDS:
        raise ExportFault(f"{target.name}: not a kind of file that is written, allowed: {', '.join(KINDS)}")
    if not force and (target.exists() or target.is_symlink()):
        raise ExportFault(f"{target} is there already, allowed: another name, or --force to write over it")
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with source as trends:
            rows = _rows(trends, points, span_ms, step, progress)
            count = _write(part, rows, escape) if target.suffix == ".csv" else _parquet(part, rows)
        part.replace(target)
    except OSError as fault:
        raise ExportFault(f"{target}: {fault.strerror}") from fault
    finally:
        part.unlink(missing_ok=True)
    return count


def escape(cell: str) -> str:
    """As it may stand in a spreadsheet.

    >>> escape("=1+2"), escape("-1.5"), escape("-x")
    ("'=1+2", '-1.5', "'-x")
    """
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


def _rows(
    trends: Trends, points: Sequence[str], span_ms: tuple[int, int], asked: Step, progress: Progress
) -> Iterator[Row]:
    begin_ms, end_ms = span_ms
    first_ms, last_ms = trends.span_ms()
    step = chosen(asked, begin_ms, end_ms, (first_ms, last_ms))
    if step is Step.RAW:
        begin_ms, end_ms = max(begin_ms, first_ms), min(end_ms, last_ms)
    pieces = range(begin_ms, max(begin_ms, end_ms), _PIECE_MS[step])
    for n, point in enumerate(points):
        for k, at_ms in enumerate(pieces):
            trend = trends.trend(point, at_ms, min(end_ms, at_ms + _PIECE_MS[step]), step)
            yield from _cells(trend)
            progress(n * len(pieces) + k + 1, len(points) * len(pieces))


def _cells(trend: Trend) -> Iterator[Row]:
    for row in trend.rows:
        values = (row.low, row.high, row.mean, row.last)
        texts = ("" if value is None else format_scaled(value, trend.decimals) for value in values)
        at = datetime.fromtimestamp(row.at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        counts = (str(row.good), str(row.uncertain), str(row.bad))
        yield (trend.point, trend.unit, f"{at}.{row.at_ms % 1000:03d}Z", *texts, row.quality, *counts)


def _write(path: Path, rows: Iterator[Row], as_cell: Callable[[str], str]) -> int:
    count = 0
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEAD)
        for row in rows:
            writer.writerow([as_cell(cell) for cell in row])
            count += 1
    return count


def _parquet(path: Path, rows: Iterator[Row]) -> int:
    try:
        from services.history.parquet import write_parquet
    except ModuleNotFoundError as fault:
        raise ExportFault("Parquet needs duckdb: install ampward[export], or export .csv") from fault
    middle = path.with_name(f"{path.name}.csv")
    try:
        count = _write(middle, rows, str)
        write_parquet(middle, path)
    finally:
        middle.unlink(missing_ok=True)
    return count
