"""Files pushed to the sites of a fleet in waves, and the list of what does not stand as it was pushed."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from services.site.command.options import Json
from services.site.command.output import plain, table, write, write_json
from services.site.command.trouble import Exit, Trouble

if TYPE_CHECKING:
    from services.fleet.supervise_push import Target
    from shared.runtime.postgres import Pool

LOOK_S = 0.5
T = TypeVar("T")
Folder = Annotated[Path, typer.Option("--dir", help="The fleet's folder, with fleet.yaml.")]
FOLDER = Path("data/fleet")
Sites = Annotated[str, typer.Option("--sites", help="Sites, by comma.", show_default=False)]
COLUMNS = ("SITE", "FILE", "WAVE", "STATE", "WANTED", "ON THE BOX", "WHY")


def push(
    file: Annotated[Path, typer.Argument(help="File that the sites include.", exists=True, dir_okay=False)],
    sites: Sites,
    wave: Annotated[int, typer.Option("--wave", min=1, help="A wave begins when those before it are accepted.")] = 1,
    wait: Annotated[int, typer.Option("--wait", min=0, help="Seconds to wait for the sites' answers.")] = 120,
    folder: Folder = FOLDER,
    as_json: Json = False,
) -> int:
    """Push a rules or people file to sites, each of which checks it and accepts or refuses.

    A site takes only a file that its site file names under include:, by its name; the check is that of `ampward check`.
    The order is signed by the fleet's supervisor, which sends it until the site has answered.
    Exit 1 when a site refused or has not answered in time, 3 when the file cannot be pushed.

    Example: ampward fleet push people.yaml --sites north,south --wave 1
    """
    from services.fleet import supervise_push
    from shared.domain.errors import ConfigError

    names = _named(sites)
    try:
        body = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise Trouble(f"{file}: cannot be read as UTF-8 text: {fault}") from None

    async def run(pool: "Pool") -> "list[Target]":
        number = await supervise_push.push(pool, file.name, body, names, wave=wave, actor=_actor())
        end = time.monotonic() + wait
        while True:
            found = await supervise_push.targets(pool, number)
            if time.monotonic() >= end or all(one.state != supervise_push.PENDING for one in found):
                return found
            await asyncio.sleep(LOOK_S)

    try:
        found = _on_database(folder, run)
    except ConfigError as fault:
        raise Trouble(str(fault)) from None
    _show(found, as_json=as_json)
    return Exit.DONE if all(one.state == supervise_push.ACCEPTED for one in found) else Exit.NO


def withdraw(
    name: Annotated[str, typer.Argument(help="Name of a file that was pushed: rules.yaml.", show_default=False)],
    sites: Sites,
    folder: Folder = FOLDER,
) -> int:
    """Want a pushed file no more at sites: one that they cannot take, or one that its box may change again.

    It goes off the list of `ampward fleet drift` and its alarm returns; what stands on a box stays there. Who withdrew
    it is recorded. Exit 3 when it was not pushed to one of the sites; then nothing is withdrawn.

    Example: ampward fleet withdraw rules.yaml --sites north
    """
    from services.fleet import supervise_push
    from shared.domain.errors import ConfigError

    names = _named(sites)
    try:
        _on_database(folder, lambda pool: supervise_push.withdraw(pool, name, names, actor=_actor()))
    except ConfigError as fault:
        raise Trouble(str(fault)) from None
    write(f"{name} is wanted no more at {', '.join(names)}")
    return Exit.DONE


def _named(sites: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in sites.split(",") if name.strip()))
    if not names:
        raise Trouble("--sites: none is named, allowed: one or more sites, by comma", Exit.USAGE)
    return names


def _actor() -> str:
    return f"cli:{os.environ.get('USER', '') or os.getuid()}"


def drift(folder: Folder = FOLDER, as_json: Json = False) -> int:
    """List every file that was pushed, and at which sites it is not what stands there.

    STATE is pending (no answer yet), accepted, refused (WHY says the site's words) or changed (it was accepted, and is
    another file on the box now). Exit 1 when a site refused or changed a file.

    Example: ampward fleet drift
    """
    from services.fleet import supervise_push

    found = _on_database(folder, supervise_push.targets)
    _show(found, as_json=as_json)
    return Exit.NO if any(one.is_drift for one in found) else Exit.DONE


def _show(found: "Sequence[Target]", *, as_json: bool) -> None:
    if as_json:
        write_json({"items": [one._asdict() for one in found]})
        return
    rows = [
        (one.site, one.name, str(one.wave), one.state, one.wanted[:12], one.actual[:12], plain(one.words))
        for one in found
    ]
    for line in table(COLUMNS, rows) if rows else ("nothing was pushed",):
        write(line)


def _on_database(folder: Path, work: "Callable[[Pool], Awaitable[T]]") -> T:
    """On the fleet's database, in the form of the supervisor's schema."""
    from services.fleet.supervise_log import MIGRATIONS
    from shared.domain.errors import AmpwardError, ConfigError
    from shared.runtime.fleet_file import read_fleet
    from shared.runtime.postgres import TROUBLE, DatabaseAway, close, connect, migrate

    config = folder / "fleet.yaml"
    if not config.is_file():
        raise Trouble(f"{config}: there is no such file; allowed: the folder of `ampward fleet up`, or of fleet.yaml")

    async def run() -> T:
        pool = await connect(read_fleet(config, os.environ, "supervisor").postgres_url(), "fleet push", pool=1)
        try:
            await migrate(pool, MIGRATIONS)
            return await work(pool)
        except TROUBLE as fault:
            raise DatabaseAway(
                f"PostgreSQL went away ({type(fault).__name__}): `ampward fleet drift` says later what it has noted"
            ) from fault
        finally:
            await close(pool)

    try:
        return asyncio.run(run())
    except ConfigError:
        raise
    except AmpwardError as fault:
        raise Trouble(str(fault)) from None
