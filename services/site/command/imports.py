"""Bring in what others have listed: jars from a spreadsheet's CSV, or from what answers on the bus."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from services.site.command.options import Json
from services.site.command.output import plain, progress_bar, table, write, write_json
from services.site.command.trouble import Exit, Trouble

PANEL = "Putting a site into service"
CHANNELS = ("voltage", "resistance", "temperature", "state")


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    group = typer.Typer(
        help="Bring in what others have listed: jars from a spreadsheet or from the bus.", no_args_is_help=True
    )
    group.command("jars")(jars)
    app.add_typer(group, name="import", rich_help_panel=PANEL)


def jars(
    file: Annotated[
        Path | None, typer.Argument(help="The spreadsheet's CSV.", exists=True, dir_okay=False, show_default=False)
    ] = None,
    battery: Annotated[str, typer.Option("--battery", help="SITE/ROOM/BATTERY: names the files that are made.")] = "",
    string: Annotated[int, typer.Option("--string", help="The string of addresses that are mere numbers.")] = 0,
    scan: Annotated[
        Path | None, typer.Option("--scan", help="Instead of a file: ask the bus of this site file.", exists=True)
    ] = None,
    site: Annotated[
        Path | None, typer.Option("--site", help="With a CSV: the site file that must know the battery.", exists=True)
    ] = None,
    device: Annotated[str, typer.Option("--device", help="With --scan: the manager whose modules are asked.")] = "",
    out: Annotated[Path, typer.Option("--out", help="Folder for the files that are made.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    as_json: Json = False,
) -> int:
    """Make the site file's list of jars from a spreadsheet's CSV, or from the modules that answer on the bus.

    Semicolons, decimal commas, quoted cells, German or English headings are understood. Every fault is told at once
    with line and column, and then nothing is written; no file is written over without --force. Each string gets a file
    of its own, to be named under jars: of that string. A site file that describes batteries must know this one. Exit 1
    when there were faults or no module answered.

    Example: ampward import jars list.csv --battery demo/r1/bat1 --site site.yaml

    Example: ampward import jars --scan site.yaml --device bacs --battery demo/r1/bat1 --string 1
    """
    if (file is None) == (scan is None):
        raise Trouble("what to read is not clear, allowed: a CSV file, or --scan SITE.yaml --device ID", Exit.USAGE)
    name = _battery(battery)
    if not 0 <= string <= 99:
        raise Trouble(f"--string {string}: no number of a string, allowed: 1 to 99", Exit.USAGE)
    site = scan or site
    if site is not None:
        _must_know(site, battery)
    if scan is not None:
        return _from_bus(scan, device, name, string or 1, out, force=force, as_json=as_json)
    assert file is not None
    from shared.runtime.site_file.jar_import import read_spreadsheet

    made = read_spreadsheet(file, string or None)
    if made.faults:
        if as_json:
            faults = [{"line": one.line, "col": one.col, "key": one.key, "message": str(one)} for one in made.faults]
            write_json({"faults": faults, "files": []})
        else:
            for fault in made.faults:
                write(plain(str(fault)))
        return Exit.NO
    files = _write(made.rows, name, out, force=force)
    if as_json:
        write_json({"faults": [], "files": files, "left_out": made.left_out})
    else:
        for heading in made.left_out:
            write(plain(f"left out: the column {heading}"))
        _tell(files)
    return Exit.DONE


def _battery(path: str) -> str:
    """The battery's id."""
    from shared.domain.ids import ID_ALLOWED, is_id

    parts = path.split("/")
    if len(parts) != 3 or not all(is_id(part) for part in parts):
        raise Trouble(f"--battery {path}: names no battery, allowed: SITE/ROOM/BATTERY, each {ID_ALLOWED}", Exit.USAGE)
    return parts[2]


def _must_know(site: Path, battery: str) -> None:
    """A site file without any battery is one that is being written: its jars may come first."""
    model = _source(site).model
    known = [f"{model.site.id}/{name}/{one}" for name, room in model.rooms.items() for one in room.batteries]
    if known and battery not in known:
        raise Trouble(f"--battery {battery}: not in {site}, allowed: {', '.join(known)}", Exit.USAGE)


def _source(site: Path) -> Any:
    """The site file, as far as it can be read. Its lists of jars need not be there."""
    from shared.runtime.site_file.loading import load_source

    source, faults = load_source(site, os.environ)
    if source is None:
        raise Trouble(f"{faults[0]} (`ampward check {site}` shows all)", Exit.NO)
    return source


def _write(rows: dict[int, list[dict[str, str]]], name: str, out: Path, *, force: bool) -> list[dict[str, Any]]:
    """One file a string; all or, when one is there and may not be written over, none."""
    from shared.runtime.site_file.jar_import import written

    places = {string: out / f"jars-{name}-s{string}.csv" for string in sorted(rows)}
    there = [str(path) for path in places.values() if path.exists()]
    if there and not force:
        raise Trouble(f"{', '.join(there)}: there already, allowed: --force, or another --out", Exit.NO)
    out.mkdir(parents=True, exist_ok=True)
    for string, path in places.items():
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_text(written(rows[string]), encoding="utf-8")
        part.replace(path)
    return [{"string": string, "file": str(path), "jars": len(rows[string])} for string, path in places.items()]


def _tell(files: list[dict[str, Any]]) -> None:
    for one in files:
        write(f"{one['file']}: {one['jars']} jars; in the site file: s{one['string']}: {{jars: {one['file']}, ...}}")


def _from_bus(site: Path, device: str, name: str, string: int, out: Path, *, force: bool, as_json: bool) -> int:
    import asyncio

    bus, plan, channels = _asked(site, device)
    with progress_bar(f"asking {device}") as tell:
        identity, modules = asyncio.run(_scan(bus, plan, channels, tell))
    there = [one for one in modules if one.is_there]
    rows = [{"address": f"{at}S{string}", "module": str(one.number)} for at, one in enumerate(there, 1)]
    files = _write({string: rows}, name, out, force=force) if rows else []
    if as_json:
        told = [{"module": one.number, "values": _values(one)} for one in there]
        write_json({"identity": identity, "asked": len(modules), "modules": told, "files": files})
        return Exit.DONE if rows else Exit.NO
    write(f"{device}: identity {plain(identity)}; {len(there)} of {len(modules)} modules answer")
    if not there:
        write(f"Nobody answers. Is the line connected, the device on, its address right? See: ampward probe {site}")
    lines = [
        (str(one.number), row["address"], *(_values(one).get(key, "") for key in CHANNELS))
        for one, row in zip(there, rows, strict=True)
    ]
    for line in table(("module", "address", *CHANNELS), lines):
        write(line)
    _tell(files)
    return Exit.DONE if rows else Exit.NO


def _values(module: Any) -> dict[str, str]:
    """By the channel's own name: voltage -> "2.23 V"."""
    return {
        one.channel.partition("_")[2]: one.label or (f"{one.value} {one.unit}" if one.unit != "state" else one.value)
        for one in module.values
        if one.value
    }


def _asked(site: Path, device: str) -> tuple[Any, Any, list[list[Any]]]:
    """The bus and the device of a site file, and the channels of each of its modules."""
    from shared.devices.blocks import plan_device
    from shared.runtime.site_file.compiling import buses
    from shared.runtime.site_file.names import group_with, load_profiles

    source = _source(site)
    names = load_profiles(source, os.environ)
    model, profile = source.model.devices.get(device), names.profiles.get(device)
    grouped = {one: group_with(found, CHANNELS) for one, found in names.profiles.items()}
    allowed = ", ".join(one for one, found in grouped.items() if found is not None) or "none of this site has modules"
    group = grouped.get(device)
    if model is None or profile is None or group is None:
        raise Trouble(f"--device {device or '(none)'}: no manager of modules, allowed: {allowed}", Exit.USAGE)
    bus = next((one for one in buses(source) if one.id == model.bus), None)
    if bus is None:
        raise Trouble(f"{device} is on the bus {model.bus}, which cannot be asked here", Exit.NO)
    plan = plan_device(profile, device_id=device, bus=model.bus, unit=model.unit, every_ms=model.every, rooms=())
    short = [channel.name for channel in group.channels if channel.name in CHANNELS]
    modules = [[group.channel(number, name) for name in short] for number in range(1, group.count + 1)]
    return bus, plan, modules


async def _scan(bus: Any, plan: Any, channels: list[list[Any]], tell: Any) -> Any:
    from services.collector.module_scan import scan_modules
    from shared.fieldbus.lines import open_line
    from shared.runtime.clocks import SystemClock

    line = open_line(bus)
    try:
        return await scan_modules(plan, channels, line.reader, SystemClock(), tell)
    finally:
        await line.reader.close()
