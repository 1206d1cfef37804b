"""The two processes of a hosted site: when one may be told of a new file, and what the other learns of an end."""

import asyncio
import functools
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from services.site import hosted_site
from services.site.hosted_site import HostedSite, Places
from shared.runtime.lifecycle import PARENT

BEGINS = """
import json, pathlib, signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
data = pathlib.Path(sys.argv[1])
(data / sys.argv[-1]).touch()
signal.sigwait({signal.SIGTERM})
"""
ASKS = """
host, port = json.loads((data / "run.json").read_text())["http"].split(":")
said = "answered"
while said == "answered":
    try:
        with socket.create_connection((host, int(port))) as line:
            line.recv(1)
    except ConnectionError:
        said = "nobody"
(data / "said").write_text(said)
"""


def _site(folder: Path) -> HostedSite:
    where = Places("far", folder / "given", folder / "data")
    for each in (where.given, where.data):
        each.mkdir()
    plan: Any = type("Plan", (), {"mqtt_url": "mqtt://127.0.0.1:1", "bootstrap": "127.0.0.1:1"})
    return HostedSite(where, plan, lambda _event, _words: None)


async def test_a_process_that_is_starting_is_not_told_of_a_new_file(tmp_path: Path) -> None:
    """HUP would end it before it listens, and the file would never be taken; after its first sign it is told."""
    site = _site(tmp_path)
    (tmp_path / "given" / "site.yaml").write_text("version: 1\n")
    heard = functools.partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
    process = await asyncio.create_subprocess_exec("sleep", "600", preexec_fn=heard)
    watching = asyncio.create_task(site._watch(process, asyncio.Future(), is_site=True))
    await asyncio.wait([watching], timeout=3 * hosted_site.LOOK_S)
    assert process.returncode is None
    site._alive_at = asyncio.get_running_loop().time()
    async with asyncio.timeout(60):
        await watching
        assert await process.wait() == -signal.SIGHUP


async def test_the_door_closes_with_the_process_that_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An uplink that asks for something at the end learns at once that nobody answers, and does not hold it up."""
    code = {"services.site": BEGINS, "services.uplink": BEGINS + ASKS}
    monkeypatch.setattr(hosted_site, "python", lambda name, data, *_: (sys.executable, "-c", code[name], data, name))
    monkeypatch.setattr(hosted_site, "refuse_newer", lambda _data: None)

    async def checked() -> None:
        return

    site = _site(tmp_path)
    for name in ("_write_identity", "_write_broker"):
        monkeypatch.setattr(site, name, lambda: None)
    monkeypatch.setattr(site, "_check", checked)
    monkeypatch.delenv(PARENT, raising=False)
    stop = asyncio.Event()
    running = asyncio.create_task(site.run(stop))
    async with asyncio.timeout(60):
        while not all((tmp_path / "data" / name).exists() for name in code):
            await asyncio.sleep(0.01)
        stop.set()
        await running
    assert (tmp_path / "data" / "said").read_text() == "nobody"
