"""Before a site runs: check, schema, probe, simulate, commission."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services.site.command.client import os_user
from services.site.command.options import DATA, Data, Json
from services.site.command.output import plain, table, write, write_json
from services.site.command.trouble import Exit, Trouble

PANEL = "Putting a site into service"
ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}
SiteFile = Annotated[Path, typer.Argument(help="Site file (YAML).", exists=True, dir_okay=False, readable=True)]


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    here: dict[str, Any] = {"rich_help_panel": PANEL}
    app.command("check", **here)(check)
    app.command("schema", **here)(schema)
    app.command("probe", **here)(probe)
    app.command("commission", **here)(commission)
    app.command("simulate", **here)(simulate)


def check(file: SiteFile, as_json: Json = False) -> int:
    """Check a site file: every fault at once, one a line, as FILE:LINE:COL: KEY: what is wrong, what is allowed.

    A good file's capacity sheet follows: bus time of each line, log bytes a day, hours of outage. Exit 0 good (warnings
    too), 1 faults, 2 wrong usage.

    Example: ampward check infra/sites/examples/first-site.yaml
    """
    from shared.runtime.site_file import check_site

    checked = check_site(file, os.environ, _free_bytes())
    code = Exit.NO if checked.errors else Exit.DONE
    if as_json:
        write_json([_fault(fault) for fault in checked.faults])
        return code
    for fault in checked.faults:
        write(plain(str(fault) if fault.severity == "error" else f"{fault} [{fault.severity}]"))
    if checked.plan is not None:
        write(checked.capacity.text())
    return code


def _fault(fault: Any) -> dict[str, Any]:
    message = f"{fault.what}, {fault.allowed}" if fault.allowed else fault.what
    return {
        "file": fault.file,
        "line": fault.line,
        "col": fault.col,
        "key": fault.key,
        "severity": fault.severity,
        "message": message,
    }


def _free_bytes() -> int:
    """Free space where ./data would be."""
    found = os.statvfs(Path.cwd())
    return found.f_bavail * found.f_frsize


def schema() -> int:
    """Print the JSON Schema of the site file, for editors.

    Example: ampward schema > site.schema.json, and as the first line of the site file
    # yaml-language-server: $schema=site.schema.json
    """
    from shared.runtime.site_file import json_schema

    write_json(json_schema())
    return Exit.DONE


def simulate(
    file: Annotated[Path, typer.Argument(help="Devices file (YAML).", exists=True, dir_okay=False, readable=True)],
) -> None:
    """Run simulated devices on real Modbus TCP ports and pseudo-terminals, on loopback only, with a script.

    Prints one address a line, then `ready`, then what the script does. Ctrl-C ends it.

    Example: ampward simulate infra/sites/demo/devices.yaml
    """
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "services.plantsim", str(file)])


def probe(
    file: SiteFile,
    device: Annotated[str, typer.Option("--device", "-d", help="Only this device.")] = "",
    as_json: Json = False,
) -> int:
    """Look at the devices of a site once: raw words, decoded values, identity, round trip. Writes nothing.

    Exit 0 when every device answers as its profile says, 1 when one does not. A serial line that the running site holds
    cannot be probed.

    Example: ampward probe site.yaml --device gas1
    """
    import asyncio

    plan = _plan(file)
    devices = [one for one in plan.decision.devices if device in ("", one.id)]
    if not devices:
        known = ", ".join(one.id for one in plan.decision.devices)
        raise Trouble(f"{file}: there is no device {device}, allowed: {known}", Exit.USAGE)
    found = asyncio.run(_probe(plan, devices))
    if as_json:
        from dataclasses import asdict

        write_json([{**asdict(one), "ok": one.is_ok} for one in found])
    else:
        for one in found:
            _show(one)
    return Exit.DONE if all(one.is_ok for one in found) else Exit.NO


def _plan(file: Path) -> Any:
    from shared.runtime.site_file import check_site

    checked = check_site(file, os.environ)
    if checked.plan is None:
        raise Trouble(f"{checked.errors[0]} (`ampward check {file}` shows all)", Exit.NO)
    return checked.plan


async def _probe(plan: Any, devices: list[Any]) -> Any:
    from services.collector.probe import probe_all
    from shared.fieldbus.lines import open_line
    from shared.runtime.clocks import SystemClock

    wanted = {one.bus for one in devices}
    lines = {bus.id: open_line(bus) for bus in plan.buses if bus.id in wanted}
    try:
        return await probe_all(devices, {bus: line.reader for bus, line in lines.items()}, SystemClock())
    finally:
        for line in lines.values():
            await line.reader.close()


def _show(one: Any) -> None:
    trip = f"{one.round_trip_ms} ms" if one.round_trip_ms >= 0 else "no answer"
    write(f"{one.device} (bus {one.bus}, unit {one.unit}, {one.profile}): {trip}, identity {plain(one.identity)}")
    for block in one.blocks:
        what = f"FAILED {plain(block.failure)}" if block.failure else block.words
        write(f"  {block.table.value} {block.address}..{block.address + block.count - 1}: {what}")
    rows = []
    for value in one.values:
        unit = "" if value.unit == "state" else value.unit
        shown = f"{value.value} {unit}".strip() if not value.no_data else f"({value.no_data})"
        label = f"{value.label} " if value.label else ""
        assumed = "assumed address" if value.is_assumed else ""
        rows.append(
            (value.channel, f"{value.table.value} {value.address}", value.raw, shown, f"{label}{assumed}".strip())
        )
    for line in table(("  channel", "at", "raw", "value", ""), [(f"  {row[0]}", *row[1:]) for row in rows]):
        write(line)
    write()


def commission(
    file: SiteFile,
    output: Annotated[str, typer.Option("--output", help="Only this output: SITE/ROOM/OUTPUT.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Answer every question with yes; recorded as such.")] = False,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Then write the commissioning sheet here, as `ampward sheet` does.")
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Prove wiring sense, watchdog and airflow of each output, and write the record behind "armed".

    The outputs are switched on and off on the real wires, and the room is without Ampward meanwhile: stop the site
    first, be in the room. Exit 0 when every output is proven, 1 when one is not, 3 while the site runs. The sheet of
    --sheet needs a log: of a site that has run in this folder.

    Example: ampward commission site.yaml --data /var/lib/ampward --output demo/r1/io1-do0
    """
    import asyncio

    from services.guard.commission import commission as prove
    from shared.runtime import places
    from shared.runtime.clocks import SystemClock

    if not yes and not sys.stdin.isatty():
        raise Trouble("there is no terminal to ask questions on; allowed: a terminal, or --yes", Exit.USAGE)
    plan = _plan(file)
    known = [found.id for room in plan.decision.rooms for found in room.outputs]
    if output and output not in known:
        raise Trouble(f"--output {output}: no such output, allowed: {', '.join(known)}", Exit.USAGE)
    # Commissioning comes before the first run, which makes the folder else.
    places.make_data_folder(data)
    outcomes = asyncio.run(
        prove(
            plan,
            data,
            SystemClock(),
            output=output,
            yes=yes,
            by=f"cli:{os_user()}",
            ask=_ask,
            tell=_tell if as_json else _say,
        )
    )
    if as_json:
        write_json([_outcome(one) for one in outcomes])
    if sheet is not None:
        _write_sheet(plan, data, sheet)
    return Exit.DONE if outcomes and all(one.is_armed for one in outcomes) else Exit.NO


def _write_sheet(plan: Any, data: Path, path: Path) -> None:
    from services.site.command.output import progress_bar
    from services.site.command.sheet import as_markdown
    from services.site.sheet import gather
    from shared.runtime.clocks import SystemClock

    with progress_bar("reading the log") as tell:
        made = gather(data, plan, now_ms=SystemClock().wall_ms(), tell=tell)
    path.write_text(as_markdown(made, os_user()) + "\n", encoding="utf-8")


def _outcome(one: Any) -> dict[str, Any]:
    names = ("wiring", "read_back", "watchdog", "airflow") if one.proofs else ()
    proofs = {name: getattr(one.proofs, name) for name in names}
    return {"output": one.output, "armed": one.is_armed, "failure": one.failure, "proofs": proofs}


def _ask(question: str) -> bool:
    """Until it is answered. Not by ``input``: this thread is left behind when somebody breaks off, and where standard
    output is a file Python ends by a fatal error of its own under one that is in there."""
    while True:
        sys.stderr.write(f"{plain(question)} [y/N]: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise typer.Abort
        answer = ANSWERS.get(line.strip().lower())
        if answer is not None:
            return answer


def _say(sentence: str) -> None:
    write(plain(sentence))
    sys.stdout.flush()


def _tell(sentence: str) -> None:
    """With --json standard output is for the result alone."""
    sys.stderr.write(f"{plain(sentence)}\n")
    sys.stderr.flush()
