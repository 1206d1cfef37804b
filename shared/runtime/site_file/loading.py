"""A site file and the files it includes, read, validated and merged, with the place of every part kept.

Promises: every fault of form is found in one go; what is sound of a file with faults (shared.runtime.sound) is still
checked further, and nothing is said about a part only because it, or what it needs, was already told (``needs``).
Refuses: a key in two files, an included file that includes.
Limits: those of shared.runtime.documents for each file, 100 included files.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.runtime.documents import Document, Fault, Place, load_document
from shared.runtime.site_file.models import ChannelsModel, IncludedFile, SiteFile
from shared.runtime.sound import Gaps, sound_part

_TABLES = ("buses", "devices", "rooms", "rules", "matrix", "people", "schedules")
_SINGLES = ("mqtt", "http", "heartbeat", "daily_test", "simulate", "log", "uplink", "northbound")


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
    gaps: dict[str, Gaps] = field(default_factory=dict)
    """What was left out of each file because a fault stands there."""
    is_partial: bool = False
    """True when an included file could not be read: any name may stand there."""

    def owner(self, place: Place) -> tuple[Document, Path]:
        """The document that holds ``place``, and its file."""
        return self.owners.get(place[:2]) or self.owners.get(place[:1]) or (self.root, self.path)

    def base(self, place: Place) -> Path:
        """The folder that relative paths at ``place`` start from."""
        return self.owner(place)[1].parent

    def fault(
        self, place: Place, what: str, allowed: str, *, value: bool = True, needs: Iterable[Place] | None = None
    ) -> None:
        """Something is wrong at ``place``; nothing is said where something was said before.

        ``needs`` are the places that were looked at to say so; ``place`` and all its parts when not given.
        """
        if self._may_speak(place, needs):
            document = self.owner(place)[0]
            self.faults.append(document.fault(self.written(document, place), what, allowed, value=value))

    def warn(self, place: Place, what: str, allowed: str, *, needs: Iterable[Place] | None = None) -> None:
        """The same for what is questionable."""
        if self._may_speak(place, needs):
            document = self.owner(place)[0]
            self.faults.append(document.fault(self.written(document, place), what, allowed, severity="warning"))

    def _may_speak(self, place: Place, needs: Iterable[Place] | None) -> bool:
        if needs is None:
            return not self.is_broken(place)
        return not self._left_out(place) and not any(self.is_broken(one) for one in needs)

    def written(self, document: Document, place: Place) -> Place:
        """``place`` as it stands in the file: where one entry is written without a list, its number is left out."""
        return _written(document, self._gaps(document).written(place))

    def _gaps(self, document: Document) -> Gaps:
        return self.gaps.setdefault(document.file, Gaps())

    def _left_out(self, place: Place) -> bool:
        document = self.owner(place)[0]
        place = self._gaps(document).written(place)
        return any(gaps.is_gone(place) for gaps in self.gaps.values())

    def is_broken(self, place: Place) -> bool:
        """True when a fault of form stands at ``place``, above it or below it: it cannot be judged further."""
        place = self._gaps(self.owner(place)[0]).written(place)
        return any(gaps.is_broken(place) for gaps in self.gaps.values())

    def is_gone(self, place: Place) -> bool:
        """True when ``place`` is in the file and was left out because of a fault, or may be in a file not read."""
        known = place[:2] in self.owners
        return self._left_out(place) or (self.is_partial and not known and place[0] in (*_TABLES, "channels"))

    def has_lost(self, place: Place) -> bool:
        """True when the sequence at ``place`` lost items, or is itself left out: it is not whole."""
        gaps = self._gaps(self.owner(place)[0])
        return self._left_out(place) or gaps.written(place) in gaps.items

    def is_doubtful_rule(self, name: str) -> bool:
        """True when a rule of this name stands somewhere and its points cannot be judged."""
        documents = {id(one): one for one in (self.root, *(owner[0] for owner in self.owners.values()))}
        for document in documents.values():
            gaps = self._gaps(document)
            for place in document.values:
                if place[-2:] == ("rules", name) and (gaps.is_gone(place) or gaps.is_gone((*place, "point"))):
                    return True
        return self.is_partial or any(gaps.is_gone((section,)) for gaps in self.gaps.values() for section in ("rules",))

    def left_out(self, place: Place, file: str) -> None:
        """Mark ``place`` as unfit for further questions."""
        self.gaps.setdefault(file, Gaps()).broken.add(place)


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
    model, gaps, told = sound_part(document, SiteFile, _stand_in)
    faults += told
    if model is None:
        return None, faults
    source = Source(document, path, model, faults, [path], gaps={document.file: gaps})
    source.is_partial = gaps.is_broken(("include",))
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
        source.is_partial = True
        if faults and faults[0].line == 1 and "cannot be read" in faults[0].what:
            source.fault(place, f"{text} {faults[0].what}", faults[0].allowed)
        else:
            source.faults += faults
        return None
    if "include" in document.data:
        faults.append(
            document.fault(("include",), "an included file cannot include others", "name them in the site file")
        )
        document.data.pop("include")
        source.is_partial = True
    part, source.gaps[document.file], told = sound_part(document, IncludedFile)
    source.faults += faults + told
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


def _stand_in(data: dict[str, Any]) -> None:
    """What a file must have at its top: told as missing, and put in its place so that the rest can be checked."""
    data.setdefault("version", 1)
    data.setdefault("site", {"id": "unknown"})
