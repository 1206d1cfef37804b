"""Long work shows how far it is: a bar on the terminal of whoever waits; test_output has what a journal gets."""

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from services.site.command import output
from services.site.command.app import call
from tests.services.command.conftest import Run
from tests.services.history.life import POINT, begin, grow

LONG = {
    "verify": ("verify DATA", ["verifying"]),
    "replay": ("replay DATA", ["replaying"]),
    "backup": ("backup DATA FILE", ["copying log.db", "checking the copy", "writing"]),
    "restore": ("restore BACKUP NEW", ["checking", "unpacking", "verifying the log"]),
    "export": (f"export FILE.csv --point {POINT} --from 2026-01-01 --to 2026-01-02 --data DATA", ["exporting"]),
    "history rebuild": ("history rebuild DATA", ["rebuilding"]),
}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log, a history and a backup beside it."""
    folder = tmp_path_factory.mktemp("lived")
    (folder / "data").mkdir()
    life = begin(folder / "data")
    for _ in range(9):
        life.scan(20)
    life.site.runner.close()
    life.site.store.close()
    grow(folder / "data")
    assert call(["backup", str(folder / "data"), str(folder / "backup")]) == 0
    return folder


@pytest.fixture
def words(lived: Path, tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    """The command line of one of LONG, on a copy of that folder."""
    shutil.copytree(lived / "data", tmp_path / "data")
    places = {"DATA": tmp_path / "data", "FILE": tmp_path / "file", "BACKUP": lived / "backup", "NEW": tmp_path / "new"}
    made = []
    for word in LONG[request.param][0].split():
        name, dot, kind = word.partition(".")
        made.append(f"{places[name]}{dot}{kind}" if name in places else word)
    return made


def shown_on_a_terminal(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What the command draws on standard error when that is a terminal."""
    ours, theirs = os.openpty()
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(_all_of, ours)
        with os.fdopen(theirs, "w") as stream, monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", stream)
            patched.setenv("TERM", "xterm")
            assert call(words) == 0
    os.close(ours)
    return reading.result().decode()


def _all_of(descriptor: int) -> bytes:
    """Until the other end of the terminal is closed."""
    found = b""
    with suppress(OSError):
        while piece := os.read(descriptor, 4096):
            found += piece
    return found


@pytest.mark.parametrize(("words", "name"), [(name, name) for name in LONG], indirect=["words"])
def test_a_bar_appears_when_it_lasts(monkeypatch: pytest.MonkeyPatch, words: list[str], name: str) -> None:
    """Each step of long work is named on the terminal; here everything counts as long."""
    monkeypatch.setattr(output, "SHOW_AFTER_S", 0.0)
    shown = shown_on_a_terminal(words, monkeypatch)
    assert [step for step in LONG[name][1] if step not in shown] == []


@pytest.mark.parametrize("words", ["verify"], indirect=True)
def test_what_is_over_at_once_shows_none(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    """No flicker for what nobody waits for."""
    monkeypatch.setattr(output, "SHOW_AFTER_S", 3600.0)
    assert shown_on_a_terminal(words, monkeypatch) == ""


@pytest.mark.parametrize("words", list(LONG), indirect=True)
def test_without_a_terminal_nothing_is_drawn(run: Run, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    """Logs of scripts stay clean."""
    monkeypatch.setattr(output, "SHOW_AFTER_S", 0.0)
    ran = run(*words)
    assert (ran.code, ran.err) == (0, "")
