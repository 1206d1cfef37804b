"""What may stand in no file of the repository, and links that must lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import ROOT, files, name_of, text_of

_HOSTS = ("pypi org", "pythonhosted org", "npmjs org", "npmjs com", "maven org", "crates io", "golang org")
REGISTRY = re.compile("|".join(re.escape(host.replace(" ", ".")) for host in _HOSTS), re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|farm|root|home/\w+|Users/\w+)/[\w.]")
LEFT_FOR_LATER = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_CODE = (".py", ".pyx", ".pyi", ".c", ".service")
_TEXT = {"", *_CODE, ".md", ".toml", ".lock", ".yaml", ".yml", ".json", ".csv", ".cfg", ".conf"}


def _texts() -> Iterator[tuple[Path, str]]:
    for path in files():
        if path.suffix in _TEXT:
            yield path, text_of(path)


def _found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name_of(path)}:{number}: {line.strip()[:100]}"
        for path, text in _texts()
        if pattern.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_registry_is_named() -> None:
    """Where packages come from is the machine's setting, not the repository's: lock files included."""
    assert _found(REGISTRY) == []


def test_no_path_of_a_machine_stands_in_a_file() -> None:
    """A path of one person's machine works on no other."""
    assert _found(MACHINE_PATH) == []


def test_nothing_is_left_for_later_in_a_file() -> None:
    """Work that is left is an issue, not a mark in a file."""
    assert _found(LEFT_FOR_LATER) == []


def test_every_link_in_the_documents_leads_somewhere() -> None:
    """A relative link names a file of the repository."""
    broken = [
        f"{name_of(path)}: {target}"
        for path, text in _texts()
        if path.suffix == ".md"
        for target in LINK.findall(text)
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_make_target_named_in_the_documents_exists() -> None:
    """`make x` in a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        (name_of(path), target)
        for path, text in _texts()
        if path.suffix == ".md"
        for target in re.findall(r"(?:`|^    )make ([a-z-]+)", text, re.MULTILINE)
    }
    assert not {(where, target) for where, target in named if target not in targets}
    assert {"setup", "run", "test", "check", "fix", "bench", "soak", "mutants", "fuzz", "licences", "lock"} <= targets


def test_the_lock_names_a_hash_for_every_package() -> None:
    """What is installed is what was locked: each requirement is pinned, with hashes."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=[a-zA-Z0-9])", lock)[1:]
    assert len(requirements) > 30
    assert [r.splitlines()[0] for r in requirements if "==" not in r.splitlines()[0] or "--hash=sha256:" not in r] == []
