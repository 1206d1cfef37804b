"""The jars of a string: by number (``24``), by range of module ids (``25-48``), or from a CSV file.

CSV: UTF-8, comma or semicolon, a header line; columns address (2S4: jar 2 of string 4), module (id on the manager, the
address's jar number when empty), type, serial, made, installed, position, baseline_mohm, module_serial, sensor_serial
(of the level sensor). Only address is required; made and installed are ISO dates.
Promises: every wrong line is a fault with its line and column. Limits: 1,000 jars a string, 1 MiB a file.
"""

import csv
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from shared.domain.units import Unit
from shared.runtime.documents import Fault
from shared.runtime.site_file.names import near
from shared.runtime.site_file.values import scaled

JARS_MAX = 1000
CSV_BYTES_MAX = 1 << 20
TEXTS = ("type", "serial", "made", "installed", "position", "module_serial", "sensor_serial")
"""Columns whose text is for people."""
COLUMNS = ("address", "module", *TEXTS[:5], "baseline_mohm", *TEXTS[5:])
TEXT_MAX = 80
DATES = ("made", "installed")
DATE_FORMS = "as in 2024-05-31, or 2024-05 when the day is not known, or 2024"
FORMS = "a number (24), a range of modules (25-48) or a CSV file"
_ALIASES = {"module_id": "module", "module id": "module", "id": "module"}
_ADDRESS = re.compile(r"([1-9][0-9]{0,3})S([1-9][0-9]?)", re.ASCII)
_DATE = re.compile(r"(19[5-9][0-9]|2[01][0-9]{2})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_RANGE = re.compile(r"([1-9][0-9]{0,3}) ?(?:-|\.\.) ?([1-9][0-9]{0,3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Jar:
    """One replaceable container of a string."""

    address: str
    """``2S4``: jar 2 of string 4, its name in ids."""
    module: int
    """Element of the manager's module table and of the level sensors' table, from 1."""
    baseline: int | None = None
    """Internal resistance when it was new, in uOhm."""
    type: str = ""
    serial: str = ""
    made: str = ""
    installed: str = ""
    position: str = ""
    module_serial: str = ""
    sensor_serial: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with ``jars:`` itself; faults of a CSV's lines are Faults of that file."""

    what: str
    allowed: str


def numbered(text: str, string: int, first_module: int) -> tuple[Jar, ...] | Trouble:
    """Jars of ``24`` (from ``first_module`` on) or ``25-48``."""
    if text.isascii() and text.isdecimal():
        count, first = int(text[:6]), first_module
    else:
        match = _RANGE.fullmatch(text.strip())
        if match is None:
            return Trouble(f"{text[:60]!r} names no jars", FORMS)
        first, last = int(match[1]), int(match[2])
        count = last - first + 1
    if not 1 <= count <= JARS_MAX:
        return Trouble(f"{text} makes {count} jars", f"1 to {JARS_MAX}")
    return tuple(Jar(f"{index + 1}S{string}", first + index) for index in range(count))


def read_csv(path: Path, string: int | None) -> tuple[tuple[Jar, ...], list[Fault]]:
    """The jars of a CSV file and every fault of its lines; ``string`` is None when its number is not known."""
    name = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(CSV_BYTES_MAX + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        return (), [Fault(name, 1, 1, "", f"cannot be read ({error.strerror or error})", "a readable file")]
    except UnicodeDecodeError as error:
        return (), [Fault(name, raw.count(b"\n", 0, error.start) + 1, 1, "", "is not UTF-8 text", "UTF-8")]
    if len(raw) > CSV_BYTES_MAX:
        return (), [Fault(name, 1, 1, "", "is larger than 1 MiB", "at most 1 MiB")]
    return _Table(name, string).read(text)


def is_date(text: str) -> bool:
    """An ISO 8601 date that there is, from 1950 to 2199, whole or as far as it is known."""
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    try:
        date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        return False
    return True


class _Table:
    def __init__(self, name: str, string: int | None) -> None:
        self.name = name
        self.string = string
        self.faults: list[Fault] = []
        self.jars: list[Jar] = []
        self.seen: dict[str, int] = {}

    def fault(self, line: int, col: int, key: str, what: str, allowed: str) -> None:
        self.faults.append(Fault(self.name, line, col, key, what, allowed))

    def read(self, text: str) -> tuple[tuple[Jar, ...], list[Fault]]:
        first = text.split("\n", 1)[0]
        rows = csv.reader(text.splitlines(), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)
        header: list[str] | None = None
        try:
            for row in rows:
                if not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#"):
                    continue
                if header is None:
                    header = self.header(row, rows.line_num)
                    continue
                if len(self.jars) >= JARS_MAX:
                    self.fault(rows.line_num, 1, "", "one jar too many", f"at most {JARS_MAX}")
                    break
                self.row(row, header, rows.line_num)
        except csv.Error as error:
            self.fault(rows.line_num, 1, "", f"is not CSV: {error}", "cells separated by one kind of mark")
        if header is None or (not self.jars and not self.faults):
            self.fault(1, 1, "", "holds no jars", f"a header ({', '.join(COLUMNS)}) and one line a jar")
        return tuple(self.jars), self.faults

    def header(self, row: list[str], line: int) -> list[str]:
        names = [_ALIASES.get(cell.strip().lower(), cell.strip().lower()) for cell in row]
        for index, name in enumerate(names):
            if name not in COLUMNS:
                what = f"unknown column {name[:40]!r}{near(name, COLUMNS)}"
                self.fault(line, _column(row, index), name[:40], what, f"columns are {', '.join(COLUMNS)}")
            elif name in names[:index]:
                self.fault(line, _column(row, index), name, "stands twice", "each column once")
        if "address" not in names:
            self.fault(line, 1, "address", "the column is missing", "it is required")
        return names

    def row(self, row: list[str], header: list[str], line: int) -> None:
        if len(row) > len(header):
            self.fault(line, _column(row, len(header)), "", "more cells than the header has", f"{len(header)} cells")
        cells = {name: cell.strip() for name, cell in zip(header, row, strict=False)}
        places = {name: _column(row, index) for index, name in enumerate(header) if index < len(row)}
        for name, cell in cells.items():
            if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in cell):
                self.fault(line, places[name], name[:40], f"{cell[:20]!r} holds a control character", "printable text")
        address = self.address(cells.get("address", ""), line, places) if "address" in header else ""
        module = cells.get("module") or address.partition("S")[0]
        if module and not (module.isascii() and module.isdecimal() and 1 <= int(module[:6]) <= 9999):
            self.fault(line, places["module"], "module", f"{module[:20]!r} is no module id", "1 to 9999")
            module = ""
        baseline = self.baseline(cells.get("baseline_mohm", ""), line, places.get("baseline_mohm", 1))
        for name in TEXTS:
            if len(cells.get(name, "")) > TEXT_MAX:
                self.fault(line, places[name], name, f"{len(cells[name])} characters", f"at most {TEXT_MAX}")
        for name in DATES:
            if cells.get(name) and not is_date(cells[name]):
                self.fault(line, places[name], name, f"{cells[name][:20]!r} is no date", DATE_FORMS)
        if address and module:
            texts = {name: cells.get(name, "")[:TEXT_MAX] for name in TEXTS}
            self.jars.append(Jar(address, int(module), baseline, **texts))

    def address(self, address: str, line: int, places: dict[str, int]) -> str:
        """The address, or nothing when a fault was told."""
        match = _ADDRESS.fullmatch(address)
        if match is None or self.string not in (None, int(match[2])):
            what = f"{address[:20]!r} is no jar of this string" if match else f"{address[:20]!r} is no address"
            self.fault(line, places.get("address", 1), "address", what, f"as in 1S{self.string or 1}")
            return ""
        if address in self.seen:
            self.fault(line, places["address"], "address", f"{address} stands in line {self.seen[address]} too", "once")
            return ""
        self.seen[address] = line
        return address

    def baseline(self, text: str, line: int, col: int) -> int | None:
        if not text:
            return None
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal(-1)
        exact = scaled(value, Unit.MILLIOHM) if value.is_finite() and 0 < value < 100_000 else None
        if exact is None:
            self.fault(
                line, col, "baseline_mohm", f"{text[:20]!r} is no resistance", "mOhm above 0, 3 decimals at most"
            )
            return 1  # There is one, and with this fault no plan will use it.
        return exact


def _column(row: list[str], index: int) -> int:
    """Column, from 1, where a cell without quotes begins."""
    return sum(len(cell) + 1 for cell in row[:index]) + 1
