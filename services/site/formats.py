"""Formats of what is stored, in one place that costs nothing to load, and DIR/program.json that says who wrote it last.

A newer program opens every older folder. An older one refuses a newer folder before anything is started, with the
version that wrote it; a guard that still protects is left alone. Each store refuses by itself too (a file may be put
into a folder by hand).
"""

import json
from collections.abc import Callable
from pathlib import Path

from shared.domain.errors import LogNewer
from shared.runtime import places

FORMATS = {"log.db": 1, "notify.db": 1, "history.db": 1, "tokens.json": 1, "backup": 1, "core": 1}
"""tests/services/site/test_formats.py compares them with the stores' own."""
PROGRAM = "program.json"


def write_program(data: Path, version: str) -> None:
    """Say that this program has written here; nothing when it is said already."""
    body = json.dumps({"version": version, "formats": FORMATS}, sort_keys=True).encode() + b"\n"
    path = places.find_file(data, PROGRAM)
    if not path.exists() or path.read_bytes() != body:
        places.write_file(data, PROGRAM, body)


def refuse_newer(data: Path) -> None:
    """Raises LogNewer when a program with a newer format has written into this folder. A torn file says nothing."""
    try:
        said = json.loads(places.find_file(data, PROGRAM).read_bytes())
        version, formats = str(said["version"])[:40], {str(name): int(form) for name, form in said["formats"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    for name, form in formats.items():
        if form > FORMATS.get(name, 0):
            raise LogNewer(
                f"{data}: {name} has format {form} (written by ampward {version}), this program reads up to "
                f"{FORMATS.get(name, 0)}: start ampward {version} or newer"
            )


def check_files(data: Path) -> None:
    """Raises LogNewer when a file itself says that it is of a newer format. One that cannot be read says nothing."""
    for name, form_of in _FORMS.items():
        path = data / name
        form = form_of(path) if path.is_file() else 0
        if form > FORMATS[name]:
            raise LogNewer(
                f"{path} has format {form}, this program reads up to {FORMATS[name]}: start the newer program"
            )


def _asked(path: Path, query: str) -> int:
    import sqlite3
    from urllib.parse import quote

    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5.0)
        try:
            return int(connection.execute(query).fetchone()[0])
        finally:
            connection.close()
    except (sqlite3.Error, TypeError, ValueError):
        return 0


def _of_log(path: Path) -> int:
    return _asked(path, "SELECT value FROM meta WHERE key = 'format'")


def _of_ledger(path: Path) -> int:
    return _asked(path, "PRAGMA user_version")


def _of_history(path: Path) -> int:
    return _asked(path, "SELECT value FROM meta WHERE key = 'form'")


def _of_tokens(path: Path) -> int:
    try:
        return int(json.loads(path.read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


_FORMS: dict[str, Callable[[Path], int]] = {
    "log.db": _of_log,
    "notify.db": _of_ledger,
    "history.db": _of_history,
    "tokens.json": _of_tokens,
}
