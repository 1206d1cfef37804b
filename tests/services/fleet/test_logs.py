"""A log is cut while processes write to it: nothing is lost, nothing doubled, and what is kept has a bound."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.fleet import logs
from services.fleet.logs import BYTES_MAX, KEPT, PART_BYTES_MAX, STEP_BYTES, Logs, turn
from services.fleet.servers import ServerFailed
from tests.testkit.disk import filled, small_disk
from tests.testkit.process import is_alive

LINES = 40_000
LINE_BYTES = 80
"""Of both writers together below PART_BYTES_MAX: however long the one who turns sleeps, it is one part at most."""
AT_BYTES = 4 * STEP_BYTES
WRITER = """
import os, sys, time
for number in range(int(sys.argv[2])):
    os.write(1, f"{sys.argv[1]} {number} ".ljust(int(sys.argv[3]) - 1, ".").encode() + b"\\n")
    if not number % 500:
        time.sleep(0.02)
"""


@pytest.fixture(params=["a disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system that takes blocks out of a file, if the machine's is such a one, and one that makes holes."""
    if request.param == "a disk":
        yield tmp_path
    else:
        with small_disk(tmp_path / "memory", 64) as disk:
            yield disk


def text(size: int, number: int = 0) -> bytes:
    """So many bytes, no two lines of them the same."""
    return b"".join(b"%d %098d\n" % (number, line) for line in range(size // 100 + 1))[:size]


def older(log: Path, number: int = 1) -> Path:
    return log.with_name(f"{log.name}.{number}")


def newest(log: Path) -> bytes:
    """What stands in it behind the hole that a turn may have left."""
    return log.read_bytes().lstrip(b"\0")


def test_a_log_turns_under_its_writers_and_every_line_is_there_once(folder: Path) -> None:
    """Two processes write all the time; the older parts and the log, one after another, have every line in order."""
    log = folder / "kafka.log"
    log.touch()
    said, turns = b"", 0
    with log.open("ab") as out:
        words = [str(LINES), str(LINE_BYTES)]
        writers = [subprocess.Popen([sys.executable, "-c", WRITER, name, *words], stdout=out) for name in ("a", "b")]
    try:
        while any(is_alive(writer.pid) for writer in writers):
            if turn(log, AT_BYTES):
                turns += 1
                said += older(log).read_bytes()
                assert len(newest(log)) < PART_BYTES_MAX
        assert [writer.wait() for writer in writers] == [0, 0]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    lines = (said + newest(log)).splitlines()
    assert turns
    for name in (b"a", b"b"):
        numbers = [int(line.split()[1]) for line in lines if line.startswith(name)]
        assert numbers == list(range(LINES))
    assert len(lines) == 2 * LINES


def test_what_is_kept_of_a_log_has_a_bound(folder: Path) -> None:
    """Also of one that grew for years before anybody looked: its newest part is kept, older ones go."""
    log = folder / "kafka.log"
    for number in range(KEPT + 2):
        with log.open("ab") as out:
            out.write(text(PART_BYTES_MAX + 3 * STEP_BYTES, number))
        whole = newest(log)
        assert turn(log)
        assert whole.endswith(older(log).read_bytes() + newest(log))
        assert older(log).stat().st_size == PART_BYTES_MAX
    sizes = [path.stat().st_blocks * 512 for path in folder.iterdir()]
    assert len(sizes) == KEPT + 1
    assert sum(sizes) <= BYTES_MAX + KEPT * PART_BYTES_MAX
    assert not turn(log)


def test_a_log_that_cannot_be_cut_stays_whole_and_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither way is known to the file system: no half of it is taken, no part is left that stands there twice."""

    def refuses(_command: tuple[str, ...], what: str) -> str:
        raise ServerFailed(f"{what} ended with 1")

    monkeypatch.setattr(logs, "run", refuses)
    monkeypatch.setattr(logs, "LOOK_S", 0.0)
    log = tmp_path / "kafka.log"
    log.write_bytes(b"x" * (BYTES_MAX + 1))
    said: list[str] = []
    looking = Logs(tmp_path, said.append)
    looking.look()
    looking.look()
    assert len(said) == 1 and "kafka.log will grow" in said[0]
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {"kafka.log": BYTES_MAX + 1}


def test_a_full_disk_loses_nothing_of_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once, and the log is cut when there is room again."""
    monkeypatch.setattr(logs, "LOOK_S", 0.0)
    said: list[str] = []
    with small_disk(tmp_path / "disk", 16) as disk:
        looking, log = Logs(disk, said.append), disk / "kafka.log"
        whole = text(BYTES_MAX + STEP_BYTES)
        log.write_bytes(whole)
        with filled(disk):
            looking.look()
            looking.look()
            assert log.read_bytes() == whole
        looking.look()
        assert older(log).read_bytes() + newest(log) == whole
    assert len(said) == 1 and "No space left on device" in said[0]
