"""status, events over HTTP, completion, and a site that is not there."""

import json
import os
import socket
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from services.fleet.launcher import take_lock
from services.gateway.views import AlarmItem, Check, OutputItem, Readiness
from services.site.command import acts
from services.site.command.client import RunningSite
from services.site.command.trouble import Trouble
from tests.services.command.conftest import TOKEN, Run, Served
from tests.services.gateway.samples import event

ALARM = AlarmItem(
    "demo/r1/gas1-h2/h2_alarm", "h2_alarm", "demo/r1/gas1-h2", "critical", "B", "true", "none",
    "a" * 32, 1_767_225_600_000, "2.1", "%vol", "Leave the room.",
)  # fmt: skip
FAN = OutputItem(
    "demo/r1/io1-do0", "fan", "on", ("h2_alarm",), "on", "proven", armed=False, supervision="not supervised"
)


def test_status_says_what_matters(run: Run, site: Served) -> None:
    """Ready, unarmed, the alarm, the output and that nobody supervises it."""
    site.views.alarm_items, site.views.output_items = (ALARM,), (FAN,)
    ran = run("status", "--data", site.folder)
    assert ran.code == 0
    for words in ("trip ready, UNARMED", "demo/r1/gas1-h2/h2_alarm", "B active, unacked", "2.1 %vol", "not supervised"):
        assert words in ran.out


def test_status_for_machines(run: Run, site: Served) -> None:
    """One JSON object with alarms, outputs and run.json in it."""
    site.views.alarm_items, site.views.output_items = (ALARM,), (FAN,)
    told = json.loads(run("status", "--data", site.folder, "--json").out)
    assert (told["ready"], told["armed"], told["site"]) == (True, False, "demo")
    assert [item["id"] for item in told["alarms"]] == [ALARM.id]
    assert told["outputs"][0]["supervision"] == "not supervised"
    assert told["run"]["pid"] == 1


def test_an_unready_trip_is_exit_1(run: Run, site: Served) -> None:
    """Scripts see from the exit code that the trip is not ready."""
    site.views.ready = Readiness(ready=False, armed=False, checks={"guard": Check(ok=False, detail="not connected")})
    ran = run("status", "--data", site.folder)
    assert ran.code == 1
    assert "TRIP NOT READY" in ran.out
    assert "not ok: guard: not connected" in ran.out


def test_control_characters_never_reach_the_terminal(run: Run, site: Served) -> None:
    """A name from outside cannot move the cursor or ring the bell."""
    site.views.ready = Readiness(ready=True, armed=False, checks={"guard": Check(ok=False, detail="a\x1b[2J\x07b")})
    out = run("status", "--data", site.folder).out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_a_folder_without_a_site_is_exit_3(run: Run, tmp_path: Path) -> None:
    """The way out is named."""
    ran = run("status", "--data", tmp_path)
    assert ran.code == 3
    assert "start one with `ampward run" in ran.err


def test_a_site_that_has_gone_is_exit_3(run: Run, tmp_path: Path) -> None:
    """run.json of a killed site points at a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        (tmp_path / "run.json").write_text(json.dumps({"http": f"127.0.0.1:{probe.getsockname()[1]}"}))
    (tmp_path / "token").write_text(TOKEN)
    ran = run("ack", "demo/r1/x/y", "--data", tmp_path)
    assert ran.code == 3
    assert "Connection refused; is `ampward run` running?" in ran.err


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00", '{"http": 7}', '{"http": "nowhere"}'])
def test_a_broken_run_file_is_exit_3(run: Run, tmp_path: Path, content: str) -> None:
    """Whatever stands in run.json, the command ends in one line."""
    (tmp_path / "run.json").write_text(content)
    (tmp_path / "token").write_text(TOKEN)
    ran = run("status", "--data", tmp_path)
    assert ran.code == 3
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    "answer", [b"", b"\x00" * 100, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxyz", b"SSH-2.0-x\r\n"]
)
def test_a_foreign_server_is_exit_3(run: Run, tmp_path: Path, answer: bytes) -> None:
    """Another program on the site's old port is recognised as none of ours."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        (tmp_path / "run.json").write_text(json.dumps({"http": f"127.0.0.1:{listening.getsockname()[1]}"}))
        (tmp_path / "token").write_text(TOKEN)
        ran = run("status", "--data", tmp_path)
        thread.join()
    assert ran.code == 3
    assert ran.err.count("\n") == 1


def test_a_wrong_token_is_said(run: Run, site: Served) -> None:
    """A token of another folder opens nothing."""
    (site.folder / "token").write_text("x" * 43)
    ran = run("status", "--data", site.folder)
    assert ran.code == 3
    assert "401" in ran.err


def test_events_of_a_fleet_by_its_folder(run: Run, site: Served, tmp_path: Path) -> None:
    """Also what was, without --follow: a fleet's folder has no log, its gateway tells."""
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    site.views.add(event(1))
    (fleet / "fleet.json").write_text(
        json.dumps({"gateway": f"http://{site.address}", "token": str(site.folder / "token")})
    )
    ran = run("events", fleet, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == [event(1).id]
    (fleet / "fleet.json").unlink()
    assert "allowed: the folder of a site that has run" in run("events", fleet).err


@pytest.mark.parametrize(
    "words",
    [["events"], ["events", "--follow"], ["status", "--data"], ["watch"], ["fleet", "topics", "--dir"]],
    ids=" ".join,
)
def test_a_fleet_that_is_not_up_yet_is_said_to_be_started(run: Run, tmp_path: Path, words: list[str]) -> None:
    """While its launcher has the folder and there is no record: try again; without a launcher, how to start one."""
    lock = take_lock(tmp_path)
    ran = run(*words, tmp_path)
    assert (ran.code, ran.out) == (3, "")
    assert f"the fleet in {tmp_path} is not ready: pid {os.getpid()} is starting or stopping it; try again" in ran.err
    os.close(lock)
    ran = run(*words, tmp_path)
    assert (ran.code, ran.out) == (3, "")
    assert f"no fleet runs in {tmp_path}: start it with `ampward fleet up --dir {tmp_path}`" in ran.err


def test_events_of_a_running_site_by_its_address(run: Run, site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """By URL with the token of the environment, each event with the cursor behind it."""
    monkeypatch.setenv("AMPWARD_TOKEN", TOKEN)
    for seq in range(1, 4):
        site.views.add(event(seq))
    ran = run("events", f"http://{site.address}", "--json")
    told = [json.loads(line) for line in ran.out.splitlines()]
    assert [one["id"] for one in told] == [event(seq).id for seq in range(1, 4)]
    rest = run("events", f"http://{site.address}", "--json", "--since", told[1]["cursor"])
    assert [json.loads(line)["id"] for line in rest.out.splitlines()] == [event(3).id]
    assert run("events", f"http://{site.address}", "--since", "x").code == 2


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "ftp://127.0.0.1", "http://", "http://127.0.0.1:1/api"])
def test_an_address_that_is_no_site_is_wrong_usage(run: Run, url: str) -> None:
    """Only the plain address of a site is taken."""
    ran = run("events", url)
    assert ran.code == 2
    assert "allowed: http://HOST:PORT" in ran.err


def test_without_a_token_an_address_is_of_no_use(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person learns where the token is."""
    monkeypatch.delenv("AMPWARD_TOKEN", raising=False)
    ran = run("events", "http://127.0.0.1:1")
    assert ran.code == 3
    assert "AMPWARD_TOKEN" in ran.err


def test_following_goes_on_with_what_comes(site: Served) -> None:
    """The client's stream gives replay, then live, with cursors to come back by."""
    site.views.add(event(1))
    stream = RunningSite.of_folder(site.folder).events()
    assert isinstance(stream, Generator)
    first = next(stream)
    site.loop.call_soon_threadsafe(site.views.add, event(2))
    second = next(stream)
    stream.close()
    assert [first.data["id"], second.data["id"]] == [event(1).id, event(2).id]
    again = RunningSite.of_folder(site.folder).events(since=first.cursor, follow="false")
    assert [told.data["id"] for told in again] == [event(2).id]


def test_the_shell_completes_ids_of_the_running_site(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alarm ids that begin with what was typed; none, and no trouble, without a site."""
    site.views.alarm_items = (ALARM,)
    monkeypatch.setenv("AMPWARD_DATA", str(site.folder))
    assert acts._alarms("demo/r1/g") == [ALARM.id]
    assert acts._alarms("demo/r2") == []
    monkeypatch.setenv("AMPWARD_DATA", str(site.folder / "none"))
    assert acts._alarms("") == []


def test_a_token_that_may_not_be_read_is_said(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user learns that it is not his, not a stack of frames."""

    def refuse(*_args: object, **_more: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(Trouble, match="not yours to read"):
        RunningSite.of_folder(site.folder)
