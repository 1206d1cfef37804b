"""What is built in and what is due: from the log of a data folder, whether a site runs there or not. Writes nothing.

The states are those of the newest snapshot with all that the log has after it, as a start would have them.
"""

import csv
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from services.site.command.options import DATA, Data, Json
from services.site.command.output import plain, table, write, write_json
from services.site.command.trouble import Exit, Trouble

PANEL = "Upkeep"
DAY_MS = 86_400_000
COLUMNS = (
    "part", "kind", "type", "serial", "made", "installed", "position", "replaced_at", "replaced_by", "reason",
    "times", "baseline_mohm", "baseline_at", "measuring", "site_file_serial", "calibrated_at", "tested_at", "due_at",
)  # fmt: skip


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
    rows = stock_rows(found_in(data), now_ms())
    kinds = {row["kind"] for row in rows}
    if kind and kind not in kinds:
        raise Trouble(f"--kind {kind}: no such part, allowed: {', '.join(sorted(kinds)) or 'none'}", Exit.USAGE)
    rows = [row for row in rows if kind in ("", row["kind"])]
    if as_json:
        write_json({"items": rows})
    elif as_csv:
        made = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        made.writeheader()
        made.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    else:
        lines = [
            (row["part"], row["kind"], row["serial"] or "-", row["type"], _replaced(row), _baseline(row), row["due_at"])
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
    rows = due_rows(found_in(data), now_ms())
    late = any(row["overdue"] for row in rows)
    if as_json:
        write_json({"items": rows})
        return Exit.NO if late else Exit.DONE
    lines = [
        (
            row["due_at"][:10],
            f"{-row['days_left']} d overdue" if row["overdue"] else f"in {row['days_left']} d",
            row["kind"].replace("_", " "),
            row["subject"],
            f"{row['done_at'][:10]} by {row['by'] or 'nobody named'}" if row["done_at"] else "never",
        )
        for row in rows
    ]
    for line in table(("due", "", "what", "of", "done"), lines):
        write(line)
    return Exit.NO if late else Exit.DONE


class Found(NamedTuple):
    """The rooms of a log, and the wall clock's stamp of its last record: times to come count from there."""

    states: tuple[Any, ...]
    at_ms: int
    hash: str
    """The head of its chain."""
    site_seq: int


def found_in(data: Path) -> Found:
    """What the log in ``data`` says. Raises Trouble, or LogDamaged with the record."""
    from services.processor.restore import restore
    from services.processor.verify import placed
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
    states = tuple(state for room, state in restored.fold.states.items() if not room.startswith("_"))
    return Found(states, restored.at_ms, restored.hash.hex(), restored.site_seq)


def stock_rows(found: Found, at_ms: int) -> list[dict[str, Any]]:
    """One row a part, with the names of COLUMNS."""
    from shared.domain.upkeep_views import parts

    dues = {(row["kind"], row["subject"]): row for row in due_rows(found, at_ms)}
    rows = []
    for state in found.states:
        held: dict[str, list[dict[str, Any]]] = {}
        for plan in state.plan.outputs:
            device = f"{state.plan.site}/{state.plan.id}/{plan.device}"
            held.setdefault(device, []).extend(x for x in (dues.get(("proof_test", plan.id)),) if x)
        for part in parts(state):
            calibration = dues.get(("calibration", part.id))
            tests = held.get(part.id, [])
            due_at = [row["due_at"] for row in (calibration, *tests) if row is not None]
            values = (
                part.id, part.kind, plain(part.type), plain(part.serial), plain(part.made), plain(part.installed),
                plain(part.position), stamp(part.replaced_at_ms), plain(part.replaced_by), plain(part.reason),
                part.times, part.baseline, stamp(part.baseline_at_ms), part.measuring, plain(part.planned_serial),
                calibration["done_at"] if calibration else "", min((row["done_at"] for row in tests), default=""),
                min(due_at, default=""),
            )  # fmt: skip
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def due_rows(found: Found, at_ms: int) -> list[dict[str, Any]]:
    """One row a calibration or proof test, the next first."""
    from shared.domain.upkeep_views import dues

    views = [(found.at_ms + view.left_ms - at_ms, view) for state in found.states for view in dues(state)]
    views.sort(key=lambda one: (one[0], one[1].subject))
    return [
        {
            "kind": view.kind,
            "subject": view.subject,
            "due_at": stamp(at_ms + left_ms),
            "days_left": left_ms // DAY_MS if left_ms > 0 else -(-left_ms // DAY_MS),
            "overdue": left_ms <= 0,
            "done_at": stamp(view.done_at_ms),
            "by": plain(view.by),
            "every_days": view.every_ms // DAY_MS,
            "alarm": view.alarm,
        }
        for left_ms, view in views
    ]


def now_ms() -> int:
    """The wall clock."""
    from shared.runtime.clocks import SystemClock

    return SystemClock().wall_ms()


def stamp(ms: int) -> str:
    """RFC 3339, empty for never."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if ms else ""


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula stays a text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _replaced(row: Mapping[str, Any]) -> str:
    return f"{row['replaced_at'][:10]} by {row['replaced_by']}" if row["replaced_at"] else ""


def _baseline(row: Mapping[str, Any]) -> str:
    if row["measuring"]:
        return f"measuring, {row['measuring']} to go"
    if row["baseline_mohm"]:
        return f"{row['baseline_mohm']} mOhm"
    return "none" if row["kind"] == "jar" else ""
