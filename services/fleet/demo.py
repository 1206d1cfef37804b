"""A fleet to look at: simulated sites that are joined to it, people who are told, and the mailbox that they read.

    DIR/demo/SITE/          the data folder of a simulated site
    DIR/demo/SITE/site/     its site file, rules, people and devices: a copy of the shipped ones, its own from then on
    DIR/people.yaml         whom the notifier tells: a copy of the shipped example, the user's to change
    DIR/messages.jsonl      what came for them (services.fleet.mailbox)

A site is enrolled when it is not yet; all its names and addresses come to it by the environment, so that one file can
be every site's. Each has a copy of its own all the same, since files are pushed to sites one by one. Nothing of a
site is special: it goes on alone when the fleet is away.
"""

import http.client
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from services.fleet.identities import Book
from services.fleet.servers import Server, Started
from shared.runtime.places import RUN, find_file

MAILBOX: Final = "mailbox"
NOTIFIER: Final = "notifier"
PEOPLE: Final = "people.yaml"
MESSAGES: Final = "messages.jsonl"
FOLDER: Final = "demo"
SITE: Final = "site"
ASK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Demo:
    """Which sites, and the files that stand for them."""

    sites: tuple[str, ...]
    site_file: Path
    people: Path


def server_name(site: str) -> str:
    """Of its process in fleet.json and its log."""
    return f"site-{site}"


def port_names(sites: Iterable[str]) -> tuple[str, ...]:
    """What is to be had a port for: of each site its interface and its devices, and the mailbox."""
    return (MAILBOX, *(f"{server_name(site)}{part}" for site in sites for part in ("-http", "-devices")))


def have(book: Book, sites: Iterable[str]) -> Iterator[str]:
    """The fleet's own identity and these sites in the book; says what of that is new, and who has ended: a start makes
    nobody anew whom `ampward revoke` has ended. Raises ConfigError for a name that is none."""
    book.have_fleet()
    known = {entry.site: entry for entry in book.entries()}
    for site in sites:
        if site not in known:
            book.enroll(site)
            yield f"{site}: enrolled"
        elif known[site].is_ended:
            yield f"{site}: it was ended and is not run, `ampward enroll {site}` makes it anew"
    book.publish()


def living(book: Book, sites: Iterable[str]) -> tuple[str, ...]:
    """Those that were not ended."""
    return tuple(site for site in sites if not book.entry(site).is_ended)


def data_of(folder: Path, site: str) -> Path:
    return folder / FOLDER / site


def site_server(folder: Path, demo: Demo, site: str, identity: Path, addresses: Mapping[str, str]) -> Server:
    """A site's process; ``addresses`` has kafka and mqtt, and its own http and devices as HOST:PORT."""
    data = data_of(folder, site)
    site_file = place_site(data / SITE, demo.site_file)
    command = (program(), "run", str(site_file), "--data", str(data), "--no-view")
    environment = {
        "AMPWARD_SITE": site,
        "AMPWARD_KAFKA": addresses["kafka"],
        "AMPWARD_MQTT": addresses["mqtt"],
        "AMPWARD_IDENTITY": str(identity),
        "AMPWARD_HTTP": addresses["http"],
        "AMPWARD_DEMO_PORT": addresses["devices"].rpartition(":")[2],
    }
    name = server_name(site)
    return Server(name, command, folder / "logs" / f"{name}.log", is_ready=always, environment=environment)


def mailbox_server(folder: Path, port: int) -> Server:
    """What takes the messages of the shipped people."""
    command = (sys.executable, "-P", "-m", "services.fleet.mailbox", str(port), str(folder / MESSAGES))
    return Server(MAILBOX, command, folder / "logs" / f"{MAILBOX}.log", is_ready=always)


def place_site(own: Path, example: Path) -> Path:
    """A site's own site file: the shipped one with the files beside it, unless it has one already."""
    placed = own / example.name
    if not placed.exists():
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in example.parent.iterdir():
            if file.is_file() and file != example:
                shutil.copyfile(file, own / file.name)
        shutil.copyfile(example, placed)
    return placed


def place_people(folder: Path, example: Path) -> None:
    """The shipped people, unless there are others."""
    if not (folder / PEOPLE).exists():
        shutil.copyfile(example, folder / PEOPLE)


def program() -> str:
    """The command of this installation."""
    return str(Path(sys.executable).with_name("ampward"))


def always(_started: Started) -> bool:
    """Of a process that waits for its servers itself: nobody waits for it when it is started again."""
    return True


def is_trip_ready(folder: Path, site: str) -> Callable[[Started], bool]:
    """Whether this start of a site has written its record."""

    def look(started: Started) -> bool:
        with suppress(OSError, ValueError, KeyError):
            return bool(json.loads(find_file(data_of(folder, site), RUN).read_bytes())["pid"] == started.pid)
        return False

    return look


def is_answering(url: str) -> Callable[[Started], bool]:
    """Whether a service says on its /readyz that it is ready."""
    address = urlsplit(url).netloc

    def look(_started: Started) -> bool:
        line = http.client.HTTPConnection(address, timeout=ASK_S)
        try:
            line.request("GET", "/readyz")
            return line.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()

    return look
