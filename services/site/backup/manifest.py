"""manifest.json, the first member of a backup: what it is of, who made it, and every other member by size and SHA-256.

Refuses: a manifest of a newer format, or a backup that holds a file of a newer format, both with the version of the
program that made it. Limits: 1 MiB, 2,000 members.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import PurePosixPath
from typing import Any

from services.site.formats import FORMATS
from shared.domain.errors import AmpwardError, LogNewer

NAME = "manifest.json"
KIND = "ampward-backup"
BYTES_MAX = 1 << 20
MEMBERS_MAX = 2_000
SEALED = "secrets.sealed"
SITE = "site"
PLAIN = ("log.db", "notify.db", "history.db", "tokens.json", "commission.json", "undurable.mark", SEALED)
"""Members beside those below ``site/``."""


class CannotBackUp(AmpwardError):
    """The backup or restore could not be tried."""


class Unsound(AmpwardError):
    """What was to be backed up, or the backup, is not what was written."""


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    size: int
    sha256: str
    was: str = ""
    """Where the file stood on the box that was backed up, when that is not the data folder."""


@dataclass(frozen=True, slots=True)
class Manifest:
    id: str
    """Random: names this backup."""
    made_at: str
    program: str
    formats: dict[str, int]
    site: str
    log_id: str
    head_seq: int
    head_hash: str
    source: str
    """The site file among the members, or empty."""
    left_out: tuple[str, ...]
    """Secrets that are not here, by where they stood."""
    members: tuple[Member, ...]

    @property
    def is_sealed(self) -> bool:
        """Whether it has secrets."""
        return any(member.name == SEALED for member in self.members)

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members)

    def bound(self) -> bytes:
        """What the sealed secrets are bound to: they cannot be moved into another backup."""
        return json.dumps([KIND, self.id, self.site, self.log_id, self.head_seq, self.head_hash]).encode()


def encode_manifest(manifest: Manifest) -> bytes:
    return json.dumps({"kind": KIND, "format": FORMATS["backup"], **asdict(manifest)}, indent=1).encode() + b"\n"


def decode_manifest(data: bytes) -> Manifest:
    """Raises LogNewer with the version of the program that can read it, Unsound for anything that is no manifest."""
    try:
        said = json.loads(data)
        if said["kind"] != KIND:
            raise ValueError(f"kind {str(said['kind'])[:40]!r}")
        _refuse_newer(said)
        made = Manifest(**{field.name: said[field.name] for field in fields(Manifest)})
        members = tuple(Member(**member) for member in made.members)  # type: ignore[arg-type]
        return _checked(made, members)
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise Unsound(f"{NAME} is not one of a backup of ampward ({type(fault).__name__}: {fault})") from fault


def _refuse_newer(said: dict[str, Any]) -> None:
    program = str(said["program"])[:40]
    if int(said["format"]) > FORMATS["backup"]:
        raise LogNewer(
            f"the backup has format {int(said['format'])} (made by ampward {program}), this program reads up to "
            f"{FORMATS['backup']}: restore it with the newer program"
        )
    for name, form in said["formats"].items():
        if int(form) > FORMATS.get(str(name), 0):
            raise LogNewer(
                f"{str(name)[:40]} in the backup has format {int(form)} (made by ampward {program}), this program "
                f"reads up to {FORMATS.get(str(name), 0)}: restore it with the newer program"
            )


def _checked(made: Manifest, members: tuple[Member, ...]) -> Manifest:
    whole = Manifest(**{field.name: getattr(made, field.name) for field in fields(Manifest) if field.name != "members"},
                     members=members)  # fmt: skip
    texts = [made.id, made.made_at, made.program, made.site, made.log_id, made.head_hash, made.source, *made.left_out]
    if not all(isinstance(text, str) for text in texts) or not isinstance(made.head_seq, int):
        raise ValueError("a value is of another type")
    if len(members) > MEMBERS_MAX or len({member.name for member in members}) != len(members):
        raise ValueError("too many members, or one twice")
    for member in members:
        is_hash = len(member.sha256) == 64 and isinstance(member.was, str)
        if not is_safe(member.name) or not isinstance(member.size, int) or member.size < 0 or not is_hash:
            raise ValueError(f"member {member.name[:80]!r}")
    return whole


def is_safe(name: str) -> bool:
    """Whether a member of this name stays inside the folder it is put into, and is one of ours."""
    path = PurePosixPath(name)
    is_plain = str(path) == name and not path.is_absolute() and ".." not in path.parts and "\0" not in name
    return name in PLAIN or (is_plain and len(path.parts) > 1 and path.parts[0] == SITE)
