"""The demo as a newcomer starts it: devices on real Modbus lines, a broker to look in, a story told in lines."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import foreign
from tests.e2e.depot import children
from tests.e2e.foreign import Site, ampward, wait_for
from tests.testkit.ports import free_port
from tests.testkit.process import descendants, is_alive

DEMO = Path(__file__).parents[2] / "infra" / "sites" / "demo" / "site.yaml"


class Demo(Site):
    """With the lines that a person sees, on ports of its own."""

    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AMPWARD_NO_INSTALL", "1")
        monkeypatch.setenv("AMPWARD_DEMO_PORT", str(free_port()))
        monkeypatch.setenv("AMPWARD_DEMO_PTY", str(data.parent / "demo-rtu"))
        monkeypatch.setenv("AMPWARD_MQTT", f"mqtt://127.0.0.1:{free_port()}")
        program = data.parent / "ampward-with-view"
        program.write_text(f'#!/bin/sh\nset -- $(echo "$@" | sed "s/--no-view//")\nexec {foreign.AMPWARD} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setattr(foreign, "AMPWARD", str(program))
        super().__init__(DEMO, data)
        monkeypatch.undo()


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    made = Demo(tmp_path / "data", monkeypatch)
    yield made
    made.end_everything()


def test_the_demo_story_unfolds_in_lines_and_on_mqtt_and_ends_clean(demo: Demo) -> None:
    """Boost charge, a fan that moves no air, hydrogen over 1 %: told as story, as lines, over HTTP and over MQTT."""
    host, port = demo.record["mqtt"].removeprefix("mqtt://").split(":")
    listen = ["mosquitto_sub", "-h", host, "-p", port, "-t", "ampward/v1/demo/#", "-v"]
    with (demo.data.parent / "mqtt.out").open("w+") as told:
        listener = subprocess.Popen(listen, stdout=told)
        try:
            wait_for("fan_fail", lambda: demo.alarms().get("fan_fail", {}).get("state") == "B")
            wait_for("hydrogen", lambda: demo.alarms().get("h2_prealarm", {}).get("condition") == "true", 90)
            fan = demo.outputs()["demo/r1/io1-do0"]
            assert (fan["demand"], fan["read_back"]) == ("on", "on")
            said = (demo.data.parent / "mqtt.out").read_text
            wait_for("the alarm on MQTT", lambda: "ampward/v1/demo/events" in said() and "h2_prealarm" in said())
            assert '"state":"online"' in said().replace(" ", "")
        finally:
            listener.terminate()
            listener.wait()
    family = (*children(demo), *descendants(demo.process.pid), demo.record["guard_pid"])
    assert demo.stop() == 0
    assert not any(map(is_alive, family))
    printed = demo.printed()
    assert "\x1b" not in printed
    assert "-- Room 1: boost charge begins" in printed
    assert "alarm raised demo/r1/io1-do0/fan_fail" in printed
    assert "Mosquitto" in printed
    assert ampward("verify", str(demo.data)).returncode == 0
    assert ampward("replay", str(demo.data)).returncode == 0
