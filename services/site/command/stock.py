"""What is built in and what is due: from the log of a data folder, whether a site runs there or not. Writes nothing.

A running site tells the same over HTTP (services.gateway.upkeep_api). The states are those of the newest snapshot with
all that the log has after it, as a start would have them.
"""

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.site.command.options import DATA, Data, Json
from services.site.command.output import plain, table, write, write_json
from services.site.command.trouble import Exit, Trouble

if TYPE_CHECKING:
    from services.gateway.views import Upkeep

PANEL = "Upkeep"


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    here: dict[str, Any] = {"rich_help_panel": PANEL}
    app.command("stock", **here)(stock)
    app.command("due", **here)(due)


def stock(
    data: Data = DATA,
    kind: Annotated[
        str, typer.Option("--kind", help="Only jar, module, sensor, gas_head, device or relay_module.")
    ] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="For spreadsheets: all columns, separated by commas.")] = False,
    as_json: Json = False,
) -> int:
    """List every jar, module, sensor, gas head and device: serial, type, when made, built in and replaced, baseline.

    A serial in the site file that is not the recorded one is shown beside it. Exit 0.

    Example: ampward stock --csv > stock.csv
    """
    from services.gateway.upkeep_api import PartJson, part

    rows = [part(item) for item in found_in(data).parts]
    kinds = {row["kind"] for row in rows}
    if kind and kind not in kinds:
        raise Trouble(f"--kind {kind}: no such part, allowed: {', '.join(sorted(kinds)) or 'none'}", Exit.USAGE)
    rows = [row for row in rows if kind in ("", row["kind"])]
    if as_json:
        write_json({"items": rows})
    elif as_csv:
        made = csv.DictWriter(sys.stdout, PartJson.model_fields, lineterminator="\n")
        made.writeheader()
        made.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    else:
        lines = [
            (
                row["part"],
                row["kind"],
                row["serial"] or "-",
                row["type"],
                _replaced(row),
                _baseline(row),
                _day(row["due_at"]),
            )
            for row in rows
        ]
        for line in table(("part", "kind", "serial", "type", "replaced", "baseline", "due"), lines):
            write(line)
    return Exit.DONE


def due(data: Data = DATA, as_json: Json = False) -> int:
    """List calibrations and proof tests with the day on which each is due again, the next first.

    Exit 0, or 1 when one is overdue.

    Example: ampward due
    """
    from services.gateway.upkeep_api import due as shape

    rows = [shape(item) for item in found_in(data).dues]
    late = any(row["overdue"] for row in rows)
    if as_json:
        write_json({"items": rows})
        return Exit.NO if late else Exit.DONE
    lines = [
        (
            _day(row["due_at"]),
            f"{-row['days_left']} d overdue" if row["overdue"] else f"in {row['days_left']} d",
            row["kind"].replace("_", " "),
            row["subject"],
            f"{_day(row['done_at'])} by {row['by'] or 'nobody named'}" if row["done_at"] else "never",
        )
        for row in rows
    ]
    for line in table(("due", "", "what", "of", "done"), lines):
        write(line)
    return Exit.NO if late else Exit.DONE


def found_in(data: Path) -> "Upkeep":
    """What the log in ``data`` says. Raises Trouble, or LogDamaged with the record."""
    from services.processor.restore import restore
    from services.processor.verify import placed
    from services.site.upkeep_items import upkeep
    from shared.log.sqlite_read import SqliteReader
    from shared.log.store import DATABASE

    if not (data / DATABASE).exists():
        raise Trouble(f"there is no log in {data}: allowed: the --data of a site that has run")
    reader = SqliteReader.open(data / DATABASE)
    try:
        restored = restore(reader)
    finally:
        reader.close()
    if restored.damage is not None:
        raise placed(restored.damage, data)
    return upkeep(restored.fold.states, restored.at_ms, now_ms())


def now_ms() -> int:
    """The wall clock."""
    from shared.runtime.clocks import SystemClock

    return SystemClock().wall_ms()


def _day(at: str | None) -> str:
    """Of an instant; empty for never."""
    return (at or "")[:10]


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula stays a text."""
    if not isinstance(value, str):
        return value
    return f"'{plain(value)}" if value[:1] in ("=", "+", "-", "@") else plain(value)


def _replaced(row: Mapping[str, Any]) -> str:
    return f"{_day(row['replaced_at'])} by {row['replaced_by']}" if row["replaced_at"] else ""


def _baseline(row: Mapping[str, Any]) -> str:
    if row["measuring"]:
        return f"measuring, {row['measuring']} to go"
    if row["baseline_mohm"]:
        return f"{row['baseline_mohm']} mOhm"
    return "none" if row["kind"] == "jar" else ""
