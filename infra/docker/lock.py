"""Parts of requirements.lock for an image, with their hashes: `python lock.py run` or `python lock.py build`.

    run      what ampward and its extras need at run time, without those of developers
    build    what its wheel is built with

One lock for everything: an image holds the very versions that were tested. What needs what is read from the lock's own
"via" comments, so that nothing has to be installed first. An image may get a package more than it needs, never one
less.
Run beside pyproject.toml and requirements.lock. Standard library only.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

NOT_IN_IMAGES = ("dev", "amqtt")
"""Extras of developers, and the broker for machines that have none."""
_ENTRY = re.compile(r"(?m)^[a-z0-9][^\n]*\\\n(?:[ ]+--hash=[^\n]*\n)+(?:[ ]+#[^\n]*\n)*")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_OWN = re.compile(r"ampward\[([a-z, ]+)\]")


class Entry(NamedTuple):
    """One package of the lock."""

    name: str
    text: str
    via: tuple[str, ...]
    """Who needs it."""


def main(arguments: list[str]) -> int:
    """Prints the lines."""
    if arguments not in (["run"], ["build"]):
        sys.stderr.write("usage: lock.py run|build\n")
        return 2
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    wanted = run_names(project) if arguments == ["run"] else names(project["build-system"]["requires"])
    sys.stdout.write("".join(entry.text for entry in needed(Path("requirements.lock").read_text("utf-8"), wanted)))
    return 0


def run_names(project: dict[str, dict[str, object]]) -> set[str]:
    """What pyproject.toml itself asks for at run time."""
    table = project["project"]
    extras: dict[str, list[str]] = table["optional-dependencies"]  # type: ignore[assignment]
    texts: list[str] = list(table["dependencies"])  # type: ignore[call-overload]
    texts += [text for extra, found in extras.items() if extra not in NOT_IN_IMAGES for text in found]
    return names(text for text in texts if not _OWN.match(text))


def names(requirements: Iterable[str]) -> set[str]:
    """Canonical names of requirements."""
    return {re.sub(r"[-_.]+", "-", found[0]).lower() for text in requirements if (found := _NAME.match(text))}


def entries(lock: str) -> Iterator[Entry]:
    """Every package of the lock, in its order."""
    for text in _ENTRY.findall(lock):
        name = re.split(r"[=<>! ;\[]", text, maxsplit=1)[0]
        comment = " ".join(line.strip(" #") for line in text.splitlines() if line.lstrip().startswith("#"))
        yield Entry(name, text, tuple(re.findall(r"[a-z0-9][a-z0-9-]+", comment.removeprefix("via"))))


def needed(lock: str, wanted: set[str]) -> list[Entry]:
    """The wanted packages and whatever they need. Exit when one is not in the lock."""
    found = list(entries(lock))
    if missing := wanted - {entry.name for entry in found}:
        raise SystemExit(f"not in requirements.lock: {', '.join(sorted(missing))}")
    chosen, size = set(wanted), -1
    while len(chosen) != size:
        size = len(chosen)
        chosen |= {entry.name for entry in found if chosen.intersection(entry.via)}
    return [entry for entry in found if entry.name in chosen]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
