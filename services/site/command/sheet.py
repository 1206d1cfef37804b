"""The commissioning sheet: what was seen to work, what is still missing, and the hash of the log that shows it."""

import html
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from services.site.command.client import os_user
from services.site.command.options import DATA, Data, Json
from services.site.command.output import plain, progress_bar, write, write_json
from services.site.command.trouble import Exit, Trouble

PANEL = "Putting a site into service"
PARTS = (
    ("Inputs", "inputs", "contacts seen open and closed, detectors seen over their first limit, values seen"),
    ("Outputs", "outputs", "proven by commissioning, and the plan is still the one that was proven"),
    ("Messages", "messages", "each person by each way, a message that was taken over"),
)


def add(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("sheet", rich_help_panel=PANEL)(sheet)


def sheet(
    site: Annotated[
        Path | None,
        typer.Argument(
            help="Site file; the plan of the data folder when none is given.", exists=True, dir_okay=False,
            show_default=False,
        ),
    ] = None,
    since: Annotated[str, typer.Option("--since", help="Only what was seen from this day on, YYYY-MM-DD.")] = "",
    as_html: Annotated[bool, typer.Option("--html", help="HTML instead of Markdown.")] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> int:  # fmt: skip
    """Print the commissioning sheet: every input seen, every output proven, every person reached, and what is missing.

    It rests on the log, the plan and the commissioning record alone, and names the log's head hash: `ampward verify`
    shows that nothing of it was changed. Exit 0 when nothing is missing, 1 else.

    Example: ampward sheet --data /var/lib/ampward > sheet.md
    """
    from services.site.sheet import gather
    from shared.runtime.clocks import SystemClock

    since_ms = 0
    if since:
        try:
            since_ms = int(datetime.combine(date.fromisoformat(since), datetime.min.time(), UTC).timestamp() * 1000)
        except ValueError:
            raise Trouble(f"--since {plain(since[:20])}: no day, allowed: YYYY-MM-DD", Exit.USAGE) from None
    with progress_bar("reading the log") as tell:
        made = gather(data, _plan(site, data), since_ms=since_ms, now_ms=SystemClock().wall_ms(), tell=tell)
    if as_json:
        parts = {key: [line._asdict() for line in getattr(made, key)] for _, key, _ in PARTS}
        head = {"site": made.site, "decision": made.decision, "log_id": made.log_id, "site_seq": made.site_seq}
        write_json({**head, "head": made.head, **parts, "missing": [line._asdict() for line in made.missing]})
    else:
        write(as_page(made, os_user()) if as_html else as_markdown(made, os_user()))
    return Exit.NO if made.missing else Exit.DONE


def as_markdown(made: Any, person: str) -> str:
    """The sheet as Markdown; what stands in a cell is text."""
    lines = [f"# Commissioning sheet: {_cell(made.name)} ({made.site})", ""]
    lines += [f"- {name}: {_cell(value)}" for name, value in _head(made, person)]
    lines += ["", *_missing(made)]
    for title, key, means in PARTS:
        lines += ["", f"## {title}", "", f"{means[0].upper()}{means[1:]}.", "", "| | what | of | seen |"]
        lines += ["|---|---|---|---|"]
        for one in getattr(made, key):
            lines.append(f"| {_mark(one)} | {_cell(one.subject)} | {_cell(one.what)} | {_cell(one.seen)} |")
    lines += ["", "## Signed", "", "| name | date | signature |", "|---|---|---|", *["| | | |"] * 2, ""]
    lines += [f"The log's head at record {made.site_seq}: `{made.head}`"]
    return "\n".join(lines)


def as_page(made: Any, person: str) -> str:
    """The sheet as one HTML page without anything from elsewhere."""
    text = html.escape
    body = [f"<h1>Commissioning sheet: {text(made.name)} ({text(made.site)})</h1>", "<ul>"]
    body += [f"<li>{text(name)}: {text(value)}</li>" for name, value in _head(made, person)]
    body += ["</ul>", *(f"<p>{text(line.removeprefix('- '))}</p>" for line in _missing(made))]
    for title, key, means in PARTS:
        body += [f"<h2>{title}</h2><p>{means[0].upper()}{means[1:]}.</p>"]
        body += ["<table><tr><th></th><th>what</th><th>of</th><th>seen</th></tr>"]
        for one in getattr(made, key):
            cells = (_mark(one), one.subject, one.what, one.seen)
            body.append(f"<tr>{''.join(f'<td>{text(plain(cell))}</td>' for cell in cells)}</tr>")
        body.append("</table>")
    body += ["<h2>Signed</h2><table><tr><th>name</th><th>date</th><th>signature</th></tr>"]
    body += ["<tr><td>&nbsp;</td><td></td><td></td></tr></table>"]
    body += [f"<p>The log's head at record {made.site_seq}: <code>{text(made.head)}</code></p>"]
    style = "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}td,th{border:1px solid;padding:.3em}"
    title = f"<title>Commissioning sheet {text(made.site)}</title>"
    return f'<!doctype html><html lang="en"><meta charset="utf-8">{title}<style>{style}</style>{"".join(body)}</html>'


def _head(made: Any, person: str) -> list[tuple[str, str]]:
    from services.site.sheet import stamp

    return [
        ("Made", f"{stamp(made.at_ms)} by {person}"),
        ("Seen since", stamp(made.since_ms) or "the beginning of the log"),
        ("Decision version", made.decision or "none"),
        ("Log", f"{made.log_id}, up to record {made.site_seq}"),
        ("Note", "Ampward supplements a listed gas detector and its hard-wired interlock; it does not replace them."),
    ]


def _missing(made: Any) -> list[str]:
    if not made.missing:
        return ["Nothing is missing."]
    lines = [f"Missing: {len(made.missing)}", ""]
    return [*lines, *(f"- {_cell(line.subject)} ({_cell(line.what)}): {_cell(line.seen)}" for line in made.missing)]


def _mark(line: Any) -> str:
    return "yes" if line.is_proven else "MISSING"


def _cell(text: str) -> str:
    """One line of text that is no Markdown of its own."""
    return plain(" ".join(text.split())).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _plan(site: Path | None, data: Path) -> Any:
    from shared.runtime import places
    from shared.runtime.site_file import check_site
    from shared.wire.plans import decode_site

    if site is not None:
        checked = check_site(site, os.environ)
        if checked.plan is None:
            raise Trouble(f"{checked.errors[0]} (`ampward check {site}` shows all)", Exit.NO)
        return checked.plan
    path = places.find_file(data, places.SITE_PLAN)
    if not path.is_file():
        raise Trouble(f"{data} has no {places.SITE_PLAN}: no site has run there; allowed: --data, or a site file")
    return decode_site(path.read_bytes())
