"""Reads the repository's own files for the architecture tests."""

import ast
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("shared", "services", "tests")
_SKIPPED = {"__pycache__", "node_modules"}


def files(*under: str, suffix: str = "") -> Iterator[Path]:
    """Every file of the product below these folders (or below the repository), without what tools made."""
    for top in [ROOT / name for name in under] or [ROOT]:
        yield from (path for path in _below(top) if path.name.endswith(suffix))


@cache
def _below(top: Path) -> Sequence[Path]:
    if top.is_file():
        return (top,)
    found = list[Path]()
    for folder, inner, names in os.walk(top):
        inner[:] = [name for name in inner if not _is_made(Path(folder, name))]
        found += [path for name in names if not _is_made(path := Path(folder, name)) and path.is_file()]
    return sorted(found)


def _is_made(path: Path) -> bool:
    """True for what tools made, and for folders that they keep to themselves."""
    is_hidden = path.name.startswith(".") and path.is_dir() and path.name != ".ci"
    is_kept = path.parent == ROOT and path.name in {"bench", "build", "data"}
    return is_hidden or is_kept or path.name in _SKIPPED or path.name.endswith(".egg-info")


@cache
def text_of(path: Path) -> str:
    """What stands in a file."""
    return path.read_text(encoding="utf-8", errors="replace")


def name_of(path: Path) -> str:
    """The path as people write it: relative to the repository, with slashes."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def nodes(tree: ast.Module) -> Sequence[ast.AST]:
    """Every node of a module, as ast.walk gives them."""
    return tuple(ast.walk(tree))


def modules(*under: str) -> Iterator[tuple[str, ast.Module]]:
    """(name, tree) of every Python file below these folders."""
    for path in files(*(under or ROOMS), suffix=".py"):
        yield name_of(path), tree_of(path)


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything a module imports, but what only type checkers see."""
    guarded = {
        id(inner)
        for node in nodes(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in nodes(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


@cache
def calls(tree: ast.Module) -> Sequence[tuple[int, str]]:
    """(line, dotted text of what is called) for every call."""
    return tuple((node.lineno, dotted(node.func)) for node in nodes(tree) if isinstance(node, ast.Call))


def dotted(node: ast.expr) -> str:
    """The text of an expression: ast.unparse, and fast for names with dots."""
    names = list[str]()
    inner = node
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return ast.unparse(node)
    return ".".join([inner.id, *reversed(names)])
