"""The compiled part keeps the house rules too: its sources are no Python, so that they are read here line by line."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, files, imports, modules, name_of, text_of
from tests.architecture.test_style import FUNCTION_LINES_MAX, LINES_MAX

PACKAGE = "shared.compiled"
MAY_IMPORT_IT = ("shared/wire/", "shared/domain/", "shared/devices/")
MAY_IMPORT = ("cpython", "libc.limits", "libc.stdint", "libc.stdlib", "libc.string")
"""Bytes, numbers and memory: no clock, no file, no chance."""
FLAGS = ["-O2", "-g0"]
"""-g0: no path of the machine that built it."""
_HEAD = re.compile(r'(?:#[^\n]*\n)*"""[A-Z]')
_FUNCTION = re.compile(r"^( *)(?:c?p?def)\b[^\n=]*\b(\w+)\(", re.MULTILINE)
_PUBLIC = re.compile(r"^(?:(?:cdef )?class (\w+)|(?:def|cpdef) (?:[^(\n]* )?(\w+)\()", re.MULTILINE)
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import\b|c?import\s+([\w.]+))", re.MULTILINE)
_FLOAT = re.compile(r"^[^#\n]*(?:\b(?:cdef|const)\s+|<)(?:double|float)\b", re.MULTILINE)


def sources() -> list[Path]:
    return list(files("shared/compiled", suffix=".pyx"))


def functions(text: str) -> Iterator[tuple[str, int]]:
    """(name, lines) of every function: up to the next line that stands no deeper."""
    for found in _FUNCTION.finditer(text):
        lines = text[found.start() :].split("\n")
        depth, last = len(found[1]), 0
        for number, line in enumerate(lines[1:], 1):
            if line.strip() and not line.startswith(" " * (depth + 1)) and not line.lstrip().startswith(")"):
                break
            last = number if line.strip() else last
        yield found[2], last + 1


def faults(text: str) -> list[str]:
    """What a source may not have."""
    found = [f"{text.count(chr(10))} lines"] if text.count("\n") > LINES_MAX else []
    found += [] if _HEAD.match(text) else ["does not open with what it is"]
    found += [f"{name}: {lines} lines" for name, lines in functions(text) if lines > FUNCTION_LINES_MAX]
    named = [one or other for one, other in _IMPORT.findall(text)]
    found += [f"imports {name}" for name in named if not re.match(rf"(?:{'|'.join(MAY_IMPORT)})(?:\.|$)", name)]
    found += ["has floats; instead: integers scaled by shared.domain.units"] if _FLOAT.search(text) else []
    return found


def test_compiled_modules_keep_the_house_rules() -> None:
    """Lines, functions, a head that says what it is; nothing of ours, no I/O and no clock imported, no floats."""
    assert sources()
    assert {name_of(path): told for path in sources() if (told := faults(text_of(path)))} == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('# cython: language_level=3\n"""Good."""\n\nfrom libc.string cimport memcpy\n', []),
        ("from cpython.bytes cimport PyBytes_GET_SIZE\n", ["does not open with what it is"]),
        ('"""Good."""\nfrom shared.domain.ids import RoomId\n', ["imports shared.domain.ids"]),
        ('"""Good."""\nfrom libc.time cimport time\n', ["imports libc.time"]),
        ('"""Good."""\nfrom libc.stdio cimport fopen\n', ["imports libc.stdio"]),
        ('"""Good."""\nimport os\n', ["imports os"]),
        ('"""Good."""\ncdef inline int f(\n    int a,\n) noexcept:\n' + "    a += 1\n" * 68, ["f: 71 lines"]),
        (
            '"""Good."""\ncdef class A:\n    def f(self):\n' + "        0\n" * 70 + "    def g(self):\n        0\n",
            ["f: 71 lines"],
        ),
        ('"""Good."""\n' + "\n" * 450, ["451 lines"]),
        ('"""Good."""\ncdef double mean\n', ["has floats; instead: integers scaled by shared.domain.units"]),
    ],
)
def test_a_fault_of_a_compiled_module_is_seen(text: str, told: list[str]) -> None:
    """The rules above find what they are for."""
    assert faults(text) == told


def test_every_compiled_module_is_built_with_a_stub_beside_it() -> None:
    """pyproject.toml names each with its flags, none that is gone; mypy sees what others may call, no more, no less."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    built = {one["name"]: one for one in project["tool"]["setuptools"]["ext-modules"]}
    assert sorted(built) == [f"{PACKAGE}.{path.stem}" for path in sources()]
    for path in sources():
        one = built[f"{PACKAGE}.{path.stem}"]
        assert (one["sources"], one["extra-compile-args"]) == ([name_of(path)], FLAGS), path.name
        stub = ast.parse(path.with_suffix(".pyi").read_text(encoding="utf-8"))
        declared = {node.name for node in stub.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        public = {name for pair in _PUBLIC.findall(text_of(path)) if not (name := "".join(pair)).startswith("_")}
        assert {name for name in declared if not name.startswith("_")} == public, path.name


def test_only_the_codecs_and_the_core_use_the_compiled_part() -> None:
    """Everybody else asks them, and the compiled part asks nobody."""
    found = [
        f"{name}:{line} imports {module}"
        for name, tree in modules("shared", "services")
        for line, module in imports(tree)
        if f"{module}.".startswith(f"{PACKAGE}.") and not name.startswith(MAY_IMPORT_IT)
    ]
    assert not found, "\n".join(found)
    assert [module for _, tree in modules("shared/compiled") for _, module in imports(tree)] == []


def test_guard_begins_without_the_compiled_part() -> None:
    """What starts the fan with everything else dead hangs on no compiler and on nothing that could end its process."""
    program = "import sys, services.guard.__main__; print([name for name in sys.modules if 'compiled' in name])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
