"""watch: the live view of a site by its folder or its address, as plain lines where there is no terminal."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.gateway.views import Check, PointItem, Readiness
from services.site.view_source import Address, Source
from tests.services.command.conftest import TOKEN, Run, Served
from tests.services.gateway.samples import event

AMPWARD = str(Path(sys.executable).with_name("ampward"))
READY = Readiness(ready=True, armed=True, checks={"armed": Check(ok=True, detail="")})
GAS = PointItem("demo/r1/gas1-h2", "1.05", "%vol", "good", "", 1_767_225_600_000)


@contextmanager
def watching(*words: str, terminal: int = -1) -> Iterator["subprocess.Popen[bytes]"]:
    """``ampward watch`` until the block ends, with the token in the environment."""
    out = subprocess.PIPE if terminal < 0 else terminal
    environment = {**os.environ, "AMPWARD_TOKEN": TOKEN, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen([AMPWARD, "watch", *words], stdin=subprocess.DEVNULL, stdout=out, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize("by", ["folder", "option", "address"])
def test_without_a_terminal_each_event_is_a_line(site: Served, by: str) -> None:
    """Plain words without escape codes, as they happen, however the site is named."""
    site.views.ready = READY
    words = {
        "folder": [str(site.folder)],
        "option": ["--data", str(site.folder)],
        "address": [f"http://{site.address}"],
    }
    with watching(*words[by]) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Ampward supplements")
        for seq in range(1, 400):
            site.loop.call_soon_threadsafe(site.views.add, event(seq, severity="critical")._replace(reason="\x1b[2J"))
            if select.select([process.stdout], [], [], 0.2)[0]:
                break
        line = process.stdout.readline().decode()
    assert "alarm raised demo/r1/gas1-h2/h2_prealarm critical 1.05 %vol" in line
    assert "\x1b" not in line


def test_on_a_terminal_it_is_a_picture(site: Served) -> None:
    """Rooms, hydrogen, alarms and the newest events, of a site by its address too."""
    site.views.ready, site.views.point_items = READY, (GAS,)
    master, terminal = pty.openpty()
    wanted = [b"Room", b"gas1-h2", b"1.05", b"trip ready", b"Last events", b"h2_prealarm"]
    seen = b""
    with watching(f"http://{site.address}", terminal=terminal):
        os.close(terminal)
        end, seq = time.monotonic() + 60, 0
        while not all(words in seen for words in wanted) and time.monotonic() < end:
            seq += 1
            site.loop.call_soon_threadsafe(site.views.add, event(seq))
            if select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 1 << 16)
        os.close(master)
    assert [words for words in wanted if words not in seen] == []


def test_a_site_that_does_not_let_in_is_said(run: Run, site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong token, no token, and no site end the command with a sentence instead of an empty screen."""
    url = f"http://{site.address}"
    monkeypatch.setenv("AMPWARD_TOKEN", "wrong")
    assert "the site answers 401" in run("watch", url).err
    monkeypatch.delenv("AMPWARD_TOKEN")
    assert "AMPWARD_TOKEN" in run("watch", url).err
    assert run("watch", site.folder / "none").code == 3


def test_the_rooms_of_an_address_are_those_of_its_points(site: Served) -> None:
    """Each room with its hydrogen, without the box's own."""
    box = PointItem("demo/_site/x", "1", "%vol", "good", "", 0)
    volt = PointItem("demo/r2/bat1-u", "54", "V", "good", "", 0)
    site.views.point_items = (GAS, box, volt)
    source = Source(Address(site.address, TOKEN))
    source.picture()
    assert [(room.id, room.gas) for room in source.rooms()] == [("r1", ("demo/r1/gas1-h2",)), ("r2", ())]
