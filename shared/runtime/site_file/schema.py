"""JSON Schema of the site file, for editors: the models' keys, forms and defaults, with their comments as descriptions.

The comments are read from the source when the schema is asked for, not at import: a start pays nothing for them.
"""

import ast
import inspect
from typing import Any

from shared.runtime.durations import format_duration
from shared.runtime.site_file import models
from shared.runtime.site_file.values import OneOrMany, Words

_VARIABLE = r"\$\{[A-Za-z_]"
_KEYWORDS = {"ge": "minimum", "le": "maximum"}


def json_schema() -> dict[str, Any]:
    """The schema as plain data, draft 2020-12."""
    schema = _with_keywords(models.SiteFile.model_json_schema(by_alias=True, mode="validation"))
    comments = _comments()
    sections = {**schema.get("$defs", {}), models.SiteFile.__name__: schema}
    for name, section in sections.items():
        for key, entry in section.get("properties", {}).items():
            comment = comments.get((name, key)) or comments.get((models.Sections.__name__, key))
            section["properties"][key] = {
                **_or_variable(_accepted(name, key, entry)),
                **({} if comment is None else {"description": comment}),
            }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Ampward site file"}


def _accepted(name: str, key: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The entry as the reader takes it: one instead of a list, a number of jars."""
    model: type[models.Model] = getattr(models, name, models.SiteFile)
    fields = {info.alias or field: info for field, info in getattr(model, "model_fields", {}).items()}
    if key in fields and any(mark in (OneOrMany, Words) for mark in fields[key].metadata):
        outer: dict[str, Any] = {word: entry[word] for word in ("title", "default") if word in entry}
        many = entry.get("anyOf") or [{word: value for word, value in entry.items() if word not in outer}]
        return {"anyOf": [many[0]["items"], *many], **outer}
    if (name, key) == ("StringModel", "jars"):
        return {**entry, "type": ["string", "integer"]}
    return entry


def _or_variable(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry, or a variable in its place: what a variable holds is not known to an editor."""
    if "anyOf" in entry:
        return {**entry, "anyOf": [_or_variable(one) for one in entry["anyOf"]]}
    if "const" in entry:
        return entry
    if "enum" in entry:
        outer: dict[str, Any] = {word: entry[word] for word in ("title", "default") if word in entry}
        form = {word: value for word, value in entry.items() if word not in outer}
        return {"anyOf": [form, {"type": "string", "pattern": _VARIABLE}], **outer}
    if entry.get("type") == "integer":
        return {**entry, "type": ["integer", "string"], "pattern": f"^[0-9]+$|{_VARIABLE}"}
    if "pattern" in entry:
        return {**entry, "pattern": f"{entry['pattern']}|{_VARIABLE}"}
    return entry


def _with_keywords(part: Any) -> Any:
    """Limits behind a reader of our own in the schema's words, and defaults as they would be written."""
    if isinstance(part, list):
        return [_with_keywords(one) for one in part]
    if not isinstance(part, dict):
        return part
    words = _KEYWORDS if part.get("type") == "integer" else {}
    out = {words.get(word, word): _with_keywords(value) for word, value in part.items()}
    is_duration = out.get("type") == "string" or {"const": 0} in out.get("anyOf", ())
    if isinstance(out.get("default"), int) and is_duration:
        out["default"] = format_duration(out["default"])
    if "patternProperties" in out:
        out["additionalProperties"] = False
    if "$ref" in out:
        out.pop("default", None)
    return out


def _comments() -> dict[tuple[str, str], str]:
    """(model, key): the text that stands under the key in the model."""
    found = {}
    for node in ast.parse(inspect.getsource(models)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, below in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = ast.get_docstring(ast.Module([below], [])) if isinstance(below, ast.Expr) else None
                if text:
                    found[node.name, field.target.id] = " ".join(text.split())
    return found
