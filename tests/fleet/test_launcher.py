"""`ampward fleet up` and `down`: real servers that work, come back when they die, and are never left running."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import asyncpg
import pytest

from services.fleet import launcher
from services.fleet.jars import given_jars, kafka_jars
from services.fleet.kafka import KafkaPlan, kafka_server
from services.fleet.launcher import Launcher, LauncherPlan
from services.fleet.logs import BYTES_MAX
from services.fleet.mosquitto import MosquittoPlan, mosquitto_server
from services.fleet.ports import take_ports
from services.fleet.postgres import find_programs
from services.fleet.servers import Server, ServerAbsent, ServerFailed, Started
from services.site.folder import lock
from shared.bus.address import parse_url
from shared.bus.broker import is_listening
from shared.domain.errors import Busy
from shared.runtime.lifecycle import Signals
from tests.fleet.traffic import heard
from tests.testkit.fleet import Mosquitto, Postgres
from tests.testkit.process import Running, is_alive, wait_for


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "fleet.json").read_text())
    return record


def _bytes_of(log: Path) -> int:
    """What it takes of the disk, but for a hole at its beginning."""
    return log.stat().st_blocks * 512


def _ampward(*words: str | Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("ampward")
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=300, check=False)


async def test_a_killed_launcher_leaves_no_server_behind_and_no_data_lost(tmp_path: Path) -> None:
    """kill -9 ends all servers with it; the next start, in the background, finds data and ports again, until `down`."""
    folder = tmp_path / "fleet"
    with Running.python("services.fleet", folder) as running:
        running.wait_for_line("servers are ready", within_s=120)
        before = _record(folder)
        connection = await asyncpg.connect(Path(before["postgres_url_file"]).read_text().strip())
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
        running.kill()
        connection.terminate()
        servers = {name: pid for name, pid in before["pids"].items() if name != "launcher"}
        wait_for(lambda: not any(map(is_alive, servers.values())), within_s=60, name="the end of all servers")
    try:
        ran = _ampward("fleet", "up", "--dir", folder, "--services", "", "--sites", "")
        assert ran.returncode == 0
        assert {name: _record(folder)[name] for name in ("kafka", "mqtt", "postgres")} == {
            name: before[name] for name in ("kafka", "mqtt", "postgres")
        }
        assert "kafka: made" not in ran.stdout
        connection = await asyncpg.connect(Path(before["postgres_url_file"]).read_text().strip())
        assert await connection.fetchval("SELECT value FROM kept") == 7
        await connection.close()
        pids = _record(folder)["pids"]
    finally:
        assert _ampward("fleet", "down", "--dir", folder).returncode == 0
    assert [name for name, pid in pids.items() if is_alive(pid)] == []
    assert not (folder / "fleet.json").exists()
    assert "no fleet runs" in _ampward("fleet", "down", "--dir", folder).stdout
    assert _ampward("fleet", "topics", "--dir", folder).returncode == 3


def test_logs_that_have_grown_are_cut_while_their_servers_go_on(tmp_path: Path) -> None:
    """What was there and what is said at the start stand in the first older part and the log, byte after byte; then the
    servers and the launcher go on in their logs."""
    folder = tmp_path / "fleet"
    (folder / "logs").mkdir(parents=True)
    logs = [folder / "logs" / f"{name}.log" for name in ("kafka", "launcher", "mqtt", "postgres")]
    before = b"".join(b"%099d\n" % number for number in range(BYTES_MAX // 100 + 1))
    for log in logs:
        log.write_bytes(before)
    try:
        ran = _ampward("fleet", "up", "--dir", folder, "--services", "", "--sites", "")
        assert (ran.returncode, "servers are ready" in ran.stdout) == (0, True), ran.stdout + ran.stderr
        wait_for(lambda: max(map(_bytes_of, logs)) < BYTES_MAX, within_s=120, name="the end of what had grown")
        for log in logs:
            part = log.with_name(f"{log.name}.1").read_bytes()
            assert (part + log.read_bytes().lstrip(b"\0")).startswith(before)
        with heard(_record(folder)["mqtt"], "#", tmp_path / "heard"):
            wait_for(lambda: b"New client connected" in logs[2].read_bytes(), within_s=60, name="what Mosquitto says")
    finally:
        assert _ampward("fleet", "down", "--dir", folder).returncode == 0
    for log, last in zip(logs, (b"shut down completely", b"stopped", b"terminating", b"is shut down"), strict=True):
        assert last in log.read_bytes()


async def test_the_shared_postgres_and_mosquitto_answer(postgres: Postgres, mosquitto: Mosquitto) -> None:
    """The fixtures that other tests build on are real servers."""
    connection = await asyncpg.connect(postgres.url)
    assert "PostgreSQL" in await connection.fetchval("SELECT version()")
    await connection.close()
    assert is_listening(parse_url(mosquitto.url))


def test_a_full_disk_ends_no_server_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended is started again as ever; that it cannot be noted, or not be started yet, is told."""
    full = OSError(28, "No space left on device")
    said: list[str] = []
    made = Launcher(LauncherPlan(tmp_path, tmp_path), said.append)
    made._is_up = True
    kept = launcher._Kept(Server("sleeper", ("/bin/sleep", "600"), tmp_path / "log", is_ready=lambda _: True))
    with monkeypatch.context() as patch:
        patch.setattr(launcher, "Started", Mock(side_effect=full))
        made._again(kept)
    assert kept.started is None and kept.again_at > 0
    with monkeypatch.context() as patch:
        patch.setattr(launcher, "write_private", Mock(side_effect=full))
        made._again(kept)
    started = kept.started
    assert started is not None and started.is_running
    started.close()
    assert [words.partition(" ")[0] for words in said] == ["[Errno", "sleeper:", "fleet.json"]


def test_a_server_that_is_long_to_start_again_holds_up_no_other(tmp_path: Path) -> None:
    """Kafka takes half a minute on a busy machine: a database that dies meanwhile is back at once."""
    said: list[str] = []
    made = Launcher(LauncherPlan(tmp_path, tmp_path), said.append)
    is_open = threading.Event()
    looks: dict[str, Callable[[Started], bool]] = {"slow": lambda _: is_open.is_set(), "quick": lambda _: True}
    for name, look in looks.items():
        made._keep(Server(name, ("/bin/sleep", "600"), tmp_path / f"{name}.log", is_ready=look))
    slow, quick = made._kept
    signals = Signals()

    def until(condition: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, said
            made._watch(signals, 0.05)

    try:
        for kept in (slow, quick):
            assert kept.started is not None
            kept.started.kill()
            until(lambda: kept.started is None)  # noqa: B023
            until(lambda: kept.started is not None)  # noqa: B023
        until(lambda: "quick: ready again" in said)
        assert "slow: ready again" not in said
        is_open.set()
        until(lambda: "slow: ready again" in said)
    finally:
        made._stop()


def test_a_server_that_ends_at_its_next_start_is_told_and_started_once_more(tmp_path: Path) -> None:
    """With its last words, and as often as it takes."""
    said: list[str] = []
    made = Launcher(LauncherPlan(tmp_path, tmp_path), said.append)
    words = ("/bin/sh", "-c", "echo port taken; exit 3")
    made._kept.append(launcher._Kept(Server("kafka", words, tmp_path / "log", is_ready=lambda _: False)))
    signals, end = Signals(), time.monotonic() + 60
    while len(said) < 2:
        assert time.monotonic() < end, said
        made._watch(signals, 0.05)
    made._stop()
    assert all(re.fullmatch(r"(?s)kafka ended with 3 at its start:.*port taken", words) for words in said)


def test_a_missing_program_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each server that cannot be had is an error in words, never a server less."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("services.fleet.postgres._DEBIAN", tmp_path)
    monkeypatch.setattr("shared.bus.broker._SBIN", str(tmp_path))
    with pytest.raises(ServerAbsent, match="apt-get install openjdk-17-jre-headless"):
        kafka_server(KafkaPlan(tmp_path / "k", tmp_path, tmp_path / "log", 1, 2))
    with pytest.raises(ServerAbsent, match="apt-get install maven"):
        kafka_jars(tmp_path / "cache")
    with pytest.raises(ServerAbsent, match="apt-get install postgresql"):
        find_programs()
    with pytest.raises(ServerAbsent, match="apt-get install mosquitto"):
        mosquitto_server(MosquittoPlan(tmp_path / "m", tmp_path / "log", 1))


def test_ctrl_c_while_a_servers_folder_is_made_is_an_orderly_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program that makes it gets the signal too and fails: no error then, and one without a signal."""
    said, signals = list[str](), Signals()

    def fails(_launcher: Launcher, _signals: Signals) -> None:
        raise ServerFailed("initdb ended with 1")

    monkeypatch.setattr(Launcher, "_start", fails)
    start = Launcher(LauncherPlan(tmp_path / "fleet", tmp_path), said.append)
    with pytest.raises(ServerFailed):
        start.run(signals)
    signals.ended.set()
    start.run(signals)
    assert said == ["ended before the servers were ready; the next start goes on from here"]


def test_a_killed_launchers_record_is_gone_before_the_first_server_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks for the fleet finds one that is being started, not addresses where nobody answers yet."""
    (tmp_path / "fleet.json").write_text(json.dumps({"gateway": "http://127.0.0.1:9", "pids": {"launcher": 1}}))
    found: list[bool] = []
    signals = Signals()
    signals.ended.set()
    monkeypatch.setattr(Launcher, "_start", lambda *_: found.append((tmp_path / "fleet.json").exists()))
    Launcher(LauncherPlan(tmp_path, tmp_path), print).run(signals)
    assert found == [False]


def test_a_folder_without_kafka_is_named(tmp_path: Path) -> None:
    """Before anything is made."""
    (tmp_path / "kafka_2.13-9.jar").touch()
    assert given_jars(tmp_path) == tmp_path
    with pytest.raises(ServerAbsent, match="there is no kafka"):
        given_jars(tmp_path / "nowhere")


def test_a_service_that_is_none_is_refused(tmp_path: Path) -> None:
    """Before anything is started."""
    ran = _ampward("fleet", "up", "--dir", tmp_path / "fleet", "--services", "procesor")
    assert ran.returncode == 2
    assert "--services procesor: no such service, allowed: processor" in ran.stderr
    assert not (tmp_path / "fleet").exists()


def test_a_demo_site_is_not_given_the_fleets_own_name(tmp_path: Path) -> None:
    """It would be enrolled already, and sign as the supervision does."""
    ran = _ampward("fleet", "up", "--dir", tmp_path / "fleet", "--sites", "north,_fleet")
    assert ran.returncode == 2
    assert "--sites _fleet: no id of a site, allowed: 1 to 40 of a-z" in ran.stderr
    assert not (tmp_path / "fleet").exists()


def test_a_folder_has_one_launcher(tmp_path: Path) -> None:
    """The lock names its holder and ends with it."""
    descriptor = launcher.take_lock(tmp_path)
    assert launcher.holder(tmp_path) == os.getpid()
    with pytest.raises(Busy, match=f"is run by pid {os.getpid()}"):
        launcher.take_lock(tmp_path)
    os.close(descriptor)
    assert launcher.holder(tmp_path) == 0


def test_the_data_folder_of_a_site_is_no_fleets(tmp_path: Path) -> None:
    """Nothing is made in it."""
    os.close(lock(tmp_path))
    with pytest.raises(Busy, match="is the data folder of a site: name another one with --dir"):
        launcher.take_lock(tmp_path)
    assert launcher.holder(tmp_path) == 0


def test_an_orphan_is_ended_only_when_it_is_the_folders(tmp_path: Path) -> None:
    """A pid of the last record that is another program's now is left alone."""
    ours, other = Running(["/bin/sleep", "600"]), Running(["/bin/sleep", "601"])
    marked = Running([sys.executable, "-c", "import signal; print(1, flush=True); signal.pause()", str(tmp_path)])
    pids = {"launcher": ours.pid, "mqtt": other.pid, "kafka": marked.pid}
    (tmp_path / "fleet.json").write_text(json.dumps({"pids": pids}))
    said: list[str] = []
    with ours, other, marked:
        marked.wait_for_line("1")
        launcher.end_orphans(tmp_path, said.append)
        assert said == [f"kafka: an orphan of an earlier start (pid {marked.pid}) is ended"]
        assert is_alive(ours.pid) and is_alive(other.pid)
        wait_for(lambda: not is_alive(marked.pid), within_s=60)


def test_ports_stay_where_they_are_free(tmp_path: Path) -> None:
    """The same folder gets the same ports again; a record that cannot be read is no trouble."""
    first = take_ports(tmp_path, launcher.NAMES)
    assert take_ports(tmp_path, launcher.NAMES) == first
    (tmp_path / "ports.json").write_text('{"kafka": "no"')
    assert set(take_ports(tmp_path, launcher.NAMES)) == set(first)
