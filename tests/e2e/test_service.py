"""Ampward as a service: what systemd is told by the real program, and folders that it refuses to start on."""

import json
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.depot import Depot, open_depot
from tests.e2e.foreign import AMPWARD, running, wait_for

RELEASED = Path(__file__).parents[1] / "golden" / "folder" / "released"


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    with open_depot(tmp_path) as made:
        yield made


def test_systemd_hears_ready_then_the_watchdog_then_the_end(
    depot: Depot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """READY=1 comes when DIR/run.json says that the trip is ready; WATCHDOG=1 from then on; STOPPING=1 at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "3000000")
        heard: list[str] = []

        def until(line: str) -> None:
            while line not in heard:
                heard.extend(systemd.recv(4096).decode().split("\n"))

        with running(depot.site_file, depot.data) as site:
            until("READY=1")
            assert json.loads((depot.data / "run.json").read_text())["trip_ready_at"]
            heard.clear()
            until("WATCHDOG=1")
            assert site.stop() == 0
            until("STOPPING=1")


def refused(depot: Depot) -> str:
    """What is said by a program that does not start, and by its exit code."""
    command = [AMPWARD, "run", str(depot.site_file), "--data", str(depot.data), "--http", "127.0.0.1:0", "--no-view"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    return ended.stderr


def test_a_folder_of_a_newer_program_is_refused_before_anything_is_started(depot: Depot) -> None:
    """With the version that wrote it; the fan's coil is not touched, nothing in the folder is."""
    depot.data.mkdir()
    (depot.data / "program.json").write_text('{"version": "9.1.0", "formats": {"log.db": 2}}')
    words = refused(depot)
    assert "log.db has format 2 (written by ampward 9.1.0), this program reads up to 1: start ampward 9.1.0" in words
    assert depot.fan() is None
    assert not (depot.data / "log.db").exists()


def test_a_log_of_a_newer_program_in_an_older_folder_is_refused_too(depot: Depot) -> None:
    """Put there by hand: the site process says so and the program ends with the fan at its safe value."""
    depot.data.mkdir()
    shutil.copyfile(RELEASED / "log.db", depot.data / "log.db")
    with sqlite3.connect(depot.data / "log.db") as db:
        db.execute("UPDATE meta SET value = '2' WHERE key = 'format'")
    db.close()
    assert "log.db has format 2, this program reads up to 1: start the newer program" in refused(depot)
    wait_for("the fan's safe value", lambda: depot.fan() == 1)


def test_a_folder_with_an_unfinished_restore_is_refused(depot: Depot) -> None:
    """It would begin a new log where an old one was to be."""
    (depot.data / ".restoring").mkdir(parents=True)
    assert "was not finished: empty the folder and restore again" in refused(depot)
