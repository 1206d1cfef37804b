"""A site file and the files it includes, read, validated and merged, with the place of every part kept.

Promises: every fault of form is found in one go; what is sound of a file with faults is still checked further, and
nothing is said about a part only because it, or what it needs, was already told (``Source.is_broken``).
Refuses: a key in two files, an included file that includes.
Limits: those of shared.runtime.documents for each file, 100 included files.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from shared.runtime.documents import Document, Fault, Place, load_document, validation_faults
from shared.runtime.site_file.models import ChannelsModel, IncludedFile, Sections, SiteFile

ROUNDS_MAX = 12
_TABLES = ("buses", "devices", "rooms", "rules", "matrix", "people")
_SINGLES = ("mqtt", "http", "simulate", "log", "uplink", "northbound")

_Part = TypeVar("_Part", bound=Sections)


@dataclass
class Source:
    """Where everything of the merged site file stands, and what was found wrong so far."""

    root: Document
    path: Path
    model: SiteFile
    faults: list[Fault] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    owners: dict[Place, tuple[Document, Path]] = field(default_factory=dict)
    notify: list[tuple[Document, int]] = field(default_factory=list)
    """Document and index there of each rule for people."""
    broken: set[Place] = field(default_factory=set)
    """Places that were left out of ``model`` because a fault stands there."""

    def owner(self, place: Place) -> tuple[Document, Path]:
        """The document that holds ``place``, and its file."""
        return self.owners.get(place[:2]) or self.owners.get(place[:1]) or (self.root, self.path)

    def base(self, place: Place) -> Path:
        """The folder that relative paths at ``place`` start from."""
        return self.owner(place)[1].parent

    def fault(self, place: Place, what: str, allowed: str, *, value: bool = True) -> None:
        """Something is wrong at ``place``; nothing is said where something was said before."""
        if not self.is_broken(place):
            document = self.owner(place)[0]
            self.faults.append(document.fault(_written(document, place), what, allowed, value=value))

    def warn(self, place: Place, what: str, allowed: str) -> None:
        if not self.is_broken(place):
            document = self.owner(place)[0]
            self.faults.append(document.fault(_written(document, place), what, allowed, severity="warning"))

    def is_broken(self, place: Place) -> bool:
        """True when a fault of form stands at ``place``, above it or below it: it cannot be judged further."""
        return any(place[: len(one)] == one or one[: len(place)] == place for one in self.broken)

    def is_gone(self, place: Place) -> bool:
        """True when ``place`` is in the file and was left out because of a fault."""
        return any(place[: len(one)] == one for one in self.broken)


def _written(document: Document, place: Place) -> Place:
    """``place`` as it stands in the file: where one entry is written without a list, its number is left out."""
    found: Place = ()
    parts: list[str | int] = []
    for part in place:
        if (*found, part) in document.values:
            found = (*found, part)
        elif isinstance(part, int):
            continue
        parts.append(part)
    return tuple(parts)


def load_source(path: Path, env: Mapping[str, str]) -> tuple[Source | None, list[Fault]]:
    """The merged site file, or only faults when nothing of it can be read."""
    document, faults = load_document(path, env)
    if document is None:
        return None, faults
    broken: set[Place] = set()
    model = _validate(document, SiteFile, faults, broken)
    if model is None:
        return None, faults
    source = Source(document, path, model, faults, [path], broken=broken)
    merged: dict[str, Any] = {name: dict(getattr(model, name)) for name in _TABLES}
    merged["notify"] = list(model.notify)
    source.notify = [(document, index) for index in range(len(model.notify))]
    for name in _TABLES:
        source.owners.update({(name, key): (document, path) for key in merged[name]})
    source.owners.update({(name,): (document, path) for name in _SINGLES if name in model.model_fields_set})
    channels = dict(model.channels)
    for index, text in enumerate(model.include):
        included = _included(source, text, ("include", index), env)
        if included is not None:
            _merge(source, merged, channels, *included)
    source.model = model.model_copy(update={**merged, "channels": ChannelsModel.model_construct(**channels)})
    return source, source.faults


def _included(
    source: Source, text: str, place: Place, env: Mapping[str, str]
) -> tuple[Document, Path, IncludedFile] | None:
    path = source.path.parent / text
    if path in source.files:
        source.fault(place, f"{text} is included twice", "each file once")
        return None
    document, faults = load_document(path, env)
    source.files.append(path)
    if document is None:
        if faults and faults[0].line == 1 and "cannot be read" in faults[0].what:
            source.fault(place, f"{text} {faults[0].what}", faults[0].allowed)
        else:
            source.faults += faults
        return None
    broken: set[Place] = set()
    if "include" in document.data:
        faults.append(
            document.fault(("include",), "an included file cannot include others", "name them in the site file")
        )
        document.data.pop("include")
    part = _validate(document, IncludedFile, faults, broken)
    source.faults += faults
    source.broken |= broken
    return None if part is None else (document, path, part)


def _merge(
    source: Source,
    merged: dict[str, Any],
    channels: dict[str, Any],
    document: Document,
    path: Path,
    part: IncludedFile,
) -> None:
    here = (document, path)

    def clash(place: Place, other: Document) -> None:
        source.faults.append(document.fault(place, f"stands in {other.file} too", "in one file only", value=False))

    for name in _TABLES:
        for key, value in getattr(part, name).items():
            if key in merged[name]:
                clash((name, key), source.owner((name, key))[0])
                continue
            merged[name][key] = value
            source.owners[(name, key)] = here
    for name in _SINGLES:
        if name not in part.model_fields_set:
            continue
        if (name,) in source.owners:
            clash((name,), source.owner((name,))[0])
            continue
        merged[name] = getattr(part, name)
        source.owners[(name,)] = here
    for name in part.channels.model_fields_set:
        if channels.get(name) is not None:
            clash(("channels", name), source.owner(("channels", name))[0])
            continue
        channels[name] = getattr(part.channels, name)
        source.owners[("channels", name)] = here
    merged["notify"] += part.notify
    source.notify += [(document, index) for index in range(len(part.notify))]


def _validate(document: Document, model: type[_Part], faults: list[Fault], broken: set[Place]) -> _Part | None:
    """The model of what is sound in the document; faults of form are told once."""
    data = document.data
    for number in range(ROUNDS_MAX):
        try:
            return model.model_validate(data)
        except ValidationError as error:
            if number == 0:
                faults += validation_faults(document, error, model)
                data = deepcopy(data)
            for detail in error.errors(include_url=False, include_context=False, include_input=False):
                _leave_out(data, document.resolve(detail["loc"]), detail["loc"], broken)
    return None


def _leave_out(data: dict[str, Any], place: Place, loc: Iterable[str | int], broken: set[Place]) -> None:
    """Remove the smallest named part of ``data`` that holds the fault at ``place``."""
    loc = tuple(loc)
    if not place:
        _stand_in(data, str(loc[0]) if loc else "")
        return
    while place:
        parent: Any = data
        for part in place[:-1]:
            parent = parent.get(part) if isinstance(parent, dict) else None
        if isinstance(parent, dict) and place[-1] in parent:
            del parent[place[-1]]
            broken.add(place)
            return
        place = place[:-1]


def _stand_in(data: dict[str, Any], missing: str) -> None:
    """What a file must have at its top: told as missing, and put in its place so that the rest can be checked."""
    data.setdefault("version", 1)
    if missing in ("site", "") or "site" not in data:
        data["site"] = {"id": "unknown"}
