"""A site that runs: run, status, watch."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services.site.command import repository_file
from services.site.command.client import RunningSite, find_fleet, read_run
from services.site.command.options import DATA, Data, Json, duration_ms
from services.site.command.output import plain, table, write, write_json
from services.site.command.start import DEMO, RunOptions, start
from services.site.command.trouble import Exit

PANEL = "Running a site"


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    here: dict[str, Any] = {"rich_help_panel": PANEL}
    app.command("run", **here)(run)
    app.command("status", **here)(status)
    app.command("watch", **here)(watch)


def run(
    site_file: Annotated[
        Path | None,
        typer.Argument(help="Site file; without one the demo site.", exists=True, dir_okay=False, show_default=False),
    ] = None,
    data: Annotated[Path, typer.Option("--data", help="Data folder: log, token, state.")] = DATA,
    http: Annotated[
        str, typer.Option("--http", help="HOST:PORT on loopback instead of the site file's; port 0: any.")
    ] = "",
    for_: Annotated[str, typer.Option("--for", help="End by itself so long after it became trip-ready: 30s.")] = "",
    no_view: Annotated[bool, typer.Option("--no-view", help="No live view, only messages.")] = False,
) -> int:
    """Run a site: field bus, local trip, outputs, log, alarms. Ctrl-C ends it cleanly; the next run goes on.

    Without a site file the demo runs: simulated devices on real Modbus TCP and RTU, with a story of its own. When the
    trip is ready DIR/run.json says where the HTTP interface and the MQTT broker are. Exit 0 on INT, TERM and --for, 3
    when it cannot start (port taken, folder locked by a pid, bad site file).

    Example: ampward run

    Example: ampward run site.yaml --data /var/lib/ampward --no-view
    """
    for_s = duration_ms(for_) / 1000 if for_ else None
    file = site_file or repository_file(DEMO)
    return start(RunOptions(file, data, http, for_s, not no_view))


def status(data: Data = DATA, as_json: Json = False) -> int:
    """Show a running site: is the trip ready and armed, alarms, outputs, what is assumed or not supervised.

    Exit 0 when the trip is ready, 1 when it is not, 3 when no site runs in the folder.

    Example: ampward status --data /var/lib/ampward
    """
    site = RunningSite.of_folder(data)
    told = site.get("/api/v1/status")
    alarms = site.get("/api/v1/alarms")
    outputs = site.get("/api/v1/outputs")["items"]
    if as_json:
        write_json(
            {
                **told,
                "alarms": alarms["items"],
                "outputs": outputs,
                "as_of": alarms["as_of"],
                "run": {} if find_fleet(data) else read_run(data),
            }
        )
    else:
        _show(told, alarms["items"], outputs)
    return Exit.DONE if told["ready"] else Exit.NO


def _show(told: dict[str, Any], alarms: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> None:
    ready = "trip ready" if told["ready"] else "TRIP NOT READY"
    armed = "armed" if told["armed"] else "UNARMED (the trip acts all the same; prove it with `ampward commission`)"
    write(f"{plain(told['name'])} ({told['site']}): {ready}, {armed}")
    for name, check in told["checks"].items():
        if not check["ok"]:
            write(f"  not ok: {name}: {plain(check['detail'])}")
    if told["undurable"]:
        write("  UNDURABLE: inputs are decided upon but are not on disk")
    if told["assumed"]:
        shown = ", ".join(told["assumed"][:6]) + (
            f" and {len(told['assumed']) - 6} more" if len(told["assumed"]) > 6 else ""
        )
        write(f"  assumed addresses, not the vendor's: {plain(shown)}")
    write(f"  log {told['log_id']} at {told['head_seq']}; rules {told['decision'][:12]}")
    if told["mqtt"]:
        write(f"  MQTT {plain(told['mqtt'])}")
    for note in told["notes"]:
        write(f"  {plain(note)}")
    write()
    if outputs:
        head = ("output", "kind", "demand", "read back", "proof", "armed", "when this program dies", "by")
        rows = [_output(item) for item in outputs]
        for line in table(head, rows):
            write(line)
        write()
    unknown = [item for item in alarms if _is_only_unknown(item)]
    told_alarms = [item for item in alarms if not _is_only_unknown(item)]
    if not told_alarms:
        write("no alarms")
    else:
        for line in table(("alarm", "severity", "state", "value", "since", ""), [_alarm(item) for item in told_alarms]):
            write(line)
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        write(f"not known yet: {unknown[0]['id']}{more}")


def _is_only_unknown(item: dict[str, Any]) -> bool:
    """Never raised, and its condition has not been seen: unknown is not normal, but it is no alarm either."""
    return bool(item["state"] == "A" and item["condition"] == "unknown" and item["override"] == "none")


_STATES = {
    "A": "normal",
    "B": "active, unacked",
    "C": "active, acked",
    "D": "returned, unacked",
    "E": "latched, unacked",
    "F": "latched, acked",
}


def _output(item: dict[str, Any]) -> tuple[str, ...]:
    armed = "armed" if item["armed"] else "unarmed"
    by = ", ".join(item["by"][:3]) + (" ..." if len(item["by"]) > 3 else "")
    return item["id"], item["kind"], item["demand"], item["read_back"], item["proof"], armed, item["supervision"], by


def _alarm(item: dict[str, Any]) -> tuple[str, ...]:
    override = "" if item["override"] == "none" else item["override"].replace("_", " ")
    if item["until"]:
        override += f" until {item['until']}"
    if item["condition"] == "unknown":
        override = f"unknown {override}".strip()
    value = f"{item['value']} {item['unit']}".strip() if item["value"] else ""
    return (
        item["id"],
        item["severity"],
        f"{item['state']} {_STATES[item['state']]}",
        value,
        item["since"] or "",
        override,
    )


def watch(
    site: Annotated[
        str, typer.Argument(help="Its data folder or http://HOST:PORT; without one --data.", show_default=False)
    ] = "",
    data: Data = DATA,
) -> None:
    """Show a running site live: rooms, hydrogen, fans, strings, alarms, outputs, events. Ctrl-C ends the view only.

    With the folder of a running fleet it shows all its sites.

    Without a terminal every change is one plain line. A site by its address needs a token in AMPWARD_TOKEN, a viewer's
    is enough.

    Example: ampward watch /var/lib/ampward

    Example: AMPWARD_TOKEN=... ampward watch http://127.0.0.1:8080
    """
    place = site or str(data)
    if "://" in place:
        RunningSite.of_url(place).get("/api/v1/status")
    else:
        if find_fleet(Path(place)) is None:
            read_run(Path(place))
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "services.site.view", place])
