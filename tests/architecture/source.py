"""Reads the repository's own files for the architecture tests."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("shared", "services", "tests")
_SKIPPED = {"__pycache__", "node_modules"}


def files(*under: str, suffix: str = "") -> Iterator[Path]:
    """Every file of the product below these folders (or below the repository), without what tools made."""
    for top in [ROOT / name for name in under] or [ROOT]:
        for path in sorted(top.rglob(f"*{suffix}")):
            inside = path.relative_to(ROOT)
            hidden = any(part.startswith(".") and part not in {".ci"} for part in inside.parts[:-1])
            skipped = hidden or _SKIPPED & set(inside.parts) or any(part.endswith(".egg-info") for part in inside.parts)
            if path.is_file() and not skipped and inside.parts[0] not in {"bench", "data"}:
                yield path


def name_of(path: Path) -> str:
    """The path as people write it: relative to the repository, with slashes."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def modules(*under: str) -> Iterator[tuple[str, ast.Module]]:
    """(name, tree) of every Python file below these folders."""
    for path in files(*(under or ROOMS), suffix=".py"):
        yield name_of(path), tree_of(path)


def imports(tree: ast.Module, *, typing_only: bool = False) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything a module imports; what only type checkers see comes with ``typing_only``."""
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in guarded and not typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


def calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted text of what is called) for every call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)
