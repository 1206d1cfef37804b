"""What of a site belongs into its backup beside the databases: site files by their place to each other, and secrets.

The files behind the plan in force are named by DIR/start.json; those that ship with the program are left out. Each goes
below ``site/``, relative to the folder that holds them all, so that what they say of each other stays true. Passwords,
keys and certificates are whatever the plan names in a value that ends with ``_file``.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import shared.devices
from services.site.backup.manifest import SITE
from services.site.start import read_start
from shared.devices.plan import SitePlan
from shared.domain.errors import WireError
from shared.domain.notify_plan import NotifyPlan
from shared.runtime import places
from shared.runtime.outside import may_hold_secret
from shared.wire.plans import decode_site

OPEN_FILES = ("ca_file", "cert_file")
"""Named like secrets, and none."""
ELSEWHERE = "elsewhere"
_SHIPPED = Path(shared.devices.__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Found:
    """One file to back up."""

    name: str
    """Of the member; of a secret where it is restored to."""
    path: Path
    was: str


@dataclass(frozen=True, slots=True)
class Collected:
    site: str
    """Id of the site, or empty when no plan is there."""
    source: str
    """Member name of the site file."""
    files: tuple[Found, ...]
    secrets: tuple[Found, ...]
    missing: tuple[str, ...]
    """Files that the plan names and that are not there."""
    urls: tuple[str, ...]
    """Keys of the site file whose URL may be a secret, and goes into the backup with the file."""


def collect(data: Path) -> Collected:
    """Reads only which files there are; never raises for one that is missing."""
    start = read_start(data)
    token = places.find_file(data, places.TOKEN)
    secrets = [Found(places.TOKEN, token, "")] if token.exists() else []
    if start is None:
        return Collected("", "", (), tuple(secrets), (), ())
    paths = [Path(path) for path in start.sources if not Path(path).is_relative_to(_SHIPPED)]
    paths += [Path(start.simulate)] if start.simulate else []
    root = Path(os.path.commonpath([str(path.parent) for path in paths])) if paths else Path("/")
    files = [Found(_name(path, root), path, str(path)) for path in dict.fromkeys(paths)]
    plan = _plan(data)
    for key, path in () if plan is None else _named_files(plan, data):
        found = Found(_name(path, root), path, str(path))
        (files if key in OPEN_FILES else secrets).append(found)
    source = next((found.name for found in files if found.was == start.source), "")
    there = {found: found.path.is_file() for found in (*files, *secrets)}
    return Collected(
        site=start.site,
        source=source,
        files=tuple(dict.fromkeys(found for found in files if there[found])),
        secrets=tuple(dict.fromkeys(found for found in secrets if there[found])),
        missing=tuple(dict.fromkeys(found.was for found, is_there in there.items() if not is_there)),
        urls=() if plan is None else _open_urls(plan.notify),
    )


def _name(path: Path, root: Path) -> str:
    if path.is_relative_to(root):
        return f"{SITE}/{path.relative_to(root)}"
    return f"{SITE}/{ELSEWHERE}/{path.relative_to('/')}"


def _plan(data: Path) -> SitePlan | None:
    """The plan in force, if it can be read."""
    try:
        return decode_site(places.find_file(data, places.SITE_PLAN).read_bytes())
    except (OSError, WireError):
        return None


def _open_urls(plan: NotifyPlan) -> tuple[str, ...]:
    urls = [("channels.webhook.url", one.url) for one in plan.webhook]
    urls += [("heartbeat.url", one.url) for one in plan.heartbeat]
    return tuple(key for key, url in urls if may_hold_secret(url))


def _named_files(plan: SitePlan, data: Path) -> Iterator[tuple[str, Path]]:
    """(key, file) of each value that names a file."""
    for key, value in _values(plan):
        if key.endswith("_file") and isinstance(value, str) and value:
            yield key, Path(os.path.normpath(value)) if Path(value).is_absolute() else (data / value).resolve()


def _values(plan: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(plan, tuple):
        for each in plan:
            yield from _values(each)
    elif is_dataclass(plan):
        for field in fields(plan):
            value = getattr(plan, field.name)
            yield field.name, value
            yield from _values(value)
