"""The README's fleet, word by word: one command starts all of it, the next shows both sites' alarms in one stream."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared.bus.address import parse_url
from shared.bus.broker import is_listening
from tests.testkit.process import Running, descendants, is_alive, wait_for
from tests.testkit.prometheus import prometheus, rules, shown, watched

ROOT = Path(__file__).parents[2]
SITES = {"/north", "/south"}
ALARM = "ampward.alarm.raised.v1"
GOOD, BAD = "rules: {disk_low: {off_delay: 2min}}\n", "rules: {disk_low: {off_delay: 2}}\n"
WITHIN_S = 120.0


def commands() -> list[str]:
    """What the README tells to type."""
    section = (ROOT / "README.md").read_text().partition("## A fleet\n")[2].partition("\n## ")[0]
    lines = [line.partition("#")[0].strip() for line in section.splitlines() if line.startswith("    ")]
    return [line for line in lines if line.startswith(("make fleet", ".venv/bin/ampward"))]


def checkout(folder: Path) -> Path:
    """The product as a user has it after its set-up, in a folder of its own: data/ is made there."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "infra", "services", "shared"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".ampward-setup":
            (folder / ".venv" / entry.name).symlink_to(entry)
    (folder / ".venv" / ".ampward-setup").touch()
    return folder


def cloud_events(stream: Running) -> list[dict[str, Any]]:
    return [json.loads(line) for line in list(stream.lines) if line.startswith("{")]


def run(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )


def sees(stream: Running, rule: str) -> bool:
    """Whether each site has raised it in this stream."""
    raised = {
        event["source"] for event in cloud_events(stream) if event["type"] == ALARM and event["data"]["rule"] == rule
    }
    return raised == SITES


def pushed_in_waves(here: Path, folder: Path) -> None:
    """A file with a fault is refused by a site and goes no further; one without is taken by both."""
    file = here / "rules.yaml"
    push = f".venv/bin/ampward fleet push {file.name} --sites"
    file.write_text(BAD)
    refused = run(f"{push} north", here)
    assert (refused.returncode, "disk_low.off_delay" in refused.stdout) == (1, True), refused.stdout + refused.stderr
    held = run(f"{push} south --wave 2", here)
    assert (held.returncode, "north (refused)" in held.stderr) == (3, True), held.stdout + held.stderr
    assert "refused" in run(".venv/bin/ampward fleet drift", here).stdout
    file.write_text(GOOD)
    for words in ("north", "south --wave 2"):
        taken = run(f"{push} {words}", here)
        assert taken.returncode == 0, taken.stdout + taken.stderr
    assert run(".venv/bin/ampward fleet drift", here).returncode == 0
    assert {(folder / "demo" / site / "site" / file.name).read_text() for site in ("north", "south")} == {GOOD}


async def answer(url_file: str) -> int:
    connection = await asyncpg.connect(Path(url_file).read_text().strip())
    try:
        return int(await connection.fetchval("SELECT 40 + 2"))
    finally:
        await connection.close()


@pytest.mark.timeout(900)
async def test_the_fleet_of_the_readme_shows_both_sites_in_one_stream(tmp_path: Path) -> None:
    """Alarms of both sites, each event once; an ack at the centre is the site's; people are told; what a real
    Prometheus gets of it leaves no expression of rules and dashboards empty; a file is pushed in waves. What dies comes
    back, a second start is refused, and Ctrl-C leaves nothing."""
    start, follow, ack = commands()
    here = checkout(tmp_path)
    folder = here / "data" / "fleet"

    def record() -> dict[str, Any]:
        found: dict[str, Any] = json.loads((folder / "fleet.json").read_text())
        return found

    with Running(["bash", "-c", start], cwd=here, grace_s=60) as fleet:
        fleet.wait_for_line("servers are ready", within_s=4 * WITHIN_S)
        with Running(["bash", "-c", follow], cwd=here) as stream:
            wait_for(lambda: sees(stream, "h2_prealarm"), within_s=WITHIN_S, name="both sites' pre-alarms")
            done = run(ack, here)
            assert done.returncode == 0, done.stdout + done.stderr
            acked = lambda: any(event["type"] == "ampward.alarm.acked.v1" for event in cloud_events(stream))  # noqa: E731
            wait_for(acked, within_s=WITHIN_S, name="the ack in the stream")
            ids = [event["id"] for event in cloud_events(stream)]
            assert len(ids) == len(set(ids))
        mail = folder / "messages.jsonl"
        wait_for(lambda: mail.exists() and "north/r1" in mail.read_text(), within_s=WITHIN_S, name="a message")
        with prometheus(tmp_path / "prometheus", folder / "prometheus" / "targets.json") as asked:
            asked.see({**rules("recording.yml", "record"), **watched(), **shown()})

        pushed_in_waves(here, folder)
        first = record()
        assert stat.S_IMODE((folder / "fleet.json").stat().st_mode) == 0o600
        assert "as stated" in run(".venv/bin/ampward fleet topics", here).stdout
        assert await answer(first["postgres_url_file"]) == 42
        again = run(".venv/bin/ampward fleet up", here)
        assert (again.returncode, f"is run by pid {first['pids']['launcher']}" in again.stdout) == (3, True)
        for name in ("mqtt", "gateway"):
            os.kill(first["pids"][name], signal.SIGKILL)
            wait_for(lambda n=name: record()["pids"][n] != first["pids"][n], within_s=WITHIN_S, name=f"another {name}")  # type: ignore[misc]
        assert record()["mqtt"] == first["mqtt"]
        assert is_listening(parse_url(first["mqtt"]))
        family = {*record()["pids"].values(), *descendants(fleet.pid)}
        os.killpg(fleet.pid, signal.SIGINT)
        fleet.wait(within_s=WITHIN_S)
        assert [pid for pid in family if is_alive(pid)] == []
