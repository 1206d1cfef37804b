"""The fleet's centre on this machine: its servers up and down, Kafka's topics made and compared."""

import asyncio
import datetime
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.site.command import repository_file
from services.site.command.client import not_up
from services.site.command.options import Json
from services.site.command.output import plain, table, write, write_json
from services.site.command.pushing import drift, push, withdraw
from services.site.command.trouble import Exit, Trouble

if TYPE_CHECKING:
    from shared.log.kafka.access import Access

PANEL = "Fleet"
LOOK_S = 0.05
DOWN_S = 90.0
"""Services have 30 s to hand over, and then their servers as long."""

CENTRE = ("processor", "gateway", "notifier", "history", "supervisor", "kpi", "bridge")
"""The services that a centre has, and runs when nobody says otherwise."""
Folder = Annotated[Path, typer.Option("--dir", help="The fleet's folder: configuration, data, logs, fleet.json.")]
FOLDER = Path("data/fleet")


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    fleet = typer.Typer(no_args_is_help=True, help="The fleet's servers: up, down, topics; set-up elsewhere.")
    fleet.command("up")(up)
    fleet.command("down")(down)
    fleet.command("topics")(topics)
    fleet.command("push")(push)
    fleet.command("withdraw")(withdraw)
    fleet.command("drift")(drift)
    fleet.command("set-up")(set_up)
    app.add_typer(fleet, name="fleet", rich_help_panel=PANEL)


def up(
    folder: Folder = FOLDER,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay until INT or TERM, then stop the servers.")
    ] = False,
    secure: Annotated[
        bool, typer.Option("--secure", help="TLS, users and rights for all; certificates are made in DIR/security.")
    ] = False,
    host: Annotated[
        list[str] | None, typer.Option("--host", help="A further name of this machine in the certificates.")
    ] = None,
    services: Annotated[
        str,
        typer.Option(
            "--services",
            help=f"Services of the centre to keep running too, by comma; empty: none; else {', '.join(CENTRE)}.",
            show_default=False,
        ),
    ] = ",".join(CENTRE),
    sites: Annotated[
        str, typer.Option("--sites", help="Simulated sites to run too, joined to the fleet; empty: none.")
    ] = "north,south",
    kafka_jars: Annotated[
        Path | None, typer.Option("--kafka-jars", help="Folder with Kafka's jars; else Maven fetches the pinned ones.")
    ] = None,
) -> int:
    """Start Apache Kafka, Mosquitto and PostgreSQL on free ports of loopback, topics, centre and two demo sites.

    Writes DIR/fleet.json {kafka, mqtt, postgres, gateway, pids} when everything is ready and returns; all of it runs on
    until `ampward fleet down`. Whatever ends by itself is started again. A demo site is enrolled and runs with
    simulated devices in DIR/demo/SITE. The servers listen on loopback only, in clear
    unless --secure is given at the folder's first start. DIR/fleet.yaml is for more of `ampward service`.
    Exit 3 when a server cannot be had or the folder is another launcher's.

    Example: ampward fleet up --dir data/fleet
    """
    command = [sys.executable, "-P", "-m", "services.fleet", str(folder)]
    command += ["--kafka-jars", str(kafka_jars)] if kafka_jars is not None else []
    command += [word for name in _services(services) for word in ("--service", name)]
    command += _demo(sites)
    command += ["--secure"] if secure else []
    command += [word for name in host or [] for word in ("--host", name)]
    if foreground:
        os.execv(sys.executable, command)
    logs = folder / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = logs / "launcher.log"
    begin = log.stat().st_size if log.exists() else 0
    with log.open("ab") as out:
        launcher = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _follow(launcher, folder, log, begin)
    except KeyboardInterrupt:
        launcher.terminate()
        raise
    return Exit.DONE


def _follow(launcher: "subprocess.Popen[bytes]", folder: Path, log: Path, begin: int) -> None:
    """Repeat what the launcher says until everything is ready. Raises Trouble when it ends before."""
    with log.open("r", encoding="utf-8", errors="replace") as said:
        said.seek(begin)
        while True:
            is_over = launcher.poll() is not None or is_ready(folder, launcher.pid)
            for line in said:
                write(plain(line.rstrip("\n")))
            sys.stdout.flush()
            if is_over:
                break
            time.sleep(LOOK_S)
    if launcher.poll() is not None:
        raise Trouble(f"the fleet's servers did not start, see {log}")


def _services(text: str) -> tuple[str, ...]:
    """The names. Raises Trouble for one that is no service."""
    from services.site.command.service import SERVICES

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if wrong := next((name for name in names if name not in SERVICES), ""):
        raise Trouble(f"--services {wrong}: no such service, allowed: {', '.join(SERVICES)}", Exit.USAGE)
    return names


def _demo(text: str) -> list[str]:
    """The launcher's words for the demo's files and sites. Raises Trouble."""
    from services.fleet.identities import RESERVED
    from shared.domain.ids import ID_ALLOWED, is_id

    sites = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if wrong := next((name for name in sites if not is_id(name) or name in RESERVED), ""):
        allowed = f"{ID_ALLOWED}, and none of {', '.join(RESERVED)}"
        raise Trouble(f"--sites {wrong[:60]}: no id of a site, allowed: {allowed}", Exit.USAGE)
    site_file, people = (repository_file(f"infra/sites/fleet/{name}") for name in ("site.yaml", "centre/people.yaml"))
    if not site_file.exists() or not people.exists():
        if sites:
            raise Trouble(
                f"there is no {site_file}: this installation has no demo sites, allowed: --sites ''", Exit.USAGE
            )
        return []
    words = [word for site in sites for word in ("--site", site)]
    return [*words, "--site-file", str(site_file), "--people", str(people)]


def down(folder: Folder = FOLDER) -> int:
    """Stop the servers that `ampward fleet up` started. Exit 0 also when none run.

    Example: ampward fleet down --dir data/fleet
    """
    from services.fleet.launcher import holder

    pid = holder(folder)
    if not pid:
        write(f"no fleet runs in {folder}")
        return Exit.DONE
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return Exit.DONE
    try:
        if holder(folder) == pid:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not select.select([descriptor], [], [], DOWN_S)[0]:
            raise Trouble(f"the launcher (pid {pid}) still runs after {DOWN_S:g} s, see {folder}/logs/launcher.log")
    finally:
        os.close(descriptor)
    write("the fleet's servers are stopped")
    return Exit.DONE


def topics(
    folder: Folder = FOLDER,
    make: Annotated[bool, typer.Option("--make", help="Make the topics that are missing.")] = False,
    as_json: Json = False,
) -> int:
    """Compare Kafka's topics with what they must be: partitions, replication, retention, compaction, sizes.

    Nothing that is there is ever changed. Exit 1 when something differs, 3 when Kafka cannot be asked.

    Example: ampward fleet topics --make
    """
    from shared.bus.registry import ALL, ONE_NODE
    from shared.log.kafka.topics import drifts, set_up

    access = admin(folder)
    made = asyncio.run(set_up(access, ALL, ONE_NODE)) if make else ()
    found = asyncio.run(drifts(access, ALL, ONE_NODE))
    if as_json:
        told = [
            {
                "topic": one.topic,
                "setting": one.setting,
                "wanted": one.wanted,
                "found": one.found,
                "grave": one.is_grave,
            }
            for one in found
        ]
        write_json({"made": made, "drifts": told})
        return Exit.NO if found else Exit.DONE
    differing = {drift.topic for drift in found}
    rows = [
        (topic.name, topic.key, "differs" if topic.name in differing else "made" if topic.name in made else "as stated")
        for topic in ALL
    ]
    for line in table(("topic", "key", "is"), rows):
        write(line)
    for difference in found:
        write(str(difference))
    return Exit.NO if found else Exit.DONE


def set_up(
    config: Annotated[
        Path, typer.Option("--config", help="Fleet file (YAML).", exists=True, dir_okay=False, readable=True)
    ],
    folder: Folder = FOLDER,
    site: Annotated[list[str] | None, typer.Option("--site", help="Enrol this site when it is not.")] = None,
) -> int:
    """Make topics and registrations on a cluster that others run, as the user `admin` of the fleet file.

    Waits for Kafka. The book of sites and their identities stand in DIR, as with `ampward enroll`; what `ampward renew`
    and `ampward revoke` wrote there is said to the cluster. Twice changes nothing. Exit 1 when a topic is there and
    would lose records.

    Example: ampward fleet set-up --config fleet.yaml --dir book --site depot
    """
    from services.fleet.identities import Book
    from services.fleet.set_up import set_up_fleet
    from shared.runtime.fleet_file import read_fleet

    plan = read_fleet(config, os.environ, "admin")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    book = Book(folder.resolve(), None, plan.shape.partitions, plan.prefix, users_elsewhere=plan.is_tls)
    is_sound = asyncio.run(set_up_fleet(plan, book, tuple(site or ()), _say))
    return Exit.DONE if is_sound else Exit.NO


def _say(sentence: str) -> None:
    write(plain(sentence))
    sys.stdout.flush()


def admin(folder: Path) -> "Access":
    """How the administrator reaches the running fleet's Kafka. Raises Trouble when it does not run."""
    from services.fleet.launcher import SECURITY
    from services.fleet.vault import open_vault
    from shared.log.kafka.access import Access

    bootstrap, security = str(record(folder)["kafka"]), folder / SECURITY
    if not security.exists():
        return Access(bootstrap)
    return open_vault(security, datetime.datetime.now(datetime.UTC)).access(bootstrap)


def record(folder: Path) -> dict[str, Any]:
    """DIR/fleet.json. Raises Trouble when there is none."""
    try:
        found: dict[str, Any] = json.loads((folder / "fleet.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise not_up(folder) from None
    return found


def is_ready(folder: Path, pid: int) -> bool:
    """Whether the launcher of this pid has written its record."""
    try:
        record = json.loads((folder / "fleet.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return bool(record["pids"]["launcher"] == pid)
