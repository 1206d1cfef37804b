"""A spreadsheet's list of jars becomes jars CSVs in the form of the site file, one a string.

Reads what spreadsheets write: semicolons, commas or tabs, quoted cells (also over several lines), a byte order mark,
UTF-8, UTF-16 or the old western code page, German or English headings in any order, decimal commas. An address is 2S4
(jar 2 of string 4), or a number when a column or the caller says which string.
Promises: every fault at once, with the line and the column of its cell; nothing is guessed from doubtful cells; what is
given back is read by shared.runtime.site_file.jars without a fault. Columns that mean nothing here are named.
Limits: those of that module, 1 MiB a file and 1,000 jars a string.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.runtime.documents import Fault
from shared.runtime.site_file.jars import (
    COLUMNS,
    CSV_BYTES_MAX,
    DATE_FORMS,
    DATES,
    JARS_MAX,
    TEXT_MAX,
    TEXTS,
    is_date,
)

STRING = "string"
_GERMAN_DATE = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})", re.ASCII)
HEADINGS: dict[str, tuple[str, ...]] = {
    "address": ("address", "adresse", "jar", "block", "blocknummer", "blocknr", "zelle", "zellennummer", "zellennr",
                "cell", "cellno", "cellnumber", "jarno", "jarnumber", "nr", "no", "nummer", "number"),
    STRING: ("string", "strang", "stringno", "strangnr", "stringnumber", "strangnummer"),
    "module": ("module", "modul", "moduleid", "modulid", "id", "modulenumber", "modulnummer", "modulnr"),
    "type": ("type", "typ", "model", "modell"),
    "serial": ("serial", "serialno", "serialnumber", "seriennummer", "seriennr", "sn"),
    "made": ("made", "manufactured", "productiondate", "dateofmanufacture", "hergestellt", "herstelldatum", "baujahr"),
    "installed": ("installed", "installationdate", "installedon", "eingebaut", "einbaudatum", "installiert"),
    "position": ("position", "location", "place", "rack", "gestell", "standort", "ort", "platz"),
    "baseline_mohm": ("baseline", "baselinemohm", "resistance", "resistancemohm", "ri", "rimohm", "innenwiderstand",
                      "innenwiderstandmohm", "referenzwert", "referenzwertmohm"),
    "module_serial": ("moduleserial", "moduleserialnumber", "modulseriennummer", "modulseriennr"),
    "sensor_serial": ("sensorserial", "sensorserialnumber", "sensorseriennummer", "sensorseriennr"),
}  # fmt: skip
"""Column of ours -> headings, as letters and digits only."""
_BY_HEADING = {heading: name for name, headings in HEADINGS.items() for heading in headings}
_ADDRESS = re.compile(r"([1-9][0-9]{0,3})\s*[sS]\s*([1-9][0-9]?)", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_MILLIOHM = re.compile(r"([0-9]{1,5})(?:[.,]([0-9]{1,3}))?\s*(?:m(?:Ohm|Ω|Ω))?", re.ASCII | re.IGNORECASE)
ADDRESS_ALLOWED = "as in 2S4: jar 2 of string 4; or a number with a string column or --string"


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    line: int
    col: int


@dataclass
class Imported:
    """Rows in the site file's columns, by string number; of no use when there are faults."""

    rows: dict[int, list[dict[str, str]]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Headings that mean nothing here."""


def read_spreadsheet(path: Path, string: int | None = None) -> Imported:
    """The jars of a spreadsheet's CSV; ``string`` is the string of addresses that are mere numbers."""
    name = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(CSV_BYTES_MAX + 1)
    except OSError as error:
        return Imported(faults=[Fault(name, 1, 1, "", f"cannot be read ({error.strerror or error})", "a file")])
    if len(raw) > CSV_BYTES_MAX:
        return Imported(faults=[Fault(name, 1, 1, "", "is larger than 1 MiB", "at most 1 MiB")])
    try:
        text = _decoded(raw)
    except UnicodeDecodeError as error:
        return Imported(
            faults=[Fault(name, 1, 1, "", f"is no text: {error.reason}", "UTF-8, or as spreadsheets write")]
        )
    return _Sheet(name, string).read(text)


def written(rows: list[dict[str, str]]) -> str:
    """A jars CSV in the form of the site file: all columns that any jar has."""
    columns = [name for name in COLUMNS if name == "address" or any(row.get(name) for row in rows)]
    made = io.StringIO()
    out = csv.DictWriter(made, columns, extrasaction="ignore", lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    return made.getvalue()


def _decoded(raw: bytes) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252")


def _rows(text: str, mark: str) -> Iterator[list[Cell]]:
    """Rows of cells with their places. A quote that is never closed ends with the text."""
    row: list[Cell] = []
    cell: list[str] = []
    line = col = 1
    begin = (1, 1)
    quoted = False
    at, end = 0, len(text)
    while at < end:
        char = text[at]
        at += 1
        if quoted:
            if char == '"' and text[at : at + 1] == '"':
                cell.append('"')
                at, col = at + 1, col + 1
            elif char == '"':
                quoted = False
            else:
                cell.append(char)
        elif char == '"' and not "".join(cell).strip():
            cell, quoted = [], True
        elif char == mark:
            row.append(Cell("".join(cell).strip(), *begin))
            cell, begin = [], (line, col + 1)
        elif char == "\n":
            row.append(Cell("".join(cell).strip(), *begin))
            yield row
            row, cell, begin = [], [], (line + 1, 1)
        elif char != "\r":
            cell.append(char)
        line, col = (line + 1, 1) if char == "\n" else (line, col + 1)
    if row or cell:
        row.append(Cell("".join(cell).strip(), *begin))
        yield row


def _plain(heading: str) -> str:
    """Letters and digits of a heading, so that "Ri [mΩ]" and "ri (mOhm)" are one."""
    folded = heading.casefold().replace("ω", "ohm")
    return "".join(char for char in folded if char.isalnum())


class _Sheet:
    def __init__(self, name: str, string: int | None) -> None:
        self.name, self.string = name, string
        self.made = Imported()
        self.seen: dict[tuple[int, int], int] = {}
        self.modules: dict[int, int] = {}

    def fault(self, cell: Cell, key: str, what: str, allowed: str) -> None:
        self.made.faults.append(Fault(self.name, cell.line, cell.col, key, what, allowed))

    def read(self, text: str) -> Imported:
        first = text.lstrip().split("\n", 1)[0]
        mark = max(";,\t", key=first.count)
        rows = [row for row in _rows(text, mark) if any(cell.text for cell in row)]
        if not rows:
            self.fault(Cell("", 1, 1), "", "holds no jars", "a line of headings and one line a jar")
            return self.made
        header = self.header(rows[0])
        for row in rows[1:]:
            self.row(row, header)
        if len(rows) == 1:
            self.fault(rows[0][0], "", "holds no jars", "one line a jar under the headings")
        self.gaps()
        for jars in self.made.rows.values():
            jars.sort(key=lambda jar: int(jar["address"].partition("S")[0]))
        return self.made

    def header(self, row: list[Cell]) -> list[str]:
        names: list[str] = []
        for cell in row:
            name = _BY_HEADING.get(_plain(cell.text), "")
            if name and name in names:
                self.fault(cell, cell.text[:40], f"stands for {name}, as another column does", "each once")
            if not name and cell.text:
                self.made.left_out.append(cell.text[:40])
            names.append(name)
        if "address" not in names:
            self.fault(row[0], "address", "no column names the jars", "address, Adresse, Block, Zelle, Nr ...")
        return names

    def row(self, row: list[Cell], header: list[str]) -> None:
        cells = {name: cell for name, cell in zip(header, row, strict=False) if name}
        for cell in row[len(header) :]:
            if cell.text:
                self.fault(cell, "", f"{cell.text[:20]!r} stands beyond the last heading", f"{len(header)} cells")
        jar: dict[str, str] = {}
        for name in TEXTS:
            found = cells.get(name)
            if found is not None and found.text:
                jar[name] = self.text(found, name)
        address = self.address(cells, row) if "address" in header else None
        if "module" in cells and cells["module"].text:
            jar["module"] = self.module(cells["module"])
        if "baseline_mohm" in cells and cells["baseline_mohm"].text:
            jar["baseline_mohm"] = self.baseline(cells["baseline_mohm"])
        if address is not None:
            number, string = address
            self.made.rows.setdefault(string, []).append({"address": f"{number}S{string}", **jar})

    def text(self, cell: Cell, name: str) -> str:
        joined = " ".join(cell.text.split())
        if not joined.isprintable():
            self.fault(cell, name, f"{joined[:20]!r} holds a control character", "printable text")
        elif len(joined) > TEXT_MAX:
            self.fault(cell, name, f"{len(joined)} characters", f"at most {TEXT_MAX}")
        elif joined.startswith("#"):
            self.fault(cell, name, "begins with #, which is a note in the site's CSV", "another beginning")
        elif name in DATES:
            return self.date(cell, name, joined)
        return joined

    def date(self, cell: Cell, name: str, text: str) -> str:
        """An ISO date; day.month.year, as German lists have it, is turned round. With strokes it could be either."""
        match = _GERMAN_DATE.fullmatch(text)
        turned = f"{match[3]}-{match[2]:0>2}-{match[1]:0>2}" if match else text
        if not is_date(turned):
            self.fault(cell, name, f"{text[:20]!r} is no date", f"{DATE_FORMS}, or 31.05.2024")
        return turned

    def address(self, cells: Mapping[str, Cell], row: list[Cell]) -> tuple[int, int] | None:
        cell = cells.get("address", row[0])
        if not cell.text:
            self.fault(cell, "address", "is missing", ADDRESS_ALLOWED)
            return None
        match = _ADDRESS.fullmatch(cell.text)
        named = self.number(cells[STRING]) if STRING in cells and cells[STRING].text else self.string
        if match is None and (_NUMBER.fullmatch(cell.text) is None or named is None):
            self.fault(cell, "address", f"{cell.text[:20]!r} is no address", ADDRESS_ALLOWED)
            return None
        number, string = (int(match[1]), int(match[2])) if match else (int(cell.text), named or 0)
        if match and STRING in cells and named not in (None, string):
            self.fault(cells[STRING], STRING, f"is not the string of {cell.text[:20]}", f"{string}, or nothing")
        if (number, string) in self.seen:
            line = self.seen[number, string]
            self.fault(cell, "address", f"{number}S{string} stands in line {line} too", "each jar once")
            return None
        self.seen[number, string] = cell.line
        if number > JARS_MAX:
            self.fault(cell, "address", f"jar {number} of a string", f"at most {JARS_MAX}")
            return None
        return number, string

    def number(self, cell: Cell) -> int | None:
        digits = cell.text.lstrip("sS")
        if _NUMBER.fullmatch(digits) is None or int(digits) > 99:
            self.fault(cell, STRING, f"{cell.text[:20]!r} is no number of a string", "1 to 99")
            return None
        return int(digits)

    def module(self, cell: Cell) -> str:
        if _NUMBER.fullmatch(cell.text) is None:
            self.fault(cell, "module", f"{cell.text[:20]!r} is no module id", "1 to 9999")
        elif int(cell.text) in self.modules:
            self.fault(cell, "module", f"{cell.text} stands in line {self.modules[int(cell.text)]} too", "each once")
        else:
            self.modules[int(cell.text)] = cell.line
        return cell.text

    def baseline(self, cell: Cell) -> str:
        match = _MILLIOHM.fullmatch(cell.text.replace("\N{OHM SIGN}", "Ω"))
        if match is None or not int(match[1] + (match[2] or "")):
            allowed = "mOhm above 0 and under 100000, at most 3 decimals, as in 3,125"
            self.fault(cell, "baseline_mohm", f"{cell.text[:20]!r} is no resistance", allowed)
            return ""
        return match[1] + (f".{match[2]}" if match[2] else "")

    def gaps(self) -> None:
        """Jars that no line names although later ones of their string are there."""
        for string in sorted({string for _, string in self.seen}):
            known = {number: line for (number, one), line in self.seen.items() if one == string}
            for number in range(1, max(known)):
                if number not in known and len(self.made.faults) < JARS_MAX:
                    after = known[min(found for found in known if found > number)]
                    what = f"{number}S{string} is missing"
                    self.fault(Cell("", after, 1), "address", what, f"every jar from 1S{string} on")
