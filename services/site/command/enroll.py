"""Sites of a fleet: their identities made, renewed and ended. They work on the fleet's folder, running or not."""

import asyncio
import datetime
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.site.command.fleet import FOLDER, LOOK_S, PANEL, Folder, admin, is_ready, record
from services.site.command.output import write
from services.site.command.trouble import Exit, Trouble
from shared.domain.errors import ConfigError

if TYPE_CHECKING:
    from services.fleet.identities import Book, Entry
    from shared.log.kafka.access import Access

Site = Annotated[str, typer.Argument(help="The site's id, as in its site file.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", help="Copy the folder for the site's box there; it must not exist.")]
BEGUN = ("sites", "security", "fleet.yaml")
"""One of these is in every folder of a fleet that is not empty: the book, an authority, the configuration."""


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    here: dict[str, Any] = {"rich_help_panel": PANEL}
    app.command("enroll", **here)(enroll)
    app.command("renew", **here)(renew)
    app.command("revoke", **here)(revoke)


def enroll(
    site: Site,
    folder: Folder = FOLDER,
    out: Out = None,
    hosted: Annotated[
        bool, typer.Option("--hosted", help="The site only speaks MQTT: the bridge keeps its log and signs for it.")
    ] = False,
) -> int:
    """Make a site's identity: signing key and registration; with security its certificate, Kafka user and rights.

    The folder for the site's box is DIR/identities/SITE; its site file names it: uplink: {identity: FOLDER}. What a
    running fleet has to know it is told at once, else at its next start. Exit 1 when the site is enrolled already or
    its id is none.

    Example: ampward enroll depot --dir data/fleet --out /media/stick/depot
    """
    _free(out)
    book = _book(folder)
    if hosted and out is not None and book.vault is None:
        raise Trouble("--hosted: without security nothing goes to its device, so no --out is allowed", Exit.USAGE)
    try:
        with book.alone():
            entry = book.enroll(site, is_hosted=hosted)
    except ConfigError as fault:
        raise Trouble(str(fault), Exit.NO) from fault
    told = _tell(folder, book, site, is_new=True)
    write(f"{site} is enrolled, partition {entry.partition}{told}")
    return _hand_out(book, entry, out)


def renew(
    site: Site,
    folder: Folder = FOLDER,
    out: Out = None,
    password: Annotated[
        bool, typer.Option("--password", help="A new Kafka password too: the site is refused until it has the folder.")
    ] = False,
) -> int:
    """Give a site a new signing key and certificate. The former ones stay good until they end or are revoked.

    _fleet is the centre's own supervision: it goes by its new key within seconds, the former one stays good, and pushed
    files are signed by the former one, which all boxes know. Give boxes their folders anew before the next renewal.

    Example: ampward renew depot --dir data/fleet --out /media/stick/depot
    """
    from services.fleet.identities import FLEET

    if site == FLEET and (out is not None or password):
        raise Trouble(f"{FLEET} has no box and no password: neither --out nor --password is allowed", Exit.USAGE)
    _free(out)
    book = _book(folder)
    with book.alone():
        entry = book.renew(site, password=password)
    told = _tell(folder, book, site, is_new=password)
    write(f"{site} has new keys{told}")
    if site == FLEET:
        write(f"the supervisor signs by what is in {book.identity(site)}, every folder for a box names the new key too")
        return Exit.DONE
    return _hand_out(book, entry, out)


def revoke(
    site: Site,
    folder: Folder = FOLDER,
    former: Annotated[
        bool, typer.Option("--former", help="End only what was before the last renewal, once the box has its folder.")
    ] = False,
) -> int:
    """End a site's identity: its keys, certificates, Kafka user and rights. What is connected may do nothing more.

    What it signs from now on is passed by everywhere at the centre; what it has sent before stays.

    Example: ampward revoke depot --dir data/fleet
    """
    book, now_ms = _book(folder), time.time_ns() // 1_000_000
    with book.alone():
        (book.revoke_former if former else book.revoke)(site, now_ms)
    told = _tell(folder, book, site, is_new=False)
    write(f"{site} has its newest key alone{told}" if former else f"{site} is ended{told}")
    return Exit.DONE


def _book(folder: Path) -> "Book":
    """The book of the fleet in this folder. Raises Trouble when there is no fleet in it."""
    from services.fleet.identities import Book
    from services.fleet.launcher import SECURITY
    from services.fleet.vault import open_vault
    from shared.bus.registry import ONE_NODE

    if not folder.is_dir() or (any(folder.iterdir()) and not any((folder / name).exists() for name in BEGUN)):
        raise Trouble(f"there is no fleet in {folder}: `ampward fleet up --dir {folder}` makes one")
    security = folder.resolve() / SECURITY
    vault = open_vault(security, datetime.datetime.now(datetime.UTC)) if security.exists() else None
    return Book(folder.resolve(), vault, ONE_NODE.partitions)


def _tell(folder: Path, book: "Book", site: str, *, is_new: bool) -> str:
    """Tell the servers when they run, or as soon as they do; gives the words for when they do not."""
    from services.fleet.applying import apply_site
    from services.fleet.launcher import holder

    if not holder(folder):
        return "; the fleet does not run, it is told at its next start"
    access = _once_up(folder)
    if access is None:
        return "; the fleet has ended meanwhile, it is told at its next start"
    with book.alone():
        asyncio.run(apply_site(access, book, book.entry(site), is_new=is_new))
    if book.vault is not None:
        _reload_mosquitto(int(record(folder)["pids"]["mqtt"]), str(folder.resolve()))
    return ""


def _once_up(folder: Path) -> "Access | None":
    """How Kafka is reached, once its launcher has started it; None when the launcher has ended. What begins may have
    read the book before it was changed: it is told nevertheless."""
    from services.fleet.launcher import holder

    said = False
    while (pid := holder(folder)) and not is_ready(folder, pid):
        if not said:
            write("the fleet is starting: it is told as soon as it is ready")
            sys.stdout.flush()
        said = True
        time.sleep(LOOK_S)
    return admin(folder) if pid else None


def _reload_mosquitto(pid: int, folder: str) -> None:
    """HUP: it reads its ACL and the revoked certificates again. Only ever to this folder's Mosquitto."""
    with suppress(ProcessLookupError, FileNotFoundError):
        descriptor = os.pidfd_open(pid)
        try:
            if folder.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                signal.pidfd_send_signal(descriptor, signal.SIGHUP)
        finally:
            os.close(descriptor)


def _free(out: Path | None) -> None:
    if out is not None and out.exists():
        raise Trouble(f"{out} exists; name a folder that does not", Exit.USAGE)
    if out is not None and not os.access(out.parent, os.W_OK | os.X_OK):
        raise Trouble(f"{out} cannot be made: {out.parent} is no folder to write into; name one that is", Exit.USAGE)


def _hand_out(book: "Book", entry: "Entry", out: Path | None) -> int:
    if entry.is_hosted and book.vault is None:
        write("nothing goes to its device: it speaks MQTT without a password here, and the bridge signs for it")
        return Exit.DONE
    made = book.identity(entry.site)
    if out is not None:
        shutil.copytree(made, out)
        out.chmod(0o700)
    write(f"for its box: {out or made} (holds its keys: it goes there and nowhere else)")
    return Exit.DONE
