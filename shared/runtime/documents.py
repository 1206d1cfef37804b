"""YAML documents with line marks: site files, device profiles and devices files are all read here.

Promises: YAML 1.2; every fault of a document is found in one go and names file, line, column and key; a key that
stands twice is a fault; ``${VAR}`` and ``${VAR:-default}`` are replaced in text values after parsing (``$${`` stays
``${``), so that a variable can never add keys. What pydantic finds wrong in the data becomes faults at the right line.
Refuses: more than one document in a file, recursive aliases, keys that are not text, unknown tags.
Limits: 1 MiB, 20,000 lines, commas and colons (the parser is slow), 40 levels, 100,000 values after aliases are
expanded, 200 faults a document. What would take the parser long is refused before it begins.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

FILE_BYTES_MAX = 1 << 20
MARKS_MAX = 20_000
DEPTH_MAX = 40
VALUES_MAX = 100_000
FAULTS_MAX = 200

Place = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"
_NESTING = re.compile(r"[\[\]{}]")
_LISTS = re.compile(r"^ {200}|([-?][ \t]+){41}", re.MULTILINE)
_TOO_DEEP = ("is nested too deeply", f"at most {DEPTH_MAX} levels")
_LOGIN = re.compile(r"//.*@")
"""A name and a password inside an address: never repeated in a fault."""
_VARIABLE = re.compile(r"\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file, and what would be right. ``severity`` is ``error`` or ``warning``."""

    file: str
    line: int
    """From 1."""
    col: int
    """From 1."""
    key: str
    what: str
    allowed: str
    severity: str = "error"

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.col}: {self.key or '(document)'}: {self.what}"
        return f"{text}, {self.allowed}" if self.allowed else text


class Refused(ValueError):
    """Raised inside a pydantic validator: says what is wrong and what is allowed instead."""

    def __init__(self, what: str, allowed: str) -> None:
        super().__init__(f"{what}, {allowed}")
        self.what = what
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and where each part of it stands."""

    file: str
    data: Any
    keys: Mapping[Place, tuple[int, int]]
    """Line and column (from 1) of each key; of an item of a sequence, where the item begins."""
    values: Mapping[Place, tuple[int, int]]
    """Line and column of each value; () is the document."""
    unread: frozenset[Place] = frozenset()
    """Places whose value a fault told already: what stands in the data there was not written so."""

    def resolve(self, loc: Iterable[str | int]) -> Place:
        """The part of the document that a pydantic location means; what is not in the data is left out."""
        place: Place = ()
        for part in loc:
            if (*place, part) in self.values:
                place = (*place, part)
        return place

    def mark(self, loc: Iterable[str | int], *, value: bool = True) -> tuple[int, int]:
        """Line and column of the value (or of its key) at ``loc``, or of the nearest part around it."""
        place = self.resolve(loc)
        if not value and place in self.keys:
            return self.keys[place]
        return self.values.get(place, (1, 1))

    def fault(
        self, loc: Iterable[str | int], what: str, allowed: str = "", *, severity: str = "error", value: bool = True
    ) -> Fault:
        """A fault at ``loc`` of this document; the key is named in full even where it does not exist."""
        parts = tuple(loc)
        line, col = self.mark(parts, value=value)
        return Fault(self.file, line, col, place_text(parts), what, allowed, severity)


_INSTEAD: ContextVar[Mapping[Path, Path]] = ContextVar("instead", default={})  # noqa: B039 - never changed in place


@contextmanager
def reading_instead(path: Path, other: Path) -> Iterator[None]:
    """Inside, ``other`` is read where ``path`` is named: what a file would come to, before it is put there."""
    token = _INSTEAD.set({path.resolve(): other})
    try:
        yield
    finally:
        _INSTEAD.reset(token)


def place_text(place: Iterable[str | int]) -> str:
    """A place as people read it: ``rooms.r1.gas[0].h2``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def load_document(path: Path, env: Mapping[str, str], name: str | None = None) -> tuple[Document | None, list[Fault]]:
    """Read one YAML mapping. The document is None when it cannot be read at all; faults may come with a document.

    ``name`` is how faults call the file; by default its path as given. The data keep the first of two equal keys.
    """
    file = name or str(path)
    try:
        with _INSTEAD.get().get(path.resolve(), path).open("rb") as stream:
            raw = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        return None, [Fault(file, 1, 1, "", f"cannot be read ({error.strerror or error})", "a readable file")]
    if len(raw) > FILE_BYTES_MAX:
        return None, [Fault(file, 1, 1, "", "is larger than 1 MiB", "at most 1 MiB")]
    return parse_document(raw, env, file)


def parse_document(raw: bytes, env: Mapping[str, str], file: str) -> tuple[Document | None, list[Fault]]:
    """The same for bytes in hand."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return None, [Fault(file, line, 1, "", "is not UTF-8 text", "UTF-8")]
    heavy = _too_heavy(text, file)
    if heavy is not None:
        return None, [heavy]
    try:
        roots = list(YAML(typ="safe", pure=True).compose_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, col = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        what = " ".join(str(part) for part in (error.context, error.problem) if part)
        return None, [Fault(file, line, col, "", f"is not YAML: {what}", "YAML 1.2")]
    except (YAMLError, ValueError, RecursionError) as error:
        return None, [Fault(file, 1, 1, "", f"is not YAML: {str(error).splitlines()[0][:200]}", "YAML 1.2")]
    if len(roots) != 1 or not isinstance(roots[0], MappingNode):
        what = "holds several documents" if len(roots) > 1 else "is not a mapping of keys to values"
        return None, [Fault(file, 1, 1, "", what, "one mapping")]
    reader = _Reader(file, env)
    data = reader.value(roots[0], (), ())
    return Document(file, data, reader.keys, reader.values, frozenset(reader.unread)), reader.faults


def _too_heavy(text: str, file: str) -> Fault | None:
    """What would keep the parser busy for long: its time grows with the square of the depth."""
    if sum(text.count(mark) for mark in "\n,:") > MARKS_MAX:
        allowed = f"at most {MARKS_MAX} lines, commas and colons; long lists of jars can be CSV files"
        return Fault(file, 1, 1, "", "is too long", allowed)
    depth = 0
    for match in _NESTING.finditer(text):
        depth = max(0, depth + (1 if match[0] in "[{" else -1))
        if depth > DEPTH_MAX:
            line = text.count("\n", 0, match.start()) + 1
            return Fault(file, line, match.start() - text.rfind("\n", 0, match.start()), "", *_TOO_DEEP)
    for match in _LISTS.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        return Fault(file, line, 1, "", *_TOO_DEEP)
    return None


class _Reader:
    """Nodes to plain data; faults and marks are gathered on the way."""

    def __init__(self, file: str, env: Mapping[str, str]) -> None:
        self.file = file
        self.env = env
        self.faults: list[Fault] = []
        self.keys: dict[Place, tuple[int, int]] = {}
        self.values: dict[Place, tuple[int, int]] = {}
        self.unread: set[Place] = set()

    def fault(self, node: Node, place: Place, what: str, allowed: str) -> None:
        if len(self.faults) < FAULTS_MAX:
            line, col = _mark(node)
            self.faults.append(Fault(self.file, line, col, place_text(place), what, allowed))

    def value(self, node: Node, place: Place, above: tuple[Node, ...]) -> Any:
        if len(self.values) >= VALUES_MAX or len(above) >= DEPTH_MAX or any(node is one for one in above):
            if not any("too deep" in fault.what for fault in self.faults):
                self.fault(
                    node, place, "is too deep, too large or recursive", f"{DEPTH_MAX} levels, {VALUES_MAX} values"
                )
            return None
        self.values[place] = _mark(node)
        if isinstance(node, ScalarNode):
            return self.scalar(node, place)
        if str(node.tag) not in (f"{_TAG}map", f"{_TAG}seq", "None"):
            self.fault(node, place, f"has the unknown tag {str(node.tag).removeprefix(_TAG)}", "no tag")
        if isinstance(node, SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                self.keys[(*place, index)] = _mark(item)
                items.append(self.value(item, (*place, index), (*above, node)))
            return items
        return self.mapping(node, place, (*above, node))

    def mapping(self, node: Node, place: Place, above: tuple[Node, ...]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        first: dict[str, int] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if str(key_node.tag) == f"{_TAG}merge":
                merged += value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                continue
            key = self.key(key_node, place)
            if key is None:
                continue
            here = (*place, key)
            if key in first:
                self.fault(key_node, here, f"stands twice, first in line {first[key]}", "once")
                continue
            first[key] = key_node.start_mark.line + 1
            self.keys[here] = _mark(key_node)
            data[key] = self.value(value_node, here, above)
        for source in merged:
            self.merge(source, place, data, above)
        return data

    def merge(self, source: Node, place: Place, data: dict[str, Any], above: tuple[Node, ...]) -> None:
        """``<<: *anchor``: keys that do not stand here yet are taken from there."""
        if not isinstance(source, MappingNode) or any(source is one for one in above):
            self.fault(source, place, "cannot be merged", "<<: and an alias of a mapping")
            return
        for key, value in self.mapping(source, place, (*above, source)).items():
            data.setdefault(key, value)

    def key(self, node: Node, place: Place) -> str | None:
        if isinstance(node, ScalarNode) and (str(node.tag).startswith(_TAG) or node.tag is None):
            return str(node.value)
        self.fault(node, place, "has a key that is not text", "text keys")
        return None

    def scalar(self, node: ScalarNode, place: Place) -> Any:
        tag = str(node.tag).removeprefix(_TAG)
        text = str(node.value)
        convert = _SCALARS.get(tag)
        if convert is None:
            if tag not in ("str", "timestamp"):
                self.unread.add(place)
                self.fault(node, place, f"has the unknown tag {tag}", "no tag")
            return self.expand(node, text, place)
        try:
            return convert(text)
        except ValueError:
            self.unread.add(place)
            self.fault(node, place, f"{text!r} is not a value of its type", tag)
            return None

    def expand(self, node: Node, text: str, place: Place) -> str:
        if "$" not in text:
            return text

        def replace(match: re.Match[str]) -> str:
            if match[1]:
                return match[1]
            value = self.env.get(match[2], "")
            if value or match[3] is not None:
                return value or match[3]
            if match[2] not in self.env:
                self.unread.add(place)
                self.fault(node, place, f"the variable {match[2]} is not set", f"set it, or ${{{match[2]}:-default}}")
            return ""

        return _VARIABLE.sub(replace, text)


def _mark(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _integer(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").replace("_", "")
    base = {"0o": 8, "0x": 16, "0b": 2}.get(digits[:2].lower(), 10)
    return sign * int(digits[2:] if base != 10 else digits, base)


def _float(text: str) -> float:
    word = text.lower().replace("_", "")
    special = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
    return float(special.get(word, word))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda _text: None,
    "bool": lambda text: text.lower() in ("true", "yes", "on"),
    "int": _integer,
    "float": _float,
}


def validation_faults(document: Document, error: ValidationError, model: Any = None, at: Place = ()) -> list[Fault]:
    """What pydantic found wrong in ``document.data`` (or in its part ``at``), as faults at their lines.

    ``model`` (the pydantic class or annotation that was used) lets an unknown key name the keys that are allowed.
    """
    details = error.errors(include_url=False)[:FAULTS_MAX]
    places = [(*document.resolve((*at, *one["loc"])), *_missing(one)) for one in details]
    faults: dict[tuple[int, int, str], Fault] = {}
    for detail, place in zip(details, places, strict=True):
        inner = any(len(other) > len(place) and other[: len(place)] == place for other in places)
        if inner and detail["type"].endswith(("_type", "literal_error")):
            continue  # Another form of the same key was meant: what is wrong inside it says enough.
        fault = _fault(document, detail, model, at)
        key = (fault.line, fault.col, fault.key)
        known = faults.get(key)
        if known is not None and known.allowed != fault.allowed:
            fault = replace(known, allowed=f"{known.allowed} or {fault.allowed.removeprefix('input should be ')}")
        faults[key] = fault
    return list(faults.values())


def _missing(detail: ErrorDetails) -> Place:
    return (detail["loc"][-1],) if detail["type"] == "missing" else ()


def _fault(document: Document, detail: ErrorDetails, model: Any, at: Place) -> Fault:
    loc = (*at, *detail["loc"])
    place = document.resolve(loc)
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = sorted(known_keys(model, place[len(at) : -1]))
        near = get_close_matches(str(place[-1]) if place else "", known, 1)
        what = f"unknown key, did you mean {near[0]}" if near else "unknown key"
        allowed = f"allowed are {', '.join(known)}" if known else "remove it"
        return document.fault(place, what, allowed, value=False)
    if kind == "missing":
        missing = str(loc[-1])
        line, col = document.mark(place)
        return Fault(document.file, line, col, place_text((*place, missing)), "is missing", "it is required")
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, Refused):
        return document.fault(place, cause.what, cause.allowed)
    message = detail["msg"].removeprefix("Value error, ")
    given = _LOGIN.sub("//...@", repr(detail["input"]))
    what = f"{given} is wrong" if len(given) <= 60 and not isinstance(detail["input"], dict | list) else "is wrong"
    return document.fault(place, what, message[:1].lower() + message[1:])


def known_keys(model: Any, place: Place) -> set[str]:
    """Keys of the models that may stand at ``place`` under ``model``."""
    candidates = _models(model)
    for part in place:
        found: list[Any] = []
        for one in candidates:
            if isinstance(one, type) and issubclass(one, BaseModel):
                for name, info in one.model_fields.items():
                    if part in (name, info.alias):
                        found += _models(info.annotation)
            else:
                found += _models(get_args(one)[-1])
        candidates = found
    keys: set[str] = set()
    for one in candidates:
        if isinstance(one, type) and issubclass(one, BaseModel):
            keys |= {info.alias or name for name, info in one.model_fields.items()}
    return keys


def _models(annotation: Any) -> list[Any]:
    """The pydantic models and containers inside an annotation (unions and Annotated are opened)."""
    if isinstance(annotation, TypeAdapter):
        return []
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and get_origin(annotation) is None:
        return [annotation]
    if get_origin(annotation) in (dict, list, tuple, Mapping) and get_args(annotation):
        return [annotation]
    if hasattr(annotation, "__metadata__"):
        return _models(get_args(annotation)[0])
    return [model for inner in get_args(annotation) for model in _models(inner)]
