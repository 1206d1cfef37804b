"""The README's fleet, word by word: one command starts all of it, the next shows both sites' alarms in one stream."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.site.command.fleet import CENTRE
from shared.bus.address import parse_url
from shared.bus.broker import is_listening
from shared.bus.registry import ALL, INPUTS, LIVE
from tests.fleet.traffic import MESSAGES, NO_BLOCK, check_kafka, check_mqtt, heard, kcat
from tests.testkit.otlp import Collector, collector
from tests.testkit.process import Running, descendants, is_alive, wait_for
from tests.testkit.prometheus import prometheus, rules, shown, watched

ROOT = Path(__file__).parents[2]
SITES = {"/north", "/south"}
ALARM = "ampward.alarm.raised.v1"
GOOD, BAD = "rules: {disk_low: {off_delay: 2min}}\n", "rules: {disk_low: {off_delay: 2}}\n"
WITHIN_S = 120.0
ELSEWHERE = {
    "resend": "test_processor.py::test_a_hole_stops_its_site_and_is_asked_for",
    "mqtt_handed_in": "test_bridge.py::test_a_death_between_the_disk_and_puback_loses_and_doubles_nothing",
    "mqtt_pulse": "test_bridge.py::test_a_death_between_the_disk_and_puback_loses_and_doubles_nothing",
}
"""Messages of the AsyncAPI document that this fleet has no reason for, and the live traffic that shows them."""
OF_EACH = {
    **{service: f'ampward:up:min{{service="{service}"}} == 1' for service in CENTRE},
    "the live lane": f'ampward:kafka_lag_records:sum{{service="notifier", topic="{LIVE.name}"}}',
    "what the bridge hosts": "ampward:sites_hosted:sum == 0 and ampward:sites_not_hosted:max == 0",
}
"""What a whole expression does not show: whose figure it is that is there."""
WAY = {
    ("decide", "ampward-site"), ("relay", "ampward-site"), ("send", "ampward-uplink"), ("compare", "ampward-processor"),
    ("show", "ampward-gateway"), ("message", "ampward-notifier"),
}  # fmt: skip
"""The spans of a frame that ends at the fan, on screens and with people, and who tells them."""


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


def given_cause(here: Path, folder: Path, kafka: str) -> None:
    """An output is held on from the centre, and a record that is no block comes under a site's name."""
    held = run(".venv/bin/ampward hold-on north/r1/io1-do0 --for 1min --reason drill --data data/fleet", here)
    assert held.returncode == 0, held.stdout + held.stderr
    partition = json.loads((folder / "sites" / "north.json").read_text())["partition"]
    words = ["kcat", "-P", "-b", kafka, "-t", INPUTS.name, "-k", "north", "-p", str(partition)]
    subprocess.run(words, input=NO_BLOCK, check=True, timeout=WITHIN_S)


def is_as_documented(kafka: str, listened: Path, folder: Path) -> None:
    """What stands in every topic (kcat) and went through the broker (mosquitto_sub) is what the AsyncAPI document says,
    and every message of it was there."""
    wanted, end = MESSAGES.keys() - ELSEWHERE.keys(), time.monotonic() + WITHIN_S
    while wanted:
        assert time.monotonic() < end, wanted
        time.sleep(1)
        wanted -= {name for topic in ALL for name in check_kafka(topic.name, kcat(kafka, topic.name), folder)}
        wanted -= {f"mqtt_{name}" for name in check_mqtt(listened.read_bytes().rpartition(b"\n")[0])}
    for place in ELSEWHERE.values():
        file, _, test = place.partition("::")
        assert f"def {test}(" in Path(__file__).with_name(file).read_text()


def is_traced(collected: Collector) -> bool:
    """Whether one frame's way through all processes is one trace, each span of it hanging on the site's decision."""
    for trace, spans in collected.traces().items():
        if {(name, service) for name, services in spans.items() for service in services} >= WAY:
            parents = {span.parent_span_id for _, span in collected.spans if span.trace_id == trace}
            (root,) = {span.span_id for _, span in collected.spans if (span.trace_id, span.name) == (trace, "decide")}
            return parents == {b"", root}
    return False


async def answer(url_file: str) -> int:
    connection = await asyncpg.connect(Path(url_file).read_text().strip())
    try:
        return int(await connection.fetchval("SELECT 40 + 2"))
    finally:
        await connection.close()


@pytest.mark.timeout(900)
async def test_the_fleet_of_the_readme_shows_both_sites_in_one_stream(tmp_path: Path) -> None:
    """Alarms of both sites, each event once; an ack at the centre is the site's; people are told; what a real
    Prometheus gets of it leaves no expression of rules and dashboards empty; a frame is one trace to the fan, screens
    and people; a file is pushed in waves. All that went through the brokers is as documented. What dies comes back, a
    second start is refused, and Ctrl-C leaves nothing."""
    start, follow, ack = commands()
    here = checkout(tmp_path)
    folder = here / "data" / "fleet"

    def record() -> dict[str, Any]:
        found: dict[str, Any] = json.loads((folder / "fleet.json").read_text())
        return found

    with collector() as collected, ExitStack() as closing:
        fleet = closing.enter_context(Running(["bash", "-c", start], cwd=here, env=collected.env, grace_s=60))
        fleet.wait_for_line("servers are ready", within_s=4 * WITHIN_S)
        first = record()
        listened = closing.enter_context(heard(first["mqtt"], "ampward/v1/#", tmp_path / "heard"))
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
            given_cause(here, folder, first["kafka"])
            asked.see({**rules("recording.yml", "record"), **watched(), **shown(), **OF_EACH})

        wait_for(lambda: is_traced(collected), within_s=WITHIN_S, every_s=0.5, name="a frame's whole way as one trace")
        pushed_in_waves(here, folder)
        is_as_documented(first["kafka"], listened, tmp_path)
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
